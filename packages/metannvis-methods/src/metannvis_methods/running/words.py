"""Words of ``explain``: each with its default, what it has to be, and whether a record holds it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.inputs.preprocessing import preprocessing
from metannvis_methods.inputs.wording import Wording
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.running.word_checks import (
    labels_word,
    mapping_word,
    neuron_word,
    output_word,
    progress_word,
    reshape_word,
    seed_word,
    translation_word,
)
from metannvis_methods.vocabulary import NOISE_KINDS, MCDropout, Preprocessing, SmoothGrad

__all__ = ["Words"]

#: Precisions of half the size.
HALVES = ("bfloat16", "float16")
#: What is done about a method that does not fit.
UNFIT = ("warn", "raise", "ignore")


def _logits(value: Any) -> bool | None:
    """``None`` stands for ``"auto"``."""
    if isinstance(value, bool):
        return value
    if value in ("auto", None):
        return None
    raise InvalidArgumentError(f"logits is True, False or 'auto', not {value!r}")


def _value_range(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        low, high = (float(item) for item in value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"value_range is a pair of numbers (low, high), not {value!r}") from error
    if not low < high:
        raise InvalidArgumentError(f"value_range is (low, high) with low below high, not {value!r}")
    return low, high


def _preprocess(value: Any) -> Preprocessing | None:
    return None if value is None else preprocessing(value, wording=Wording(scale="preprocess={!r}"))


def _noise(value: Any) -> SmoothGrad | None:
    if value is None or isinstance(value, SmoothGrad):
        return value
    if isinstance(value, str) and value.casefold().replace("-", "_") in NOISE_KINDS:
        return SmoothGrad(kind=value.casefold().replace("-", "_"))
    raise InvalidArgumentError(
        f"noise is a SmoothGrad(samples, stdev), or one of {', '.join(NOISE_KINDS)}, not {value!r}"
    )


def _uncertainty(value: Any) -> MCDropout | None:
    if value is None or isinstance(value, MCDropout):
        return value
    if isinstance(value, str) and value.casefold().replace("-", "_") == "mc_dropout":
        return MCDropout()
    raise InvalidArgumentError(f"uncertainty is an MCDropout(samples), or 'mc_dropout', not {value!r}")


def _along(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.upper() not in ("D", "H", "W"):
        raise InvalidArgumentError(f"along is an axis of a volume, 'D', 'H' or 'W', not {value!r}")
    return value.upper()


def _batch_size(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"batch_size is a whole number of at least 1, not {value!r}")
    return value


def _deadline(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InvalidArgumentError(f"deadline is a number of seconds above 0, not {value!r}")
    return float(value)


def _device(value: Any) -> str | None:
    """As PyTorch names it; ``None`` stands for ``"auto"``."""
    if value is None:
        return None
    name = str(value).casefold().removeprefix("/").removeprefix("device:").replace("gpu", "cuda")
    name = "cuda:0" if name == "cuda" else "xpu:0" if name == "xpu" else name
    return None if name == "auto" else name.removesuffix(":0") if name.startswith(("cpu", "mps")) else name


def _autocast(value: Any) -> str | None:
    if value is None or value is False:
        return None
    if value is True:
        return "auto"
    if isinstance(value, str) and value in HALVES:
        return value
    raise InvalidArgumentError(f"autocast is true, false, or one of {', '.join(HALVES)}, not {value!r}")


def _unfit(value: Any) -> str:
    if not isinstance(value, str) or value not in UNFIT:
        raise InvalidArgumentError(f"unfit is one of {', '.join(UNFIT)}, not {value!r}")
    return value


@dataclass(frozen=True)
class Words:
    """The words of one call of :func:`metannvis_methods.explain`, beside the model and the method, which documents them.

    A word is a parameter there and a field here, whose metadata say what is special about it: ``check`` makes what running
    takes of what a caller gave, or refuses it; of an ``argument`` the row of a method says under which name the toolkit takes
    it; one with ``recorded=False`` goes into no record. ``options`` are all options of the method, however they were given.
    """

    inputs: Any = field(default=None, metadata={"argument": True, "recorded": False})
    target: Any = field(default=None, metadata={"argument": True})
    output: Any = field(default=None, metadata={"check": output_word})
    logits: Any = field(default="auto", metadata={"check": _logits})
    labels: Any = field(default=None, metadata={"check": labels_word})
    layer: Any = field(default=None, metadata={"argument": True})
    neuron: Any = field(default=None, metadata={"argument": True, "check": neuron_word})
    reshape: Any = field(default=None, metadata={"check": reshape_word})
    baselines: Any = field(default=None, metadata={"argument": True})
    feature_mask: Any = field(default=None, metadata={"argument": True})
    data: Any = None
    value_range: Any = field(default=None, metadata={"check": _value_range})
    preprocess: Any = field(default=None, metadata={"check": _preprocess})
    toolset: str | None = field(default=None, metadata={"recorded": False})
    noise: Any = field(default=None, metadata={"check": _noise})
    uncertainty: Any = field(default=None, metadata={"check": _uncertainty})
    along: Any = field(default=None, metadata={"check": _along})
    seed: int | None = field(default=None, metadata={"check": seed_word})
    batch_size: Any = field(default=None, metadata={"check": _batch_size})
    device: Any = field(default=None, metadata={"check": _device})
    autocast: Any = field(default=None, metadata={"check": _autocast})
    deadline: Any = field(default=None, metadata={"check": _deadline})
    unfit: Any = field(default="warn", metadata={"check": _unfit})
    translation: Any = field(default=None, metadata={"check": translation_word})
    progress: Progress | None = field(default=None, metadata={"check": progress_word, "recorded": False})
    init_args: Any = field(default=None, metadata={"check": mapping_word("init_args")})
    exec_args: Any = field(default=None, metadata={"check": mapping_word("exec_args")})
    options: Any = field(default=None, metadata={"check": mapping_word("options")})

    @property
    def names(self) -> frozenset[str]:
        """What the words are called."""
        return frozenset(item.name for item in fields(self))

    @property
    def arguments(self) -> dict[str, Any]:
        """The words for which rows have arguments."""
        return {name: getattr(self, name) for name in _known()[0]}

    def checked(self) -> Words:
        """The words as running takes them.

        Raises
        ------
        InvalidArgumentError
            One of them is nothing that it may be.
        """
        return replace(self, **{name: check(getattr(self, name)) for name, check in _known()[1]})

    def to_record(self) -> Mapping[str, Any]:
        """The words that were given and that a record holds."""
        given = ((name, getattr(self, name), default) for name, default in _known()[2])
        return {name: value for name, value, default in given if value is not None and not _is(value, default)}


@functools.cache
def _known() -> tuple[tuple[str, ...], tuple[tuple[str, Any], ...], tuple[tuple[str, Any], ...]]:
    """Names of the arguments; what has to be checked, and how; what a record holds, and its defaults."""
    known = fields(Words)
    return (
        tuple(item.name for item in known if item.metadata.get("argument")),
        tuple((item.name, item.metadata["check"]) for item in known if "check" in item.metadata),
        tuple((item.name, item.default) for item in known if item.metadata.get("recorded", True)),
    )


def _is(value: Any, default: Any) -> bool:
    """Whether a word, which may be an array, is a default, which is a word or nothing."""
    return isinstance(value, str) and value == default
