"""Parts of an optimisation as a caller gives them, by word or as objects. Importing this loads no framework."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.option_words import ChosenWord, FoundLayer, NamesLayers, Word, Words
from metannvis_methods.toolsets.metannvis.visualization.objectives import (
    Channel,
    Logit,
    LogProbability,
    Objective,
    Output,
)
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import Fourier, Parameterization, Pixels
from metannvis_methods.toolsets.metannvis.visualization.regularizers import L2, Norm, Regularizer, TotalVariation
from metannvis_methods.toolsets.metannvis.visualization.transforms import Jitter, Pad, Roll, Rotate, Scale, Transform
from metannvis_methods.toolsets.metannvis.visualization.updates import Adam, Normalized, Sgd, Update

__all__ = [
    "OBJECTIVES",
    "OF_CLASS",
    "OPTIMIZERS",
    "PARAMETERIZATIONS",
    "REGULARIZERS",
    "TRANSFORMS",
    "objectives_of",
    "part_of",
    "parts_of",
]


@dataclass(frozen=True)
class Parts(Words):
    """Words, and objects of ours of a kind, which are looked at before a model is opened."""

    kind: type = object

    def check(self, value: Any, where: str) -> None:
        """See the base."""
        for item in self.parse(value, where):
            _made(item, self.kind, where)


REGULARIZERS = Parts(
    "regularizer",
    (
        Word("l2", {"weight": L2.takes["weight"]}, "weight"),
        Word("norm", Norm.takes, "weight"),
        Word("total_variation", TotalVariation.takes, "weight", ("TotalVariation", "tv")),
    ),
    kind=Regularizer,
)
TRANSFORMS = Parts(
    "transform",
    (
        Word("pad", Pad.takes, "pixels"),
        Word("jitter", Jitter.takes, "pixels"),
        Word("roll", Roll.takes, "pixels"),
        Word("scale", Scale.takes),
        Word("rotate", Rotate.takes, "degrees"),
    ),
    kind=Transform,
)
OPTIMIZERS = Parts(
    "optimizer",
    (
        Word("adam", {"rate": Adam.takes["rate"]}, "rate"),
        Word("sgd", Sgd.takes, "rate"),
        Word("normalized", Normalized.takes, "rate"),
    ),
    several=False,
    kind=Update,
)
PARAMETERIZATIONS = Parts(
    "parameterization",
    (
        Word("pixels", Pixels.takes, "noise"),
        Word("fourier", Fourier.takes),
    ),
    several=False,
    kind=Parameterization,
)
#: What each word makes.
MADE: dict[str, Callable[..., Any]] = {
    "l2": L2,
    "norm": Norm,
    "total_variation": TotalVariation,
    "pad": Pad,
    "jitter": Jitter,
    "roll": Roll,
    "scale": Scale,
    "rotate": Rotate,
    "adam": Adam,
    "sgd": Sgd,
    "normalized": Normalized,
    "pixels": Pixels,
    "fourier": Fourier,
}
#: Objectives of a class, by word.
OF_CLASS: dict[str, type[Logit] | type[LogProbability] | type[Output]] = {
    "logit": Logit,
    "log_probability": LogProbability,
    "output": Output,
}


def objectives_of(value: Any) -> list[Objective | str]:
    """Objectives as they are given, one or several: objects, words of a class's, ``"layer:channel"``.

    Raises
    ------
    InvalidArgumentError
        It is none; the message says what is.
    """
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    return [_objective(item) for item in items]


def _objective(item: Any) -> Objective | str:
    if isinstance(item, Objective):
        return item
    if isinstance(item, str) and item in OF_CLASS:
        return item
    if isinstance(item, str) and ":" in item:
        layer, _, channel = item.rpartition(":")
        if layer and channel.strip().isdigit():
            return Channel(layer.strip(), int(channel))
    raise InvalidArgumentError(
        f"an objective is {', '.join(OF_CLASS)}, 'layer:channel', or one of metannvis_methods.visualization, not {item!r}"
    )


def _fits(value: Any) -> bool:
    try:
        return bool(objectives_of(value))
    except InvalidArgumentError:
        return False


def _settled(value: Any, find: Callable[[str], FoundLayer]) -> list[Objective | str]:
    return [item.settled(find) if isinstance(item, Objective) else item for item in objectives_of(value)]


OBJECTIVES = NamesLayers(
    f"one of {', '.join(OF_CLASS)}, a text 'layer:channel', an object of metannvis_methods.visualization, or a list of these",
    _fits,
    tuple(OF_CLASS),
    _settled,
)


def parts_of(value: Any, kind: type, what: str) -> list[Any]:
    """Regularizers or transforms that were given by word or as objects.

    Raises
    ------
    InvalidArgumentError
        One is no such object.
    """
    items: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    return [_made(item, kind, what) for item in items]


def part_of(value: Any, kind: type, what: str) -> Any:
    """A parameterization or an optimizer, the same way."""
    (found,) = parts_of(value, kind, what)
    return found


def _made(item: Any, kind: type, what: str) -> Any:
    if isinstance(item, ChosenWord):
        return MADE[item.name](**item.options)
    if isinstance(item, kind):
        return item
    if kind is Transform and callable(item) and not isinstance(item, type):
        if not _takes_three(item):
            raise InvalidArgumentError(
                f"{what}: a function is called as transform(images, generator, middle), and {item!r} is not"
            )
        return item
    raise InvalidArgumentError(f"{what} takes words, or objects of metannvis_methods.visualization, not {item!r}")


def _takes_three(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with three values; what does not say is taken to."""
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True
