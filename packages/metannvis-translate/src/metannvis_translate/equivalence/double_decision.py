"""Decision in double precision: what differs in single precision, but is nothing but its rounding."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Protocol

import numpy as np

from metannvis_translate.data import Arrays
from metannvis_translate.equivalence.ports import as_float
from metannvis_translate.equivalence.report import EquivalenceReport, EquivalenceRow, Tolerance, compare_arrays
from metannvis_translate.equivalence.ties import is_open
from metannvis_translate.errors import MetannvisError, first_line
from metannvis_translate.frameworks.protocol import Framework
from metannvis_translate.graph.precision import LIMIT
from metannvis_translate.layers import LayerMap
from metannvis_translate.translation import Translation

__all__ = ["decided_in_double", "may_be_rounding"]

log = logging.getLogger(__name__)
#: How far from the inputs differences are taken where a kink may lie at them, relative and absolute; and the largest
#: difference of derivatives there, which cross a few kinks on the step of a difference.
STRAY, BESIDE = 1e-3, 1e-4
#: How much smaller a difference is in double precision that is nothing but rounding, at least; the precisions are 5e-9 apart.
SHRINKS = 1e-6
#: A translation's rounding is at most so many times that of its source.
MULTIPLE = 30


class Compared(Protocol):
    """A comparison of two models on other values or in another precision."""

    def __call__(
        self,
        source: Any,
        translation: Translation,
        inputs: Arrays,
        tolerance: Tolerance,
        dtype: str,
        *,
        layers: LayerMap,
        gradients: bool,
    ) -> EquivalenceReport: ...


def may_be_rounding(report: EquivalenceReport) -> bool:
    """Whether all numbers of what does not agree are there."""
    if not any(row.compared for row in report.outputs):
        return False
    wrong = [row for row in (*report.outputs, *report.layers, *report.gradients) if row.passed is False]
    return bool(wrong) and all(np.isfinite(row.max_abs) for row in wrong)


def decided_in_double(
    compared: Compared,
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    outputs: Arrays,
    tolerance: Tolerance,
    report: EquivalenceReport,
) -> EquivalenceReport:
    """The report with what does not agree taken from both models in double precision, where it agrees.

    Where outputs agree and gradients do not, a value beside the kink of a ReLU or a max pool has been rounded to its other
    side; where a layer does not, it may be a sum whose terms cancel, of which rounding is what is left. In double precision
    hardly any is; what is wrong is wrong there, too. Differences are taken beside the inputs as well: at a kink itself they
    are the mean of both sides, and no framework's derivative. Outputs are left to double precision only where the source's
    own are as far from what it is in double precision: a translation that loses digits which its source keeps is wrong.

    Parameters
    ----------
    outputs
        Of the source, in single precision.
    """
    in_layers = any(row.passed is False for row in report.layers)
    in_outputs = any(row.passed is False for row in report.outputs)
    usual = Tolerance()  # who asks for less than rounding leaves is told that it is not reached
    if (in_outputs and tolerance.outputs < usual.outputs) or (in_layers and tolerance.layers < usual.layers):
        return report
    try:
        double = here.as_float64(source)
        if in_outputs and not _amplifies(double, here, inputs, outputs, report):
            return report
        translation = dataclasses.replace(
            translation,
            model=there.as_float64(translation.model),
            layers=translation.layers if in_layers else LayerMap(()),
            notes=(),
        )
    except MetannvisError as error:
        log.info("it cannot be decided in double precision: %s", first_line(error))
        return report
    # numbers that were rounded to single precision on the way make this difference
    tolerance = dataclasses.replace(
        tolerance, float64=max(tolerance.float64, LIMIT), differences=max(tolerance.differences, BESIDE)
    )
    random = np.random.default_rng(20223)
    wanted = any(row.compared for row in report.gradients)
    moves = (0.0, STRAY) if report.by_differences else (0.0,)
    for move in moves:
        beside = [as_float(a, "float64") for a in inputs]
        beside = [
            a * (1 + move * random.standard_normal(a.shape)) + move * random.standard_normal(a.shape)
            if move and a.dtype.kind == "f"
            else a
            for a in beside
        ]
        proof = compared(double, translation, beside, tolerance, "float64", layers=translation.layers, gradients=wanted)
        if in_layers:
            proof = _without_rounding(proof, report)
        if proof.passed and (any(row.compared or is_open(row) for row in proof.gradients) or not wanted):
            where = "in double precision, beside the inputs" if move else "in double precision"
            return _with_proof(report, proof, where)
    return report


def _with_proof(report: EquivalenceReport, proof: EquivalenceReport, where: str) -> EquivalenceReport:
    """The report with those groups of rows that did not agree as the proof has them, and what a reader should know of it."""
    reasons = {
        "outputs": "which is as far as rounding takes the source's own",
        "layers": "which is the rounding of what cancels",
        "gradients": "since values lie at the kinks of activations or pools",
    }
    notes = list(report.notes)
    groups: dict[str, Any] = {}
    for group, why in reasons.items():
        rows: tuple[EquivalenceRow, ...] = getattr(report, group)
        if any(row.passed is False for row in rows):
            apart = report.worst(group)
            notes.append(f"{group} were compared {where}: in single precision they are {apart:.1e} apart, {why}")
            groups[group] = getattr(proof, group)
    if any(row.compared for row in report.gradients):
        groups["gradients"] = proof.gradients
    notes += [note for note in proof.notes if note not in notes]
    return dataclasses.replace(report, **groups, notes=tuple(notes))


def _amplifies(double: Any, here: Framework, inputs: Arrays, outputs: Arrays, report: EquivalenceReport) -> bool:
    """Whether rounding takes the source's own outputs nearly as far as the translation's are from them.

    That is how far they are from those in double precision, and how far these move where the inputs do by a rounding.
    """
    exact = [as_float(a, "float64") for a in inputs]
    random = np.random.default_rng(20224)
    step = float(np.finfo(np.float32).eps)
    moved = [a * (1 + step * random.choice((-1, 1), a.shape)) if a.dtype.kind == "f" else a for a in exact]
    right, beside = (here.run(double, values).outputs for values in (exact, moved))
    for k, row in enumerate(report.outputs):
        if row.passed is not False:
            continue
        if right[k].shape != outputs[k].shape:
            return False
        own = [compare_arrays("", one, right[k], limit=1.0) for one in (outputs[k], beside[k])]
        # where the source's own result is zero, there is nothing to be relative to
        measure = "max_rel" if np.isfinite(row.max_rel) else "max_abs"
        figures = [figure for figure in (getattr(one, measure) for one in own) if np.isfinite(figure)]
        if not getattr(row, measure) <= MULTIPLE * max(figures, default=0.0):
            return False
    return True


def _without_rounding(proof: EquivalenceReport, report: EquivalenceReport) -> EquivalenceReport:
    """The report in double precision, without layers whose difference is as much smaller there as its rounding is.

    Where the terms of a sum cancel to nothing, rounding is all that is left in any precision.
    """
    single = {row.name: row for row in report.layers}
    layers = tuple(
        EquivalenceRow(row.name, reason="nothing but rounding is left of it", target=row.target)
        if row.passed is False and row.max_abs <= SHRINKS * single[row.name].max_abs
        else row
        for row in proof.layers
    )
    return dataclasses.replace(proof, layers=layers)
