"""Unsigned integers of more than eight bits, for which PyTorch has few kernels: computed in 64 bits and cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["LACKING", "UNSIGNED", "widened"]

UNSIGNED = {"uint16", "uint32", "uint64"}
#: Types without a tensor in PyTorch, or with one that nothing computes.
LACKING = {"STRING", "INT4", "UINT4", "INT2", "UINT2", "FLOAT4E2M1", "FLOAT6E2M3", "FLOAT6E3M2", "FLOAT8E8M0"}
#: Operators that only move elements or change their type, which PyTorch does for all of its types.
MOVING = {
    "Cast", "CastLike", "BitCast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Identity",
    "Constant", "ConstantOfShape", "Shape", "Size", "Expand", "QuantizeLinear", "DequantizeLinear", "Concat",
}  # fmt: skip
#: Operators whose lower 64 bits are the same for signed and unsigned operands.
MODULAR = {
    "Add", "Sub", "Mul", "Neg", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "Equal", "Sum", "ReduceSum", "CumSum",
    "Gather", "GatherElements", "GatherND", "Where", "Pad", "Tile", "Trilu", "IsNaN",
}  # fmt: skip


def widened(ctx: TorchImporter, node: ir.Node, inputs: list[Value | None]) -> list[Value | None]:
    """The inputs of a node, unsigned ones as 64-bit integers where PyTorch cannot compute with them."""
    types = [ctx.numpy_dtype(value) for value in node.inputs]
    if node.op_type in MOVING or not any(dtype is not None and dtype.name in UNSIGNED for dtype in types):
        return inputs
    left_shift = node.op_type == "BitShift" and node.attributes["direction"].value == "LEFT"
    if any(t is not None and t.name == "uint64" for t in types) and node.op_type not in MODULAR and not left_shift:
        ctx.refuse("PyTorch has no kernel for unsigned integers of 64 bits")
    wide: list[Value | None] = []
    for dtype, value in zip(types, inputs, strict=False):
        if value is None or dtype is None or dtype.name not in UNSIGNED:
            wide.append(value)
        elif isinstance(value, ConstantValue):
            wide.append(ConstantValue(value.array.astype("int64"), name=f"{value.name}.int64"))
        else:
            wide.append(LaidOut(ctx.method("to", value.tensor, torch.int64), value.order))
    return wide
