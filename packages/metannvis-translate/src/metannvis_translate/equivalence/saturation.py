"""Saturation: values of which nothing but rounding is left at the given inputs, beside what they are nearer to zero.

The derivative of σ at 30 is 1e-13, and what a framework computes, σ·(1 − σ), is rounded at 1e-16: two right models are
1e-3 apart. What two models differ by there says nothing of either, in any precision.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np

from metannvis_translate.data import Array, Arrays
from metannvis_translate.equivalence.gradients import cotangents_of
from metannvis_translate.equivalence.report import EquivalenceReport, EquivalenceRow
from metannvis_translate.errors import MetannvisError, first_line
from metannvis_translate.frameworks.protocol import Framework

__all__ = ["without_saturated"]

log = logging.getLogger(__name__)
#: The inputs are multiplied by these to find how large values and derivatives are where nothing saturates.
PROBES = (0.1, 0.01, -1.0)
#: A difference is rounding up to so many units in the last place of what the value is elsewhere.
UNITS = 30


def without_saturated(report: EquivalenceReport, source: Any, here: Framework, inputs: Arrays) -> EquivalenceReport:
    """A report in double precision whose rows pass that differ by no more than the rounding of values elsewhere.

    Parameters
    ----------
    source, inputs
        In double precision.
    """
    groups = ("outputs", "layers", "gradients")
    wrong = {g: [row for row in getattr(report, g) if row.passed is False and np.isfinite(row.max_abs)] for g in groups}
    if not any(wrong.values()):
        return report
    try:
        scales = _scales(source, here, inputs, report, wrong)
    except MetannvisError as error:
        log.info("whether it saturates cannot be told: %s", first_line(error))
        return report
    limit = UNITS * float(np.finfo(np.float64).eps)
    notes = list(report.notes)
    changed: dict[str, Any] = {}
    for group, rows in wrong.items():
        small = [row.name for row in rows if row.max_abs <= limit * scales[group].get(row.name, 0.0)]
        if small:
            changed[group] = tuple(
                dataclasses.replace(row, passed=True) if row.name in small and row.passed is False else row
                for row in getattr(report, group)
            )
            named = ", ".join(small[:3]) + (f" and {len(small) - 3} more" if len(small) > 3 else "")
            notes.append(f"{group} of which only rounding is left at these inputs, where the source saturates: {named}")
    return dataclasses.replace(report, **changed, notes=tuple(notes))


def _scales(
    source: Any, here: Framework, inputs: Arrays, report: EquivalenceReport, wrong: dict[str, list[EquivalenceRow]]
) -> dict[str, dict[str, float]]:
    """How large values of each row are at the probes, by group and name."""
    scales: dict[str, dict[str, float]] = {"outputs": {}, "layers": {}, "gradients": {}}
    layers = [row.name for row in wrong["layers"]]

    def note(group: str, name: str, array: Array | None) -> None:
        if array is not None and array.dtype.kind == "f" and array.size and np.isfinite(array).all():
            scales[group][name] = max(scales[group].get(name, 0.0), float(np.abs(array).max()))

    for factor in PROBES:
        given = [array * array.dtype.type(factor) if array.dtype.kind == "f" else array for array in inputs]
        run = here.run(source, given[:], layers=layers)
        for row, output in zip(report.outputs, run.outputs, strict=True):
            note("outputs", row.name, output)
        for name in layers:
            note("layers", name, run.layers.get(name))
        if wrong["gradients"] and here.differentiable:
            slopes = here.run(source, given, cotangents=cotangents_of(run.outputs)).gradients or [None] * len(given)
            for row, slope in zip(report.gradients, slopes, strict=True):
                note("gradients", row.name, slope)
    return scales
