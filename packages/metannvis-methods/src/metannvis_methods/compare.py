"""Comparison of toolsets: the same method of several, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, UnfitWarning
from metannvis_methods.explain import WORDS, explain
from metannvis_methods.registry.alignments import (
    ALIGNMENTS,
    Alignment,
    alignment_of,
    check_same_quantity,
    elsewhere,
)
from metannvis_methods.registry.spec import MethodSpec, fold
from metannvis_methods.registry.table import find_methods, registry
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.differences import differences, ssim
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.maps import SPACE, resized
from metannvis_methods.results.plain import as_tuple
from metannvis_methods.running.deadline import end_of, in_time, share_of, until
from metannvis_methods.running.notices import tell
from metannvis_methods.running.request import check_request, installed
from metannvis_methods.running.sharing import sharing
from metannvis_methods.running.streams import is_stream
from metannvis_methods.running.words import Words

__all__ = ["ALIGNMENTS", "Alignment", "compare", "compared_rows", "differences"]

Array = np.ndarray[Any, Any]
#: Maps that differ by less, of the largest magnitude, are the same.
SAME = 1e-4


def compare(
    model: Any,
    method: str,
    inputs: Any,
    *,
    toolsets: Sequence[str] | None = None,
    align: bool = True,
    signed: bool = False,
    expand: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    **arguments: Any,
) -> Comparison:
    """Run a method of several toolsets on the same inputs, and measure how far the results are apart.

    Parameters
    ----------
    model, method, inputs
        As for :func:`explain`.
    toolsets
        Keys; ``None`` takes every installed toolset that has the method; if that is one, with ``align`` those too that call
        it otherwise.
    align
        Set the options whose defaults differ so that the toolkits compute the same (:data:`ALIGNMENTS`).
        ``False`` compares each toolkit's own defaults, and says which of these options explain what is apart.
    signed
        With ``align``: keep signs, instead of absolute values and positive parts.
    expand
        With ``align``: maps of a layer as large as the input, instead of as large as the layer.
    options
        Options a toolset, by its own names: ``{"captum": {"abs": False}}``.
    **arguments
        Every word of :func:`explain` (one layer), and options of the method for every toolset. They share the
        ``deadline`` (with ``noise`` or ``uncertainty`` in equal parts), and those that were done in time are compared.

    Returns
    -------
    Comparison
        The figures are of the worst sample. Before measuring, a map with channels is reduced to their maximum
        if the other has none (one of one channel to that), and the smaller map is enlarged.

    Raises
    ------
    InvalidArgumentError
        There are not two toolsets that have the method, or, with ``align``, what they call so is not the same quantity.
    DeadlineError
        The time was over before two were done; the message tells of each toolset.
    MetannvisError
        As for :func:`explain`.
    """
    if is_stream(inputs):
        raise InvalidArgumentError("compare takes one batch: call it for each that an iterator gives")
    if isinstance(arguments.get("layer"), (list, tuple, set)):
        raise InvalidArgumentError("compare takes one layer: call it for each")
    if "toolset" in arguments:
        raise InvalidArgumentError("compare takes toolsets=[…], two or more, instead of toolset")
    toolkit = {name: arguments.pop(name) for name in list(arguments) if name not in WORDS}
    chosen = compared_rows(method, toolsets, align=align)
    if len(chosen) < 2:
        have = ", ".join(row.toolset for row in chosen)
        raise InvalidArgumentError(
            f"a comparison takes two toolsets or more; of those asked, {have} alone has {method!r}"
        )
    if align:
        check_same_quantity(method, [row.toolset for row in chosen])
    given = {registry.toolset(key).key: dict(value) for key, value in (options or {}).items()}
    notes: list[str] = []
    if arguments.get("layer") is None and any(row.by_role("layer") and not row.optimizes for row in chosen):
        arguments = {**arguments, "layer": "auto"}
    for row in chosen:  # what is wrong with one toolset's words is told before another one runs
        options_there = {**toolkit, **given.get(row.toolset, {})}
        asked = {**arguments, "inputs": inputs, "toolset": row.toolset, "options": options_there or None}
        check_request(row.key, Words(**asked))
    end = end_of(Words(deadline=arguments.get("deadline")).checked().deadline)
    ends_with_what_there_is = any(arguments.get(word) is not None for word in ("noise", "uncertainty"))
    runs: list[_Run] = []
    late: list[MethodSpec] = []
    with sharing(), until(end):
        for place, row in enumerate(chosen):
            own = _aligned(method, row, signed, expand)
            if runs and arguments.get("target") is None and _aims(row):
                arguments = {**arguments, "target": runs[0].explanation.target}
            run = _Run(model, inputs, row, {**toolkit, **given.get(row.toolset, {})}, arguments, own or {})
            try:
                with until(share_of(end, len(chosen) - place) if ends_with_what_there_is else end):
                    in_time(end, row.key)
                    runs.append(run.with_options({**run.aligned, **run.given} if align else run.given))
            except DeadlineError:
                late.append(row)
                continue
            if align:
                notes += _said(method, row, own)
        notes += _told_late(runs, late)
        explanations = [run.explanation for run in runs]
        pairs = list(itertools.combinations(runs, 2))
        figures = [_apart(a.explanation, b.explanation, notes) for a, b in pairs]
        rows = tuple(
            {"a": a.row.toolset, "b": b.row.toolset, **found} for (a, b), found in zip(pairs, figures, strict=True)
        )
        if not align:
            notes += [_what_explains(a, b, found["max_rel"]) for (a, b), found in zip(pairs, figures, strict=True)]
    return Comparison(tuple(explanations), rows, align, chosen[0].key, tuple(filter(None, dict.fromkeys(notes))))


def compared_rows(method: str, toolsets: Sequence[str] | None = None, *, align: bool = True) -> list[MethodSpec]:
    """The rows that a comparison of a method is of, one a toolset.

    Raises
    ------
    UnknownMethodError, UnknownToolsetError
        There is no such thing.
    """
    others = elsewhere(method) if align else []
    if toolsets is None:
        for rows in (find_methods(method), [*find_methods(method), *others]):
            if sum(map(installed, rows)) > 1:
                return list(filter(installed, rows))
        return list(rows)
    chosen: list[MethodSpec] = []
    for key in (registry.toolset(name).key for name in toolsets):
        chosen += [row for row in others if row.toolset == key] or find_methods(method, key)
    return chosen


@dataclass(frozen=True)
class _Run:
    """A row's part in a comparison: what it was given, and what it gave.

    ``aligned`` are the options that align it, whether or not they are set.
    """

    model: Any
    inputs: Any
    row: MethodSpec
    given: Mapping[str, Any]
    arguments: Mapping[str, Any]
    aligned: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    result: Explanation | None = None

    @property
    def explanation(self) -> Explanation:
        """Of the options that are set."""
        assert self.result is not None
        return self.result

    def with_options(self, options: Mapping[str, Any]) -> _Run:
        """Run with these options."""
        found = explain(
            self.model, self.row.key, self.inputs, toolset=self.row.toolset, options=dict(options), **self.arguments
        )
        return replace(self, options=options, result=found)


def _told_late(runs: Sequence[_Run], late: Sequence[MethodSpec]) -> list[str]:
    """Notes of the toolsets that were not done in time.

    Raises
    ------
    DeadlineError
        There is nothing to compare without them.
    """
    if not late:
        return []
    told = [f"{row.toolset}: {row.key} was not done in time, and is not compared" for row in late]
    if len(runs) < 2:
        done = [f"{run.row.toolset}: {run.row.key} was done in time" for run in runs]
        raise DeadlineError(
            f"a comparison takes two toolsets, which share the time ({'; '.join([*done, *told])}): give it more, fewer steps, "
            "samples or features"
        )
    tell("; ".join(told), UnfitWarning)
    return told


def _what_explains(a: _Run, b: _Run, apart: float) -> str:
    """Which options of the table, set one after the other, bring two maps together."""
    names = f"{a.row.toolset} − {b.row.toolset}"
    sides, steps = [a, b], []
    late = False
    known = [(k, name, value) for k, side in enumerate(sides) for name, value in side.aligned.items()]
    for k, name, value in known:
        if name in sides[k].given or apart <= SAME:
            continue
        try:
            sides[k] = sides[k].with_options({**sides[k].options, name: value})
        except DeadlineError:
            late = True
            break
        apart = _apart(sides[0].explanation, sides[1].explanation, [])["max_rel"]
        steps.append(f"{sides[k].row.toolset} with {name}={value!r} {apart:.1e}")
    rest = "the time was over before the rest was looked at" if late else "nothing known explains the rest"
    if not steps:
        return f"{names}: {rest}" if late else ""
    told = f"{names}: the largest difference is, with one option after the other, " + ", ".join(steps)
    return told + ("" if apart <= SAME else f"; {rest}")


def _aims(row: MethodSpec) -> bool:
    return row.by_role("target", "score") is not None


def _aligned(method: str, row: MethodSpec, signed: bool, expand: bool) -> dict[str, Any] | None:
    """Options that align a row; ``None`` if nothing is known of it."""
    known = alignment_of(method, row)
    if known is None:
        return None
    return {**known.options, **(known.signed if signed else {}), **((known.expand or {}) if expand else {})}


def _said(method: str, row: MethodSpec, own: Mapping[str, Any] | None) -> list[str]:
    if own is None:
        return [f"{row.toolset}: no options are known that align it"]
    name = [] if fold(row.key) == fold(method) else [row.key]
    told = ", ".join([*name, *(f"{option}={value!r}" for option, value in own.items())])
    return [f"{row.toolset}: {told}"] if told else []


def _apart(a: Explanation, b: Explanation, notes: list[str]) -> dict[str, float]:
    left, right = as_tuple(a.values), as_tuple(b.values)
    if len(left) != len(right):
        raise InvalidArgumentError(
            f"{a.toolset} gave {len(left)} maps and {b.toolset} {len(right)}; they cannot be compared"
        )
    pairs = []
    for x, y, axes_x, axes_y in zip(left, right, as_tuple(a.axes), as_tuple(b.axes), strict=True):
        if x is None or y is None:  # an input that was held
            continue
        pairs.append(_same_shape(x, axes_x, y, axes_y, notes))
    flat = [
        np.concatenate([x.reshape(len(x), -1) for x in maps], axis=1)
        for maps in ([x for x, _, _ in pairs], [y for _, y, _ in pairs])
    ]
    alike = [_ssim(x, y, axes) for x, y, axes in pairs if {"H", "W"} <= set(axes)]
    return {**differences(flat[0], flat[1]), **({"ssim": min(alike)} if alike else {})}


def _ssim(x: Array, y: Array, axes: str) -> float:
    """Of the worst picture: each channel and slice is one."""
    places = [axes.index("H"), axes.index("W")]
    images = [np.moveaxis(array, places, (-2, -1)) for array in (x, y)]
    stacks = [image.reshape(-1, *image.shape[-2:]) for image in images]
    return min(ssim(one, other) for one, other in zip(*stacks, strict=True))


def _same_shape(x: Array, axes_x: str, y: Array, axes_y: str, notes: list[str]) -> tuple[Array, Array, str]:
    """Both maps with the same axes and sizes, and these axes."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != y.ndim and ("C" in axes_x) != ("C" in axes_y):
        several = (x if "C" in axes_x else y).shape[(axes_x if "C" in axes_x else axes_y).index("C")] > 1
        if "C" in axes_x:
            x, axes_x = x.max(axis=axes_x.index("C")), axes_x.replace("C", "")
        else:
            y, axes_y = y.max(axis=axes_y.index("C")), axes_y.replace("C", "")
        if several:
            notes.append("the largest channel was taken where the other map has none")
    if x.shape == y.shape:
        return x, y, axes_x if len(axes_x) == x.ndim else ""
    # space can be enlarged; samples, channels and features of another number are others
    apart = [k for k in range(min(x.ndim, y.ndim)) if x.shape[k] != y.shape[k]]
    if axes_x != axes_y or x.ndim != y.ndim or any(axes_x[k] not in SPACE for k in apart):
        raise InvalidArgumentError(f"maps of shape {x.shape} ({axes_x}) and {y.shape} ({axes_y}) cannot be compared")
    sizes = [max(sizes) for sizes in zip(x.shape, y.shape, strict=True)]
    notes.append("the smaller map was enlarged (linear, corners aligned)")
    return resized(x, sizes), resized(y, sizes), axes_x
