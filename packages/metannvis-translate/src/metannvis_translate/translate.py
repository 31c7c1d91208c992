"""Translation, step by step: export, passes, import, check."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from metannvis_translate.data import check_inputs, inputs_for, ordered, to_arrays, with_constants
from metannvis_translate.dynamic_axes import free_axes
from metannvis_translate.equivalence.check import compare, in_precision, verdict
from metannvis_translate.equivalence.report import Tolerance
from metannvis_translate.equivalence.runs import WithConstants, by_name
from metannvis_translate.errors import (
    EquivalenceError,
    InvalidArgumentError,
    MetannvisError,
    UnsupportedOperatorError,
    first_line,
)
from metannvis_translate.files import opened
from metannvis_translate.frameworks.protocol import EngineDeclinedError, Framework, Importer, Progress
from metannvis_translate.frameworks.registry import (
    detect_framework,
    exporters_and_importer,
    framework_key,
    get_framework,
)
from metannvis_translate.graph.gc_pause import gc_paused
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.graph.precision import computes_in_half, mixes_floats, single_precision
from metannvis_translate.layers import LayerInfo
from metannvis_translate.passes.bind_inputs import bind_inputs
from metannvis_translate.passes.pipeline import simplify
from metannvis_translate.passes.stop_gradient import stops_of
from metannvis_translate.process import exclusive, generators_kept
from metannvis_translate.translation import Translation, assemble

__all__ = ["list_layers", "translate", "translate_data", "translate_model"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
Arrays = list[Array]


def translate(
    model: Any,
    to: str,
    *,
    example_inputs: Any = None,
    engine: str = "auto",
    verify: bool = True,
    gradients: bool = True,
    tolerance: Tolerance | None = None,
    dtype: str | None = None,
    bind: Mapping[str, Any] | None = None,
    shapes: Any = None,
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
        ``nn.Module``; made from the declared shapes otherwise. A module whose ``forward`` takes lists or dicts of tensors is
        given them so, as in ``([first, second],)``: the translation, and ``translation.source``, take the tensors one by one.
    engine
        ``"auto"`` takes the first exporter whose result passes the check; or the name of one of them. ``"onnx2keras"``
        builds the Keras model by the package of that name (single precision; its models hold Lambda layers where it knows no
        other way, which Keras does not load in safe mode); the check is the same, over the layers that can be found again.
    verify
        Compare outputs, every mapped layer and input gradients on the example inputs before returning.
    gradients
        ``False`` leaves the gradients out of that, for what only asks the model for predictions.
    tolerance
        Largest differences that pass the check.
    dtype
        ``"float64"`` builds a model in double precision from a double copy of the source, in which PyTorch code that asks for
        single precision (``x.float()``) gets double. ``None`` keeps single precision.
    bind
        Values for inputs of an ONNX model that are really constants, by name.
    shapes
        For a PyTorch source, sizes that are free beside the batch: the shape of the input, or of each input (in a list, or
        by name), with ``None`` for a free size, as in ``(None, 3, None, None)``. A model that needs one size (a dense layer
        behind a flattened image) is refused. An exported program and a Keras model say themselves which sizes are free; where
        they cannot stay so, they become those of the example inputs, a note tells, and the translation refuses others.
    progress
        Called ``progress(done, total, stage)``. One translation is made at a time in a process; other threads wait, and are
        told so.

    Returns
    -------
    Translation

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
    model = opened(model)
    with exclusive(model, progress=progress), generators_kept():
        source = get_framework(detect_framework(model))
        model, example_inputs = source.flattened(model, example_inputs)
        names = [declared.name for declared in source.declared_inputs(model)] if bind else []
        inputs = with_constants(inputs_for(model, source, example_inputs), bind, names)
        exporters, importer = exporters_and_importer(engine, source, target)
        request = Request(
            model=model,
            source=source,
            target=target,
            inputs=inputs,
            exporters=exporters,
            importer=importer,
            verify=verify,
            gradients=gradients,
            tolerance=tolerance,
            dtype=None if dtype == "float32" else dtype,
            single=dtype == "float32",
            bind=bind,
            free=free_axes(shapes, inputs, source, model),
            progress=progress,
        )
        try:
            return _by_exporters(request)
        except UnsupportedOperatorError as error:
            fixes = source.fixes_sizes and example_inputs is not None and _leaves_free(source, model)
            if shapes is not None or not (request.free or fixes):
                raise
            # nobody asked for the sizes that a model leaves free
            note = f"the sizes of the inputs are fixed beside the batch: {first_line(error)}"
            return _by_exporters(dataclasses.replace(request, free=(), fixed=fixes, notes=(note,)))


def _leaves_free(source: Framework, model: Any) -> bool:
    """Whether a model says that some sizes beside the batch are free."""
    return any(None in declared.shape[1:] for declared in source.declared_inputs(model) if declared.shape is not None)


@dataclass(frozen=True)
class Request:
    """A translation as it was asked for, with everything looked up: what its steps read.

    Attributes
    ----------
    exporters
        Names of the source's ways to export, the one to try first in front.
    dtype, single
        ``"float64"`` for double precision, ``None`` for the source's own; ``single`` if the caller insists on single precision.
    free
        An entry an input: the axes beside the batch whose sizes are free.
    fixed
        Sizes that the source leaves free become those of the inputs, but for the batch.
    notes
        What a reader of the result should know of the way so far.
    """

    model: Any
    source: Framework
    target: Framework
    inputs: Arrays | dict[str, Array]
    exporters: tuple[str, ...]
    importer: Importer
    verify: bool
    gradients: bool
    tolerance: Tolerance
    dtype: str | None
    single: bool
    bind: Mapping[str, Any] | None
    free: Sequence[Sequence[int]]
    progress: Progress
    fixed: bool = False
    notes: tuple[str, ...] = ()


def _by_exporters(request: Request) -> Translation:
    """The translation by the first exporter whose result passes the check."""
    failures: list[tuple[str, MetannvisError]] = []
    for exporter in request.exporters:
        tried = (f"{name} was tried first: {first_line(error)}" for name, error in failures)
        try:
            return _translated(dataclasses.replace(request, notes=(*request.notes, *tried)), exporter)
        except EngineDeclinedError as error:
            log.info("by way of %s: %s", exporter, first_line(error))
            if len(request.exporters) == 1:
                raise
        except (UnsupportedOperatorError, EquivalenceError) as error:
            log.info("by way of %s: %s", exporter, first_line(error))
            failures.append((exporter, error))
    errors = [error for _, error in failures]
    raise next((error for error in errors if isinstance(error, EquivalenceError)), errors[0])


def _translated(request: Request, exporter: str) -> Translation:
    """Export, passes, import, check."""
    hub, inputs, constants, names = _exported(request, exporter)
    request = dataclasses.replace(request, dtype=_precision(request, hub))
    is_half = hub.conventions.half_in_double and computes_in_half(hub)
    with gc_paused():
        hub = simplify(hub)
    gradients = request.target.differentiable or not stops_of(hub)
    if not gradients:
        note = f"the source stops gradients, of which {request.target.label} knows nothing: they are not compared"
        hub = dataclasses.replace(hub, notes=(*hub.notes, note))
    translation = _imported(request, hub)
    if not request.verify:
        return translation
    if is_half and request.dtype is None:
        # each framework rounds half precision in its own order, so that only in double can the two be told apart
        proof = _translated(dataclasses.replace(request, dtype="float64", single=False), exporter)
        note = "it computes in half precision, as its source does; the check compared the two in double precision"
        return dataclasses.replace(translation, report=proof.report, notes=(*translation.notes, note))
    if constants:
        source = by_name(request.source, names)
        request = dataclasses.replace(request, source=cast("Framework", WithConstants(source, constants)))
    return _checked(request, translation, inputs, gradients=gradients and request.gradients)


def _exported(request: Request, exporter: str) -> tuple[ExportedGraph, Arrays, dict[int, Array], list[str]]:
    """The source as a graph, its inputs in the graph's order, those that are bound by their places, and all names."""
    options: dict[str, Any] = {"free": request.free} if request.free else {}
    if request.fixed:
        options["fixed"] = True
    with gc_paused():
        hub = request.source.export(
            request.model,
            request.inputs,
            dtype=request.dtype,
            engine=exporter,
            progress=request.progress,
            **options,
        )
    inputs = ordered(request.inputs, hub)
    constants: dict[int, Array] = {}
    names = [port.name for port in hub.inputs]
    if request.bind:
        unknown = set(request.bind) - set(names)
        if unknown:
            raise InvalidArgumentError(f"bind= names {sorted(unknown)}, but the inputs are {names}")
        check_inputs(inputs, hub.inputs)
        constants = {names.index(name): np.asarray(value) for name, value in request.bind.items()}
        inputs = [array for place, array in enumerate(inputs) if place not in constants]
        hub = bind_inputs(hub, {names[place]: value for place, value in constants.items()})
    check_inputs(inputs, hub.inputs)
    return hub, inputs, constants, names


