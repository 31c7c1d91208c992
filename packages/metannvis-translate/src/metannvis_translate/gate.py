"""The gate: two models run on the same values, and what they put out compared in the source's layout."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metannvis_translate import layout
from metannvis_translate.data import to_arrays
from metannvis_translate.detect import detect_framework
from metannvis_translate.equivalence import EquivalenceReport, Tolerance, make_report, with_gradients
from metannvis_translate.errors import EquivalenceError, InvalidArgumentError, InvalidModelError, MetannvisError
from metannvis_translate.frameworks import Framework, get_framework
from metannvis_translate.hub import HubModel
from metannvis_translate.layers import LayerMap
from metannvis_translate.precision import LIMIT
from metannvis_translate.process import exclusive, generators_kept
from metannvis_translate.translation import Port, Translation

__all__ = ["check_equivalence", "compare", "opened", "ordered", "verdict"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
Arrays = list[Array]
#: Random directions along which gradients are compared where a side has none of its own, and the step of a difference.
DIRECTIONS, STEP = 4, 1e-6


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
        Array, tensor, or several, in the source's layout.
    layers
        Which layer of one is which of the other; without it layers are not compared, and the report says so.
    permutations
        ``{"inputs": [...], "outputs": [...]}``, one a port: axis ``k`` of the target's tensor is axis ``p[k]`` of the source's.
        Without them (and without a Translation) values of four and five axes are taken to be channels first in PyTorch and
        channels last in Keras, and all others to lie alike.
    dtype
        ``"float64"`` compares copies of both in double precision: the proof.

    Returns
    -------
    EquivalenceReport
        ``report.passed`` says whether it holds; nothing is raised if it does not.
    """
    source = opened(source)
    target = target if isinstance(target, Translation) else opened(target)
    model = target.model if isinstance(target, Translation) else target
    with exclusive(source, model), generators_kept():
        here = get_framework(detect_framework(source))
        arrays = ordered(to_arrays(inputs, here), None)
        for framework, graph in ((here, source), (get_framework(detect_framework(model)), model)):
            if hasattr(framework, "check"):
                framework.check(graph, arrays if graph is source else None)
        if isinstance(target, Translation):
            translation = target if layers is None else dataclasses.replace(target, layers=layers)
        else:
            translation = _unrelated(source, target, here, arrays, layers, permutations)
        there = get_framework(translation.target_framework)
        name = dtype or "float32"
        if dtype == "float64":
            source = here.as_float64(source)
            if translation.dtype != "float64":
                translation = dataclasses.replace(translation, model=there.as_float64(translation.model))
        tolerance = tolerance or Tolerance()
        return compare(
            source, translation, here, there, arrays, tolerance, name, layers=translation.layers, gradients=gradients
        )


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
        if rank < 4 or here.key == there.key or {here.key, there.key} != {"torch", "tensorflow"}:
            return layout.identity(rank)
        return layout.channels_last(rank) if there.key == "tensorflow" else layout.channels_first(rank)

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
    """Run both models on the same values and compare what they put out, in the source's layout."""
    notes = translation.notes
    if dtype == "float64" and translation.single_precision:
        tolerance = dataclasses.replace(tolerance, float64=max(tolerance.float64, LIMIT))
        notes = (*notes, *(f"held to {LIMIT:.0e}: {row}" for row in translation.single_precision))
    inputs = [_as_float(array, dtype) for array in inputs]
    rows = layers.rows
    first = here.run(source, inputs[:], layers=[row.source.name for row in rows])
    outputs = first.outputs
    placed = [_move(array, port.permutation) for array, port in zip(inputs, translation.inputs, strict=True)]
    names = list(dict.fromkeys(row.target.name for row in rows))
    blank = make_report(
        source=here.label, target=there.label, dtype=dtype, tolerance=tolerance, outputs=[], layers=[], notes=notes
    )
    with _target_runs(there, blank):
        ours = there.run(translation.model, placed, layers=names)
    theirs = _from_places(ours.outputs, translation.outputs)
    found = [_back(a, port.permutation) for port, a in zip(translation.outputs, theirs, strict=True)]
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
                _back(ours.layers[row.target.name], row.permutation) if row.target.name in ours.layers else None,
                first.layers.get(row.source.name),
            )
            for row in rows
        ],
        notes=notes,
        by_differences=not (here.differentiable and there.differentiable),
    )
    del first, ours, theirs  # values of every layer are most of what is held
    pairs: list[tuple[Array | None, Array | None]] = [(None, None)] * len(inputs)
    no_gradient = "gradients were not asked for"
    if gradients and [a.shape for a in found] != [a.shape for a in outputs]:
        no_gradient = "the outputs have other shapes"
    elif gradients:
        no_gradient = "it is no float tensor, or no output is"
        if any(a.dtype.kind == "f" for a in inputs) and all(a.dtype.kind == "f" for a in outputs):
            try:
                pairs = _gradient_pairs(source, translation, here, there, inputs, outputs, report)
            except NoGradientError as error:
                no_gradient = str(error)
    names = [port.name for port in translation.inputs]
    done = with_gradients(report, [(name, *pair) for name, pair in zip(names, pairs, strict=True)], no_gradient)
    if report.by_differences and any(row.passed is False for row in done.gradients):
        # samples that act on each other: a difference is what all of them do to one, a gradient what one does to all
        whole = [(name, _whole(ours), _whole(theirs)) for name, (ours, theirs) in zip(names, pairs, strict=True)]
        together = with_gradients(report, whole, no_gradient)
        done = together if together.passed else done
    return done


