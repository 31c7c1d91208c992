"""Equivalence check: two models run on the same values, and what they return compared in the source's layout."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from metannvis_translate.data import ordered, to_arrays
from metannvis_translate.equivalence.double_decision import decided_in_double, may_be_rounding
from metannvis_translate.equivalence.gradients import (
    NARROWER,
    WIDER,
    cotangents_of,
    gradient_pairs,
    of_all_samples,
    placed_cotangents,
)
from metannvis_translate.equivalence.ports import as_float, from_places, to_source_layout, to_target_layout
from metannvis_translate.equivalence.report import (
    EquivalenceReport,
    EquivalenceRow,
    Tolerance,
    make_report,
    with_gradients,
)
from metannvis_translate.equivalence.runs import NoGradientError, by_name, recorded, target_runs
from metannvis_translate.equivalence.saturation import without_saturated
from metannvis_translate.equivalence.ties import beside_ties, without_open
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.files import opened
from metannvis_translate.frameworks.protocol import Framework
from metannvis_translate.frameworks.registry import detect_framework, get_framework
from metannvis_translate.graph import layout
from metannvis_translate.graph.precision import LIMIT
from metannvis_translate.layers import LayerMap
from metannvis_translate.process import exclusive, generators_kept
from metannvis_translate.translation import Port, Translation

__all__ = ["check_equivalence", "compare", "in_precision", "verdict"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
Arrays = list[Array]


HALF = "the source is in half precision: a copy of it in single precision was compared, which is what was translated"


def check_equivalence(
    source: Any,
    target: Any,
    inputs: Any,
    *,
    layers: LayerMap | None = None,
    gradients: bool = True,
    permutations: Mapping[str, Sequence[Sequence[int]]] | None = None,
    dtype: str | None = None,
    tolerance: Tolerance | None = None,
) -> EquivalenceReport:
    """Compare two models on given inputs: outputs, input gradients, and the layers of a map.

    Parameters
    ----------
    source, target
        Two models of any frameworks. ``target`` may be a :class:`Translation`, which knows its layers and permutations.
    inputs
        Array, tensor, or several, in the source's layout; in lists and dicts where the source takes them so.
    layers
        Which layer of one is which of the other; without it layers are not compared, and the report says so.
    permutations
        ``{"inputs": [...], "outputs": [...]}``, one a port: axis ``k`` of the target's tensor is axis ``p[k]`` of the source's.
        Without them (and without a Translation) values of four and five axes are taken to be channels first in PyTorch and
        channels last in Keras, and all others to lie alike.
    dtype
        ``"float64"`` compares copies of both in double precision: the proof.
    gradients
        Whether gradients with respect to the inputs are compared, too.
    tolerance
        How far apart the two may be; see :class:`Tolerance`.

    Returns
    -------
    EquivalenceReport
        ``report.passed`` says whether it holds; nothing is raised if it does not.

    Raises
    ------
    UnknownFrameworkError
        One of the two is no model of a known framework.
    InvalidArgumentError
        The inputs do not fit the source.
    """
    source = opened(source)
    target = target if isinstance(target, Translation) else opened(target)
    model = target.model if isinstance(target, Translation) else target
    with exclusive(source, model), generators_kept():
        here = get_framework(detect_framework(source))
        source, inputs = here.flattened(source, inputs)
        arrays = ordered(to_arrays(inputs, here), None)
        for framework, graph in ((here, source), (get_framework(detect_framework(model)), model)):
            framework.check(graph, arrays if graph is source else None)
        if isinstance(target, Translation):
            translation = target if layers is None else dataclasses.replace(target, layers=layers)
        else:
            translation = _unrelated(source, target, here, arrays, layers, permutations)
        there = get_framework(translation.target_framework)
        name = dtype or "float32"
        if isinstance(target, Translation) or dtype == "float64":
            source, notes = in_precision(here, source, dtype)
            translation = dataclasses.replace(translation, notes=tuple(dict.fromkeys((*translation.notes, *notes))))
        if dtype == "float64" and translation.dtype != "float64":
            translation = dataclasses.replace(translation, model=there.as_float64(translation.model))
        tolerance = tolerance or Tolerance()
        return compare(
            source, translation, here, there, arrays, tolerance, name, layers=translation.layers, gradients=gradients
        )


def in_precision(framework: Framework, model: Any, dtype: str | None) -> tuple[Any, tuple[str, ...]]:
    """The source as it is compared: in double precision if that is asked for, else in single; and what a reader should know."""
    if dtype == "float64":
        return framework.as_float64(model), ()
    single = framework.as_float32(model)
    return single, () if single is model else (HALF,)


def _unrelated(
    source: Any,
    target: Any,
    here: Framework,
    inputs: Arrays,
    layers: LayerMap | None,
    permutations: Mapping[str, Sequence[Sequence[int]]] | None,
) -> Translation:
    """Two models that nobody translated, as a translation whose permutations are given or are the usual ones."""
    there = get_framework(detect_framework(target))
    outputs = here.run(source, inputs).outputs

    def usual(rank: int) -> tuple[int, ...]:
        customs = (here.channels_last, there.channels_last)
        if rank < 4 or None in customs or here.channels_last == there.channels_last:
            return layout.identity(rank)
        return layout.channels_last(rank) if there.channels_last else layout.channels_first(rank)

    def ports(of: str, arrays: Arrays) -> tuple[Port, ...]:
        given = (permutations or {}).get(of)
        if given is not None and len(given) != len(arrays):
            raise InvalidArgumentError(f"permutations[{of!r}] has {len(given)} entries for {len(arrays)} {of}")
        rows = [tuple(given[k]) if given is not None else usual(a.ndim) for k, a in enumerate(arrays)]
        return tuple(
            Port(f"{of.removesuffix('s')}_{k}", a.shape, tuple(a.shape[i] for i in row), row, a.dtype.name)
            for k, (a, row) in enumerate(zip(arrays, rows, strict=True))
        )

    return Translation(
        source=source,
        model=target,
        layers=layers if layers is not None else LayerMap(()),
        report=None,
        inputs=ports("inputs", inputs),
        outputs=ports("outputs", outputs),
        source_framework=here.key,
        target_framework=there.key,
    )


def compare(
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    tolerance: Tolerance,
    dtype: str,
    *,
    layers: LayerMap,
    gradients: bool = True,
) -> EquivalenceReport:
    """Run both models on the same values and compare what they return, in the source's layout.

    What does not agree is judged again: in double precision, where it may be rounding, and without what ties leave open.
    """
    here = by_name(here, [port.name for port in translation.inputs])

    def judge(leave_out: bool) -> EquivalenceReport:
        def once(model: Any, translated: Translation, given: Arrays, *precision: Any, **options: Any) -> Any:
            done, outputs = _compared(model, translated, here, there, given, *precision, **options)
            if leave_out and done.dtype == "float64" and may_be_rounding(done):
                done = without_open(model, translated, here, there, [as_float(a, "float64") for a in given], done)
            return done, outputs

        done, outputs = once(source, translation, inputs, tolerance, dtype, layers=layers, gradients=gradients)
        if dtype == "float64" or not may_be_rounding(done):
            return cast("EquivalenceReport", done)
        return decided_in_double(
            lambda *values, **options: once(*values, **options)[0],
            source,
            translation,
            here,
            there,
            inputs,
            outputs,
            tolerance,
            done,
        )

    report = judge(False)
    return beside_ties(judge, here, there, report) if may_be_rounding(report) else report


def _compared(
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    tolerance: Tolerance,
    dtype: str,
    *,
    layers: LayerMap,
    gradients: bool,
) -> tuple[EquivalenceReport, Arrays]:
    """The report of one comparison, and the source's outputs."""
    notes = translation.notes
    if dtype == "float64" and translation.single_precision:
        tolerance = dataclasses.replace(tolerance, float64=max(tolerance.float64, LIMIT))
        notes = (*notes, *(f"held to {LIMIT:.0e}: {row}" for row in translation.single_precision))
    inputs = [as_float(array, dtype) for array in inputs]
    rows = layers.rows
    # one run gives layers and gradients: of a source only where it surely computes the same with gradients and without
    at_once = gradients and bool(rows) and any(array.dtype.kind == "f" for array in inputs)
    weights = cotangents_of if at_once and here.gradients_by_tape else None
    first = recorded(here, source, inputs, [row.source.name for row in rows], weights)
    outputs = first.outputs
    placed = [to_target_layout(array, port.permutation) for array, port in zip(inputs, translation.inputs, strict=True)]
    names = list(dict.fromkeys(row.target.name for row in rows))
    blank = make_report(
        source=here.label, target=there.label, dtype=dtype, tolerance=tolerance, outputs=[], layers=[], notes=notes
    )
    with target_runs(there, blank):
        placed_weights = placed_cotangents(outputs, translation.outputs) if at_once and there.differentiable else None
        ours = recorded(there, translation.model, placed, names, placed_weights)
    theirs = from_places(ours.outputs, translation.outputs)
    found = [to_source_layout(a, port.permutation) for port, a in zip(translation.outputs, theirs, strict=True)]
    report = make_report(
        source=here.label,
        target=there.label,
        dtype=dtype,
        tolerance=tolerance,
        outputs=[(port.name, a, b) for port, a, b in zip(translation.outputs, found, outputs, strict=True)],
        layers=[
            (
                row.source.name,
                row.target.name,
                to_source_layout(ours.layers[row.target.name], row.permutation)
                if row.target.name in ours.layers
                else None,
                first.layers.get(row.source.name),
            )
            for row in rows
        ],
        notes=notes,
        by_differences=not (here.differentiable and there.differentiable),
    )
    ran = (ours.gradients, first.gradients)
    del first, ours, theirs  # values of every layer are most of what is held
    pairs: list[tuple[Array | None, Array | None]] = [(None, None)] * len(inputs)
    no_gradient = "gradients were not asked for"
    if gradients and [a.shape for a in found] != [a.shape for a in outputs]:
        no_gradient = "the outputs have other shapes"
    elif gradients:
        no_gradient = "it is no float tensor, or no output is"
        if all(any(a.dtype.kind == "f" for a in side) for side in (inputs, outputs)):
            try:
                pairs = gradient_pairs(source, translation, here, there, inputs, outputs, report, ran=ran)
            except NoGradientError as error:
                no_gradient = str(error)
    names = [port.name for port in translation.inputs]
    done = with_gradients(report, [(name, *pair) for name, pair in zip(names, pairs, strict=True)], no_gradient)
    if report.by_differences and any(row.passed is False for row in done.gradients):
        done = _by_other_differences(source, translation, here, there, inputs, outputs, report, done, pairs)
    if dtype == "float64" and not done.passed:
        done = without_saturated(done, source, here, inputs)
    return done, outputs


