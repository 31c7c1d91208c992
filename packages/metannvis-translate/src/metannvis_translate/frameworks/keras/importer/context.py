"""The importer to Keras: a functional model of native layers, channels last, named after the source's layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from metannvis_translate import keras_objects
from metannvis_translate.errors import MetannvisError, MissingFrameworkError, UnsupportedOperatorError
from metannvis_translate.frameworks.keras.importer.free_parameters import Parameters
from metannvis_translate.frameworks.keras.importer.layer_builder import LayerMaker, policy
from metannvis_translate.frameworks.keras.importer.registry import registry
from metannvis_translate.frameworks.keras.importer.sizes import Sizes, is_number, size_tensor
from metannvis_translate.frameworks.keras.importer.unsigned import as_signed, as_unsigned
from metannvis_translate.frameworks.protocol import Progress
from metannvis_translate.graph import axes, layout
from metannvis_translate.graph.layout import LaidOut, Order
from metannvis_translate.graph.model import ExportedGraph, HubPort
from metannvis_translate.graph.symbolic_shapes import dims
from metannvis_translate.importing.batch_limits import BatchLimit
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["KerasImporter"]

Array = np.ndarray[Any, Any]
#: Types of tensors that Keras on TensorFlow has.
KERAS_DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "bfloat16", "float16", "float32", "float64",
}  # fmt: skip
#: What Keras raises on arguments that it cannot use.
KERAS_ERRORS = (ValueError, TypeError, IndexError, NotImplementedError, ArithmeticError, tf.errors.OpError)


class KerasImporter(LayerMaker):
    """See :class:`~metannvis_translate.importing.base.GraphImporter`; converters call :meth:`layer_of`."""

    registry = registry
    images_channels_last = True
    follows_weights = True
    register_hint = (
        "Register a converter: from metannvis_translate.frameworks.keras.importer.registry import converter; "
        '@converter("Name", since=1) def Name(ctx, X, *, attribute=default): ...'
    )

    def __init__(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> None:
        if keras.backend.backend() != "tensorflow":
            raise MissingFrameworkError(
                f"Keras runs on {keras.backend.backend()!r} in this process; MetaNNvis builds Keras models on TensorFlow only. "
                "Set KERAS_BACKEND=tensorflow before keras is imported."
            )
        super().__init__(hub, dtype=dtype, progress=progress)
        self.inputs: list[Any] = []
        self.parameters = Parameters(self)
        self._named: dict[int, Any] = {}

    # --- the framework's side --------------------------------------------------------------------------------------

    def input_order(self, port: HubPort) -> Order:
        return axes.with_channels_last(port.axes) or layout.identity(len(port.shape))

    def add_input(self, port: HubPort, order: Order) -> Any:
        shape = tuple(port.shape[axis] for axis in order)
        dtype = self.float_dtype(port.dtype)
        if dtype not in KERAS_DTYPES:
            raise UnsupportedOperatorError(
                "An input", reason=f"the input {port.name!r} is of type {dtype}, which Keras does not have"
            )
        name = self.unique(port.name)
        tensor = keras.Input(batch_shape=shape, dtype=dtype, name=name)
        self.inputs.append(tensor)
        return tensor

    def limit_size(self, tensor: Any, axis: int, port: HubPort, limit: BatchLimit) -> Any:
        """A layer, so that a saved and a rebuilt model refuse it too: Keras looks at every size but the first."""
        layer = keras_objects.BatchLimit(
            axis=axis, exact=limit.exact, least=limit.least, text=limit.text,
            name=self.unique(f"{port.name}_batch"), dtype=policy(tensor),
        )  # fmt: skip
        return layer(tensor)

    def transpose(self, tensor: Any, perm: Order) -> Any:
        if perm[0] == 0 and len(perm) > 1:
            return keras.layers.Permute(perm[1:], name=self.unique(self.name("permute")), dtype=policy(tensor))(tensor)
        return keras.ops.transpose(tensor, perm)

    def constant(self, const: ConstantValue, order: Order) -> Any:
        if self.parameters.takes(const):
            return self.parameters.tensor(const, const.array.shape, order)
        return keras.ops.convert_to_tensor(const.array.transpose(order))

    def broadcastable(self, value: Value, order: Order) -> Any:
        if isinstance(value, Sizes):
            value = self.placed(value)
        if isinstance(value, ConstantValue) and self.parameters.takes(value):
            if layout.is_identity(order) or value.rank == 0 or value.rank > len(order):
                return self.parameters.tensor(value, value.array.shape, layout.identity(value.rank))
            return self.parameters.tensor(value, (1,) * (len(order) - value.rank) + value.array.shape, order)
        return super().broadcastable(value, order)

    def _convert(self, node: ir.Node) -> None:
        """Shape arithmetic was followed by the passes; it becomes no part of the model."""
        symbols = self.hub.symbols
        if node.outputs[0].name not in symbols:
            super()._convert(node)
            return
        for value in node.outputs:
            dtype = self.float_dtype(value.dtype.name) if value.dtype is not None else "int64"
            self.values[value.name or ""] = Sizes(np.asarray(symbols[value.name or ""], dtype=object), name=dtype)

    def operands_of(self, node: ir.Node, inputs: list[Value | None]) -> list[Value | None]:
        return as_signed(self, node, inputs)

    def results_of(self, node: ir.Node, results: Sequence[Value]) -> Sequence[Value]:
        return as_unsigned(self, node, results)

    def _results(self, node: ir.Node, inputs: Sequence[Value | None]) -> tuple[Value, ...]:
        try:
            results = super()._results(node, inputs)
        except MetannvisError:
            raise
        except KERAS_ERRORS as error:
            self.refuse(f"Keras cannot do it: {first_sentence(error)}", cause=error)
        if self.hub.conventions.states_types:
            for value, result in zip(node.outputs, results, strict=False):
                self._agrees(value, result)
        return results

    def _agrees(self, value: ir.Value, result: Value) -> None:
        """Refuse a result of another type or rank than the graph states: Keras promotes types on its own."""
        if not isinstance(result, LaidOut):
            return
        if value.dtype is not None and result.tensor.dtype != self.float_dtype(value.dtype.name):
            self.refuse(f"Keras gives {result.tensor.dtype} where {self.float_dtype(value.dtype.name)} is wanted")
        if value.shape is not None and len(value.shape) != result.rank:
            self.refuse(f"it would have {result.rank} axes, not {len(value.shape)}")

    def known(self, value: Value | None, what: str) -> Array:
        if isinstance(value, Sizes):
            self.refuse(f"its {what} depends on a free size")
        return super().known(value, what)

    def placed(self, value: Value) -> LaidOut:
        if not isinstance(value, Sizes):
            return super().placed(value)
        parts = [size_tensor(self, size, value.name) for size in value.array.reshape(-1)]
        tensor = keras.ops.stack(parts) if value.rank else parts[0]
        return LaidOut(tensor, layout.identity(value.rank))

    def lift(self, value: LaidOut, order: Order) -> Any:
        lead = len(order) - value.rank
        keep = [k for k, axis in enumerate(order) if axis >= lead]
        tensor = value.tensor
        for k in range(len(order)):
            if k not in keep:
                tensor = keras.ops.expand_dims(tensor, k)
        return tensor

    def expose(self, placed: LaidOut, value: ir.Value) -> LaidOut:
        """What a source layer returns is returned by a layer, so that methods that ask for layers can name it."""
        operation = placed.tensor._keras_history.operation
        called_once = not any(operation is layer for layer in self._shared.values())
        is_input = isinstance(operation, keras.layers.InputLayer)
        if isinstance(operation, keras.layers.Layer) and called_once and not is_input:
            return placed
        identity = keras.layers.Identity(name=self.unique(self.name("output")), dtype=policy(placed.tensor))
        return LaidOut(identity(placed.tensor), placed.order)

    def expose_input(self, placed: LaidOut, value: ir.Value) -> LaidOut:
        name = next(layer.info.layer for layer in self.hub.layers if layer.value == value.name)
        identity = keras.layers.Identity(name=self.unique(name), dtype=policy(placed.tensor))
        return LaidOut(identity(placed.tensor), placed.order)

    def converted(self, results: Sequence[LaidOut]) -> None:
        """Name the operations (``keras.ops``) that a node became: Keras numbers them by a counter of the process."""
        stack = [result.tensor for result in results]
        while stack:
            tensor = stack.pop()
            operation = tensor._keras_history.operation if hasattr(tensor, "_keras_history") else None
            if operation is None or id(operation) in self._named:
                continue
            self._named[id(operation)] = operation
            if not isinstance(operation, keras.layers.Layer):
                operation.name = self.unique(self.name(type(operation).__name__.lower()))
            for node in operation._inbound_nodes:
                stack.extend(node.input_tensors)

    def rename(self, tensor: Any, name: str) -> None:
        """Name the operation that returns a tensor."""
        operation = tensor._keras_history.operation
        operation.name = self.unique(name)
        self._named[id(operation)] = operation

    def describe(self, placed: LaidOut, value: ir.Value) -> LayerInfo:
        operation = placed.tensor._keras_history.operation
        return LayerInfo(operation.name, type(operation).__name__, tuple(placed.tensor.shape))

    def finish(self, outputs: Sequence[LaidOut]) -> Any:
        tensors = []
        for port, output in zip(self.hub.outputs, outputs, strict=True):
            tensor = output.tensor
            if not hasattr(tensor, "_keras_history"):
                tensor = self._constant_output(port.name, tensor)
            if any(tensor is given for given in self.inputs):
                tensor = keras.layers.Identity(name=self.unique(port.name), dtype=policy(tensor))(tensor)
            tensors.append(tensor)
        self._tell_apart(tensors)
        return keras.Model(
            self.inputs[0] if len(self.inputs) == 1 else self.inputs,
            keras.tree.map_structure(lambda place: tensors[place], self._structure()),
            name=re.sub(r"[^0-9A-Za-z_]", "_", self.hub.name),
        )

    def _tell_apart(self, outputs: Sequence[Any]) -> None:
        """Give operations that Keras has numbered itself names that none of ours is called by."""
        taken = {operation.name for operation in self._named.values()}
        seen: set[int] = set()
        waiting = [tensor._keras_history.operation for tensor in outputs]
        while waiting:
            operation = waiting.pop()
            if id(operation) in seen:
                continue
            seen.add(id(operation))
            if id(operation) not in self._named and operation.name in taken:
                operation.name = self.unique(operation.name)
            for node in operation._inbound_nodes:
                waiting += [tensor._keras_history.operation for tensor in node.input_tensors]

    def _constant_output(self, name: str, value: Any) -> Any:
        """A constant as an output, which in Keras has to come from an input: none of it is left in a sum of no entries."""
        if not self.inputs:
            raise UnsupportedOperatorError(
                "An output", reason=f"the output {name!r} does not depend on any input of the model"
            )
        nothing = keras.ops.sum(keras.ops.zeros_like(self.inputs[0]))
        array = np.asarray(value)
        if array.dtype == bool:
            return keras.ops.logical_or(keras.ops.cast(nothing, "bool"), array)
        return keras.ops.add(keras.ops.cast(nothing, keras.backend.standardize_dtype(array.dtype)), array)

    def _structure(self) -> Any:
        """How the source returns its outputs, as places among them. Keras takes a list of one for its entry."""
        count = len(self.hub.outputs)
        return self.hub.structure if self.hub.structure is not None else 0 if count == 1 else list(range(count))

    def output_places(self) -> Sequence[int]:
        """Keras counts the entries of a dict in the order of their keys."""
        counted = keras.tree.flatten(self._structure())
        return [counted.index(k) for k in range(len(counted))]

    def object_names(self, model: Any) -> dict[int, str]:
        return {id(operation): operation.name for operation in model.operations}

    # --- what converters use ---------------------------------------------------------------------------------------

    def sources(self) -> list[tuple[Any, Order, Any]]:
        """The model's inputs, how they lie, and their logical sizes: numbers, and expressions for free ones."""
        values = {value.name: value for value in self.hub.model.graph.inputs}
        return [
            (tensor, self.input_order(port), dims(values[port.value]))
            for tensor, port in zip(self.inputs, self.hub.inputs, strict=True)
        ]

    def sizes(self, value: Value, what: str) -> list[Any]:
        """The elements of an integer tensor: numbers, and expressions for those known when the model runs."""
        if isinstance(value, Sizes):
            return list(value.array.reshape(-1))
        return [int(size) for size in self.known(value, what).reshape(-1)]

    def own_sizes(self, value: Value, axes: Sequence[int]) -> list[Any]:
        """Sizes for some axes of the node's first input, ``None`` for a free one that stays what it is.

        A size that is known only when the model runs comes as its expression, see ``sizes.size_tensor``.
        """
        first = self.node.inputs[0]
        have = None if first is None else dims(first)
        found: list[Any] = []
        for axis, size in zip(axes, self.sizes(value, "sizes"), strict=True):
            if is_number(size):
                found.append(int(size))
            elif have is not None and have[axis] == size:
                found.append(None)
            else:
                found.append(size)
        return found

    def dtype_named(self, code: int) -> str:
        """The dtype behind a number of ONNX's ``TensorProto.DataType``, as Keras writes it.

        Raises
        ------
        UnsupportedOperatorError
            Keras has no such type.
        """
        import onnx_ir as ir

        return self.keras_dtype(ir.DataType(code).name)

    def keras_dtype(self, name: str) -> str:
        """A type of the graph as Keras writes it; refused if Keras has none."""
        dtype = self.float_dtype(name)
        if dtype not in KERAS_DTYPES:
            self.refuse(f"Keras has no type {dtype}")
        return dtype

    def keep(self, value: LaidOut, tensor: Any) -> LaidOut:
        """A result that lies like one of the inputs."""
        return LaidOut(tensor, value.order)

    def channels_last(self, value: Value) -> LaidOut:
        """An image with its channels last."""
        value = self.placed(value)
        return self.reorder(value, layout.channels_last(value.rank))


def first_sentence(error: BaseException) -> str:
    """What an error says, in one line, without Keras' own list of arguments."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    told = [line for line in lines if not line.startswith("Exception encountered")]
    return f"{type(error).__name__}: {(told or lines or [''])[0]}"
