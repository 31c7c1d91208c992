"""Random Keras graphs, as text: what the property test of the other direction translates.

A network is drawn line by line, as in ``random_networks``: each line (and the layers it needs) is tried at once, on symbolic
tensors and on real ones, so that nobody has to foresee shapes: a line that Keras refuses is left out.
"""

from __future__ import annotations

import itertools
import linecache
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st
from metannvis_translate.frameworks.requirements import require

from .draw import ANY, DISTURBANCE, IMAGES, TRIED, VOCABULARY, Choices, Steps, Value, sensible

require("torch")  # before TensorFlow
keras = require("keras")
tf = require("tensorflow")

from keras.src.backend.common.masking import get_keras_mask, set_keras_mask  # noqa: E402

from ..networks.keras import randomize  # noqa: E402

__all__ = ["ANY", "IMAGES", "Draft", "Network", "Value", "draw_network", "networks", "step"]

HEADER = '''import keras
import numpy as np
from keras import layers as L
from keras import ops as K


class Scale(L.Layer):
    """A layer of somebody's own: a weight, and operations."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), name="factor")

    def call(self, x):
        return K.tanh(x * self.factor) + 0.1 * x


'''
#: What Keras and TensorFlow raise at a line that cannot be.
REFUSALS = (
    ValueError,
    TypeError,
    IndexError,
    ZeroDivisionError,
    NotImplementedError,
    AttributeError,
    tf.errors.OpError,
)
Array = np.ndarray[Any, Any]
_numbers = itertools.count()


