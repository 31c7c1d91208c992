"""Graph import: what is the same for every framework. Walk the graph, track layout, keep provenance.

A framework's importer subclasses :class:`GraphImporter` and says how a tensor is transposed, what a model input is,
and how a tensor is found again. Operators are converted by the functions of a :class:`Registry`, each called
``converter(ctx, *inputs, **attributes)`` where ``ctx`` is the importer, an input is a :class:`LaidOut` (computed when the
model runs), a :class:`ConstantValue` (known now) or ``None`` (left out), and the result is one of the first two or a tuple of
them, one an output.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidModelError, UnsupportedOperatorError
from metannvis_translate.frameworks.protocol import BuiltModel, BuiltPort, BuiltValue, Progress
from metannvis_translate.graph import layout
from metannvis_translate.graph.evaluate import MOVES, NEVER_FOLD, evaluate
from metannvis_translate.graph.layout import LaidOut, Order
from metannvis_translate.graph.metadata import (
    WEIGHT,
    exact_value,
    exact_values,
    is_frozen,
    is_weight,
)
from metannvis_translate.graph.model import ExportedGraph, HubPort
from metannvis_translate.graph.node_errors import interpreting
from metannvis_translate.importing.batch_limits import BatchLimit, limits_of
from metannvis_translate.importing.converter_context import ConverterContext
from metannvis_translate.importing.registry import Converter, Registry
from metannvis_translate.importing.values import ConstantValue, Value, WeightExpression, is_container
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["GraphImporter"]

Array = np.ndarray[Any, Any]
FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")


#: Why what is left of control flow cannot be converted.
CONTROL_FLOW = {
    "If": "its condition is computed when the model runs, and has to be known beforehand where its branches have results of "
    "different or unknown shapes",
    "Loop": "its number of steps is computed when the model runs, but has to be known beforehand",
    "Scan": "its number of steps is computed when the model runs, but has to be known beforehand",
}


class GraphImporter(ConverterContext):
    """Builds a target model from a hub graph, node by node.

    Attributes that converters use: ``node`` (the one being converted), ``opset``, ``dtype`` (``"float32"`` or
    ``"float64"`` forced on every float, or ``None``: as the graph says).
    """

    registry: Registry
    #: Whether the target lays images out channels last.
    images_channels_last = False
    #: Whether what is computed of weights alone is computed by the target too, so that the weights stay what is trained.
    follows_weights = False

    def __init__(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> None:
        import onnx_ir as ir

        self.hub = hub
        self.dtype = dtype
        self.progress = progress
        self.values: dict[str, Value] = {}
        self.built: dict[str, BuiltValue] = {}
        #: The current node; before the first, and where there is none, one that stands for the graph.
        self.node = ir.Node("", "Constant", [])
        self.opset = hub.model.graph.opset_imports.get("", 1)
        self._names: set[str] = set()
        self._of_weights: dict[str, LaidOut] = {}
        self._wanted = {layer.value: layer.info.axes for layer in reversed(hub.layers)}

    # --- what a framework says -------------------------------------------------------------------------------------

    def add_input(self, port: HubPort, order: Order) -> Any:
        """Make a model input whose axis ``k`` is logical axis ``order[k]``; returns its tensor."""
        raise NotImplementedError

    def input_order(self, port: HubPort) -> Order:
        """How the target's input lies: channels first or last, as the target's users expect."""
        raise NotImplementedError

    def output_order(self, port: HubPort, order: Order) -> Order:
        """How the target's output lies: as the source's, unless that is moved as images are between the two."""
        usual = self.input_order(port) if self.images_channels_last != self.hub.conventions.channels_last else None
        moved = layout.channels_last(len(order)) if self.images_channels_last else layout.channels_first(len(order))
        if usual is not None and order in (usual, moved):
            return order
        return layout.identity(len(order))

    def batch_in_front(self, placed: LaidOut, value: ir.Value) -> LaidOut:
        """What a source layer returns with the batch as its first axis, along which methods count samples."""
        axes = self._wanted.get(value.name or "", "")
        batch = axes.find("N") if len(axes) == placed.rank else 0
        if placed.rank < 2 or batch < 0 or placed.order[0] == batch:
            return placed
        return self.reorder(placed, (batch, *(axis for axis in range(placed.rank) if axis != batch)))

    def limit_size(self, tensor: Any, axis: int, port: HubPort, limit: BatchLimit) -> Any:
        """An input as it is, if its size along an axis is one that the model is right for; else the model refuses it."""
        raise NotImplementedError

    def expose(self, placed: LaidOut, value: ir.Value) -> LaidOut:
        """What a source layer returns, made such that a caller can name it in the target; as it is by default."""
        return placed

    def expose_input(self, placed: LaidOut, value: ir.Value) -> LaidOut:
        """As :meth:`expose`, for a model input that a source layer returns as it is (dropout, identity)."""
        return placed

    def converted(self, results: Sequence[LaidOut]) -> None:
        """Called with what each node was converted to; nothing by default."""

    def operands_of(self, node: ir.Node, inputs: list[Value | None]) -> list[Value | None]:
        """What a node's converter is handed: its inputs, by default as they are."""
        return inputs

    def results_of(self, node: ir.Node, results: Sequence[Value]) -> Sequence[Value]:
        """What a node's converter returned, by default as it is."""
        return results

    def describe(self, placed: LaidOut, value: ir.Value) -> LayerInfo:
        """Layer (or operation) of the target that returns the tensor. ``self.node`` is still the value's node."""
        raise NotImplementedError

    def finish(self, outputs: Sequence[LaidOut]) -> Any:
        """The finished model."""
        raise NotImplementedError

    def convert_unregistered(self, node: ir.Node, inputs: Sequence[Value | None]) -> tuple[Value, ...] | None:
        """Convert a node for which the registry has nothing; ``None`` if that cannot be done either."""
        return None

    def object_names(self, model: Any) -> dict[int, str]:
        """``id(layer object)`` of the target → its name."""
        return {}

    def output_places(self) -> Sequence[int]:
        """Where the framework counts each output of the finished model; empty if in their order."""
        return ()

    # --- the walk --------------------------------------------------------------------------------------------------

    def run(self) -> BuiltModel:
        """Convert every node and return the finished model."""
        try:
            return self._converted()
        finally:
            # Arrays of sizes refer to this, and Python's collector does not look into arrays: nothing here would ever be freed.
            self.values.clear()

    def _converted(self) -> BuiltModel:
        graph = self.hub.model.graph
        orders = {}
        ports = {port.value: port for port in self.hub.inputs}
        for value in (*graph.inputs, *graph.outputs):
            if is_container(value):
                raise UnsupportedOperatorError(
                    "a graph", reason=f"{value.name!r} is a sequence or an optional value, not a tensor"
                )
        for value in graph.inputs:
            port = ports[value.name or ""]
            orders[port.value] = self.input_order(port)
            placed = LaidOut(self.add_input(port, orders[port.value]), orders[port.value])
            for limit in limits_of(port):
                placed = LaidOut(self.limit_size(placed.tensor, placed.axis(limit.axis), port, limit), placed.order)
            if value.name in self._wanted:
                placed = self.expose_input(placed, value)
            self.values[port.value] = placed
            self._record(value, placed)
        for name, value in graph.initializers.items():
            if value.const_value is not None and name not in self.values:
                array = self._floats(value.const_value.numpy())
                path = value.metadata_props.get(WEIGHT, name)
                self.values[name] = ConstantValue(
                    array, name=path, trainable=is_weight(self.hub, value), frozen=is_frozen(value)
                )
        total = len(graph)
        for done, node in enumerate(graph):
            self.progress(done, total, "build")
            self.node = node
            with interpreting(node):
                self._convert(node)
        self.progress(total, total, "build")
        missing = [port.name for port in self.hub.outputs if port.value not in self.values]
        if missing:
            raise InvalidModelError(f"nothing in the graph produces its outputs {', '.join(map(repr, missing))}")
        placed_outputs = [self._output(port) for port in self.hub.outputs]
        model = self.finish(placed_outputs)
        return BuiltModel(
            model=model,
            inputs=tuple(self._port(port, orders[port.value]) for port in self.hub.inputs),
            outputs=tuple(self._port(p, o.order) for p, o in zip(self.hub.outputs, placed_outputs, strict=True)),
            values=self.built,
            object_names=self.object_names(model),
            output_places=self.output_places(),
        )

    def _output(self, port: HubPort) -> LaidOut:
        placed = self.placed(self.values[port.value])
        return self.reorder(placed, self.output_order(port, placed.order))

    def _port(self, port: HubPort, order: Order) -> BuiltPort:
        shape = tuple(port.shape[axis] for axis in order) if len(port.shape) == len(order) else port.shape
        axes = "".join(port.axes[axis] for axis in order) if len(port.axes) == len(order) else ""
        return BuiltPort(port.name, shape, self.float_dtype(port.dtype), order, axes)

    def _convert(self, node: ir.Node) -> None:
        inputs = [None if value is None else self._lookup(value) for value in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        if self._computed(node, inputs):
            return
        results = self._results(node, inputs)
        for position, value in enumerate(node.outputs[len(results) :], len(results)):
            if value.uses() or value.is_graph_output():
                self.refuse(f"its output {position + 1} is not supported")
        for value, result in zip(node.outputs, results, strict=False):
            if not value.name:
                continue
            if isinstance(result, LaidOut) and value.name in self._wanted:
                result = self.expose(self.batch_in_front(result, value), value)
            self.values[value.name] = result
            if isinstance(result, LaidOut):
                self._record(value, result)

    def _results(self, node: ir.Node, inputs: Sequence[Value | None]) -> tuple[Value, ...]:
        """What the converter makes of a node."""
        opset = self.hub.model.graph.opset_imports.get(node.domain, self.opset) if node.domain else self.opset
        row = self.registry.find(node.op_type, opset, node.domain)
        if row is None:
            results = self.convert_unregistered(node, inputs)
            if results is None:
                raise UnsupportedOperatorError(
                    f"{node.domain + '::' if node.domain else ''}{node.op_type}",
                    opset=opset,
                    layer=self.layer,
                    where=self.where,
                    reason=CONTROL_FLOW.get(node.op_type, "") if node.domain in ("", "ai.onnx") else "",
                    hint=self.register_hint,
                )
        else:
            output = row.function(self, *self.operands_of(node, list(inputs)), **self._attributes(node, row))
            results = tuple(self.results_of(node, output if isinstance(output, tuple) else (output,)))
        self.converted([result for result in results if isinstance(result, LaidOut)])
        return results

    def _computed(self, node: ir.Node, inputs: Sequence[Value | None]) -> bool:
        """Note the value of a node that computes something of trainable weights alone; whether it is such a node.

        The array is for converters that need it beforehand (the kernel of a convolution); where it meets a tensor, it is
        computed of the weights when the model runs, see :meth:`placed`.
        """
        constants = tuple(value for value in inputs if not isinstance(value, LaidOut))
        read = constants[:1] if node.op_type == "CastLike" else constants  # its second input is only asked for its type
        weights = [value for value in read if value is not None and value.trainable]
        if not weights or len(constants) < len(inputs) or node.domain not in ("", "ai.onnx"):
            return False
        if node.op_type in NEVER_FOLD or (node.op_type in MOVES and not self.follows_weights):
            return False
        if node.op_type in ("Cast", "CastLike") and self._casts_nothing(node):
            self.values[node.outputs[0].name or ""] = weights[0]
            return True
        arrays = [None if value is None else value.double() for value in constants]
        try:
            results = evaluate(node, arrays, self.opset)
        except NotImplementedError:
            return False  # the reference evaluator lacks it; the target may have it
        for value, array in zip(node.outputs, results, strict=False):
            trainable = self.follows_weights and array.dtype.kind == "f"
            recipe = WeightExpression(node, constants) if trainable else None
            self.values[value.name or ""] = ConstantValue(
                self._floats(array),
                name=value.name or "",
                trainable=trainable,
                recipe=recipe,
                frozen=all(weight.frozen for weight in weights),
            )
        return True

    @staticmethod
    def _casts_nothing(node: ir.Node) -> bool:
        wanted = node.outputs[0].dtype
        if node.op_type == "CastLike" and node.inputs[1] is not None:
            wanted = node.inputs[1].dtype
        return wanted is not None and node.inputs[0] is not None and wanted == node.inputs[0].dtype

    def materialized(self, const: ConstantValue) -> LaidOut:
        """What is computed of weights alone, as a tensor of the target; computed once."""
        found = self._of_weights.get(const.name)
        if found is not None:
            return found
        recipe, current = const.recipe, self.node
        if recipe is None:
            raise AssertionError
        self.node = recipe.node
        results: tuple[Value, ...]
        try:
            inputs = [self.placed(value) if value is not None and value.trainable else value for value in recipe.inputs]
            results = self._results(recipe.node, inputs)
        except UnsupportedOperatorError:
            # no converter: what it comes to is trained instead of what it is computed of
            results = tuple(
                dataclasses.replace(value, recipe=None) if isinstance(value, ConstantValue) else value
                for value in (self.values[output.name or ""] for output in recipe.node.outputs)
            )
        for value, result in zip(recipe.node.outputs, results, strict=False):
            placed = self.placed(result)
            if value.name in self._wanted:
                placed = self.expose(placed, value)
            self._of_weights[value.name or ""] = placed
            self._record(value, placed)
        self.node = current
        return self._of_weights[const.name]

    def _lookup(self, value: ir.Value) -> Value:
        try:
            return self.values[value.name or ""]
        except KeyError:
            raise InvalidModelError(f"the graph uses the value {value.name!r} before anything puts it out") from None

    def _record(self, value: ir.Value, placed: LaidOut) -> None:
        if value.name in self._wanted:
            self.built[value.name] = BuiltValue(self.describe(placed, value), placed.order)

    def _attributes(self, node: ir.Node, row: Converter) -> dict[str, Any]:
        known = row.attributes
        # an exporter may know the exact double even where the node relies on the attribute's default
        given: dict[str, Any] = {name: exact for name in known if (exact := exact_value(node, name)) is not None}
        given |= {name: exacts for name in known if (exacts := exact_values(node, name)) is not None}
        for name, attribute in node.attributes.items():
            if name not in known:
                self.refuse(f"its attribute {name!r} is not understood")
            given.setdefault(name, attribute.value)
        for name, default in known.items():
            if default is inspect.Parameter.empty and name not in given:
                self.refuse(f"its required attribute {name!r} is missing")
        return given
