"""Targets: what of the output is explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import (
    InvalidArgumentError,
    MissingArgumentError,
    MissingFrameworkError,
    near_misses,
)
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.scores import FunctionScore, NegativeScore, OutputScore, RegionScore
from metannvis_methods.registry.toolset import Target
from metannvis_methods.running.outputs import ChosenOutput
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.vocabulary import EvidenceTarget, SegmentationTarget

__all__ = [
    "NEGATIVE",
    "class_index",
    "describe_target",
    "from_the_start",
    "is_function_of_output",
    "is_score",
    "plain_target",
    "score_classes",
    "scores_for",
    "settle_target",
    "translated_target",
]

Array = np.ndarray[Any, Any]

#: The target that speaks against the only output.
NEGATIVE = "negative"


def class_index(target: Any, labels: Sequence[str] | None) -> Any:
    """Replace class names by their indices; anything else passes.

    Raises
    ------
    InvalidArgumentError
        A name is not among the labels, or there are none.
    """
    if isinstance(target, SegmentationTarget):
        return dataclasses.replace(target, class_=class_index(target.class_, labels))
    if isinstance(target, str):
        if labels is None:
            raise InvalidArgumentError(f"target={target!r} is a class name, which needs labels=[…], the names in order")
        names = list(labels)
        if target not in names:
            close = near_misses(target, names)
            hint = f"Close: {', '.join(close)}." if close else f"There are {len(names)} of them."
            raise InvalidArgumentError(f"no label {target!r}. {hint}")
        return names.index(target)
    if isinstance(target, (list, tuple)) and any(isinstance(item, str) for item in target):
        return [class_index(item, labels) for item in target]
    return target


def plain_target(target: Any) -> Target:
    """A target given in any form as plain integers.

    Parameters
    ----------
    target
        ``None``; an int; a tuple of ints (a position in a dense output, batch left out); a list or an integer
        array of shape ``(N,)``, one class a sample; a list of tuples or an array of shape ``(N, k)``, one
        position a sample.

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    if target is None:
        return None
    if isinstance(target, tuple):
        return tuple(_whole(item, target) for item in target)
    if isinstance(target, list):
        if target and all(isinstance(item, (tuple, list)) for item in target):
            return [tuple(_whole(part, target) for part in item) for item in target]
        return [_whole(item, target) for item in target]
    array = _as_array(target)
    if array.dtype.kind not in "iu":
        raise InvalidArgumentError(f"a target is whole numbers, not {array.dtype}: {target!r}")
    if array.ndim == 0:
        return int(array)
    if array.ndim == 1:
        return [int(item) for item in array]
    if array.ndim == 2:
        return [tuple(int(part) for part in item) for item in array]
    raise InvalidArgumentError(f"a target array has one axis (a class a sample) or two, not {array.ndim}")


def settle_target(target: Target, output: Array) -> tuple[Target, Any]:
    """The target to explain, checked against what the model returns.

    Parameters
    ----------
    target
        A plain target; ``None`` is the only output, else the class that is predicted for each sample.
    output
        The output that is explained, shape ``(N, …)``, in the layout of the caller's model.

    Returns
    -------
    The target for the toolkit (``None`` only for an output of shape ``(N,)``), and what to record.

    Raises
    ------
    MissingArgumentError
        The output is dense, so that a position has to be given.
    InvalidArgumentError
        There is no such output.
    """
    shape = output.shape
    count, rest = shape[0] if shape else 1, shape[1:]
    if not rest:
        if target not in (None, 0, [0] * count):
            raise InvalidArgumentError(f"the model has a single output a sample, so there is no target {target!r}")
        return None, None
    if target is None:
        if len(rest) > 1:
            raise MissingArgumentError(
                f"the model's output has shape {shape}: give target=(…), a position without the batch, a "
                "SegmentationTarget, or a function of the output"
            )
        if rest == (1,):
            return 0, None
        classes = [int(k) for k in output.argmax(axis=1)]
        return classes, classes if count > 1 else classes[0]
    if isinstance(target, list) and len(target) != count:
        raise InvalidArgumentError(f"{len(target)} targets for {count} samples; give one a sample, or one for all")
    if len(rest) == 1 and isinstance(target, tuple) and len(target) == 1:
        target = target[0]
    for item in target if isinstance(target, list) else [target]:
        position = item if isinstance(item, tuple) else (item,)
        if len(position) != len(rest):
            raise InvalidArgumentError(
                f"target {item!r} does not fit an output of shape {shape}: it takes {len(rest)} "
                f"number{'' if len(rest) == 1 else 's'}, the batch left out"
                + ("; for one class a sample give a list" if len(rest) == 1 else "")
            )
        for k, size in zip(position, rest, strict=True):
            if not -size <= k < size:
                raise InvalidArgumentError(f"target {item!r} is out of range: the output has shape {shape}")
    target = from_the_start(target, rest)
    return target, list(target) if isinstance(target, tuple) else target


