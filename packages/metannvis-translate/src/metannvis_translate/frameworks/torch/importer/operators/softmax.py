"""Softmax, log-softmax and hardmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from metannvis_translate.frameworks.torch.importer.modules import (
    RoundedSoftmax,
)
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import ROUNDING
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("Softmax", since=13)
def Softmax(ctx: TorchImporter, input: Value, *, axis: int = -1) -> LaidOut:
    x = ctx.placed(input)
    half = ctx.stated(ROUNDING) != "kernel" and ctx.numpy_dtype(ctx.node.inputs[0]) == np.float16
    module = RoundedSoftmax(x.axis(axis)) if half else nn.Softmax(x.axis(axis))
    return LaidOut(ctx.module(module, x.tensor), x.order)


@converter("LogSoftmax", since=13)
def LogSoftmax(ctx: TorchImporter, input: Value, *, axis: int = -1) -> LaidOut:
    x = ctx.placed(input)
    return LaidOut(ctx.module(nn.LogSoftmax(x.axis(axis)), x.tensor), x.order)


@converter("Softmax", since=1)
def Softmax_1(ctx: TorchImporter, input: Value, *, axis: int = 1) -> LaidOut:
    return flattened(ctx, nn.Softmax, input, axis)


@converter("LogSoftmax", since=1)
def LogSoftmax_1(ctx: TorchImporter, input: Value, *, axis: int = 1) -> LaidOut:
    return flattened(ctx, nn.LogSoftmax, input, axis)


def flattened(ctx: TorchImporter, cls: type[nn.Module], X: Value, axis: int) -> LaidOut:
    """Before opset 13 everything from ``axis`` on counted as one axis."""
    x = ctx.placed(X)
    axis %= x.rank
    shape = ctx.shape(0)
    others = range(axis, x.rank) if shape is None else [k for k in range(axis, x.rank) if shape[k] != 1]
    if len(others) <= 1:
        return LaidOut(ctx.module(cls(x.axis(others[0] if others else axis)), x.tensor), x.order)
    x = ctx.plain(x)
    flat = ctx.module(cls(axis), ctx.function(torch.flatten, x.tensor, axis))
    return LaidOut(ctx.method("view_as", flat, x.tensor), x.order)


@converter("Hardmax", since=13)
def Hardmax(ctx: TorchImporter, input: Value, *, axis: int = -1) -> LaidOut:
    """One at the first largest element along the axis, zero elsewhere."""
    x = ctx.placed(input)
    dim = x.axis(axis)
    first = ctx.function(torch.argmax, x.tensor, dim, True)
    return LaidOut(ctx.function(torch.scatter, ctx.function(torch.zeros_like, x.tensor), dim, first, 1.0), x.order)
