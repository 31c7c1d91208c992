"""Objects of tf-keras-vis and Keras, made anew for each call of the words that stand for them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.option_words import ChosenWord
from metannvis_methods.toolsets.load import import_quietly

__all__ = ["callback_of", "function_of", "input_modifier_of", "listed", "optimizer_of", "regularizers_of"]


def listed(value: Any, model: Any, make: Callable[[ChosenWord], Any], what: str) -> Any:
    """What is by word as objects: a list, or the lists of the inputs, if any of it is a word; else as it was given.

    A word that stands for no input in particular stands for each.

    Raises
    ------
    InvalidArgumentError
        A word is for inputs of another number of axes, or there are more lists than inputs.
    """
    if not isinstance(value, list):
        return value
    per_input = any(isinstance(item, list) for item in value)
    if not any(isinstance(item, ChosenWord) for part in (value if per_input else [value]) for item in part):
        return value
    lists = value if per_input else [value] * len(model.inputs)
    if len(lists) > len(model.inputs):
        raise InvalidArgumentError(f"{what}: {len(lists)} lists for {len(model.inputs)} inputs of the model")
    found = []
    for tensor, items in zip(model.inputs, lists, strict=False):
        for item in items:
            if isinstance(item, ChosenWord):
                _check_rank(item, tensor, what)
        found.append([make(item) if isinstance(item, ChosenWord) else item for item in items])
    return found


def _check_rank(chosen: ChosenWord, tensor: Any, what: str) -> None:
    """Refuse a word that is defined for inputs of another number of axes than this one."""
    least, most = chosen.word.rank or (0, None)
    rank = len(tensor.shape)
    if rank < least or (most is not None and rank > most):
        axes = f"{least} axes" if most == least else f"{least} axes or more"
        raise InvalidArgumentError(
            f"{what}: {chosen.name} is for inputs of {axes}, samples and channels included; input {tensor.name!r} has "
            f"shape {tuple(tensor.shape)}. Leave it out, or give what each input has, one list an input"
        )


def input_modifier_of(chosen: ChosenWord) -> Any:
    """An input modifier; it draws from generators that the call seeds."""
    modifiers = import_quietly("tf_keras_vis.activation_maximization.input_modifiers")
    cls = {"jitter": "Jitter", "rotate": "Rotate", "rotate2d": "Rotate2D", "scale": "Scale"}[chosen.name]
    options = dict(chosen.options)
    if options.get("axes") is not None:
        options["axes"] = tuple(int(axis) for axis in options["axes"])
    if chosen.name == "scale" and options.get("low", 0.9) > options.get("high", 1.1):
        raise InvalidArgumentError(
            f"input_modifiers: scale draws between low={options.get('low', 0.9)} and high={options.get('high', 1.1)}, "
            "which are the wrong way round"
        )
    return getattr(modifiers, cls)(**options)


def regularizers_of(value: Any, model: Any) -> Any:
    """Regularizers; of two of one name for an input the toolkit would drop the first, so that names are made to differ."""
    regularizers = import_quietly("tf_keras_vis.activation_maximization.regularizers")
    classes = {"total_variation": regularizers.TotalVariation2D, "norm": regularizers.Norm}
    made = listed(value, model, lambda chosen: classes[chosen.name](**chosen.options), "regularizers")
    if isinstance(made, Mapping):
        return {name: _named_apart(items) for name, items in made.items()}
    if isinstance(made, (list, tuple)) and any(isinstance(item, (list, tuple)) for item in made):
        return [_named_apart(items) for items in made]
    return _named_apart(made) or None  # of an empty list the toolkit says that it is deprecated


def _named_apart(items: Any) -> Any:
    if not isinstance(items, (list, tuple)):
        return items
    seen: dict[str, int] = {}
    apart = []
    for item in items:
        name = getattr(item, "name", None)
        if isinstance(name, str):
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                item = copy.copy(item)
                item.name = f"{name} {seen[name]}"
        apart.append(item)
    return apart


def optimizer_of(value: Any) -> Any:
    """An optimizer of the call's own: one that has stepped already knows the variables of another call."""
    if isinstance(value, list):
        (value,) = value or [None]
    if isinstance(value, ChosenWord):
        options = dict(value.options)
        for name in {"learning_rate", "beta"} & set(options):  # Keras refuses whole numbers there
            options[name] = float(options[name])
        known = {name.casefold(): name for name in dir(keras.optimizers)}
        return getattr(keras.optimizers, known[value.name])(**options)
    if isinstance(value, keras.optimizers.Optimizer):
        return type(value).from_config(value.get_config())
    return value


