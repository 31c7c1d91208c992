"""Graph builder: ONNX graphs in which every node says which source layer it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.metadata import BUFFER, DOMAIN, FUNCTIONS, LAYER, OWN, set_exact

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["OPSET", "Emitter", "Shape"]

#: Opset of the graphs we make ourselves. 20 is the first with ``Gelu`` as an operator, 21 the first whose
#: ``GroupNormalization`` takes a scale a channel, as every framework does. Newer ones bring nothing that a Keras layer
#: needs, and fewer programs read them.
OPSET = 21
#: Operators that came later: a graph that holds one has the opset that it came with.
LATER = {"BitCast": 26, "CumProd": 26}
IR_VERSION = 10

Array = np.ndarray[Any, Any]
#: ``None`` is a free size.
Shape = tuple[int | None, ...]

#: Operators whose output has the shape of their first input.
KEEPS_SHAPE = frozenset(
    [
        "Relu",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Celu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Tanh",
        "Softplus",
        "Softsign",
        "Gelu",
        "Mish",
        "ThresholdedRelu",
        "Shrink",
        "Clip",
        "Exp",
        "Log",
        "Sqrt",
        "Reciprocal",
        "Neg",
        "Abs",
        "Sign",
        "Floor",
        "Ceil",
        "Round",
        "Erf",
        "Sin",
        "Cos",
        "Tan",
        "Asin",
        "Acos",
        "Atan",
        "Sinh",
        "Cosh",
        "Asinh",
        "Acosh",
        "Atanh",
        "Softmax",
        "LogSoftmax",
        "Identity",
        "Cast",
        "Not",
        "IsNaN",
        "IsInf",
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "CumSum",
        "PRelu",
    ]
)
COMPARES = frozenset(
    ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not", "IsNaN", "IsInf"]
)


class Emitter:
    """Collects nodes and initialisers.

    Attributes
    ----------
    layer
        Name of the source layer whose nodes are emitted now; goes into each node's metadata.
    """

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self.initializers: dict[str, ir.Value] = {}
        self.layer = ""
        self._names: set[str] = set()
        self._weights: dict[Any, ir.Value] = {}

    # --- values ----------------------------------------------------------------------------------------------------

    def name(self, wanted: str) -> str:
        """A value name that nothing else has."""
        candidate, number = wanted, 2
        while candidate in self._names:
            candidate, number = f"{wanted}_{number}", number + 1
        self._names.add(candidate)
        return candidate

    def input(self, name: str, shape: Shape, dtype: Any, *, free_batch: bool) -> ir.Value:
        """An input of the graph."""
        import onnx_ir as ir

        dims: list[Any] = [
            ir.SymbolicDim("batch" if axis == 0 and free_batch else f"{name}_{axis}") if size is None else size
            for axis, size in enumerate(shape)
        ]
        return ir.Value(name=self.name(name), shape=ir.Shape(dims), type=ir.TensorType(self.dtype_of(dtype)))

    @staticmethod
    def dtype_of(dtype: Any) -> ir.DataType:
        """ONNX data type of a NumPy dtype, a Keras dtype name, or an ONNX data type."""
        import onnx_ir as ir

        if isinstance(dtype, ir.DataType):
            return dtype
        names = {"bool": "BOOL", "float32": "FLOAT", "float64": "DOUBLE"}
        name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
        return ir.DataType[names.get(name, name.upper())]

    @staticmethod
    def shape(value: ir.Value) -> Shape:
        """Shape of a value whose rank is known."""
        if value.shape is None:
            raise ValueError(f"the rank of {value.name!r} is not known")
        return tuple(size if isinstance(size, int) else None for size in value.shape)

    def rank(self, value: ir.Value) -> int:
        """Number of axes of a value."""
        return len(self.shape(value))

    def set_shape(self, value: ir.Value, shape: Sequence[int | None]) -> None:
        """Set what is known."""
        import onnx_ir as ir

        value.shape = ir.Shape([ir.SymbolicDim(None) if size is None else size for size in shape])

    # --- nodes -----------------------------------------------------------------------------------------------------

    def emit(
        self,
        op: str,
        *inputs: ir.Value | Array | None,
        exact: Mapping[str, Any] | None = None,
        shape: Sequence[int | None] | None = None,
        dtype: Any = None,
        **attributes: Any,
    ) -> ir.Value:
        """Emit a node with one output and return that.

        Parameters
        ----------
        inputs
            Values; an array becomes a constant.
        exact
            Exact doubles behind float attributes, by attribute name.
        shape, dtype
            Of the output; the dtype is the first input's if left out.
        attributes
            Of the operator; ``None`` leaves one out.
        """
        return self.emit_many(op, *inputs, outputs=1, exact=exact, shapes=[shape], dtype=dtype, **attributes)[0]

    def emit_many(
        self,
        op: str,
        *inputs: ir.Value | Array | None,
        outputs: int,
        exact: Mapping[str, Any] | None = None,
        shapes: Sequence[Sequence[int | None] | None] | None = None,
        dtype: Any = None,
        **attributes: Any,
    ) -> tuple[ir.Value, ...]:
        """Emit a node with several outputs."""
        import onnx_ir as ir

        values = [self.constant(x) if isinstance(x, np.ndarray) else x for x in inputs]
        given = {name: value for name, value in attributes.items() if value is not None}
        name = self.name(f"{self.layer}/{op}" if self.layer else op)
        domain = DOMAIN if op in OWN else ""
        node = ir.node(
            op, values, given, domain=domain, num_outputs=outputs, name=name, metadata_props=self._metadata()
        )
        if exact:
            set_exact(node, exact)
        first = next((value for value in values if value is not None), None)
        if dtype is None and op in COMPARES:
            dtype = "bool"
        for k, output in enumerate(node.outputs):
            output.name = name if k == 0 else self.name(f"{name}_{k}")
            if op == "TopK" and k == 1:
                output.dtype = self.dtype_of("int64")
            elif dtype is not None:
                output.dtype = self.dtype_of(dtype)
            elif first is not None and first.dtype is not None:
                output.dtype = first.dtype
            shape = shapes[k] if shapes is not None else None
            if shape is not None:
                self.set_shape(output, shape)
            elif (
                (op in KEEPS_SHAPE or (op in FUNCTIONS and len(values) == 1))
                and first is not None
                and first.shape is not None
            ):
                output.shape = ir.Shape(first.shape)
        self.nodes.append(node)
        return tuple(node.outputs)

    def state(self, value: ir.Value, key: str, text: str) -> None:
        """Write metadata on the node that makes a value."""
        node = value.producer()
        if node is not None:
            node.metadata_props[key] = text

    def _metadata(self) -> dict[str, str]:
        return {LAYER: self.layer} if self.layer else {}

    def constant(self, array: Array, *, exact: float | None = None) -> ir.Value:
        """A constant that is no weight."""
        import onnx_ir as ir

        exacts = {} if exact is None else {"value": exact}
        return self.emit("Constant", value=ir.tensor(array), exact=exacts, shape=array.shape, dtype=array.dtype)

    def ints(self, *values: int) -> ir.Value:
        """A constant 1-D ``int64`` tensor: axes, shapes, pads."""
        return self.constant(np.asarray(values, np.int64))

    def scalar(self, value: float | int | bool, like: ir.Value) -> ir.Value:
        """A constant scalar of another value's dtype; the exact double stays attached."""
        dtype = like.dtype.numpy() if like.dtype is not None else np.dtype("float32")
        is_float = dtype.kind not in "iub"
        return self.constant(np.asarray(value).astype(dtype), exact=float(value) if is_float else None)

    def weight(self, key: Any, name: str, array: Array, *, trainable: bool) -> ir.Value:
        """An initialiser, made once a ``key``; the array is wrapped, not copied."""
        import onnx_ir as ir

        if key not in self._weights:
            name = self.name(name)
            value = ir.Value(
                name=name,
                shape=ir.Shape(array.shape),
                type=ir.TensorType(self.dtype_of(array.dtype)),
                const_value=ir.Tensor(array, name=name),
            )
            if not trainable:
                value.metadata_props[BUFFER] = "1"
            self.initializers[name] = self._weights[key] = value
        return self._weights[key]

    def drop_unused(self, first: int, outputs: Sequence[ir.Value]) -> None:
        """Take out nodes from ``first`` on that no output needs: what was tried in vain, sizes that were known after all."""
        needed = {id(x) for x in outputs}
        kept = []
        for node in reversed(self.nodes[first:]):
            if any(id(x) in needed for x in node.outputs):
                needed.update(id(x) for x in node.inputs)
                kept.append(node)
            else:
                for k, _ in enumerate(node.inputs):
                    node.replace_input_with(k, None)
        self.nodes[first:] = reversed(kept)

    # --- the few that everything needs --------------------------------------------------------------------------------

    def transpose(self, x: ir.Value, perm: Sequence[int]) -> ir.Value:
        """Transpose, or nothing where that would move nothing."""
        if list(perm) == list(range(len(perm))):
            return x
        shape = self.shape(x)
        return self.emit("Transpose", x, perm=[int(k) for k in perm], shape=[shape[k] for k in perm])

    def cast(self, x: ir.Value, dtype: Any) -> ir.Value:
        """Cast, or nothing where that would change nothing."""
        wanted = self.dtype_of(dtype)
        return x if x.dtype == wanted else self.emit("Cast", x, to=int(wanted), dtype=wanted)

    def squeeze(self, x: ir.Value, axes: Sequence[int]) -> ir.Value:
        """Take out axes of size one."""
        if not axes:
            return x
        shape = self.shape(x)
        gone = {axis % len(shape) for axis in axes}
        left = [size for axis, size in enumerate(shape) if axis not in gone]
        return self.emit("Squeeze", x, np.asarray(sorted(gone), np.int64), shape=left)

    def unsqueeze(self, x: ir.Value, axes: Sequence[int]) -> ir.Value:
        """Put in axes of size one; ``axes`` count in the result, none negative."""
        if not axes:
            return x
        sizes = iter(self.shape(x))
        rank = self.rank(x) + len(axes)
        shape = [1 if axis in axes else next(sizes) for axis in range(rank)]
        return self.emit("Unsqueeze", x, np.asarray(sorted(axes), np.int64), shape=shape)

    def reshape(
        self, x: ir.Value, shape: Sequence[int | None], *, result: Sequence[int | None] | None = None
    ) -> ir.Value:
        """Reshape; 0 copies a size of the input, -1 (or ``None``) is what is left."""
        sizes = [-1 if size is None else int(size) for size in shape]
        if result is None:
            before = self.shape(x)
            result = [before[k] if size == 0 else None if size == -1 else size for k, size in enumerate(sizes)]
        return self.emit("Reshape", x, np.asarray(sizes, np.int64), shape=result)

    def reduce(self, op: str, x: ir.Value, axes: Sequence[int] | None, keepdims: bool) -> ir.Value:
        """``ReduceMean`` and its like; ``axes=None`` reduces all."""
        shape = self.shape(x)
        gone = set(range(len(shape))) if axes is None else {axis % len(shape) for axis in axes}
        left = [1 if k in gone else size for k, size in enumerate(shape) if keepdims or k not in gone]
        return self.emit(op, x, np.asarray(sorted(gone), np.int64), keepdims=int(keepdims), shape=left)

    def _opset(self) -> int:
        return max((LATER.get(node.op_type, OPSET) for node in self.nodes), default=OPSET)

    def model(self, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], name: str) -> ir.Model:
        """The finished model."""
        import onnx_ir as ir

        graph = ir.Graph(
            inputs,
            outputs,
            nodes=self.nodes,
            initializers=list(self.initializers.values()),
            opset_imports={"": self._opset()} | {node.domain: 1 for node in self.nodes if node.domain},
            name=re.sub(r"\W", "_", name) or "model",
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="metannvis")