def from_the_start(target: Any, sizes: Sequence[int]) -> Any:
    """A target that fits an output, each number of it below 0 as the one that it means: -1 is the last.

    Parameters
    ----------
    target
        A plain target.
    sizes
        Shape of the output without the batch; empty for one number a sample.
    """
    if not sizes or target is None:
        return target
    if isinstance(target, list):
        return [from_the_start(item, sizes) for item in target]
    if isinstance(target, tuple):
        return tuple(k % size for k, size in zip(target, sizes, strict=True))
    return target % sizes[0]


def _whole(item: Any, target: Any) -> int:
    array = _as_array(item)
    if array.ndim == 0 or array.size == 1:
        value = array.reshape(()).item()
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    raise InvalidArgumentError(f"a target is whole numbers, not {item!r} in {target!r}")


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def is_score(asked: Any) -> bool:
    """Whether a target is a score function of the toolkit, or several of them."""
    functions = asked if isinstance(asked, (list, tuple)) and asked else [asked]
    return all(callable(item) and not hasattr(item, "shape") for item in functions)


def score_classes(score: Any) -> Any:
    """The classes that a score function of a toolkit says it picks; ``None`` if it does not say so."""
    indices = getattr(score, "indices", None)
    if not isinstance(indices, (list, tuple)):
        return None
    classes = [int(k) for k in indices]
    return classes[0] if len(classes) == 1 else classes


def translated_target(prepared: Prepared, target: Target, index: int = 0) -> Target:
    """A position in a dense output, the caller's ``index``-th, as the model that runs lays it out."""
    dense = isinstance(target, tuple) or (isinstance(target, list) and target and isinstance(target[0], tuple))
    if prepared.translation is None or not dense:
        return target
    if isinstance(target, list):
        return [tuple(prepared.translation.to_target(item, role="target", index=index)) for item in target]
    moved: Target = tuple(prepared.translation.to_target(target, role="target", index=index))
    return moved


def is_function_of_output(target: Any) -> bool:
    """Whether a target is something else than classes and positions: a function, a region, what speaks against the output.

    A score of a toolkit's own is none: it stays where that toolkit takes it.
    """
    if isinstance(target, (SegmentationTarget, OutputScore)) or (isinstance(target, str) and target == NEGATIVE):
        return True
    theirs = any(base.__module__.startswith("tf_keras_vis") for base in type(target).__mro__)
    return callable(target) and not hasattr(target, "shape") and not theirs


def describe_target(target: Any, labels: Sequence[str] | None = None) -> Any:
    """A function of the output as what an explanation records of it; of a class with the name that it has."""
    if isinstance(target, SegmentationTarget) and labels is not None and isinstance(target.class_, (int, np.integer)):
        index = int(target.class_)
        named = f"{index} ({labels[index]})" if -len(labels) <= index < len(labels) else index
        return str(dataclasses.replace(target, class_=named))
    if isinstance(target, (str, EvidenceTarget, SegmentationTarget)):
        return str(target)
    return getattr(target, "__qualname__", None) or type(target).__qualname__


