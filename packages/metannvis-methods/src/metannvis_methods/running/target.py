"""Targets: what of the output is explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import (
    InvalidArgumentError,
    MissingArgumentError,
    near_misses,
)
from metannvis_methods.registry.toolset import Target
from metannvis_methods.running.prepared import Prepared

__all__ = ["class_index", "is_score", "plain_target", "score_classes", "settle_target", "translated_target"]


def class_index(target: Any, labels: Sequence[str] | None) -> Any:
    """Replace class names by their indices; anything else passes.

    Raises
    ------
    InvalidArgumentError
        A name is not among the labels, or there are none.
    """
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


def settle_target(target: Target, outputs: Sequence[np.ndarray[Any, Any]]) -> tuple[Target, Any]:
    """The target to explain, checked against what the model returns.

    Parameters
    ----------
    target
        A plain target; ``None`` is the only output, else the class that is predicted for each sample.
    outputs
        The model's outputs, each of shape ``(N, …)``.

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
    if len(outputs) != 1:
        raise InvalidArgumentError(f"the model has {len(outputs)} outputs; explain a model that has one of them")
    shape = outputs[0].shape
    count, rest = shape[0] if shape else 1, shape[1:]
    if not rest:
        if target not in (None, 0, [0] * count):
            raise InvalidArgumentError(f"the model has a single output a sample, so there is no target {target!r}")
        return None, None
    if target is None:
        if len(rest) > 1:
            raise MissingArgumentError(
                f"the model's output has shape {shape}: give target=(…), a position without the batch"
            )
        if rest == (1,):
            return 0, None
        classes = [int(k) for k in outputs[0].argmax(axis=1)]
        return classes, classes if count > 1 else classes[0]
    if isinstance(target, list) and len(target) != count:
        raise InvalidArgumentError(f"{len(target)} targets for {count} samples; give one a sample, or one for all")
    if len(rest) == 1 and isinstance(target, tuple) and len(target) == 1:
        target = target[0]
    for item in target if isinstance(target, list) else [target]:
        position = item if isinstance(item, tuple) else (item,)
        if len(position) != len(rest):
            raise InvalidArgumentError(
                f"target {item!r} does not fit an output of shape {shape}: it takes {len(rest)} number(s), "
                "the batch left out" + ("; for one class a sample give a list" if len(rest) == 1 else "")
            )
        for k, size in zip(position, rest, strict=True):
            if not -size <= k < size:
                raise InvalidArgumentError(f"target {item!r} is out of range: the output has shape {shape}")
    return target, list(target) if isinstance(target, tuple) else target


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


def translated_target(prepared: Prepared, target: Target) -> Target:
    """A position in a dense output, as the model that runs lays it out."""
    dense = isinstance(target, tuple) or (isinstance(target, list) and target and isinstance(target[0], tuple))
    if prepared.translation is None or not dense:
        return target
    if isinstance(target, list):
        return [tuple(prepared.translation.to_target(item, role="target")) for item in target]
    moved: Target = tuple(prepared.translation.to_target(target, role="target"))
    return moved
