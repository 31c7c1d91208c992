"""Products of small integers, written such that ONNX Runtime sums them exactly on every processor.

On processors without VNNI, ONNX Runtime's kernels for ``uint8`` times ``int8`` add two products in 16 bits and saturate
(255 · 127 + 255 · 127 does not fit). The standard has them summed in 32 bits. A sum of doubles holds every such sum, and a
sum of floats holds those of numbers of four bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from metannvis_translate.passes.decompose import Replacement, value_names

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["OPERATORS", "with_exact_integers"]

#: A product of two four-bit parts is at most 16 · 16, and single precision holds integers up to 2²⁴.
MOST_TERMS = (1 << 24) // (16 * 16)
#: Inputs that may be a vector along an axis other than the last: their shape has to be known.
VECTORS = {"MatMulInteger": (2,), "QLinearMatMul": (1, 2), "ConvInteger": (3,), "QLinearConv": (4, 5)}
WEIGHT = {"ConvInteger": 1, "QLinearConv": 3}


def with_exact_integers(proto: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model with every integer product written out; itself if it has none, None where one cannot be.

    Values keep their names, so that layers are still found by them. The model handed in is not changed.
    """
    import onnx_ir as ir

    if not any(node.op_type in OPERATORS for graph in _graphs(proto) for node in graph.node):
        return proto
    model = ir.from_proto(proto)
    bodies = [model.graph, *(function.graph for function in model.functions.values())]
    taken = set().union(*map(value_names, bodies))
    for body in bodies:
        for node in list(ir.traversal.RecursiveGraphIterator(body)):
            rule = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
            if rule is None or node.graph is None:
                continue
            if not _is_known(node):
                return None
            Replacement(node.graph, node, taken).run(rule)
    return ir.to_proto(model)


def _graphs(proto: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    waiting: list[onnx.GraphProto | onnx.FunctionProto] = [proto.graph, *proto.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _is_known(node: ir.Node) -> bool:
    """Whether the shapes that the rule asks for are declared, and no sum of a convolution has too many terms."""
    vectors = [node.inputs[k] for k in VECTORS[node.op_type] if k < len(node.inputs)]
    if any(value is not None and value.shape is None for value in vectors):
        return False
    if "Conv" not in node.op_type:
        return True
    weight = node.inputs[WEIGHT[node.op_type]]
    shape = None if weight is None or weight.shape is None else _sizes(weight)
    return shape is not None and math.prod(shape[1:]) <= MOST_TERMS


def _sizes(value: ir.Value) -> tuple[int, ...] | None:
    sizes = tuple(value.shape or ())
    return sizes if all(isinstance(size, int) for size in sizes) else None  # type: ignore[return-value]


def _given(at: Replacement, position: int) -> ir.Value | None:
    return at.node.inputs[position] if position < len(at.node.inputs) else None


def _cast(at: Replacement, value: ir.Value, name: str) -> ir.Value:
    import onnx_ir as ir

    return at.add("Cast", value, to=ir.DataType[name].value)


def _along(at: Replacement, value: ir.Value, *sizes: int) -> ir.Value:
    """A vector of several entries in a shape that broadcasts; what is one number, or has that shape, stays."""
    is_vector = value.shape is not None and len(value.shape) == 1 and value.shape[0] != 1
    return at.add("Reshape", value, at.ints(*sizes)) if is_vector else value


def _centered(at: Replacement, x: int, zero: int, dtype: str, *sizes: int) -> ir.Value:
    """An input less its zero point."""
    value, point = _given(at, x), _given(at, zero)
    assert value is not None
    wide = _cast(at, value, dtype)
    return wide if point is None else at.add("Sub", wide, _cast(at, _along(at, point, *sizes), dtype))


def _matmul(at: Replacement, a: tuple[int, int], b: tuple[int, int]) -> ir.Value:
    """The product in double precision, as 32-bit integers that wrap as the standard's do."""
    product = at.add("MatMul", _centered(at, *a, "DOUBLE", -1, 1), _centered(at, *b, "DOUBLE", -1))
    return _cast(at, _cast(at, product, "INT64"), "INT32")


def _conv(at: Replacement, x: tuple[int, int], w: tuple[int, int]) -> ir.Value:
    """Four convolutions of four-bit parts in single precision, put together as 32-bit integers."""
    weight = _given(at, w[0])
    assert weight is not None
    assert weight.shape is not None
    sixteen = np.array(16, np.float32)
    windows = {name: attribute.value for name, attribute in at.node.attributes.items()}

    def halves(value: ir.Value) -> tuple[ir.Value, ir.Value]:
        high = at.add("Floor", at.add("Div", value, sixteen))
        return high, at.add("Sub", value, at.add("Mul", high, sixteen))

    images = halves(_centered(at, *x, "FLOAT"))
    weights = halves(_centered(at, *w, "FLOAT", -1, *[1] * (len(weight.shape) - 1)))
    total: ir.Value | None = None
    for image, by in zip(images, (16, 1), strict=True):
        for kernel, factor in zip(weights, (16, 1), strict=True):
            part = _cast(at, at.add("Conv", image, kernel, **windows), "INT32")
            part = at.add("Mul", part, np.array(by * factor, np.int32))
            total = part if total is None else at.add("Add", total, part)
    assert total is not None
    return total


def _requantized(at: Replacement, total: ir.Value, scales: tuple[ir.Value, ...], zero: int) -> ir.Value:
    """The sums times the scales, rounded, half to even, about the zero point, and cut off at the ends of its type."""
    factor = at.add("Div", at.add("Mul", *scales[:2]), scales[2])
    one = np.array(1, np.float32)
    point = _given(at, zero)
    assert point is not None
    if point.shape is None or len(point.shape):  # by channel or (1,), of which QuantizeLinear would make an axis
        point = at.add("Reshape", point, np.zeros(0, np.int64))
    return at.add("QuantizeLinear", at.add("Mul", _cast(at, total, "FLOAT"), factor), one, point)


def _scales(at: Replacement, *positions: int) -> tuple[ir.Value, ...]:
    found = tuple(_given(at, position) for position in positions)
    assert all(value is not None for value in found)
    return found  # type: ignore[return-value]


def _matmul_integer(at: Replacement) -> ir.Value:
    return _matmul(at, (0, 2), (1, 3))


def _qlinear_matmul(at: Replacement) -> ir.Value:
    left, right, result = _scales(at, 1, 4, 6)
    return _requantized(at, _matmul(at, (0, 2), (3, 5)), (_along(at, left, -1, 1), right, result), 7)


def _conv_integer(at: Replacement) -> ir.Value:
    return _conv(at, (0, 2), (1, 3))


def _qlinear_conv(at: Replacement) -> ir.Value:
    total, bias = _conv(at, (0, 2), (3, 5)), _given(at, 8)
    ones = [1] * (len(at.node.inputs[3].shape) - 2)  # type: ignore[union-attr, arg-type]
    if bias is not None:
        total = at.add("Add", total, at.add("Reshape", bias, at.ints(-1, *ones)))
    image, kernel, result = _scales(at, 1, 4, 6)
    return _requantized(at, total, (image, _along(at, kernel, -1, *ones), result), 7)


#: The operators of the standard that multiply integers of eight bits.
OPERATORS: dict[str, Callable[[Replacement], ir.Value]] = {
    "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _qlinear_matmul,
    "ConvInteger": _conv_integer,
    "QLinearConv": _qlinear_conv,
}
