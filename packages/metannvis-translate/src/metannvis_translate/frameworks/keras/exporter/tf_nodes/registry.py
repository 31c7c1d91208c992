"""The table of converters of TensorFlow's operators, and what a converter sees of an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.exporter.layers.registry import operation_name
from metannvis_translate.graph.builder import KEEPS_SHAPE

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

__all__ = ["Complex", "Node", "Sizes", "TensorList", "Variable", "are_alike", "depends_on_sizes", "nodes", "tf_node"]

Array = np.ndarray[Any, Any]
F = TypeVar("F", bound=Callable[..., Any])
#: By TensorFlow's name of the operator.
nodes: dict[str, Callable[[Node], Any]] = {}
#: Operators that treat each element alike, as far as a shape may have to be worked out.
ELEMENTWISE: set[str] = set()


def tf_node(*names: str) -> Callable[[F], F]:
    """Decorator: the function converts TensorFlow operators of these names; it gets a :class:`Node`."""

    def decorate(function: F) -> F:
        for name in names:
            if name in nodes:
                raise ValueError(f"TensorFlow's {name} has a converter already")
            nodes[name] = function
        return function

    return decorate


@dataclass(frozen=True)
class Variable:
    """A variable that a graph reads, and the layer that holds it."""

    variable: Any
    layer: Any


@dataclass(frozen=True)
class TensorList:
    """A list of tensors, ``None`` where nothing has been written."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Complex:
    """A complex tensor: its parts, values or numbers."""

    real: Any
    imaginary: Any


@dataclass(frozen=True)
class Sizes:
    """A vector of sizes, some of which are free: integers, and values of a single integer."""

    entries: tuple[Any, ...]
    dtype: str

    @staticmethod
    def of(entries: Sequence[Any], dtype: str) -> Any:
        """An array if all are known."""
        plain = [int(x) if isinstance(x, (int, np.integer)) else x for x in entries]
        if all(isinstance(x, int) for x in plain):
            return np.asarray(plain, dtype)
        return Sizes(tuple(plain), dtype)


