"""Batching: a call cut into chunks of samples, and their results joined."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from metannvis_translate.errors import first_line

from metannvis_methods.errors import FixedBatchWarning, InvalidArgumentError, MetannvisError, ToolsetError, UnfitWarning
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.view import View
from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Toolset


def limited(call: MethodCall, adapter: ModelAdapter, fixed: int) -> MethodCall:
    """A call on a model that takes so many samples at a time and no others: its samples, steps and windows go in pieces.

    Raises
    ------
    InvalidArgumentError
        The samples are no multiple of that, or the method looks at several of them together.
    """
    spec, options = call.spec, [argument.role for argument in call.spec.call]
    counts = {int(tensor.shape[0]) for tensor in call.inputs if len(tensor.shape)}
    count = max(counts, default=0)
    if count % fixed or (count > fixed and not spec.batchable):
        why = f"{count} samples were given" if count % fixed else f"{spec.key} looks at several samples together"
        raise InvalidArgumentError(f"the model takes exactly {fixed} at a time, and {why}")

    @functools.cache
    def tell() -> None:
        text = f"the model takes exactly {fixed} at a time: samples and steps pass through it in pieces of {fixed}"
        warnings.warn(text, FixedBatchWarning, stacklevel=2)

    if count > fixed:
        tell()
    if (
        spec.kind == "primary" and not spec.needs_canonical
    ):  # the toolkit looks at what goes in and comes out, and no further
        looped = adapter.in_pieces(call.model, fixed, tell)
        if looped is not call.model:
            return dataclasses.replace(call, model=looped)
    if "batch" in options or "per_eval" in options:
        tell()
    return dataclasses.replace(call, batch_size=min(fixed, call.batch_size or fixed))


def in_chunks(toolset: Toolset, call: MethodCall, adapter: ModelAdapter) -> MethodOutput:
    """Run a call at once, or in pieces of ``batch_size`` samples if each sample stands for itself.

    A score that is another one for each sample takes one sample at a time, since a toolkit does not say which of its rows
    belong to which.

    Raises
    ------
    InvalidArgumentError
        There is such a score, and the method looks at several samples together.
    """
    size = call.batch_size
    samples = {int(tensor.shape[0]) for tensor in call.inputs}
    count = samples.pop() if len(samples) == 1 else 0
    if isinstance(call.score, list):
        if not call.spec.batchable:
            raise InvalidArgumentError(
                f"{call.spec.key} looks at several samples together, and the target is another region in each: give a mask "
                "that is the same for all"
            )
        size = 1
    if size is None or count <= size or not call.spec.batchable:
        return _attempt(toolset, _sized(call, size, count), adapter)
    outputs = []
    for start in range(0, count, size):
        if call.progress is not None:
            call.progress(start, count, "run")
        piece = _cut(call, start, min(start + size, count), count)
        outputs.append(_attempt(toolset, _sized(piece, size, min(size, count - start)), adapter))
    if call.progress is not None:
        call.progress(count, count, "run")
    return _joined(call, outputs)


def _attempt(toolset: Toolset, call: MethodCall, adapter: ModelAdapter) -> MethodOutput:
    try:
        return toolset.run(_shown(call, adapter))
    except (MetannvisError, UnfitWarning):  # a warning that is an error is none of the toolkit's
        raise
    except Exception as error:
        raise ToolsetError(
            f"{call.spec.key} of {call.spec.toolset} failed with {type(error).__name__}: {first_line(error)}"
        ) from error


def _shown(call: MethodCall, adapter: ModelAdapter) -> MethodCall:
    """The call on the model as its toolkit is to see it: the one output that is explained, or the score of it."""
    score = call.score[0] if isinstance(call.score, list) else call.score
    if score is None and call.output is None:
        return call
    model = adapter.view(call.model, View(place=call.output or 0, score=score))
    return dataclasses.replace(call, model=model, output=None, score=None)


def _sized(call: MethodCall, size: int | None, count: int) -> MethodCall:
    """Tell the toolkit how many rows may go through the model at once, unless the caller did."""
    if size is None:
        return call
    options = dict(call.call_options)
    for argument in call.spec.call:
        if argument.role == "batch":
            options[argument.name] = size
        elif argument.role == "per_eval":
            options[argument.name] = max(1, size // max(count, 1))
    return dataclasses.replace(call, call_options=options)


def _cut(call: MethodCall, start: int, stop: int, count: int) -> MethodCall:
    """The call for some of its samples."""

    def part(value: Any, ranks: Sequence[int] | None = None) -> Any:
        if isinstance(value, tuple):
            return tuple(part(item, ranks and ranks[k : k + 1]) for k, item in enumerate(value))
        shape: Any = getattr(value, "shape", ())
        if ranks and len(shape) != ranks[0]:  # without an axis of samples: the same for all
            return value
        return value[start:stop] if len(shape) and shape[0] == count and count > 1 else value

    like_inputs = ("baseline", "feature_mask")
    per_sample = (*like_inputs, "extra", "layer_baseline", "layer_mask")
    ranks = [len(tensor.shape) for tensor in call.inputs]
    options = dict(call.call_options)
    for argument in call.spec.call:
        if argument.role in per_sample and argument.name in options:
            options[argument.name] = part(options[argument.name], ranks if argument.role in like_inputs else None)
    target, score = (value[start:stop] if isinstance(value, list) else value for value in (call.target, call.score))
    return dataclasses.replace(call, inputs=part(call.inputs), call_options=options, target=target, score=score)


def _joined(call: MethodCall, outputs: Sequence[MethodOutput]) -> MethodOutput:
    first = outputs[0]

    def join(parts: Iterator[Any], letters: str | None = None) -> np.ndarray[Any, Any]:
        if letters is not None and "N" not in letters:
            raise ToolsetError(
                f"{call.spec.key} of {call.spec.toolset} returned axes {letters!r}, which count no samples (N), for a "
                "part of the samples: its row has to say batchable=False"
            )
        return np.concatenate([to_numpy(item) for item in parts], axis=0 if letters is None else letters.index("N"))

    if isinstance(first.values, (tuple, list)):
        axes = first.axes if isinstance(first.axes, tuple) else (first.axes,) * len(first.values)
        values: Any = tuple(join((o.values[k] for o in outputs), axes[k]) for k in range(len(first.values)))
    else:
        values = join((o.values for o in outputs), first.axes if isinstance(first.axes, str) else None)
    delta = None if first.delta is None else join(o.delta for o in outputs)
    return dataclasses.replace(first, values=values, delta=delta)