class NoGradientError(Exception):
    """The source itself has no gradients, which the message tells."""


@contextlib.contextmanager
def _target_runs(there: Framework, report: EquivalenceReport) -> Iterator[None]:
    """What the target's own kernels say inside, where the source's did their work, is a translation that is wrong."""
    try:
        yield
    except (MetannvisError, NoGradientError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:400]
        if _is_shortage(error):
            raise MemoryError(
                f"there is not enough memory for the check, which runs both models: {said[:200]}. "
                "Give smaller example_inputs=, or verify=False."
            ) from error
        raise EquivalenceError(
            f"the translation is wrong: {there.label} cannot run it on inputs on which the source runs: "
            f"{type(error).__name__}: {said}",
            report,
        ) from error


@contextlib.contextmanager
def _source_runs(here: Framework) -> Iterator[None]:
    """What the source's own kernels say inside, on the way to a gradient, is a source that has none."""
    try:
        yield
    except MetannvisError:
        raise
    except Exception as error:
        raise NoGradientError(f"{here.label} has none of the source: {' '.join(str(error).split())[:200]}") from error


def _is_shortage(error: Exception) -> bool:
    """Whether a framework had no memory left, which each of them tells in another way."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError")
        or "DefaultCPUAllocator: " in text
    )


def _gradient_pairs(
    source: Any,
    translation: Translation,
    here: Framework,
    there: Framework,
    inputs: Arrays,
    outputs: Arrays,
    report: EquivalenceReport,
) -> list[tuple[Array | None, Array | None]]:
    """Input gradients (target's, source's) of a random combination of the outputs, in the source's layout.

    Where one side has no gradients (an ONNX graph), both are compared along a few random directions, the missing ones taken
    as central differences in double precision.
    """
    random = np.random.default_rng(20221)  # not the seed of example inputs: equal draws can cancel a gradient
    cotangents = [np.asarray(random.standard_normal(array.shape), array.dtype) for array in outputs]
    directions = [random.standard_normal((DIRECTIONS, *array.shape)) for array in inputs]
    whole = here.differentiable and there.differentiable
    by_samples = _by_samples(inputs, outputs)
    sides = []
    for framework, model, ports, outs in (
        (there, translation.model, translation.inputs, translation.outputs),
        (here, source, None, None),
    ):
        given = [_move(a, p.permutation) for a, p in zip(inputs, ports, strict=True)] if ports else inputs
        weights = [_move(a, p.permutation) for a, p in zip(cotangents, outs, strict=True)] if outs else cotangents
        weights = _to_places(weights, outs) if outs else weights
        runs = _target_runs(there, report) if ports else _source_runs(here)
        if framework.differentiable:
            with runs:
                found = framework.run(model, given, cotangents=weights).gradients or [None] * len(inputs)
            if ports:
                found = [None if g is None else _back(g, p.permutation) for g, p in zip(found, ports, strict=True)]
            if not whole:
                found = [
                    None if g is None else _along(g, d, by_samples=by_samples)
                    for g, d in zip(found, directions, strict=True)
                ]
        else:
            moved = (
                [np.stack([_move(v, p.permutation) for v in d]) for d, p in zip(directions, ports, strict=True)]
                if ports
                else directions
            )
            with runs:
                found = _differences(framework, model, given, weights, moved, by_samples=by_samples)
        sides.append(found)
    return list(zip(*sides, strict=True))


def _from_places(arrays: Arrays, ports: Sequence[Port]) -> Arrays:
    """What the target puts out, in the source's order."""
    if len(arrays) != len(ports):
        raise InvalidArgumentError(f"the target puts out {len(arrays)} tensors, the source {len(ports)}")
    return [arrays[k if port.place is None else port.place] for k, port in enumerate(ports)]