def _by_other_differences(
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    outputs: Arrays,
    report: EquivalenceReport,
    done: EquivalenceReport,
    pairs: list[tuple[Array | None, Array | None]],
) -> EquivalenceReport:
    """The report with differences over other steps, where those agree; "not compared" where no step tells the derivative.

    A derivative that is next to nothing beside the value itself (a network that hardly depends on its input) drowns in the
    rounding of the difference, and then the differences do not agree with each other.
    """
    names = [port.name for port in translation.inputs]
    tried = [pairs]
    for step in (None, *WIDER, *(NARROWER if report.dtype == "float64" else ())):
        found = (
            pairs if step is None else gradient_pairs(source, translation, here, there, inputs, outputs, report, step)
        )
        if step in WIDER:
            tried.append(found)
        # samples that act on each other: a difference is what all of them do to one, a gradient what one does to all
        for summed in (False, True):
            rows = [
                (name, of_all_samples(ours), of_all_samples(theirs)) if summed else (name, ours, theirs)
                for name, (ours, theirs) in zip(names, found, strict=True)
            ]
            again = with_gradients(report, rows, "")
            if all(row.passed is not False for row in again.gradients):
                return dataclasses.replace(done, gradients=again.gradients)
    gradients = list(done.gradients)
    # of the combination of the outputs that is differentiated, over the widest step
    rounding = float(
        np.finfo(np.float64).eps * sum(np.abs(array).sum(dtype=np.float64) for array in outputs) / WIDER[-1]
    )
    for k, row in enumerate(gradients):
        sides = [both[k] for both in tried]
        if row.passed is False and _drowns([(a, b) for a, b in sides if a is not None and b is not None], rounding):
            reason = "its derivative is too small for differences to tell: they change from step to step as much as it is off"
            gradients[k] = EquivalenceRow(row.name, reason=reason)
    return dataclasses.replace(done, gradients=tuple(gradients))


