"""Bitwise operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, torch_dtype
from metannvis_translate.frameworks.torch.importer.operators.elementwise import elementwise
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import Placed
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def bit_cast(x: Tensor, *, dtype: torch.dtype) -> Tensor:
    """The same bits as another type."""
    return x.contiguous().view(dtype)


@converter("BitCast", since=26)
def BitCast(ctx: TorchImporter, input: Value, *, to: int) -> Placed:
    """``Tensor.view``."""
    dtype = torch_dtype(ctx, to)
    before = ctx.numpy_dtype(ctx.node.inputs[0])
    if (
        dtype is None
        or before is None
        or np.dtype(before).itemsize != dtype.itemsize
        or "bool" in (str(before), str(dtype))
    ):
        ctx.refuse("it is not between types of as many bits that PyTorch has")
    return call(ctx, bit_cast, input, rank=input.rank, dtype=dtype)


@converter("BitShift", since=11)
def BitShift(ctx: TorchImporter, X: Value, Y: Value, *, direction: str) -> Placed:
    shift = torch.bitwise_left_shift if direction == "LEFT" else torch.bitwise_right_shift
    return elementwise(ctx, shift, X, Y)
