"""Unsigned integers of 64 bits, of which Keras makes 32: the same bits read as signed where that comes to the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras

from metannvis_translate import keras_objects
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

__all__ = ["as_signed", "as_unsigned"]

#: Operators whose lower 64 bits are the same for signed and unsigned operands, and of which Keras' own lose the upper half.
MODULAR = {
    "Where", "OneHot", "Concat", "Pad", "Tile", "Trilu", "CumProd", "ReduceSum", "ReduceProd", "ReduceSumSquare", "Expand",
}  # fmt: skip


def as_signed(ctx: KerasImporter, node: ir.Node, inputs: list[Value | None]) -> list[Value | None]:
    """The inputs of a node, unsigned ones of 64 bits with their bits read as signed where Keras cannot compute with them."""
    if node.op_type not in MODULAR:
        return inputs
    signed: list[Value | None] = []
    for value in inputs:
        if isinstance(value, ConstantValue) and value.array.dtype == "uint64":
            signed.append(ConstantValue(value.array.view("int64"), name=f"{value.name}.int64"))
        elif isinstance(value, LaidOut) and keras.backend.standardize_dtype(value.tensor.dtype) == "uint64":
            signed.append(ctx.keep(value, ctx.operator_layer(keras_objects.BitCast, value.tensor, to="int64")))
        else:
            signed.append(value)
    return signed


def as_unsigned(ctx: KerasImporter, node: ir.Node, results: Sequence[Value]) -> Sequence[Value]:
    """The results of such a node with the signs that the graph says."""
    if node.op_type not in MODULAR:
        return results
    unsigned: list[Value] = []
    for value, result in zip(node.outputs, results, strict=False):
        if isinstance(result, LaidOut) and value.dtype is not None and value.dtype.name == "UINT64":
            whole = keras.ops.cast(result.tensor, "int64")
            result = ctx.keep(result, ctx.operator_layer(keras_objects.BitCast, whole, to="uint64"))
        unsigned.append(result)
    return unsigned