def function_of(value: Any) -> Any:
    """A function of a tensor or an array, which returns the same kind."""
    if isinstance(value, list):
        (value,) = value or [None]
    if not isinstance(value, ChosenWord):
        return value
    low, high = value.options.get("low", 0), value.options.get("high", 0)
    if low > high:
        raise InvalidArgumentError(f"clip: low={low} is above high={high}")
    functions: Mapping[str, Callable[[Any], Any]] = {
        "abs": tf.abs,
        "relu": tf.nn.relu,
        "negative_relu": lambda x: tf.nn.relu(-x),
        "square": tf.square,
        "sign": tf.sign,
        "tanh": tf.tanh,
        "sigmoid": tf.sigmoid,
        "l2_normalize": _normalized,
        "clip": lambda x: tf.clip_by_value(x, low, high),
    }
    function = functions[value.name]

    def applied(array: Any) -> Any:
        return function(tf.convert_to_tensor(array)) if tf.is_tensor(array) else to_numpy(function(tf.constant(array)))

    return applied


def _normalized(x: Any) -> Any:
    """Each sample over its Euclidean norm; one of zeros stays so."""
    norm = tf.sqrt(tf.reduce_sum(tf.square(x), axis=list(range(1, len(x.shape))), keepdims=True))
    return tf.math.divide_no_nan(x, norm)


def callback_of(chosen: ChosenWord, input_ranges: Sequence[tuple[float | None, float | None]]) -> Any:
    """A callback; what it prints goes to standard error."""
    if chosen.name == "gif":
        return _Gif(str(chosen.options["path"]), input_ranges)
    return _Printed(int(chosen.options.get("interval", 1 if chosen.name == "progress" else 10)))


class _Printed:
    """Scores and regularizations, a line every so many steps."""

    def __init__(self, interval: int) -> None:
        self.interval, self.steps = interval, 0

    def on_begin(self, **arguments: Any) -> None:
        self.steps = int(arguments.get("steps") or 0)

    def __call__(self, step: int, values: Any, gradients: Any, scores: Any, outputs: Any, **more: Any) -> None:
        if (step + 1) % self.interval and step + 1 != self.steps:
            return
        parts = [f"score {np.mean(to_numpy(score)):.6g}" for score in scores]
        parts += [f"{name} {np.mean(to_numpy(value)):.6g}" for name, value in more.get("regularizations", ())]
        sys.stderr.write(f"step {step + 1}/{self.steps}: {', '.join(parts)}\n")

    def on_end(self) -> None:
        """Nothing to do."""


class _Gif:
    """The first sample of each input of images after each step, as an animation; further inputs get a number in the name.

    The toolkit's own takes every input for 0…255 in three channels.
    """

    def __init__(self, path: str, ranges: Sequence[tuple[float | None, float | None]]) -> None:
        self.path, self.ranges = Path(path if path.casefold().endswith(".gif") else f"{path}.gif"), ranges
        self.frames: list[list[np.ndarray[Any, Any]]] = []

    def on_begin(self, **arguments: Any) -> None:
        from metannvis_translate.writing import check_target

        import_quietly("PIL.Image")
        check_target(self.path)

    def __call__(self, step: int, values: Any, *_: Any, **__: Any) -> None:
        self.frames = self.frames or [[] for _ in values]
        for frames, value, bounds in zip(self.frames, values, self.ranges, strict=False):
            array = to_numpy(value)[0].astype(np.float64)
            if array.ndim == 3:
                frames.append(_picture(array, bounds))

    def on_end(self) -> None:
        """Write the animations whole."""
        from io import BytesIO

        from metannvis_translate.writing import write_bytes

        image = import_quietly("PIL.Image")
        written = [frames for frames in self.frames if frames]
        for place, frames in enumerate(written):
            first, *others = [image.fromarray(frame) for frame in frames]
            buffer = BytesIO()
            first.save(buffer, "GIF", save_all=True, append_images=others, loop=0, duration=100)
            path = self.path if len(written) == 1 else self.path.with_stem(f"{self.path.stem}_{place + 1}")
            write_bytes(path, buffer.getvalue())


def _picture(array: np.ndarray[Any, Any], bounds: tuple[float | None, float | None]) -> np.ndarray[Any, Any]:
    """Channels last as grey or RGB, black and white where the range of the input ends, or where its numbers do."""
    low = float(array.min()) if bounds[0] is None else float(bounds[0])
    high = float(array.max()) if bounds[1] is None else float(bounds[1])
    scaled = np.clip((array - low) / (high - low or 1.0), 0, 1)
    picture: np.ndarray[Any, Any] = (255 * scaled + 0.5).astype(np.uint8)
    return picture if picture.shape[-1] == 3 else picture.mean(-1).astype(np.uint8)
