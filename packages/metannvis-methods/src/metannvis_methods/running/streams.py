"""Streams: inputs that come batch after batch, from an iterator or a loader of a data set, which is never held as a whole."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from metannvis_translate import Translation, detect_framework

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, UnfitWarning
from metannvis_methods.inputs.image_inputs import is_batch_of_images
from metannvis_methods.models.arrays import several, to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepare import open_source
from metannvis_methods.running.words import Words
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["GIVEN", "batches", "is_stream", "told_in_time"]

#: The target that comes with each batch.
GIVEN = "given"


def is_stream(inputs: Any) -> bool:
    """Whether inputs come batch after batch: an iterator, or what gives one and is no array and no collection of them."""
    if isinstance(inputs, (str, bytes, Mapping, list, tuple, set)) or hasattr(inputs, "__array__"):
        return False
    return isinstance(inputs, Iterable) and not hasattr(inputs, "shape")


def batches(model: Any, words: Words) -> Iterator[Words]:
    """The words of each batch: its inputs, its target if that comes with it, a seed of its own.

    Raises
    ------
    InvalidArgumentError
        A target is to come with each batch, and none does; it cannot be told whether something is an input or a target.
    """
    counts, known = _inputs_of(model, words), words.checked().preprocess
    for place, item in enumerate(words.inputs):
        inputs, target = _parts(item, counts, words.target, known)
        seed = None if words.seed is None else words.seed + place
        yield dataclasses.replace(words, inputs=inputs, target=target, seed=seed)


def told_in_time(found: Iterator[Any], deadline: float | None) -> Iterator[Any]:
    """What is made of each batch, until the time is over: what there was by then is told, unless there was nothing."""
    done, end = 0, None if deadline is None else time.monotonic() + deadline
    while True:
        try:
            one = next(found)
        except StopIteration:
            return
        except DeadlineError:
            if not done:
                raise
            break
        yield one
        done += 1
        if end is not None and time.monotonic() > end:
            break
    tell(f"the time was over after {done} batches, which were explained", UnfitWarning)


def _inputs_of(model: Any, words: Words) -> tuple[int, int] | None:
    """How many inputs the model takes at least and at most; ``None`` if it does not say."""
    translation = words.translation
    if isinstance(translation, Translation):
        return _inputs_of(translation, dataclasses.replace(words, translation=None))
    source = open_source(model, dict(translation or {}), words.progress)
    if isinstance(source, Translation):
        return len(source.inputs), len(source.inputs)
    adapter = adapter_for(detect_framework(source))
    most = len(adapter.input_names(source))
    return (adapter.required_inputs(source), most) if most else None


def _parts(item: Any, counts: tuple[int, int] | None, target: Any, known: Preprocessing | None) -> tuple[Any, Any]:
    """Inputs and target of what came; a pair whose first is several inputs is inputs and target."""
    asked = isinstance(target, str) and target == GIVEN
    labelled = nested = isinstance(item, (tuple, list)) and len(item) == 2 and _is_several(item[0], known)
    if not nested and not _is_batch(item, known) and several(item) and len(item) > 1:
        least, most = counts or (len(item) - 1 if asked else len(item),) * 2
        labelled = asked or len(item) == least + 1
        if labelled and len(item) <= most and not asked:
            raise InvalidArgumentError(
                f"a batch of {len(item)} may be as many inputs, or {len(item) - 1} and a target: let it come as "
                "((inputs, …), target) or as ((inputs, …), None)"
            )
    if asked and (not labelled or item[-1] is None):
        raise InvalidArgumentError(
            "target='given' is that of batches which come as (inputs, target), and this one does not"
        )
    if not labelled:
        return _inputs(item, known), target
    inputs = item[0] if len(item) == 2 else tuple(item[:-1])
    return _inputs(inputs, known), _target(item[-1]) if asked else target


def _inputs(item: Any, known: Preprocessing | None) -> Any:
    """As ``explain`` takes them: a list, as loaders make of a tuple, is several; of one it is itself; of images a batch."""
    if _is_batch(item, known):
        return list(item)
    if isinstance(item, (tuple, list)) and several(item):
        return tuple(item) if len(item) > 1 else item[0]
    return item


def _is_several(item: Any, known: Preprocessing | None) -> bool:
    """Whether it is several inputs or several images rather than numbers."""
    return several(item) or _is_batch(item, known)


def _is_batch(item: Any, known: Preprocessing | None) -> bool:
    """Whether it is images one by one; arrays of several are inputs, or an input and a target."""
    if not isinstance(item, (tuple, list)) or any(len(getattr(part, "shape", ())) > 3 for part in item):
        return False
    return is_batch_of_images(list(item), known if isinstance(item, list) else None)


def _target(value: Any) -> Any:
    """One class a sample, whether they come as numbers or as one-hot rows."""
    array = to_numpy(value)
    if array.ndim == 2 and array.shape[1] > 1 and ((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all():
        array = array.argmax(1)
    array = array.reshape(len(array)) if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1 or (array.dtype.kind == "f" and (array != np.rint(array)).any()):
        raise InvalidArgumentError(f"target='given': the targets of a batch are one class a sample, not {array.shape}")
    return [int(k) for k in array]