def _precision(request: Request, hub: ExportedGraph) -> str | None:
    """``"float64"`` where that was asked for, or where the source is in double precision itself."""
    # a graph that states the type of each value, as the standard has it, stays as it says if it mixes them
    floats = {port.dtype for port in (*hub.inputs, *hub.outputs) if port.dtype.startswith(("float", "bfloat"))}
    mixed = hub.conventions.states_types and len(floats) > 1 and request.dtype is None
    if mixed or not any(port.dtype == "float64" for port in hub.inputs):
        return request.dtype
    if request.single:
        raise InvalidArgumentError(
            "dtype='float32': the model is in double precision; translate its .float() for a single one"
        )
    return request.dtype if mixes_floats(hub) else "float64"


def _imported(request: Request, hub: ExportedGraph) -> Translation:
    """A model of the target built from the graph, and how the two correspond."""
    coarse = single_precision(hub)
    with gc_paused():
        built = request.importer(hub, dtype=request.dtype, progress=request.progress)
    translation = assemble(request.model, request.source, request.target, hub, built, request.dtype, request.notes)
    return dataclasses.replace(translation, single_precision=coarse)


def _checked(request: Request, translation: Translation, inputs: Arrays, *, gradients: bool) -> Translation:
    """The translation with its report; a report that did not pass is an error."""
    request.progress(0, 1, "check")
    reference, notes = in_precision(request.source, request.model, request.dtype)
    translation = dataclasses.replace(translation, notes=(*translation.notes, *notes))
    report = compare(
        reference,
        translation,
        request.source,
        request.target,
        inputs,
        request.tolerance,
        request.dtype or "float32",
        layers=translation.layers,
        gradients=gradients,
    )
    request.progress(1, 1, "check")
    if not report.passed:
        raise EquivalenceError(verdict(report), report)
    log.info("%s", report.summary())
    return dataclasses.replace(translation, report=report)


