"""Unsigned integers of more than eight bits, for which PyTorch has few kernels: computed in 64 bits and cut off.

Integers of 64 bits have the same bits, read as signed. Sums and products of such come out right; where order matters the
upper bit is turned over, which keeps it; quotients are put together of halves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["LACKING", "UNSIGNED", "is_unsigned_64", "narrowed", "of_unsigned", "widened"]

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
    "Add", "Sub", "Mul", "Neg", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "Equal", "Sum", "CumSum", "Gather",
    "GatherElements", "GatherND", "Where", "Pad", "Tile", "Trilu", "IsNaN", "MatMul", "Gemm", "ReduceSum", "ReduceProd",
    "ReduceSumSquare", "NonZero", "Compress", "ReverseSequence", "OneHot", "EyeLike", "DepthToSpace", "SpaceToDepth",
    "CenterCropPad", "Scatter", "TensorScatter", "CumProd",
}  # fmt: skip
#: Operators that only ask which of two elements is larger, or hand elements on.
ORDERED = {
    "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Clip", "ReduceMax", "ReduceMin", "ArgMax", "ArgMin",
    "TopK", "Unique",
}  # fmt: skip
#: Operators that scatter: sums and products do not ask for the order.
SCATTERING = {"ScatterElements", "ScatterND"}
LOWEST = -(1 << 63)


def quotient(a: Tensor, b: Tensor) -> Tensor:
    """Quotient, rounded down, of integers of 64 bits that are read without a sign."""
    half = torch.div((a >> 1) & ~LOWEST, b.clamp(min=1), rounding_mode="floor") << 1
    more = (a - half * b) ^ LOWEST >= b ^ LOWEST
    return torch.where(b < 0, (a ^ LOWEST >= b ^ LOWEST).long(), half + more.long())


def remainder(a: Tensor, b: Tensor) -> Tensor:
    """Remainder of integers of 64 bits that are read without a sign."""
    return a - quotient(a, b) * b


def shifted_right(a: Tensor, b: Tensor) -> Tensor:
    """Bits shifted to the right, zeros shifted in; by their number or more, nothing is left."""
    inside = (b >= 0) & (b < 64)
    amount = torch.where(inside, b, 1)
    signs = torch.full_like(a, LOWEST) >> (amount - 1).clamp(min=0)  # what the sign fills up
    return torch.where(inside, torch.where(amount == 0, a, (a >> amount) & ~signs), 0)


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """A power whose exponent is read without a sign: of floats in double precision, of integers by repeated squares."""
    if base.is_floating_point():
        wide = exponent.double()
        return torch.pow(base.double(), torch.where(exponent < 0, wide + 2.0**64, wide)).to(base.dtype)
    result = torch.ones_like(base)
    for bit in range(64):
        result = torch.where((exponent >> bit) & 1 != 0, result * base, result)
        base = base * base
    return result


def sign(x: Tensor) -> Tensor:
    """One where an element is not zero."""
    return (x != 0).long()


#: What has a function of its own for integers of 64 bits, by operator; of shifts that to the right.
UNSIGNED_64: dict[str, Callable[..., Tensor]] = {
    "Div": quotient, "Mod": remainder, "BitShift": shifted_right, "Pow": power, "Sign": sign, "Abs": torch.clone,
}  # fmt: skip


def is_unsigned_64(ctx: TorchImporter, node: ir.Node) -> bool:
    """Whether a node works on unsigned integers of 64 bits."""
    return any(dtype is not None and dtype.name == "uint64" for dtype in map(ctx.numpy_dtype, node.inputs))


def of_unsigned(ctx: TorchImporter, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the current node on unsigned integers of 64 bits, if it has one; else the given one."""
    own = UNSIGNED_64.get(ctx.node.op_type)
    return own if own is not None and is_unsigned_64(ctx, ctx.node) else function


def _is_ordered(node: ir.Node) -> bool:
    reduction = node.attributes.get("reduction")
    return node.op_type in ORDERED or (
        node.op_type in SCATTERING and reduction is not None and reduction.value in ("max", "min")
    )


def widened(ctx: TorchImporter, node: ir.Node, inputs: list[Value | None]) -> list[Value | None]:
    """The inputs of a node, unsigned ones as 64-bit integers where PyTorch cannot compute with them."""
    types = [ctx.numpy_dtype(value) for value in node.inputs]
    if node.op_type in MOVING or not any(dtype is not None and dtype.name in UNSIGNED for dtype in types):
        return inputs
    ordered = _is_ordered(node)
    if is_unsigned_64(ctx, node) and not (
        ordered or node.op_type in MODULAR or node.op_type in SCATTERING or node.op_type in UNSIGNED_64
    ):
        ctx.refuse("PyTorch has no kernel for unsigned integers of 64 bits")
    wide: list[Value | None] = []
    for dtype, value in zip(types, inputs, strict=False):
        if value is None or dtype is None or dtype.name not in UNSIGNED:
            wide.append(value)
            continue
        turned = ordered and dtype.name == "uint64"
        if isinstance(value, ConstantValue):
            array = value.array.astype("int64")
            wide.append(ConstantValue(array ^ np.int64(LOWEST) if turned else array, name=f"{value.name}.int64"))
        else:
            tensor = ctx.method("to", value.tensor, torch.int64)
            wide.append(LaidOut(ctx.function(torch.bitwise_xor, tensor, LOWEST) if turned else tensor, value.order))
    return wide


def narrowed(ctx: TorchImporter, node: ir.Node, value: ir.Value, result: Value) -> Value:
    """A result of a node on unsigned integers in the bits that the graph says."""
    dtype = ctx.numpy_dtype(value)
    if not isinstance(result, LaidOut) or dtype is None or dtype.name not in UNSIGNED or node.op_type in MOVING:
        return result
    tensor = result.tensor
    if _is_ordered(node) and dtype.name == "uint64":
        tensor = ctx.function(torch.bitwise_xor, tensor, LOWEST)
    return LaidOut(ctx.method("to", tensor, getattr(torch, dtype.name)), result.order)