def scores_for(
    target: Any, prepared: Prepared, home: ModelAdapter, chosen: ChosenOutput, output: Array
) -> OutputScore | list[OutputScore]:
    """The score that a target other than a class or a position stands for; a list if it is another one for each sample.

    Parameters
    ----------
    home
        Adapter of the caller's framework, whose tensors a function of the caller's gets.
    output
        The output for what is explained, in the layout of the caller's model.

    Raises
    ------
    InvalidArgumentError
        The output is none that such a target can be of.
    """
    order = chosen.permutation
    if isinstance(target, SegmentationTarget):
        return _regions(target, home, chosen, output)
    if isinstance(target, str):
        if output.size != len(output):
            raise InvalidArgumentError(
                f"target='negative' is of a single output a sample, and the output has shape {output.shape}: give a class"
            )
        inside = bool(((output >= 0) & (output <= 1)).all())
        return NegativeScore(inside, permutation=order)
    if isinstance(target, OutputScore):
        return dataclasses.replace(target, permutation=order)
    tensors = home if home.has_tensors else prepared.adapter
    score = FunctionScore(target, tensors.scored, permutation=order)
    score.evaluate(output)  # a function that does not fit is told before time is spent
    return score


def _regions(
    target: SegmentationTarget, home: ModelAdapter, chosen: ChosenOutput, output: Array
) -> OutputScore | list[OutputScore]:
    if output.ndim < 3:
        raise InvalidArgumentError(
            f"a SegmentationTarget is of a dense output, and the output has shape {output.shape}"
        )
    channel = chosen.axes.find("C") if len(chosen.axes) == output.ndim else -1
    if channel < 1:
        channel = output.ndim - 1 if home.channels_last else 1
    classes = output.shape[channel]
    if not isinstance(target.class_, (int, np.integer)) or not -classes <= target.class_ < classes:
        raise InvalidArgumentError(
            f"SegmentationTarget: there is no class {target.class_!r}: the output has shape {output.shape}, with {classes} "
            f"classes on axis {channel}"
        )
    index = int(target.class_) % classes
    regions = _weights(target, output, channel, index)
    if target.reduce != "count" and not all(region.any() for region in regions):
        empty = [k for k, region in enumerate(regions) if not region.any()]
        raise InvalidArgumentError(
            f"SegmentationTarget: the region of class {index} is empty in sample {', '.join(map(str, empty))}: where="
            f"{target.where!r} holds nowhere there; give another class, a threshold or a mask"
        )
    made: list[OutputScore] = [
        RegionScore(index, channel, region, target.reduce, permutation=chosen.permutation) for region in regions
    ]
    same = all(np.array_equal(regions[0], region) for region in regions)
    return made[0] if same else made


def _weights(target: SegmentationTarget, output: Array, channel: int, index: int) -> list[Array]:
    """Weights of the places of each sample."""
    maps = output.take(index, channel)
    if isinstance(target.where, str) and target.where == "argmax":
        if target.reduce == "count":
            return [np.ones(maps.shape[1:], bool)] * len(maps)
        return list(output.argmax(channel) == index)
    if isinstance(target.where, str):
        try:
            from skimage.filters import threshold_otsu
        except ImportError as error:
            raise MissingFrameworkError(
                "where='otsu' needs scikit-image: pip install 'metannvis-methods[images]'"
            ) from error
        return [one > threshold_otsu(one) for one in maps]
    if isinstance(target.where, (int, float)):
        return list(maps > target.where)
    mask = _as_array(target.where)
    if mask.shape not in (maps.shape, maps.shape[1:]):
        raise InvalidArgumentError(
            f"SegmentationTarget: the mask has shape {mask.shape}, and the output's places {maps.shape[1:]}"
        )
    return list(np.broadcast_to(mask, maps.shape))