def _to_places(arrays: Arrays, ports: Sequence[Port]) -> Arrays:
    """Values for the outputs, in the target's order."""
    found = list(arrays)
    for array, port in zip(arrays, ports, strict=True):
        if port.place is not None:
            found[port.place] = array
    return found


def _by_samples(inputs: Arrays, outputs: Arrays) -> bool:
    """Whether axis 0 of every tensor counts the same, the samples; else derivatives are those of the whole."""
    sizes = {array.shape[:1] for array in (*inputs, *outputs)}
    return len(sizes) == 1 and () not in sizes


def _along(gradient: Array, directions: Array, *, by_samples: bool) -> Array:
    """Derivative along each direction, shape (N, directions); (1, directions) of the whole."""
    products = gradient[None] * directions
    return _summed(products, 2).T if by_samples else _summed(products, 1)[None]


def _whole(derivatives: Array | None) -> Array | None:
    """Derivatives of all samples together."""
    return None if derivatives is None else derivatives.sum(axis=0, keepdims=True)


def _summed(array: Array, axis: int) -> Array:
    """Sum over an axis and all behind it."""
    return np.asarray(array.sum(axis=tuple(range(axis, array.ndim))))


def _differences(
    framework: Framework, model: Any, inputs: Arrays, cotangents: Arrays, directions: Arrays, *, by_samples: bool
) -> list[Array | None]:
    double = framework.as_float64(model)
    inputs = [_as_float(array, "float64") for array in inputs]

    def objective(values: Arrays) -> Array:
        found = framework.run(double, values).outputs
        terms = [_summed(o * c, 1 if by_samples else 0) for o, c in zip(found, cotangents, strict=True)]
        return np.atleast_1d(np.sum(terms, axis=0))

    try:
        found = framework.run(double, inputs).outputs
    except InvalidModelError as error:  # no kernel in double precision
        log.info("gradients are not compared: %s", error)
        return [None] * len(inputs)
    if [array.shape for array in found] != [array.shape for array in cotangents]:
        return [None] * len(inputs)  # computed by another runtime than in single precision, which sees it differently
    result: list[Array | None] = []
    for k, array in enumerate(inputs):
        if array.dtype.kind != "f":
            result.append(None)
            continue
        columns = []
        for direction in directions[k]:
            ends = [objective([*inputs[:k], array + sign * STEP * direction, *inputs[k + 1 :]]) for sign in (1, -1)]
            columns.append((ends[0] - ends[1]) / (2 * STEP))
        result.append(np.stack(columns, axis=1))
    return result


def verdict(report: EquivalenceReport) -> str:
    """Message of a check that failed: the first layer that disagrees, then every figure."""
    layer = report.first_divergence
    if not any(row.compared for row in report.outputs):
        first = (
            "the translation cannot be checked: on these inputs every output is empty; give others as example_inputs="
        )
    elif layer is not None:
        row = next(row for row in report.layers if row.name == layer)
        first = (
            f"the translation is wrong: the first layer that disagrees is {layer!r} (relative error {row.max_rel:.1e})"
        )
    else:
        first = "the translation is wrong: every layer agrees, but outputs or gradients do not"
    return f"{first}\n{report}\nverify=False returns the model all the same; tolerance=Tolerance(...) sets the limits."


def opened(model: Any) -> Any:
    """The model itself, or what the file at a path holds."""
    if isinstance(model, (str, Path)):
        from metannvis_translate.files import load_model

        return load_model(model)
    return model


def ordered(inputs: Arrays | dict[str, Array], hub: HubModel | None) -> Arrays:
    """Inputs in the order of the hub's ports; as they come if it does not name them."""
    if not isinstance(inputs, dict):
        return list(inputs)
    if hub is None or set(inputs) != {port.name for port in hub.inputs}:
        return list(inputs.values())
    return [inputs[port.name] for port in hub.inputs]


def _as_float(array: Array, dtype: str) -> Array:
    return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array


def _move(array: Array, permutation: Sequence[int]) -> Array:
    return np.asarray(array.transpose(permutation), order="C") if array.ndim == len(permutation) else array


def _back(array: Array, permutation: Sequence[int] | None) -> Array:
    if permutation is None or array.ndim != len(permutation):
        return array
    return array.transpose(layout.inverse(permutation))
