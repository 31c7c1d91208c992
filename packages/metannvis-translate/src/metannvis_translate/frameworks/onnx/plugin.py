"""Plug-in for ONNX: ``.onnx`` files and protos are models like any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import (
    DamagedFileError,
    InvalidArgumentError,
    InvalidModelError,
    MissingArgumentError,
    UnknownLayerError,
    UnsupportedOperatorError,
)
from metannvis_translate.frameworks.onnx.checks import check_model
from metannvis_translate.frameworks.onnx.float_precision import doubled, is_in_half, singled
from metannvis_translate.frameworks.onnx.local_functions import inlined
from metannvis_translate.frameworks.onnx.metadata import drop_conventions, drop_false_exacts
from metannvis_translate.frameworks.onnx.module_names import ModuleValue, module_values, node_names
from metannvis_translate.frameworks.onnx.old_opsets import OLDEST, modern, modernize
from metannvis_translate.frameworks.onnx.onnx_ml import lower_ml, without_maps
from metannvis_translate.frameworks.onnx.run import evaluator
from metannvis_translate.frameworks.onnx.saving import has_data, needs_data, save_with_data
from metannvis_translate.frameworks.onnx.size_checks import check_complete, check_files
from metannvis_translate.frameworks.onnx.value_sizes import check_values
from metannvis_translate.frameworks.protocol import (
    BuiltModel,
    BuiltPort,
    BuiltValue,
    DeclaredInput,
    FrameworkBase,
    Progress,
    Run,
)
from metannvis_translate.frameworks.type_names import is_a
from metannvis_translate.graph.layout import identity
from metannvis_translate.graph.metadata import BUFFER, LAYER
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort
from metannvis_translate.layers import LayerInfo, ModelDescription
from metannvis_translate.passes.decompose import lower

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["OnnxFramework", "framework"]

Array = np.ndarray[Any, Any]
#: The precisions of floats that an input is given in as the graph declares it.
FLOATS = (np.float16, np.float32, np.float64)
#: Why a size on the first axis of an input is no free one.
FIXED_BY_FILE = (
    "the ONNX graph states that size. Give as many samples at a time, or export it with a free batch (dynamic_axes= or "
    "dynamic_shapes= of torch.onnx.export)."
)


class OnnxFramework(FrameworkBase):
    """See :class:`~metannvis_translate.frameworks.Framework`."""

    key = "onnx"
    label = "ONNX"
    suffixes = (".onnx",)
    engines = ("onnx",)
    differentiable = False
    packages = ("onnx",)

    def detect(self, model: Any) -> bool:
        return is_a(model, "onnx.onnx_ml_pb2.ModelProto", "onnx_ir._core.Model")

    def is_array(self, value: Any) -> bool:
        return False

    def to_numpy(self, value: Any) -> Array:
        return np.asarray(value)

    def from_numpy(self, array: Array) -> Array:
        return array

    def check(self, model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None) -> None:
        """Refuse a graph that is not valid, or too large on these inputs, before anything else looks at it."""
        proto = _proto(model)
        bare = check_model(proto)
        weights = {tensor.name for tensor in proto.graph.initializer}
        names = [value.name for value in proto.graph.input if value.name not in weights]
        rows = inputs.items() if isinstance(inputs, Mapping) else zip(names, inputs or (), strict=False)
        check_values(bare, {name: np.shape(array) for name, array in rows})

    def export(
        self,
        model: Any,
        inputs: Sequence[Array] | Mapping[str, Array] | None,
        *,
        dtype: str | None,
        engine: str,
        progress: Progress,
    ) -> ExportedGraph:
        """The graph itself; a layer is a node, named after it, or after its first output if it has no name."""
        import onnx_ir as ir

        self.check(model, inputs)
        graph_model = self._copy(model)
        modules: dict[str, list[ModuleValue]] = {}
        for row in module_values(inlined(_proto(model))):
            modules.setdefault(row.value, []).append(row)
        graph = graph_model.graph
        opset = graph.opset_imports.get("", OLDEST)
        for value in [value for value in graph.inputs if value.name in graph.initializers]:
            graph.inputs.remove(value)  # an initialiser listed as an input too, as files before IR version 4 do
        modernize(graph_model)
        drop_false_exacts(graph_model)
        drop_conventions(graph_model)
        notes = lower_ml(graph)
        if is_in_half(graph_model):
            singled(graph_model)
        layers = []
        taken = [value.name or "" for value in graph.inputs]
        rows = [(node.name or "", [value.name or "" for value in node.outputs]) for node in graph]
        names = node_names(rows, taken)
        for node, name in zip(graph, names, strict=True):
            node.metadata_props[LAYER] = name
            for position, value in enumerate(node.outputs):
                if value.name and node.op_type != "Constant":
                    info = LayerInfo(name + (f"#{position + 1}" if position else ""), node.op_type, _shape(value))
                    layers.append(HubLayer(info, value.name))
                    layers += [
                        HubLayer(LayerInfo(row.name, row.kind, _shape(value), parent=row.parent), value.name)
                        for row in modules.get(value.name, ())
                    ]
        for value in graph.initializers.values():
            if value.const_value is not None and value.const_value.dtype.name not in ("FLOAT", "DOUBLE", "FLOAT16"):
                value.metadata_props[BUFFER] = "1"
        for value in (*graph.inputs, *graph.outputs):
            if value.type is not None and not isinstance(value.type, ir.TensorType):
                kind = type(value.type).__name__.removesuffix("Type").lower()
                raise UnsupportedOperatorError(kind, opset=opset, reason=f"{value.name!r} is no tensor but a {kind}")
        ports = tuple(
            HubPort(v.name or "", v.name or "", _shape(v), _dtype(v), batch_reason=FIXED_BY_FILE) for v in graph.inputs
        )
        batches = {port.shape[0] for port in ports if port.shape}
        fixed = next(iter(batches)) if len(batches) == 1 else None
        outputs = tuple(HubPort(v.name or "", v.name or "", _shape(v), _dtype(v)) for v in graph.outputs)
        assert isinstance(graph_model, ir.Model)
        return ExportedGraph(
            model=graph_model, layers=tuple(layers), inputs=ports, outputs=outputs, source="onnx", fixed_batch=fixed,
            exporter=engine, name=graph.name or "model", notes=notes,
        )  # fmt: skip

    def build(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
        """The hub's graph as a proto; its layout is the source's own."""
        import onnx_ir as ir

        graph = hub.model.graph
        graph.name = hub.name
        lower(graph)
        for port, value in zip(hub.inputs, graph.inputs, strict=True):
            _rename(graph, value, port.name)
        for port, value in zip(hub.outputs, graph.outputs, strict=True):
            if not value.is_graph_input():
                _rename(graph, value, port.name)
        names = {port.value: port.name for port in (*hub.inputs, *hub.outputs)}
        proto = ir.to_proto(hub.model)

        def built(port: HubPort) -> BuiltPort:
            return BuiltPort(port.name, port.shape, port.dtype, identity(len(port.shape)), port.axes)

        return BuiltModel(
            model=proto,
            inputs=tuple(map(built, hub.inputs)),
            outputs=tuple(map(built, hub.outputs)),
            values={
                layer.value: BuiltValue(
                    LayerInfo(names.get(layer.value, layer.value), layer.info.kind, layer.info.shape, layer.info.axes),
                    identity(len(layer.info.shape)),
                )
                for layer in hub.layers
            },
        )

    def run(
        self,
        model: Any,
        inputs: Sequence[Array],
        *,
        layers: Sequence[str] = (),
        cotangents: Sequence[Array] | None = None,
    ) -> Run:
        """Run by ONNX Runtime where it is installed and has exact kernels, else by ONNX's own evaluator."""
        if cotangents is not None:
            raise InvalidArgumentError("an ONNX graph has no gradients of its own")
        proto = modern(inlined(_proto(model)))
        own = [value.name for value in proto.graph.output]
        wanted = _values_by_layer(proto)
        found = {name: wanted[name] for name in layers if name in wanted}
        extra = [value for value in dict.fromkeys(found.values()) if value not in own]
        evaluate = evaluator(proto, extra)
        names = [
            value.name for value in proto.graph.input if value.name not in {i.name for i in proto.graph.initializer}
        ]
        feeds = dict(zip(names, _as_declared(proto, names, inputs), strict=True))
        results = dict(zip([*own, *extra], evaluate(feeds), strict=True))
        return Run(
            outputs=[results[name] for name in own],
            layers={name: results[value] for name, value in found.items()},
        )

    def as_float64(self, model: Any) -> Any:
        """A copy whose floats are doubles: initialisers, constants, casts and declared types."""
        import onnx_ir as ir

        return ir.to_proto(doubled(self._copy(model)))

    def as_float32(self, model: Any) -> Any:
        """A copy in single precision of a graph that is in half, as it is exported; else the model."""
        import onnx_ir as ir

        copy = self._copy(model)
        return ir.to_proto(singled(copy)) if is_in_half(copy) else model

    def list_layers(self, model: Any, inputs: Sequence[Array] | None) -> tuple[LayerInfo, ...]:
        return self.describe(model, inputs).layers

    def describe(self, model: Any, inputs: Sequence[Array] | None) -> ModelDescription:
        """By the operators of the graph."""
        from metannvis_translate.passes.infer_axes import annotate, is_embedding
        from metannvis_translate.passes.infer_shapes import infer_shapes

        hub = self.export(model, inputs, dtype=None, engine="onnx", progress=lambda done, total, stage: None)
        infer_shapes(hub.model)
        shapes = {value.name: value for node in hub.model.graph for value in node.outputs}
        hub.layers = tuple(
            HubLayer(dataclasses.replace(layer.info, shape=_shape(shapes[layer.value])), layer.value)
            for layer in hub.layers
        )
        hub = annotate(hub)
        embedded = {node.inputs[1].name for node in hub.model.graph if is_embedding(node)}  # type: ignore[union-attr]
        return ModelDescription(
            tuple(port.axes for port in hub.inputs),
            tuple(layer.info for layer in hub.layers),
            tuple(place for place, port in enumerate(hub.inputs) if port.value in embedded),
        )

    def declared_inputs(self, model: Any) -> list[DeclaredInput]:
        """Inputs of the graph that are no weights."""
        from onnx.helper import tensor_dtype_to_np_dtype

        graph = _proto(model).graph
        weights = {initializer.name for initializer in graph.initializer}
        declared = []
        for port in (port for port in graph.input if port.name not in weights):
            kind = port.type.tensor_type
            shape = tuple(dim.dim_value or None for dim in kind.shape.dim) if kind.HasField("shape") else None
            dtype = tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else ""
            declared.append(DeclaredInput(port.name, shape, dtype))
        return declared

    def example_inputs(self, model: Any, batch: int, seed: int) -> list[Array]:
        self.check(model, None)
        random = np.random.default_rng(seed)
        arrays = []
        graph = self._copy(model).graph
        for value in [value for value in graph.inputs if value.name not in graph.initializers]:
            shape, dtype = _shape(value), _dtype(value)
            if value.shape is None or any(d is None for d in shape[1:]):
                raise MissingArgumentError(f"input {value.name!r} has free sizes {shape}: give example_inputs=")
            sizes = [batch if d is None else d for d in shape]
            if np.dtype(dtype).kind == "f":
                arrays.append(random.standard_normal(sizes).astype(dtype))
            else:
                arrays.append(random.integers(0, 2, sizes).astype(dtype))
        return arrays

    def attach(self, model: Any, layer: str) -> tuple[Any, Any]:
        known = _values_by_layer(inlined(_proto(model)))
        if layer not in known:
            raise UnknownLayerError(layer, known)
        return model, known[layer]

    def load(self, path: Path, *, trust: bool, architecture: str | None) -> onnx.ModelProto:
        """Load a file; external data has to lie in the model's own folder."""
        import onnx
        from google.protobuf.message import DecodeError

        try:
            proto = onnx.load_model(str(path), load_external_data=False)
        except (DecodeError, UnicodeDecodeError) as error:
            raise DamagedFileError(f"{path.name} cannot be loaded as an ONNX model: {error}") from error
        check_files(proto, path)
        try:
            onnx.load_external_data_for_model(proto, str(path.resolve().parent))
        except (onnx.checker.ValidationError, ValueError) as error:  # a constant's data, which lies outside
            raise InvalidModelError(f"{path.name}: {error}") from error
        check_complete(proto, path)
        check_model(proto, of=path.name)
        return proto

    def save(self, model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
        import onnx

        onnx.save_model(_proto(model), str(path))

    def save_several(self, model: Any, path: Path, *, inputs: Sequence[Array] | None, overwrite: bool) -> bool:
        proto = _proto(model)
        if not needs_data(proto) and not has_data(path):
            return False
        save_with_data(proto, path, overwrite=overwrite)
        return True

    def _copy(self, model: Any) -> ir.Model:
        import onnx_ir as ir

        if isinstance(model, ir.Model):
            if not model.functions:
                return model.clone()
            model = ir.to_proto(model)
        try:
            return ir.from_proto(without_maps(inlined(model)))
        except Exception as error:  # of its reader, which raises whatever it meets
            raise InvalidModelError(f"the ONNX model cannot be read: {_cause(error)}") from error


def _proto(model: Any) -> onnx.ModelProto:
    import onnx_ir as ir

    return ir.to_proto(model) if isinstance(model, ir.Model) else model


def _cause(error: BaseException) -> str:
    """The innermost reason of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip()[:300]}"


def _shape(value: ir.Value) -> tuple[int | None, ...]:
    return () if value.shape is None else tuple(d if isinstance(d, int) else None for d in value.shape)


def _dtype(value: ir.Value) -> str:
    return value.dtype.numpy().name if value.dtype is not None else "float32"


def _rename(graph: ir.Graph, value: ir.Value, name: str) -> None:
    taken = {v.name for node in graph for v in node.outputs} | set(graph.initializers) | {v.name for v in graph.inputs}
    if value.name != name and name not in taken:
        value.name = name


def _as_declared(proto: onnx.ModelProto, names: Sequence[str], inputs: Sequence[Array]) -> list[Array]:
    """Inputs, floats in the precision that the graph declares: it may take single and double ones side by side."""
    from onnx.helper import tensor_dtype_to_np_dtype

    kinds = {value.name: value.type.tensor_type.elem_type for value in proto.graph.input}
    given = []
    for name, value in zip(names, inputs, strict=True):
        array = np.asarray(value)  # a number that was computed is no array any more
        dtype = tensor_dtype_to_np_dtype(kinds[name]) if kinds[name] else array.dtype
        given.append(array.astype(dtype) if array.dtype.kind == "f" and dtype in FLOATS else array)
    return given


def _values_by_layer(proto: onnx.ModelProto) -> dict[str, str]:
    """First output of each node by the node's name, what a module returned by its name, and every value by its own."""
    found = {row.name: row.value for row in module_values(proto)}
    taken = [value.name for value in proto.graph.input]
    names = node_names([(node.name, node.output) for node in proto.graph.node], taken)
    for node, name in zip(proto.graph.node, names, strict=True):
        for position, value in enumerate(node.output):
            if value:
                found.setdefault(value, value)
                found.setdefault(name + (f"#{position + 1}" if position else ""), value)
    found.update({value.name: value.name for value in proto.graph.input})
    return found


framework = OnnxFramework()
