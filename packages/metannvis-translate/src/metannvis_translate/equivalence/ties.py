"""Ties: outputs that a model leaves open, since entries that it sorts or selects are equal, and the rest of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from metannvis_translate.data import Array, Arrays
from metannvis_translate.equivalence.gradients import gradient_pairs
from metannvis_translate.equivalence.ports import from_places, to_source_layout, to_target_layout
from metannvis_translate.equivalence.report import EquivalenceReport, EquivalenceRow, compare_arrays
from metannvis_translate.equivalence.runs import NoGradientError
from metannvis_translate.frameworks.protocol import Framework, TieOrder
from metannvis_translate.translation import Translation

__all__ = ["beside_ties", "is_open", "without_open"]

#: Orders that entries within a tie are given, each with its opposite.
DRAWS = (TieOrder(1.0, 1), TieOrder(1.0, 1, True), TieOrder(1.0, 2), TieOrder(1.0, 2, True))
#: How the reason of a row begins that is not compared since its value is open.
OPEN = "it depends on which of nearly equal entries comes first"
#: What counts as a tie, a part of the tolerance.
NEAR = 0.1


def beside_ties(
    judge: Callable[[bool], EquivalenceReport], here: Framework, there: Framework, report: EquivalenceReport
) -> EquivalenceReport:
    """A report that did not pass, with what the order of equal entries decides compared in one order, or left out.

    Equal entries are compared in the order of their places, which the source might as well have taken. Of entries that only
    rounding tells apart each side has an order of its own; what another order changes in the source's own result is left
    out. All else is held to the tolerance.

    Parameters
    ----------
    judge
        Compares the two models, as they are at the time; ``True`` leaves out what rounding leaves open.
    """
    with here.ties_in_order(TieOrder()) as met, there.ties_in_order(TieOrder()) as also:
        again = judge(False)
        if not again.passed:
            again = judge(True)
    if not again.passed:
        return report
    met = {*met, *also}  # the inner one of two of the same framework sees what both run
    if not met:
        return again
    note = f"equal entries are compared in the order of their places: {_named(met)} of {report.source} leaves it open"
    return dataclasses.replace(again, notes=(*again.notes, note))


def without_open(
    source: Any, translation: Translation, here: Framework, there: Framework, inputs: Arrays, report: EquivalenceReport
) -> EquivalenceReport:
    """A report that did not pass, without those entries that another order of nearly equal ones changes in the source."""
    limit = report.tolerance.limit("outputs", report.dtype)
    wrong = [row.name for row in report.layers if row.passed is False]
    met: set[str] = set()
    runs = []
    for draw in DRAWS:
        with here.ties_in_order(dataclasses.replace(draw, within=NEAR * limit)) as found:
            runs.append(here.run(source, inputs[:], layers=wrong))
        met |= found
        if not found:
            return report
    first, others = runs[0], runs[1:]
    reason = f"{OPEN} in {_named(met)}, which rounding decides"
    placed = [to_target_layout(array, port.permutation) for array, port in zip(inputs, translation.inputs, strict=True)]
    ours = there.run(translation.model, placed).outputs
    found_outputs = [
        to_source_layout(array, port.permutation)
        for port, array in zip(translation.outputs, from_places(ours, translation.outputs), strict=True)
    ]
    outputs = list(report.outputs)
    notes = list(report.notes)
    for k, row in enumerate(outputs):
        if row.passed is not False or found_outputs[k].shape != first.outputs[k].shape:
            continue
        changed = _differ(first.outputs[k], [run.outputs[k] for run in others], limit)
        if changed.all():
            outputs[k] = EquivalenceRow(row.name, reason=reason)
        elif changed.any():
            rest = np.where(changed, first.outputs[k], found_outputs[k])
            outputs[k] = compare_arrays(row.name, rest, first.outputs[k], limit=limit)
            notes.append(
                f"{int(changed.sum())} of {changed.size} entries of output {row.name!r} are not compared: {reason}"
            )
    layers = tuple(
        EquivalenceRow(row.name, reason=reason, target=row.target)
        if row.passed is False
        and row.name in first.layers
        and _differ(first.layers[row.name], [run.layers[row.name] for run in others], limit).any()
        else row
        for row in report.layers
    )
    done = dataclasses.replace(report, outputs=tuple(outputs), layers=layers, notes=tuple(notes))
    if any(row.passed is False for row in (*done.outputs, *done.layers)):
        return report
    return _without_open_gradients(source, translation, here, there, inputs, first.outputs, done, reason)


def _without_open_gradients(
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    outputs: Arrays,
    report: EquivalenceReport,
    reason: str,
) -> EquivalenceReport:
    """The report without those gradients that do not agree and that another order of ties changes in the source."""
    if all(row.passed is not False for row in report.gradients):
        return report
    limit = report.tolerance.limit("gradients", report.dtype, by_differences=report.by_differences)
    within = NEAR * report.tolerance.limit("outputs", report.dtype)
    found: list[list[Array | None]] = []
    for draw in DRAWS:
        with here.ties_in_order(dataclasses.replace(draw, within=within)):
            try:
                pairs = gradient_pairs(source, translation, here, there, inputs, outputs, report)
            except NoGradientError:
                return report
        found.append([theirs for _, theirs in pairs])
    gradients = list(report.gradients)
    for k, row in enumerate(gradients):
        sides = [gradient for side in found if (gradient := side[k]) is not None]
        if row.passed is not False or not sides:
            continue
        rows = [compare_arrays(row.name, side, sides[0], limit=limit, by_l2=True) for side in sides[1:]]
        if any(other.passed is False for other in rows):
            gradients[k] = EquivalenceRow(row.name, reason=reason)
    return dataclasses.replace(report, gradients=tuple(gradients))


def is_open(row: EquivalenceRow) -> bool:
    """Whether a row is not compared since its value is open."""
    return row.reason.startswith(OPEN)


def _differ(first: Array, others: Iterable[Array], limit: float) -> Array:
    """At which entries a result is not the same in all orders."""
    found = np.zeros(first.shape, bool)
    axes = tuple(range(1, first.ndim))
    finite = np.where(np.isfinite(first), np.abs(first), 0) if first.dtype.kind in "fc" else np.abs(first.astype(float))
    most = limit * (finite.max(axis=axes, keepdims=True) if first.size else finite)
    for other in others:
        if first.dtype.kind not in "fc":
            found |= first != other
            continue
        with np.errstate(invalid="ignore"):
            same = (np.abs(first - other) <= most) | (first == other) | (np.isnan(first) & np.isnan(other))
        found |= ~same
    return found


def _named(operators: Iterable[str]) -> str:
    return ", ".join(sorted(operators))