def translate_model(model: Any, to_framework: str, *, dummy_input: Any = None, **kwargs: Any) -> Any:
    """The translated model itself; the given one if it is in that framework already.

    Parameters
    ----------
    model, to_framework, dummy_input, kwargs
        As ``model``, ``to``, ``example_inputs`` and further arguments of :func:`translate`.

    Returns
    -------
    torch.nn.Module, keras.Model or onnx.ModelProto

    Raises
    ------
    MetannvisError
        As for :func:`translate`.
    """
    if detect_framework(model) == framework_key(to_framework):
        return opened(model)
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
        What they are: ``input``, ``baseline``, ``feature_mask``, ``output``, ``window``, ``stride``, ``neuron``, ``target``.

    Returns
    -------
    Arrays or tensors, nested alike

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

    Parameters
    ----------
    model
        What :func:`translate` takes, a path included.
    example_inputs
        A bare ``nn.Module`` needs them for shapes, as :func:`translate` takes them; a Keras model or a file knows its own.

    Returns
    -------
    tuple of LayerInfo

    Raises
    ------
    UnknownFrameworkError, MissingFrameworkError, InvalidArgumentError
        The object is no model of a known framework, that is not installed, or a PyTorch module comes without example inputs.
    """
    model = opened(model)
    framework = get_framework(detect_framework(model))
    with exclusive(model), generators_kept():
        model, example_inputs = framework.flattened(model, example_inputs)
        inputs = None if example_inputs is None else to_arrays(example_inputs, framework)
        if isinstance(inputs, dict):
            inputs = list(inputs.values())
        return framework.list_layers(model, inputs)


def _no_progress(done: int, total: int, stage: str) -> None:
    return None
