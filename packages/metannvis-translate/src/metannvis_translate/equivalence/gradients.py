"""Gradients: input gradients of both models, or derivatives along random directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_translate.data import Array, Arrays
from metannvis_translate.equivalence.ports import as_float, to_places, to_source_layout, to_target_layout
from metannvis_translate.equivalence.report import EquivalenceReport
from metannvis_translate.equivalence.runs import NoGradientError, source_runs, target_runs
from metannvis_translate.errors import InvalidModelError, first_line
from metannvis_translate.frameworks.protocol import Framework
from metannvis_translate.translation import Port, Translation

#: Random directions along which gradients are compared where a side has none of its own, and the step of a difference.
DIRECTIONS, STEP = 4, 1e-6
#: Steps that are taken where the first does not agree: the smaller one is, the more of a difference is rounding.
WIDER = (1e-5, 1e-4)
#: Steps beside the inputs: where many values lie close to each other (an empty background under max pools) a larger one crosses
#: some of their kinks. Half of the digits of double precision are left.
NARROWER = (1e-8, 1e-9)
#: Not the seed of example inputs: equal draws can cancel a gradient.
SEED = 20221


def gradient_pairs(
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    outputs: Arrays,
    report: EquivalenceReport,
    step: float = STEP,
    ran: Sequence[Sequence[Array | None] | None] = (None, None),
) -> list[tuple[Array | None, Array | None]]:
    """Input gradients (target's, source's) of a random combination of the float outputs, in the source's layout.

    Where one side has no gradients (an ONNX graph), both are compared along a few random directions, the missing ones taken
    as central differences in double precision.

    Parameters
    ----------
    ran
        Gradients (target's, source's) that a run with :func:`cotangents_of` has given already, each in its model's layout.
    """
    random = np.random.default_rng(SEED)
    cotangents = [_cotangent(array, random) for array in outputs]
    directions = [random.standard_normal((DIRECTIONS, *array.shape)) for array in inputs]
    whole = here.differentiable and there.differentiable
    by_samples = _by_samples(inputs, outputs)
    sides = []
    for framework, model, ports, outs, known in (
        (there, translation.model, translation.inputs, translation.outputs, ran[0]),
        (here, source, None, None, ran[1]),
    ):
        given = [to_target_layout(a, p.permutation) for a, p in zip(inputs, ports, strict=True)] if ports else inputs
        weights = placed_cotangents(outputs, outs) if outs else cotangents
        runs = target_runs(there, report) if ports else source_runs(here)
        if framework.differentiable:
            found = list(known or [])
            if not found:
                with runs:
                    found = framework.run(model, given, cotangents=weights).gradients or [None] * len(inputs)
            if ports:
                found = [
                    None if g is None else to_source_layout(g, p.permutation) for g, p in zip(found, ports, strict=True)
                ]
            if not whole:
                found = [
                    None if g is None else _along(g, d, by_samples=by_samples)
                    for g, d in zip(found, directions, strict=True)
                ]
        else:
            moved = (
                [
                    np.stack([to_target_layout(v, p.permutation) for v in d])
                    for d, p in zip(directions, ports, strict=True)
                ]
                if ports
                else directions
            )
            with runs:
                found = _differences(framework, model, given, weights, moved, step, by_samples=by_samples)
        sides.append(found)
    return list(zip(*sides, strict=True))


def cotangents_of(outputs: Arrays) -> Arrays:
    """Weights of the random combination of the outputs whose gradients are compared."""
    random = np.random.default_rng(SEED)
    return [_cotangent(array, random) for array in outputs]


def placed_cotangents(outputs: Arrays, ports: Sequence[Port]) -> Arrays:
    """The same weights in the target's layout and order, of the source's outputs."""
    weights = [to_target_layout(a, p.permutation) for a, p in zip(cotangents_of(outputs), ports, strict=True)]
    return to_places(weights, ports)


def _cotangent(output: Array, random: np.random.Generator) -> Array:
    """Weights of an output's numbers in the combination: zeros for places and labels, which have no derivative."""
    weights = np.asarray(random.standard_normal(output.shape))
    return weights.astype(output.dtype) if output.dtype.kind == "f" else np.zeros_like(weights)


def _by_samples(inputs: Arrays, outputs: Arrays) -> bool:
    """Whether axis 0 of every tensor counts the same, the samples; else derivatives are those of the whole."""
    sizes = {array.shape[:1] for array in (*inputs, *outputs)}
    return len(sizes) == 1 and () not in sizes


def _along(gradient: Array, directions: Array, *, by_samples: bool) -> Array:
    """Derivative along each direction, shape (N, directions); (1, directions) of the whole."""
    products = gradient[None] * directions
    return _summed(products, 2).T if by_samples else _summed(products, 1)[None]


def of_all_samples(derivatives: Array | None) -> Array | None:
    """Derivatives of all samples together."""
    return None if derivatives is None else derivatives.sum(axis=0, keepdims=True)


def _summed(array: Array, axis: int) -> Array:
    """Sum over an axis and all behind it."""
    return np.asarray(array.sum(axis=tuple(range(axis, array.ndim))))


def _differences(
    framework: Framework,
    model: Any,
    inputs: Arrays,
    cotangents: Arrays,
    directions: Arrays,
    step: float,
    *,
    by_samples: bool,
) -> list[Array | None]:
    double = framework.as_float64(model)
    inputs = [as_float(array, "float64") for array in inputs]

    def objective(values: Arrays) -> Array:
        found = framework.run(double, values).outputs
        terms = [_summed(o * c, 1 if by_samples else 0) for o, c in zip(found, cotangents, strict=True)]
        return np.atleast_1d(np.sum(terms, axis=0))

    try:
        found = framework.run(double, inputs).outputs
    except InvalidModelError as error:
        raise NoGradientError(f"nothing computes {framework.label} in double precision: {first_line(error)}") from error
    if [array.shape for array in found] != [array.shape for array in cotangents]:
        # computed by another runtime than in single precision, which sees it differently
        raise NoGradientError(f"the outputs of {framework.label} have other shapes in double precision")
    result: list[Array | None] = []
    for k, array in enumerate(inputs):
        if array.dtype.kind != "f":
            result.append(None)
            continue
        columns = []
        for direction in directions[k]:
            ends = [objective([*inputs[:k], array + sign * step * direction, *inputs[k + 1 :]]) for sign in (1, -1)]
            columns.append((ends[0] - ends[1]) / (2 * step))
        result.append(np.stack(columns, axis=1))
    return result