def _drowns(pairs: Sequence[tuple[Array, Array]], rounding: float) -> bool:
    """Whether the two sides are no farther apart than rounding, or than each is from itself over another step."""
    if len(pairs) < 2:
        return False
    apart = min(float(np.linalg.norm(ours - theirs)) for ours, theirs in pairs)
    changes = [
        float(np.linalg.norm(side - other))
        for sides in (list(column) for column in zip(*pairs, strict=True))
        for k, side in enumerate(sides)
        for other in sides[:k]
    ]
    return bool(apart <= max(*changes, rounding))


def verdict(report: EquivalenceReport) -> str:
    """Message of a check that failed: the first layer that disagrees, then every figure."""
    layer = report.first_divergence
    if not any(row.compared for row in report.outputs):
        reasons = "; ".join(dict.fromkeys(row.reason for row in report.outputs if row.reason)) or "there is none"
        said = "every output is empty" if reasons == "it is empty" else f"no output can be compared: {reasons}"
        first = f"the translation cannot be checked: on these inputs {said}; give others as example_inputs="
    elif layer is not None:
        row = next(row for row in report.layers if row.name == layer)
        first = (
            f"the translation is wrong: the first layer that disagrees is {layer!r} (relative error {row.max_rel:.1e})"
        )
    else:
        first = "the translation is wrong: every layer agrees, but outputs or gradients do not"
    return f"{first}\n{report}\nverify=False returns the model all the same; tolerance=Tolerance(...) sets the limits."
