"""Bitwise operators, shifts, and bits read as another type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, torch_dtype
from metannvis_translate.frameworks.torch.importer.operators.elementwise import elementwise, operands
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("BitwiseAnd", since=1)
def BitwiseAnd(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    """``torch.bitwise_and``, with NumPy's broadcasting."""
    return elementwise(ctx, torch.bitwise_and, A, B, scalars=False)


@converter("BitwiseOr", since=1)
def BitwiseOr(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    """``torch.bitwise_or``, with NumPy's broadcasting."""
    return elementwise(ctx, torch.bitwise_or, A, B, scalars=False)


@converter("BitwiseXor", since=1)
def BitwiseXor(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    """``torch.bitwise_xor``, with NumPy's broadcasting."""
    return elementwise(ctx, torch.bitwise_xor, A, B, scalars=False)


@converter("BitwiseNot", since=1)
def BitwiseNot(ctx: TorchImporter, X: Value) -> LaidOut:
    """``torch.bitwise_not``."""
    x = ctx.placed(X)
    return LaidOut(ctx.function(torch.bitwise_not, x.tensor), x.order)


def bit_cast(x: Tensor, *, dtype: torch.dtype) -> Tensor:
    """The same bits as another type."""
    return x.contiguous().view(dtype)


@converter("BitCast", since=26)
def BitCast(ctx: TorchImporter, input: Value, *, to: int) -> LaidOut:
    """``Tensor.view``."""
    dtype = torch_dtype(ctx, to)
    before = ctx.numpy_dtype(ctx.node.inputs[0])
    if dtype is None or before is None or np.dtype(before).itemsize != dtype.itemsize:
        ctx.refuse("it is not between types of as many bits that PyTorch has")
    return call(ctx, bit_cast, input, rank=input.rank, dtype=dtype)


@converter("BitShift", since=11)
def BitShift(ctx: TorchImporter, X: Value, Y: Value, *, direction: str) -> LaidOut:
    if direction == "LEFT":
        args, order = operands(ctx, (X, Y))
        return LaidOut(ctx.function(torch.bitwise_left_shift, *args), order)
    return elementwise(ctx, torch.bitwise_right_shift, X, Y)