@dataclass(frozen=True)
class Network:
    """Source text of a function ``build``, and the inputs of what it returns."""

    text: str
    inputs: tuple[Value, ...]
    seed: int

    def make(self) -> Any:
        """The model, randomised. Tracebacks through it show its lines."""
        name = f"<random graph {next(_numbers)}>"
        linecache.cache[name] = (len(self.text), None, self.text.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"__name__": "random_graph"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # masks that a layer drops
            exec(compile(self.text, name, "exec"), namespace)  # noqa: S102  # text that this file wrote
            return randomize(namespace["build"](), self.seed)

    def arrays(self, batch: int, seed: int, dtype: str = "float32") -> list[Array]:
        """Inputs: normal floats, or integers below the size of every vocabulary."""
        source = np.random.default_rng(seed)
        return [drawn(source, value, batch).astype(dtype if _is_float(value) else "int32") for value in self.inputs]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{value.name} {(None, *value.shape)} {value.kind}" for value in self.inputs)
        return f"a random graph, inputs: {shapes}\n{self.text}\nmodel = randomize(build(), seed={self.seed})\n"


def _is_float(value: Value) -> bool:
    return value.kind in ("float", "padded")


def drawn(source: np.random.Generator, value: Value, batch: int) -> Array:
    """A value for an input.

    ``"padded"`` floats and ``"blank"`` integers have steps of nothing but zeros, and a sample of nothing but such steps;
    ``"ids"`` may hold zeros too, not in the first place.
    """
    shape = (batch, *value.shape)
    if _is_float(value):
        array: Array = source.standard_normal(shape)
        if value.kind == "padded":
            array[source.random(shape[:2]) < 0.3] = 0
    else:
        array = source.integers(0, VOCABULARY, shape)
        if value.kind == "ids":
            array[:, 0] = np.maximum(array[:, 0], 1)
        else:
            array[source.random(shape) < 0.3] = 0
    if value.kind in ("padded", "blank") and batch > 2:
        array[1] = 0
    return array


@dataclass
class Draft(Choices):
    """A network being drawn. Steps call :meth:`layer` and :meth:`add`."""

    random: Random
    values: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    unused: dict[str, Value] = field(default_factory=dict)
    #: layers that may be called again: name, shape of their input
    again: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts: dict[str, Any] = {}
        exec(HEADER, self.parts)  # noqa: S102
        self.symbols: dict[str, Any] = {}
        self.fed: dict[str, Any] = {}

    def name(self, prefix: str) -> str:
        """A name that is not in use."""
        return f"{prefix}{len(self.lines) + len(self.pending)}"

    def layer(self, text: str, *before: str) -> str:
        """A layer, to be called in the next line; returns its name. ``before`` are lines that come first."""
        name = self.name("m")
        self.pending += [line.replace("$", name) for line in before]
        comma = "" if text.endswith("()") else ", "
        self.pending.append(f"{name} = {text[:-1]}{comma}name={name!r})".replace("$", name))
        return name

    def call(self, text: str, x: Value) -> Value | None:
        """A layer, called on a value."""
        layer = self.layer(text)
        return self.add(f"{layer}({x.name})", x, calls=layer)

    def add(self, expression: str, *uses: Value, before: Sequence[str] = (), calls: str = "") -> Value | None:
        """Try a line; keep it and return its value if Keras can run it and the result is of a sensible size.

        ``before`` are lines that come first, ``$`` in a line is the new value's name; ``calls`` a layer that may be called
        again on values of this shape.
        """
        name = self.name("v")
        lines = [line.replace("$", name) for line in (*before, f"$ = {expression}")]
        pending, self.pending = self.pending, []
        parts = dict(self.parts)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for line in pending:
                    exec(line, parts)  # noqa: S102
                symbols = {**parts, **self.symbols}
                for line in lines:
                    exec(line, symbols)  # noqa: S102
                for key in parts.keys() - self.parts.keys():
                    if hasattr(parts[key], "weights"):
                        randomize(parts[key], len(self.lines))
                if not isinstance(symbols[name], keras.KerasTensor) or not self._goes(parts, lines, name, uses):
                    return None
        except REFUSALS:
            return None
        value = Value(name, tuple(self.fed[name].shape[1:]))
        self.parts = parts
        self.symbols[name] = symbols[name]
        self.lines += [*pending, *lines]
        for used in uses:
            self.unused.pop(used.name, None)
        self.values.append(value)
        self.unused[name] = value
        if calls:
            self.again.append((calls, uses[0].shape))
        return value

    def _goes(self, parts: dict[str, Any], lines: Sequence[str], name: str, uses: Sequence[Value]) -> bool:
        """Run lines on real tensors: the result is sensible, has gradients, and does not blow rounding up.

        If a disturbance of what is used grew a hundredfold, as in a normalisation of equal numbers, any two ways to round
        what comes in would differ in what comes out, and nothing could be said of a translation.
        """
        floats = [value.name for value in uses if self.fed[value.name].dtype.is_floating]
        with tf.GradientTape() as tape:
            for used in floats:
                tape.watch(self.fed[used])
            found = _run(lines, {**parts, **self.fed})[name]
        array = np.asarray(found)
        if not sensible(array):
            return False
        gradients = tape.gradient(found, [self.fed[used] for used in floats]) if floats else []
        if not all(g is None or np.isfinite(np.asarray(g)).all() for g in gradients):
            return False
        for batch in (1, 2, 5):
            few = _run(lines, {**parts, **{key: _like(value[:batch], value, batch) for key, value in self.fed.items()}})
            if np.abs(np.asarray(few[name]) - array[:batch]).max() > 1e-4 * np.abs(array).max():
                return False  # ``keras.ops.add`` takes a batch for a bias where another axis is as long
        source = np.random.default_rng(0)
        disturbed = dict(self.fed)
        for used in floats:
            before = np.asarray(self.fed[used])
            noise = DISTURBANCE * np.abs(before).max() * source.standard_normal(before.shape)
            if not any("argmax" in line for line in lines):  # which picks something else where all but nothing is equal
                noise = np.where(before == 0, 0, noise)
            disturbed[used] = tf.constant(before + noise, self.fed[used].dtype)
            _like(disturbed[used], self.fed[used], TRIED)
        moved = np.abs(np.asarray(_run(lines, {**parts, **disturbed})[name]) - array).reshape(TRIED, -1).max(1)
        if (moved > 100 * DISTURBANCE * np.abs(array).reshape(TRIED, -1).max(1)).any():
            return False
        self.fed[name] = found
        return True

    def feed(self, name: str, shape: tuple[int, ...], kind: str = "float") -> Value:
        """An input of the network."""
        value = Value(name, shape, kind)
        dtype = "float32" if _is_float(value) else "int32"
        array = drawn(np.random.default_rng(len(self.inputs)), value, TRIED)
        self.fed[name] = tf.constant(array.astype(dtype))
        self.symbols[name] = keras.Input(shape, name=name, dtype=dtype)
        self.inputs.append(value)
        self.values.append(value)
        self.unused[name] = value
        return value

    def network(self) -> Network:
        """What has been drawn. Whatever no line uses is put out, so that every layer counts."""
        ends = [value.name for value in self.unused.values() if value not in self.inputs]
        if len(ends) > 3:
            parts = ", ".join(f"L.Flatten()({end})" for end in ends[2:])
            self.lines.append(f"rest = L.Concatenate()([{parts}])")
            ends = [*ends[:2], "rest"]
        given = [value.name for value in self.inputs]
        if self.often(0.2):
            arguments = "{" + ", ".join(f"{name!r}: {name}" for name in given) + "}, "
            arguments += "{" + ", ".join(f"'y{k}': {name}" for k, name in enumerate(reversed(ends))) + "}"
        else:
            arguments = ", ".join(names[0] if len(names) == 1 else f"[{', '.join(names)}]" for names in (given, ends))
        text = HEADER + "def build():\n"
        for value in self.inputs:
            dtype = "" if _is_float(value) else ", dtype='int32'"
            text += f"    {value.name} = keras.Input({value.shape}, name={value.name!r}{dtype})\n"
        text += "".join(f"    {line}\n" for line in self.lines) + f"    return keras.Model({arguments})\n"
        return Network(text, tuple(self.inputs), len(self.lines))


def _like(value: Any, other: Any, batch: int) -> Any:
    """A value with another's mask."""
    mask = get_keras_mask(other)
    if mask is not None:
        set_keras_mask(value, mask[:batch])
    return value


def _run(lines: Sequence[str], space: dict[str, Any]) -> dict[str, Any]:
    for line in lines:
        exec(line, space)  # noqa: S102
    return space


#: Every kind of line, by the ranks it fits.
step = Steps()


def draw_network(source: Random, *, most: int = 9) -> Network:
    """Draw a network of up to ``most`` kept lines."""
    from . import keras_layers as random_keras_layers  # noqa: F401  # they register the steps
    from . import keras_sequences as random_keras_sequences  # noqa: F401
    from . import keras_tensors as random_keras_tensors  # noqa: F401

    draft = Draft(source)
    for number in range(draft.pick(1, 1, 1, 2, 2, 3)):
        _input(draft, f"x{number}")
    wanted, made = draft.integer(1, most), len(draft.inputs)
    for _ in range(4 * wanted):
        if len(draft.values) - made >= wanted and not any(value in draft.inputs for value in draft.unused.values()):
            break
        waiting = list(draft.unused.values())
        value = draft.pick(*waiting) if waiting and draft.often(0.8) else draft.pick(*draft.values)
        draft.pending = []
        if not _is_float(value):
            _embed(draft, value)
            continue
        draft.pick(*step.fitting(value)).function(draft, value)
    for value in list(draft.unused.values()):
        if value in draft.inputs:
            draft.pending = []
            draft.add(f"{value.name} * 1.5", value) if _is_float(value) else _embed(draft, value)
    return draft.network()


def _input(draft: Draft, name: str) -> None:
    kind = draft.pick("image", "image", "sequence", "volume", "tokens", "features", "ids", "padded")
    channels = draft.integer(1, 8)
    match kind:
        case "image":
            draft.feed(name, (*draft.sizes(2, 4, 11), channels))
        case "sequence":
            draft.feed(name, (*draft.sizes(1, 5, 18), channels))
        case "volume":
            draft.feed(name, (*draft.sizes(3, 3, 6), channels))
        case "tokens":
            draft.feed(name, (*draft.sizes(1, 3, 8), 2 * draft.integer(1, 4)))
        case "features":
            draft.feed(name, draft.sizes(1, 2, 9))
        case "ids":
            draft.feed(name, draft.sizes(1, 2, 8), draft.pick("ids", "blank"))
        case "padded":
            value = draft.feed(name, (*draft.sizes(1, 3, 8), 2 * draft.integer(1, 4)), "padded")
            draft.call("L.Masking()", value)


def _embed(draft: Draft, value: Value) -> None:
    width = 2 * draft.integer(1, 4)
    options = draft.pick("", ", mask_zero=True")
    if value.rank == 2 and draft.often(0.15):
        draft.call(f"L.CategoryEncoding({VOCABULARY}, {draft.pick('multi_hot', 'count')!r})", value)
    elif draft.often(0.1):
        layer = draft.layer(f"L.ReversibleEmbedding({VOCABULARY}, {width}{options})")
        inner = draft.layer(f"L.Dense({width})")
        draft.add(f"{layer}({inner}({layer}({value.name})), reverse=True)", value)
    else:
        draft.call(f"L.Embedding({VOCABULARY}, {width}{options})", value)


def networks() -> st.SearchStrategy[Network]:
    """Networks, drawn by hypothesis: a failing one is made smaller."""
    return st.randoms(use_true_random=False).map(_drawn_apart)


def _drawn_apart(source: Random) -> Network:
    """A network; Keras draws seeds for its layers from Python's own random numbers, which hypothesis wants to be its own."""
    state = random.getstate()
    try:
        return draw_network(source)
    finally:
        random.setstate(state)
