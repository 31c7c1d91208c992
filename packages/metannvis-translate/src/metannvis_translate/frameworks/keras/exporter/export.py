"""Export of Keras 3 models to ONNX, layer by layer, with provenance.

Functional and Sequential models, nested ones, shared layers, ``keras.ops`` operations, and layers or models of the
caller's own whose ``call`` can be traced on symbolic tensors. What a Keras layer returns is a value of the graph, in
Keras' own layout: a convolution of channels-last images is Transpose, Conv, Transpose.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.keras.axes import role_of
from metannvis_translate.frameworks.keras.conventions import CONVENTIONS, state_conventions
from metannvis_translate.frameworks.keras.exporter import tf_functions
from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter
from metannvis_translate.frameworks.keras.exporter.layers import HINT, find_layer_converter, find_operation_converter
from metannvis_translate.frameworks.keras.exporter.layers.registry import operation_name
from metannvis_translate.frameworks.keras.exporter.masks import HubMasks, hand_on_masks
from metannvis_translate.frameworks.keras.float64 import in_double, is_double
from metannvis_translate.frameworks.keras.graph import (
    Call,
    Walk,
    functional_of,
    is_layer,
    numbered,
    objects_by_path,
    output_specs,
)
from metannvis_translate.frameworks.keras.run import run_model
from metannvis_translate.frameworks.protocol import Progress
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["export_model"]

Array = np.ndarray[Any, Any]


def export_model(
    model: Any,
    inputs: Sequence[Array] | Mapping[str, Array] | None,
    *,
    dtype: str | None,
    progress: Progress,
    fixed: bool = False,
) -> ExportedGraph:
    """Export a Keras model in inference mode.

    Parameters
    ----------
    model
        ``keras.Model``; it stays as it is.
    inputs
        Example inputs, needed where the model does not declare its shapes; or a mapping of input names to them.
    dtype
        ``"float64"`` exports a copy in double precision.
    fixed
        Sizes that the model leaves free become those of the inputs, but for the batch.

    Raises
    ------
    UnsupportedOperatorError
        A layer has no converter and cannot be traced; the message names it and says how to register one.
    MissingArgumentError
        The model does not say what it takes, and no inputs are given.
    """
    require("keras")
    objects = {path: id(layer) for path, layer in objects_by_path(model).items()}
    if dtype == "float64":
        from metannvis_translate.frameworks.keras.copy import as_float64

        model = as_float64(model)
    exporter = _Exporter(model, inputs, objects, progress, fixed=fixed)
    exporter.emitter.is_double = dtype == "float64" or is_double(model)
    with in_double(model):
        return exporter.run()


class _Exporter:
    """One export."""

    def __init__(
        self,
        model: Any,
        inputs: Sequence[Array] | Mapping[str, Array] | None,
        objects: Mapping[str, int],
        progress: Progress,
        *,
        fixed: bool,
    ) -> None:
        import onnx_ir as ir

        self.model = model
        self.given = inputs
        self.fixed = fixed
        self.objects = objects
        self.progress = progress
        self.total = max(len(objects), 1)
        self.emitter = KerasEmitter()
        self.layers: list[HubLayer] = []
        self.inside = 0
        self.ports: list[HubPort] = []
        self.declared_wrongly = False
        self.walk = Walk(
            leaf=self.leaf,
            is_value=lambda x: isinstance(x, ir.Value),
            spec=self.emitter.spec,
            cast=self.cast,
            parent=self.parent,
            masks=HubMasks(self.emitter),
            weight=self.emitter.own_weight,
            constant=self.emitter.tensor,
        )
        self.emitter.walk = self.walk
        self.emitter.weights = getattr(model, "weights", ())

    def run(self) -> ExportedGraph:
        keras = require("keras")
        function = functional_of(self.model)
        ports = self.ports = [self.fixed_port(k, port) for k, port in enumerate(self.input_ports(function))]
        fixed = None
        if function is not None and not isinstance(self.model, keras.Sequential):
            # Keras itself does not hold a Sequential model to the batch size it was built with.
            fixed = next((port.shape[0] for port in ports if port.shape and port.shape[0] is not None), None)
        values = [self.emitter.input(p.name, p.shape, p.dtype, free_batch=fixed is None) for p in ports]
        if self.emitter.is_double:
            self.emitter.single += [
                f"Input: the model declares {p.name} as {p.dtype}" for p in ports if p.dtype == "float32"
            ]
        structure = self.walk.model(self.model, values)
        outputs = self.distinct(keras.tree.flatten(structure), values)
        names = self.output_names(function, len(outputs))
        graph = self.emitter.model(values, outputs, self.model.name)
        state_conventions(graph.graph)
        return ExportedGraph(
            model=graph,
            layers=tuple(self.layers),
            inputs=tuple(
                dataclasses.replace(port, value=value.name or "") for port, value in zip(ports, values, strict=True)
            ),
            outputs=tuple(
                HubPort(name, value.name or "", self.emitter.shape(value), self.emitter.spec(value)[1])
                for name, value in zip(names, outputs, strict=True)
            ),
            source="tensorflow",
            fixed_batch=fixed,
            exporter="keras",
            conventions=CONVENTIONS,
            single=tuple(dict.fromkeys(self.emitter.single)),
            notes=tuple(dict.fromkeys(self.emitter.notes)),
            unflatten=lambda arrays: _packed(structure, arrays),
        )

    # --- the model's own inputs and outputs ---------------------------------------------------------------------------

    def input_ports(self, function: Any) -> list[HubPort]:
        keras = require("keras")
        if function is not None:
            is_free = isinstance(self.model, keras.Sequential)
            return [
                HubPort(
                    x._keras_history.operation.name if getattr(x, "_keras_history", None) else x.name,
                    "",
                    (None, *x.shape[1:]) if is_free else tuple(x.shape),
                    x.dtype,
                )
                for x in function.inputs
            ]
        if self.given is None or not len(self.given):
            raise MissingArgumentError(
                f"the model {self.model.name!r} does not declare what it takes: give example_inputs="
            )
        arrays = list(self.given.values()) if isinstance(self.given, Mapping) else list(self.given)
        names = list(self.given) if isinstance(self.given, Mapping) else [f"input_{k + 1}" for k in range(len(arrays))]
        return [
            HubPort(name, "", (None, *array.shape[1:]), self._float(array.dtype.name))
            for name, array in zip(names, arrays, strict=True)
        ]

    def fixed_port(self, place: int, port: HubPort) -> HubPort:
        """An input whose free sizes beside the batch are those of the example, if they are to be."""
        if not self.fixed or self.given is None:
            return port
        array = self.given[port.name] if isinstance(self.given, Mapping) else self.given[place]
        if array.ndim != len(port.shape):
            return port  # what is wrong with it is said where it is used
        axes = tuple(k for k, size in enumerate(port.shape) if size is None and k)
        shape = tuple(array.shape[k] if k in axes else size for k, size in enumerate(port.shape))
        return dataclasses.replace(port, shape=shape, fixed=axes)

    def _float(self, dtype: str) -> str:
        return str(self.model.compute_dtype) if dtype.startswith("float") else dtype

    def output_names(self, function: Any, count: int) -> list[str]:
        names = list(getattr(function, "output_names", None) or [f"output_{k + 1}" for k in range(count)])
        return [name if name not in names[:k] else f"{name}_{k + 1}" for k, name in enumerate(names)]

    def distinct(self, outputs: Sequence[Any], inputs: Sequence[ir.Value]) -> list[ir.Value]:
        """Graph outputs: each a value of its own, none of them an input."""
        result: list[ir.Value] = []
        for value in outputs:
            is_taken = any(value is other for other in (*result, *inputs)) or value.producer() is None
            result.append(self.emitter.emit("Identity", value) if is_taken else value)
        return result

    # --- calls ---------------------------------------------------------------------------------------------------------

    def cast(self, value: ir.Value, dtype: str) -> ir.Value:
        return self.emitter.cast(value, dtype)

    def leaf(self, call: Call) -> Any:
        """Emit the nodes of one layer or operation."""
        e = self.emitter
        before = (e.operation, e.path, e.layer, e.specs)
        first = len(e.nodes)
        if not self.inside:
            e.layer = call.name
            self.progress(min(len(self.layers), self.total), self.total, "export")
        e.operation, e.path = call.operation, call.path if not self.inside else before[1]
        e.inside_a_layer, self.inside = self.inside > 0, self.inside + 1
        try:
            is_followed = is_layer(call.operation) and find_layer_converter(call.operation) is None
            outputs, results = self.flat_outputs(self.convert(call), first, keep_masks=is_followed)
            self.settle(results, e.specs, call, is_outer=self.inside == 1)
            if not is_followed:
                hand_on_masks(call.operation, *self.arguments(call), results, e, self.walk.masks)
        finally:
            self.inside -= 1
            e.operation, e.path, e.layer, e.specs = before
        if is_layer(call.operation) and not self.inside:
            self.record(call, results)
        return outputs

    def convert(self, call: Call) -> Any:
        e = self.emitter
        operation = call.operation
        if getattr(operation, "quantization_mode", None) is not None:
            e.refuse("it is quantised")
        args, kwargs = self.arguments(call)
        e.specs = output_specs(call, args, kwargs, self.walk.is_value, e.spec, anew=self.declared_wrongly)
        kwargs |= call.masks
        if not is_layer(operation):
            row = find_operation_converter(operation)
            return tf_functions.converted(e, operation, args, kwargs) if row is None else self.tried(row, args, kwargs)
        row = find_layer_converter(operation)
        if row is not None:
            first = next(iter(operation._call_signature.parameters), "")
            if not args and first in kwargs:  # the argument that converters are given first, whatever Keras calls it
                args = (kwargs.pop(first),)
            return self.tried(row, args, kwargs)
        return self.opened(call, args, kwargs)

    def opened(self, call: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a layer without a converter returns: what its ``call`` is made of, or TensorFlow makes of it."""
        first = len(self.emitter.nodes)
        try:
            return self.walk.through(self.walk.opened(call.operation, args, kwargs), f"{call.path}/")
        except UnsupportedOperatorError as refusal:
            self.emitter.drop_unused(first, ())
            try:
                return tf_functions.converted(self.emitter, call.operation, args, kwargs)
            except UnsupportedOperatorError as error:
                if refusal.operator != operation_name(call.operation):  # it names what is inside already
                    raise refusal from error
                reason = f"{refusal.reason}; and as a graph of TensorFlow: {error.reason}"
                raise UnsupportedOperatorError(
                    refusal.operator, layer=refusal.layer, reason=reason, hint=HINT
                ) from refusal

    def tried(self, row: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a converter makes of an operation; what it refuses, TensorFlow's own operators may still say."""
        e, operation = self.emitter, self.emitter.operation
        first = len(e.nodes)
        try:
            return row(e, operation, *args, **kwargs)
        except UnsupportedOperatorError as refusal:
            e.drop_unused(first, ())
            try:
                return tf_functions.converted(e, operation, args, kwargs)
            except UnsupportedOperatorError:
                raise refusal from None

    def arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as a converter wants them: cast as the layer casts, without what says nothing in inference."""
        import onnx_ir as ir

        operation = call.operation
        kwargs = {k: v for k, v in call.kwargs.items() if k != "training" and not (k == "mask" and v is None)}
        if not is_layer(operation) or not operation.autocast:
            return call.args, kwargs

        def autocast(x: Any) -> Any:
            if not isinstance(x, ir.Value) or x.dtype is None or not x.dtype.is_floating_point():
                return x
            cast, masks = self.cast(x, operation.compute_dtype), self.walk.masks
            if cast is not x:
                masks.set(cast, masks.get(x))
            return cast

        tree = require("keras").tree
        return tree.map_structure(autocast, (call.args, kwargs))

    def flat_outputs(self, result: Any, first: int, *, keep_masks: bool) -> tuple[Any, list[ir.Value]]:
        """Outputs, each made by a node of this very call: in their own structure, and flat.

        ``keep_masks``: what is an input is the same tensor in Keras, too.
        """
        import onnx_ir as ir

        own = {id(value) for node in self.emitter.nodes[first:] for value in node.outputs}
        tree = require("keras").tree
        flat: list[ir.Value] = []

        def settled(value: Any) -> Any:
            if not isinstance(value, ir.Value):
                return value
            if id(value) not in own or any(value is other for other in flat):
                mask = self.walk.masks.get(value) if keep_masks else None
                value = self.emitter.emit("Identity", value)
                self.walk.masks.set(value, mask)
            flat.append(value)
            return value

        outputs = tree.map_structure(settled, result)
        single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
        return outputs[0] if single else outputs, flat

    def settle(self, values: Sequence[ir.Value], specs: Sequence[Any], call: Call, *, is_outer: bool) -> None:
        """Give outputs the names and shapes that Keras knows them by."""
        for k, (value, spec) in enumerate(zip(values, specs, strict=False)):
            if is_outer:
                value.name = self.emitter.name(numbered(call.name, 1, k))
            own = (None,) * len(spec.shape) if value.shape is None else self.emitter.shape(value)
            if len(own) != len(spec.shape):  # what Keras declares is wrong of some layers: what was emitted counts
                continue
            says_more = any(o is None and s is not None for o, s in zip(own, spec.shape, strict=True))
            if says_more and self.is_wrong(call, k, tuple(spec.shape)):
                self.declared_wrongly = True
                continue
            self.emitter.set_shape(value, [s if o is None else o for o, s in zip(own, spec.shape, strict=True)])

    def is_wrong(self, call: Call, place: int, declared: tuple[int | None, ...]) -> bool:
        """Whether the sizes that a layer of the caller's own declares are others than it returns on the example inputs."""
        if not is_layer(call.operation) or find_layer_converter(call.operation) is not None or self.given is None:
            return False
        values = self.given if not isinstance(self.given, Mapping) else [self.given[port.name] for port in self.ports]
        name = numbered(call.name, 1, place)
        found = run_model(self.model, list(values), layers=[name]).layers.get(name)
        if found is None or found.ndim != len(declared):
            return found is not None
        return any(size is not None and size != real for size, real in zip(declared, found.shape, strict=True))

    def record(self, call: Call, values: Sequence[Any], *, parent: bool = False) -> None:
        for k, value in enumerate(values):
            info = LayerInfo(
                name=numbered(call.name, 1, k),
                kind=type(call.operation).__name__,
                shape=self.emitter.shape(value),
                parent=parent,
                role="" if k else role_of(call.operation),
            )
            self.layers.append(HubLayer(info, value.name or "", self.objects.get(call.path)))

    def parent(self, call: Call, outputs: Any) -> None:
        if not self.inside:
            self.record(call, [x for x in require("keras").tree.flatten(outputs) if self.walk.is_value(x)], parent=True)


def _packed(structure: Any, arrays: list[Any]) -> Any:
    tree = require("keras").tree
    if len(arrays) != len(tree.flatten(structure)):
        raise InvalidArgumentError(f"{len(arrays)} arrays for {len(tree.flatten(structure))} outputs")
    packed = tree.pack_sequence_as(structure, arrays)
    return packed[0] if isinstance(packed, (list, tuple)) and len(packed) == 1 else packed
