"""Batching: a call cut into chunks of samples, and their results joined."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from metannvis_translate.errors import first_line

from metannvis_methods.errors import FixedBatchWarning, InvalidArgumentError, MetannvisError, ToolsetError, UnfitWarning
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.view import View
from metannvis_methods.registry.toolset import MethodOutput, Toolset
from metannvis_methods.running import notices
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.deadline import in_time
from metannvis_methods.running.notices import tell


def limited(call: RunningCall, adapter: ModelAdapter, fixed: int) -> RunningCall:
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
        notices.tell(text, FixedBatchWarning)

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


def in_chunks(toolset: Toolset, call: RunningCall, adapter: ModelAdapter) -> MethodOutput:
    """Run a call at once, or in pieces of samples if each stands for itself, so that ``batch_size`` bounds the rows of a pass.

    Random numbers are of the whole set: a method that draws some is run on all samples, and its rows are bounded where they
    pass through the model. A score that is another one for each sample takes one sample at a time where a toolkit cannot be
    told which of its rows belong to which.

    Raises
    ------
    InvalidArgumentError
        There is such a score, and the method looks at several samples together.
    """
    spec, bound = call.spec, call.batch_size
    samples = {int(tensor.shape[0]) for tensor in call.inputs}
    count = samples.pop() if len(samples) == 1 else 0
    viewed = _bounded_by_view(call, adapter)
    size = None if bound is None else max(1, bound // (spec.rows_a_sample or 1))
    one_by_one = isinstance(call.score, list) and not _tells_rows(call, adapter)
    if one_by_one:
        if not spec.batchable:
            raise InvalidArgumentError(
                f"{spec.key} looks at several samples together, and the target is another region in each: give a mask "
                "that is the same for all"
            )
        size = 1
    drawn = spec.stochastic and (viewed or spec.rows_a_sample is None) and not one_by_one
    if size is None or count <= size or not spec.batchable or drawn:
        return _attempt(toolset, _sized(call, bound, count), adapter)
    outputs = []
    for start in range(0, count, size):
        piece = part_of(call, start, min(start + size, count), count)
        outputs.append(_attempt(toolset, _sized(piece, bound, min(size, count - start)), adapter))
    return _joined(call, outputs)


def _tells_rows(call: RunningCall, adapter: ModelAdapter) -> bool:
    """Whether a toolkit takes a further input, which it repeats with the rows, so that each says which sample it is of."""
    return adapter.bounds_rows and call.spec.by_role("extra") is not None


def _bounded_by_view(call: RunningCall, adapter: ModelAdapter) -> bool:
    """Whether the rows of a pass are bounded where they pass through the model.

    A method that looks into the model would see its layers run in pieces, and one that pairs rows would lose the pairs.
    """
    return (
        call.batch_size is not None
        and call.spec.kind == "primary"
        and call.spec.rows_a_sample is None
        and _tells_rows(call, adapter)
    )


def _attempt(toolset: Toolset, call: RunningCall, adapter: ModelAdapter) -> MethodOutput:
    shown = _shown(call, adapter).for_toolset()
    for lack in toolset.lacks(shown):
        tell(lack, UnfitWarning)
    try:
        return toolset.run(shown)
    except (MetannvisError, UnfitWarning):  # a warning that is an error is none of the toolkit's
        raise
    except Exception as error:
        if getattr(call.progress, "raised", None) is error:  # the caller's own
            raise
        raise ToolsetError(
            f"{call.spec.key} of {call.spec.toolset} failed with {type(error).__name__}: {first_line(error)}"
        ) from error


def _shown(call: RunningCall, adapter: ModelAdapter) -> RunningCall:
    """The call on the model as its toolkit is to see it: the output that is explained or a score of it, so many rows a pass."""
    spec, scores = call.spec, call.score if isinstance(call.score, list) else [call.score]
    extra = spec.by_role("extra")
    rows = call.batch_size if _bounded_by_view(call, adapter) or not spec.frameworks else None
    targets: list[Any] = []
    if rows is not None and call.score is None and call.target is not None and spec.differentiates:
        targets = (
            call.target if isinstance(call.target, list) else [call.target]
        )  # what has a gradient is one number a row
    if (
        scores == [None]
        and call.output is None
        and rows is None
        and not call.held
        and not call.logits
        and call.deadline is None
        and call.half is None
        and call.within is None
    ):
        return call
    choices = [choice for choice in (targets or scores) if choice is not None]
    distinct = list(dict.fromkeys(choices)) if targets else choices
    by_row = len(distinct) > 1
    view = View(
        place=call.output or 0,
        scores=() if targets else tuple(distinct),
        targets=tuple(distinct) if targets else (),
        by_row=by_row,
        rows=rows,
        logits=bool(call.logits),
        before_pass=None if call.deadline is None else functools.partial(in_time, call.deadline, spec.key),
        half=call.half,
        embedding=call.embedding,
        within=call.within,
        order=_order(call) if call.held and extra is not None else (),
        constants=tuple(call.held.items()) if extra is None else (),
    )
    if view == View() and call.output is None:
        return call
    if not spec.frameworks:
        return _predicting(call, adapter, view)
    options = dict(call.call_options)
    if call.held and extra is not None:
        options[extra.name] = (*call.held.values(), *in_order(options.get(extra.name)))
    if by_row and extra is not None:
        index = adapter.as_index(
            call.model, [distinct.index(choice) for choice in choices] if targets else range(len(choices))
        )
        options[extra.name] = (*in_order(options.get(extra.name)), index)
    return dataclasses.replace(
        call,
        model=adapter.view(call.model, view),
        output=None,
        score=None,
        held={},
        embedding=None,
        within=None,
        logits=None,
        hear=None if call.logits else call.hear,
        target=None if targets else call.target,
        call_options=options,
    )


def _predicting(call: RunningCall, adapter: ModelAdapter, view: View) -> RunningCall:
    """The call of a method that needs predictions only: they are taken apart, and the model is left as it is."""
    model = call.model
    if view.logits or view.half is not None:
        model = adapter.view(model, View(place=view.place, logits=view.logits, half=view.half))
        view = dataclasses.replace(view, place=0, logits=False, half=None)
    return dataclasses.replace(
        call, model=model, view=view, output=None, score=None, logits=None, half=None, within=None
    )


def _order(call: RunningCall) -> tuple[int, ...]:
    """Places in the model's own order of the inputs that are explained, those that are held, and the further ones."""
    explained = 0 if call.embedding is not None else len(call.inputs)
    further = len(in_order(call.option("extra")))
    count = explained + len(call.held)
    free = [place for place in range(count) if place not in call.held]
    return (*free, *call.held, *range(count, count + further))


def _sized(call: RunningCall, size: int | None, count: int) -> RunningCall:
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


def part_of(call: RunningCall, start: int, stop: int, count: int) -> RunningCall:
    """The call for some of its ``count`` samples."""

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
    held = {place: part(value) for place, value in call.held.items()}
    return dataclasses.replace(
        call, inputs=part(call.inputs), call_options=options, target=target, score=score, held=held
    )


def _joined(call: RunningCall, outputs: Sequence[MethodOutput]) -> MethodOutput:
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
