"""Function calls on values in plain order: for operators that no layout matters to."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["call", "calls", "torch_dtype"]


def call(ctx: TorchImporter, function: Callable[..., Any], *values: Value | None, rank: int, **options: Any) -> LaidOut:
    """Call a function that returns one tensor of that rank; ``None`` stands for an input that is left out."""
    tensors = [None if value is None else ctx.plain(value).tensor for value in values]
    return LaidOut(ctx.function(function, *tensors, **options), identity(rank))


def calls(
    ctx: TorchImporter, function: Callable[..., Any], *values: Value | None, ranks: Sequence[int], **options: Any
) -> tuple[LaidOut, ...]:
    """Call a function that returns a tuple of tensors of those ranks."""
    both = call(ctx, function, *values, rank=0, **options).tensor
    return tuple(
        LaidOut(ctx.function(operator.getitem, both, k), identity(rank))
        for k, rank in enumerate(ranks[: ctx.used_outputs()])
    )


def torch_dtype(ctx: TorchImporter, number: int | None) -> torch.dtype | None:
    """The PyTorch type of an ONNX type's number; ``None`` for none. Types that PyTorch lacks are refused."""
    if not number:
        return None
    from onnx.helper import tensor_dtype_to_np_dtype

    name = ctx.float_dtype(tensor_dtype_to_np_dtype(number).name)
    dtype = getattr(torch, name, None)
    if dtype is None:
        ctx.refuse(f"PyTorch has no type {name}")
    return dtype
