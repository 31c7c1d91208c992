"""The steps of a translation, in order: export, passes, import, check."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metannvis_translate import layout, passes
from metannvis_translate.data import to_arrays
from metannvis_translate.detect import detect_framework, framework_key
from metannvis_translate.equivalence import EquivalenceReport, Tolerance, make_report
from metannvis_translate.errors import EquivalenceError, InvalidArgumentError, MetannvisError, UnsupportedOperatorError
from metannvis_translate.frameworks import Built, Framework, Progress, get_framework
from metannvis_translate.hub import HubModel, HubPort
from metannvis_translate.layers import LayerInfo, LayerMap, LayerRow
from metannvis_translate.precision import LIMIT, single_precision
from metannvis_translate.translation import Port, Translation

__all__ = ["check_equivalence", "list_layers", "translate", "translate_data", "translate_model"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
Arrays = list[Array]
#: Random directions along which gradients are compared where a side has none of its own, and the step of a difference.
DIRECTIONS, STEP = 4, 1e-6


def translate(
    model: Any,
    to: str,
    *,
    example_inputs: Any = None,
    engine: str = "auto",
    verify: bool = True,
    tolerance: Tolerance | None = None,
    dtype: str | None = None,
    bind: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Translation:
    """Translate a model, and prove that the translation computes the same.

    Parameters
    ----------
    model
        ``nn.Module``, ``torch.export.ExportedProgram``, ``keras.Model``, ``onnx.ModelProto``, or the path of a model file.
        It stays as it is: mode, weights, hooks.
    to
        ``"torch"``, ``"tensorflow"`` or ``"onnx"`` (``"pytorch"``, ``"keras"``, ``"tf"``, ``"tf2"`` are understood). The
        framework that the model is in already is allowed: PyTorch to PyTorch gives the canonical form of a module, with one
        module for each use of an activation.
    example_inputs
        Array, tensor, or a tuple, list or dict of them, batch on axis 0, in the source's layout. Needed for a bare
        ``nn.Module``; made from the declared shapes otherwise.
    engine
        ``"auto"`` takes the first exporter whose result passes the check; or the name of one of them.
    verify
        Compare outputs, every mapped layer and input gradients on the example inputs before returning.
    tolerance
        Largest differences that pass the check.
    dtype
        ``"float64"`` builds a model in double precision from a double copy of the source. ``None`` keeps single precision.
    bind
        Values for inputs of an ONNX model that are really constants, by name.
    progress
        Called ``progress(done, total, stage)``.

    Raises
    ------
    UnknownFrameworkError
        ``model`` is no model of a known framework.
    MissingArgumentError
        A bare ``nn.Module`` without example inputs.
    UnsupportedOperatorError
        An operator or layer has no converter.
    EquivalenceError
        The check failed; ``error.report`` has the figures, its first line the first layer that disagrees.
    """
    progress = progress or _no_progress
    tolerance = tolerance or Tolerance()
    if dtype not in (None, "float32", "float64"):
        raise InvalidArgumentError(f"dtype={dtype!r}: give 'float64', 'float32' or None")
    target = get_framework(framework_key(to))
    model = _opened(model)
    source = get_framework(detect_framework(model))
    inputs = _inputs(model, source, example_inputs)
    engines = _engines(source, engine)
    failures: list[MetannvisError] = []
    for name in engines:
        try:
            return _translate_by(
                model,
                source,
                target,
                inputs,
                name,
                verify=verify,
                tolerance=tolerance,
                dtype=dtype,
                bind=bind,
                progress=progress,
                notes=tuple(f"{engines[k]} was tried first: {_first_line(e)}" for k, e in enumerate(failures)),
            )
        except (UnsupportedOperatorError, EquivalenceError) as error:
            log.info("by way of %s: %s", name, _first_line(error))
            failures.append(error)
    raise next((error for error in failures if isinstance(error, EquivalenceError)), failures[0])


def _translate_by(
    model: Any,
    source: Framework,
    target: Framework,
    inputs: Arrays | dict[str, Array],
    engine: str,
    *,
    verify: bool,
    tolerance: Tolerance,
    dtype: str | None,
    bind: Mapping[str, Any] | None,
    progress: Progress,
    notes: tuple[str, ...],
) -> Translation:
    dtype = None if dtype == "float32" else dtype
    hub = source.export(model, inputs, dtype=dtype, engine=engine, progress=progress)
    if bind:
        unknown = set(bind) - {port.name for port in hub.inputs}
        if unknown:
            raise InvalidArgumentError(
                f"bind= names {sorted(unknown)}, but the inputs are {[port.name for port in hub.inputs]}"
            )
        positions = [k for k, port in enumerate(hub.inputs) if port.name not in bind]
        inputs = [_ordered(inputs, hub)[k] for k in positions]
        hub = passes.bind_inputs(hub, {name: np.asarray(value) for name, value in bind.items()})
    check_inputs(_ordered(inputs, hub), hub.inputs)
    if any(port.dtype == "float64" for port in hub.inputs):
        dtype = "float64"  # the source is in double precision itself
    hub = passes.simplify(hub)
    coarse = single_precision(hub)
    built = target.build(hub, dtype=dtype, progress=progress)
    translation = dataclasses.replace(
        _assemble(model, source, target, hub, built, dtype, notes), single_precision=coarse
    )
    if not verify:
        return translation
    progress(0, 1, "check")
    reference = source.as_float64(model) if dtype == "float64" else model
    report = _compare(
        reference,
        translation,
        source,
        target,
        _ordered(inputs, hub),
        tolerance,
        dtype or "float32",
        layers=translation.layers,
    )
    progress(1, 1, "check")
    if not report.passed:
        raise EquivalenceError(_verdict(report), report)
    log.info("%s", report.summary())
    return dataclasses.replace(translation, report=report)


def _assemble(
    model: Any,
    source: Framework,
    target: Framework,
    hub: HubModel,
    built: Built,
    dtype: str | None,
    notes: tuple[str, ...],
) -> Translation:
    rows = []
    for layer in hub.layers:
        found = built.values.get(layer.value)
        if found is None:
            continue
        order, info = found.order, found.info
        if len(layer.info.axes) == len(order):
            info = dataclasses.replace(info, axes="".join(layer.info.axes[axis] for axis in order))
        rows.append(LayerRow(layer.info, info, order, layer.value))

    def ports(of_hub: Sequence[Any], of_built: Sequence[Any]) -> tuple[Port, ...]:
        return tuple(
            Port(h.name, h.shape, b.shape, b.order, b.dtype, h.axes, b.axes)
            for h, b in zip(of_hub, of_built, strict=True)
        )

    return Translation(
        source=model,
        model=built.model,
        layers=LayerMap(
            tuple(rows),
            source_names={layer.object_id: layer.info.layer for layer in hub.layers if layer.object_id is not None},
            target_names=built.object_names,
        ),
        report=None,
        inputs=ports(hub.inputs, built.inputs),
        outputs=ports(hub.outputs, built.outputs),
        source_framework=source.key,
        target_framework=target.key,
        dtype=dtype,
        notes=(*notes, *hub.notes),
    )


def translate_model(model: Any, to_framework: str, *, dummy_input: Any = None, **kwargs: Any) -> Any:
    """The translated model itself; the given one if it is in that framework already.

    ``dummy_input`` is what :func:`translate` calls ``example_inputs``.
    """
    if detect_framework(model) == framework_key(to_framework):
        return _opened(model)
    if dummy_input is not None:
        kwargs.setdefault("example_inputs", dummy_input)
    return translate(model, to_framework, **kwargs).model


def translate_data(data: Any, to_framework: str, translation: Translation, *, role: str = "input") -> Any:
    """Arrays and tensors, also in lists, tuples and dicts, in the other framework's type and layout.

    Parameters
    ----------
    data
        Values of the source's world if ``to_framework`` is the translation's target, of the target's world if it is the
        source. NumPy arrays are taken to lie as the giving side's do.
    role
        What the values are: ``input``, ``baseline``, ``feature_mask``, ``output``, ``window``, ``stride``,
        ``neuron``, ``target``.

    Raises
    ------
    InvalidArgumentError
        ``to_framework`` is neither side of the translation, or an array cannot have this role.
    """
    key = framework_key(to_framework)
    if key == translation.target_framework:
        return translation.to_target(data, role=role)
    if key == translation.source_framework:
        return translation.to_source(data, role=role)
    raise InvalidArgumentError(
        f"the translation is between {translation.source_framework!r} and {translation.target_framework!r}, not {key!r}"
    )


def list_layers(model: Any, *, example_inputs: Any = None) -> tuple[LayerInfo, ...]:
    """The layers that run when the model runs, in execution order, nested ones included.

    A bare ``nn.Module`` needs ``example_inputs`` for shapes; a Keras model or a file knows its own.
    """
    model = _opened(model)
    framework = get_framework(detect_framework(model))
    inputs = None if example_inputs is None else to_arrays(example_inputs, framework)
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    return framework.list_layers(model, inputs)


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
    source = _opened(source)
    here = get_framework(detect_framework(source))
    arrays = _ordered(to_arrays(inputs, here), None)
    if isinstance(target, Translation):
        translation = target if layers is None else dataclasses.replace(target, layers=layers)
    else:
        target = _opened(target)
        translation = _unrelated(source, target, here, arrays, layers, permutations)
    there = get_framework(translation.target_framework)
    name = dtype or "float32"
    if dtype == "float64":
        source = here.as_float64(source)
        if translation.dtype != "float64":
            translation = dataclasses.replace(translation, model=there.as_float64(translation.model))
    tolerance = tolerance or Tolerance()
    return _compare(
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


def _compare(
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
    ours = there.run(translation.model, placed, layers=names)
    pairs: list[tuple[Array | None, Array | None]] = [(None, None)] * len(inputs)
    no_gradient = "gradients were not asked for"
    if gradients:
        no_gradient = "it is no float tensor, or no output is"
        if any(a.dtype.kind == "f" for a in inputs) and all(a.dtype.kind == "f" for a in outputs):
            pairs = _gradient_pairs(source, translation, here, there, inputs, outputs)

    return make_report(
        source=here.label,
        target=there.label,
        dtype=dtype,
        tolerance=tolerance,
        outputs=[
            (port.name, _back(a, port.permutation), b)
            for port, a, b in zip(translation.outputs, ours.outputs, outputs, strict=True)
        ],
        gradients=[(port.name, a, b) for port, (a, b) in zip(translation.inputs, pairs, strict=True)],
        layers=[
            (
                row.source.name,
                row.target.name,
                _back(ours.layers[row.target.name], row.permutation) if row.target.name in ours.layers else None,
                first.layers.get(row.source.name),
            )
            for row in rows
        ],
        reasons={port.name: no_gradient for port in translation.inputs},
        notes=notes,
        by_differences=not (here.differentiable and there.differentiable),
    )


def _gradient_pairs(
    source: Any, translation: Translation, here: Framework, there: Framework, inputs: Arrays, outputs: Arrays
) -> list[tuple[Array | None, Array | None]]:
    """Input gradients (target's, source's) of a random combination of the outputs, in the source's layout.

    Where one side has no gradients (an ONNX graph), both are compared along a few random directions, the missing ones taken
    as central differences in double precision.
    """
    random = np.random.default_rng(20221)  # not the seed of example inputs: equal draws can cancel a gradient
    cotangents = [np.asarray(random.standard_normal(array.shape), array.dtype) for array in outputs]
    directions = [random.standard_normal((DIRECTIONS, *array.shape)) for array in inputs]
    whole = here.differentiable and there.differentiable
    sides = []
    for framework, model, ports, outs in (
        (there, translation.model, translation.inputs, translation.outputs),
        (here, source, None, None),
    ):
        given = [_move(a, p.permutation) for a, p in zip(inputs, ports, strict=True)] if ports else inputs
        weights = [_move(a, p.permutation) for a, p in zip(cotangents, outs, strict=True)] if outs else cotangents
        if framework.differentiable:
            found = framework.run(model, given, cotangents=weights).gradients or [None] * len(inputs)
            if ports:
                found = [None if g is None else _back(g, p.permutation) for g, p in zip(found, ports, strict=True)]
            if not whole:
                found = [None if g is None else _along(g, d) for g, d in zip(found, directions, strict=True)]
        else:
            moved = (
                [np.stack([_move(v, p.permutation) for v in d]) for d, p in zip(directions, ports, strict=True)]
                if ports
                else directions
            )
            found = _differences(framework, model, given, weights, moved)
        sides.append(found)
    return list(zip(*sides, strict=True))


def _along(gradient: Array, directions: Array) -> Array:
    """Derivative a sample along each direction, shape (N, directions)."""
    products = gradient[None] * directions
    return products.reshape(*products.shape[:2], -1).sum(axis=2).T


def _differences(
    framework: Framework, model: Any, inputs: Arrays, cotangents: Arrays, directions: Arrays
) -> list[Array | None]:
    double = framework.as_float64(model)
    inputs = [_as_float(array, "float64") for array in inputs]

    def objective(values: Arrays) -> Array:
        found = framework.run(double, values).outputs
        terms = [(o * c).reshape(len(o), -1).sum(axis=1) for o, c in zip(found, cotangents, strict=True)]
        return np.sum(terms, axis=0)

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


def _verdict(report: EquivalenceReport) -> str:
    layer = report.first_divergence
    if layer is not None:
        row = next(row for row in report.layers if row.name == layer)
        first = (
            f"the translation is wrong: the first layer that disagrees is {layer!r} (relative error {row.max_rel:.1e})"
        )
    else:
        first = "the translation is wrong: every layer agrees, but outputs or gradients do not"
    return f"{first}\n{report}\nverify=False returns the model all the same; tolerance=Tolerance(...) sets the limits."


def _opened(model: Any) -> Any:
    if isinstance(model, (str, Path)):
        from metannvis_translate.files import load_model

        return load_model(model)
    return model


def _inputs(model: Any, source: Framework, example_inputs: Any) -> Arrays | dict[str, Array]:
    if example_inputs is None:
        return source.example_inputs(model, 2, 0)
    return to_arrays(example_inputs, source)


def check_inputs(inputs: Arrays, ports: Sequence[HubPort]) -> None:
    """Refuse inputs whose number, shape or kind of dtype is not what the model declares."""
    if len(inputs) != len(ports):
        raise InvalidArgumentError(
            f"{len(inputs)} inputs were given, the model takes {len(ports)}: {[p.name for p in ports]}"
        )
    for array, port in zip(inputs, ports, strict=True):
        wanted = tuple("any" if size is None else size for size in port.shape)
        fits = array.ndim == len(wanted) and all(w in ("any", n) for w, n in zip(wanted, array.shape, strict=True))
        if not fits:
            raise InvalidArgumentError(
                f"input {port.name!r} has the shape {array.shape}, the model takes {wanted}".replace("'any'", "any")
            )
        if np.dtype(port.dtype).kind == "f" and array.dtype.kind not in "fiub":
            raise InvalidArgumentError(f"input {port.name!r} has the dtype {array.dtype}, the model takes {port.dtype}")
        if np.dtype(port.dtype).kind in "iu" and array.dtype.kind == "f":
            raise InvalidArgumentError(f"input {port.name!r} has the dtype {array.dtype}, the model takes {port.dtype}")


def _engines(source: Framework, engine: str) -> tuple[str, ...]:
    if engine == "auto":
        return source.engines
    if engine not in source.engines:
        raise InvalidArgumentError(
            f"engine={engine!r}: for a model of {source.label} there are 'auto', {', '.join(map(repr, source.engines))}"
        )
    return (engine,)


def _ordered(inputs: Arrays | dict[str, Array], hub: HubModel | None) -> Arrays:
    if not isinstance(inputs, dict):
        return list(inputs)
    if hub is None or set(inputs) != {port.name for port in hub.inputs}:
        return list(inputs.values())
    return [inputs[port.name] for port in hub.inputs]


def _as_float(array: Array, dtype: str) -> Array:
    return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array


def _move(array: Array, permutation: Sequence[int]) -> Array:
    return np.ascontiguousarray(array.transpose(permutation)) if array.ndim == len(permutation) else array


def _back(array: Array, permutation: Sequence[int] | None) -> Array:
    if permutation is None or array.ndim != len(permutation):
        return array
    return array.transpose(layout.inverse(permutation))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]


def _no_progress(done: int, total: int, stage: str) -> None:
    return None
