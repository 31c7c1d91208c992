"""Checks of words that need no model: what a word has to be, whatever is explained."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, near_misses

__all__ = [
    "LOAD_OPTIONS",
    "check_samples",
    "labels_word",
    "load_word",
    "mapping_word",
    "neuron_word",
    "output_word",
    "progress_word",
    "reshape_word",
    "seed_word",
    "translation_word",
]

#: Options of ``load_model``, which a caller may give beside those of ``translate``.
LOAD_OPTIONS = ("trust", "architecture")
#: What the generators of the frameworks take.
LARGEST_SEED = 2**63 - 1


def seed_word(value: Any) -> int | None:
    """A whole number that every generator takes."""
    if value is None:
        return None
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, (int, np.integer))
        or not 0 <= value <= LARGEST_SEED
    ):
        raise InvalidArgumentError(f"seed is a whole number of at least 0, not {value!r}")
    return int(value)


def labels_word(value: Any) -> tuple[Any, ...] | None:
    """Names of the classes, in order, or of a file that has them."""
    if value is None:
        return None
    if isinstance(value, (str, Path)):
        from metannvis_methods.inputs import read_labels

        try:
            return read_labels(Path(value))
        except OSError as error:
            raise InvalidArgumentError(f"labels: {value} cannot be read: {error.strerror}") from error
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, (Sequence, np.ndarray)):
        raise InvalidArgumentError(f"labels is a list of the names of the classes, in order, not {value!r}")
    return tuple(value)


def output_word(value: Any) -> Any:
    """An index, a name or a path."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InvalidArgumentError(
            f"output is the index, the name or the path of one of the model's outputs, not {value!r}"
        )
    return int(value)


def reshape_word(value: Any) -> Any:
    """``"auto"``, a grid, or a function."""
    if value is None or value == "auto" or callable(value):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(_is_whole(item) and item > 0 for item in value):
        return tuple(int(item) for item in value)
    raise InvalidArgumentError(f"reshape is 'auto', a grid (h, w), or a function, not {value!r}")


def neuron_word(value: Any) -> Any:
    """A position, an int or several, slices among them; or a function of the layer's output."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    items = plain if isinstance(plain, (tuple, list)) else [plain]
    if (
        value is None
        or callable(value)
        or (items and all(_is_whole(item) or isinstance(item, slice) for item in items))
    ):
        return value
    raise InvalidArgumentError(
        f"neuron is a position in the layer's output, a whole number or a tuple of them, the batch left out; not {value!r}"
    )


def progress_word(value: Any) -> Any:
    """A function of three arguments."""
    if value is not None and not callable(value):
        raise InvalidArgumentError(f"progress is a function, called as progress(done, total, stage), not {value!r}")
    return value


def mapping_word(name: str) -> Callable[[Any], Mapping[str, Any] | None]:
    """A dict of options by their names."""

    def check(value: Any) -> Mapping[str, Any] | None:
        if value is None or (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
            return value
        raise InvalidArgumentError(f"{name} is a dict of options by their names, not {value!r}")

    return check


def _check_translate_options(options: Mapping[str, Any]) -> None:
    """Refuse what is no option of ``translate``."""
    from metannvis_translate import translate

    known = _options_of(translate, LOAD_OPTIONS)
    if known is None:
        return
    for name in options:
        if name not in known:
            close = near_misses(str(name), sorted(known))
            hint = f"Close: {', '.join(close)}." if close else f"There are: {', '.join(sorted(known))}."
            raise InvalidArgumentError(f"translation: translate() has no option {name!r}. {hint}")


@functools.lru_cache(maxsize=2)
def _options_of(translate: Any, more: tuple[str, ...]) -> frozenset[str] | None:
    """Names of what may be said of a translation; ``None`` if that is anything."""
    import inspect

    parameters = inspect.signature(translate).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return frozenset({*parameters, *more, "dummy_input"} - {"model", "to", "progress"})


def translation_word(value: Any) -> Any:
    """A translation, or options of ``translate`` and of ``load_model``."""
    from metannvis_translate import Translation

    if value is None or isinstance(value, Translation):
        return value
    if not isinstance(value, Mapping):
        raise InvalidArgumentError("translation is a Translation, or a dict of options of translate()")
    _check_translate_options(value)
    return value


def load_word(value: Any) -> dict[str, Any]:
    """Options of ``load_model`` for a file."""
    known = mapping_word("load")(value) or {}
    for name in known:
        if name not in LOAD_OPTIONS:
            close = near_misses(name, LOAD_OPTIONS)
            hint = f"Close: {', '.join(close)}." if close else f"There are: {', '.join(LOAD_OPTIONS)}."
            raise InvalidArgumentError(f"load: there is no option {name!r}. {hint}")
    return dict(known)


def check_samples(inputs: Any) -> None:
    """Refuse inputs that count no sample."""
    values = (
        inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, (tuple, list)) else [inputs]
    )
    for place, value in enumerate(values):
        shape = getattr(value, "shape", None)
        if shape is not None and len(shape) and shape[0] == 0:
            one = f"input {place}" if len(values) > 1 else "the input"
            raise InvalidArgumentError(
                f"{one} has shape {tuple(shape)}, which is no sample: the first axis counts them"
            )


def _is_whole(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True