class Node:
    """One operator of a TensorFlow graph, and what flows into it: values, numbers (arrays), sizes, lists of them.

    Attributes
    ----------
    origin
        By the identity of a value that is a size: the value, the tensor whose size it is, and the axis.
    """

    def __init__(
        self, e: KerasEmitter, operation: Any, operands: Sequence[Any], source: Any, origin: dict[int, Any]
    ) -> None:
        self.e = e
        self.operation = operation
        self.operands = operands
        self.source = source
        self.origin = origin

    def refuse(self, reason: str) -> NoReturn:
        """Raise the documented refusal."""
        raise UnsupportedOperatorError(
            operation_name(self.source), layer=self.e.layer or None, reason=f"TensorFlow's {self.kind}: {reason}"
        )

    @property
    def kind(self) -> str:
        """TensorFlow's name of the operator."""
        return str(self.operation.type)

    def attribute(self, name: str) -> Any:
        """An attribute; bytes as text."""
        value = self.operation.get_attr(name)
        return value.decode() if isinstance(value, bytes) else value

    # --- what flows in ------------------------------------------------------------------------------------------------

    def operand(self, k: int) -> Any:
        """What flows in, as it is."""
        found = self.operands[k]
        if isinstance(found, UnsupportedOperatorError):
            raise found
        return found

    def value(self, k: int, dtype: Any = None) -> ir.Value:
        """What flows in, as a value of the graph."""
        found = self.as_value(self.operand(k))
        return found if dtype is None else self.e.cast(found, dtype)

    def as_value(self, found: Any) -> ir.Value:
        """Numbers, sizes or a value, as a value of the graph."""
        if isinstance(found, Complex):
            self.refuse("complex numbers")
        if isinstance(found, (Variable, TensorList)) or found is None:
            self.refuse("an operand is no tensor")
        if isinstance(found, np.ndarray):
            return self.e.constant(np.array(found, order="C"))
        if isinstance(found, Sizes):
            parts = [
                self.e.constant(np.asarray([x], found.dtype))
                if isinstance(x, int)
                else self.e.unsqueeze(self.e.cast(x, found.dtype), [0])
                for x in found.entries
            ]
            return self.e.emit("Concat", *parts, axis=0, shape=[len(parts)]) if len(parts) > 1 else parts[0]
        value: ir.Value = found
        return value

    def values(self) -> list[ir.Value]:
        """All that flows in."""
        return [self.value(k) for k in range(len(self.operands))]

    def is_known(self, k: int) -> bool:
        """Whether an operand is made of numbers that are known now."""
        return isinstance(self.operand(k), np.ndarray)

    def array(self, k: int) -> Array:
        """Numbers that flow in; refused if they are not known before the model runs."""
        found = self.operand(k)
        if not isinstance(found, np.ndarray):
            self.refuse("an argument depends on values, or on a size that is free")
        return found

    def ints(self, k: int) -> list[int]:
        """Integers that flow in, one or several."""
        return [int(v) for v in np.ravel(self.array(k))]

    def entries(self, k: int) -> list[Any]:
        """Sizes that flow in, integers where they are known, values of a single integer elsewhere."""
        found = self.operand(k)
        if isinstance(found, np.ndarray):
            return [int(v) for v in found.ravel()]
        if isinstance(found, Sizes):
            return list(found.entries)
        value = self.value(k)
        (length,) = self.e.shape(value) or (None,)
        if length is None:
            self.refuse("how many axes its result has depends on values")
        parts = [self.e.emit("Slice", value, *self._place(i), shape=[1]) for i in range(length)]
        return [self.e.squeeze(part, [0]) for part in parts]

    @staticmethod
    def _place(i: int) -> list[Array]:
        return [np.asarray([i], np.int64), np.asarray([i + 1], np.int64)]

    def is_size_of(self, entry: Any, x: ir.Value, axis: int) -> bool:
        """Whether a size is that of a tensor along an axis: known to be, not by chance."""
        known = self.origin.get(id(entry))
        if known is None:
            return False
        _, value, place = known
        one, other = _source(value, place), _source(x, axis)
        return one[0] is other[0] and one[1] == other[1]

    # --- what comes out -----------------------------------------------------------------------------------------------

    def shape(self, k: int = 0) -> tuple[int | None, ...] | None:
        """Shape of an output as TensorFlow knows it, ``None`` if it does not know the rank."""
        shape = self.operation.outputs[k].shape
        return None if shape.rank is None else tuple(shape)

    def dtype(self, k: int = 0) -> str:
        """Dtype of an output; of a complex one that of its parts."""
        name = str(np.dtype(self.operation.outputs[k].dtype.as_numpy_dtype).name)
        return {"complex64": "float32", "complex128": "float64"}.get(name, name)

    def is_complex(self) -> bool:
        """Whether the output is of complex numbers."""
        return bool(self.operation.outputs[0].dtype.is_complex)

    def is_float(self) -> bool:
        """Whether the output is of floats."""
        return bool(self.operation.outputs[0].dtype.is_floating)

    def emit(self, op: str, *inputs: Any, dtype: Any = None, **attributes: Any) -> ir.Value:
        """A node that makes the (first) output, of the shape and dtype that TensorFlow knows it by."""
        shape = self.shape()
        if shape is None or (None in shape and self.kind in ELEMENTWISE):
            found = self._broadcast(inputs)
            shape = found if shape is None else tuple(a if b is None else b for a, b in zip(found, shape, strict=True))
        return self.e.emit(op, *inputs, shape=shape, dtype=dtype or self.dtype(), **attributes)

    def _broadcast(self, inputs: Sequence[Any]) -> tuple[int | None, ...]:
        """Shape of what is broadcast, where TensorFlow does not know it."""
        if self.kind not in ELEMENTWISE:
            self.refuse("the number of axes of its result is not known")
        shapes = [x.shape if isinstance(x, np.ndarray) else self.e.shape(x) for x in inputs]
        rank = max(map(len, shapes))
        columns = zip(*([1] * (rank - len(shape)) + list(shape) for shape in shapes), strict=True)
        found: list[int | None] = []
        for column in columns:
            known = [size for size in column if size != 1]
            found.append(1 if not known else next((size for size in known if size is not None), None))
        return tuple(found)

    def expanded(self, x: ir.Value, k: int) -> ir.Value:
        """A tensor broadcast to sizes that flow in."""
        entries = self.entries(k)
        beyond = len(entries) - self.e.rank(x)
        sizes = [
            1 if not isinstance(entry, int) and axis >= beyond and self.is_size_of(entry, x, axis - beyond) else entry
            for axis, entry in enumerate(entries)
        ]
        if all(isinstance(size, int) for size in sizes):
            return self.emit("Expand", x, np.asarray(sizes, np.int64))
        return self.emit("Expand", x, self.value(k, "int64"))


def _source(x: Any, axis: int) -> tuple[Any, int]:
    """The value and axis that a size was taken over from."""
    while (node := x.producer()) is not None:
        if node.op_type == "Transpose":
            axis = node.attributes["perm"].value[axis]
        elif node.op_type == "Concat" and node.attributes["axis"].value == axis:
            break
        elif node.op_type == "Reshape":
            places = node.inputs[1].producer()
            is_known = places is not None and "value" in places.attributes
            sizes = places.attributes["value"].value.numpy() if is_known else ()
            if axis >= len(sizes) or sizes[axis] != 0 or "allowzero" in node.attributes:
                break
        elif node.op_type not in (*KEEPS_SHAPE, "StopGradient", "Concat"):
            break
        x = node.inputs[0]
    return x, axis


def depends_on_sizes(x: Any) -> bool:
    """Whether a value is computed from nothing but sizes that are free and numbers."""
    waiting, seen = [x], set()
    while waiting:
        value = waiting.pop()
        if value is None or id(value) in seen:
            continue
        seen.add(id(value))
        node = value.producer()
        if node is None:
            return False
        if node.op_type not in ("Shape", "Size"):
            waiting.extend(node.inputs)
    return True


def are_alike(one: ir.Value, other: ir.Value) -> bool:
    """Whether two values are known to be of one shape."""
    if one.shape is None or other.shape is None or len(one.shape) != len(other.shape):
        return False
    for axis, (a, b) in enumerate(zip(one.shape, other.shape, strict=True)):
        if isinstance(a, int) and isinstance(b, int):
            if a != b:
                return False
            continue
        (x, k), (y, j) = _source(one, axis), _source(other, axis)
        if x is not y or k != j:
            return False
    return True
