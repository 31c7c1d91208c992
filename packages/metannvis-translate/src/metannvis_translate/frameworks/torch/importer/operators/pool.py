"""Pooling over windows and over everything, and its inverse."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.modules import AvgPool, SameAvgPool
from metannvis_translate.frameworks.torch.importer.operators.pad import node_pads, pad_pairs, split_pads
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.importing.windows import ceil_mode_pads, flat, pairs, steps, unpooled_sizes

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

MAX: tuple[Any, ...] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE: tuple[Any, ...] = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
GLOBAL_MAX: tuple[Any, ...] = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
GLOBAL_AVERAGE: tuple[Any, ...] = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


def image(ctx: TorchImporter, X: Value, what: str) -> tuple[LaidOut, int]:
    """The input channels first, and its number of spatial axes."""
    x = ctx.plain(X)
    if not 3 <= x.rank <= 5:
        ctx.refuse(f"PyTorch has no {what} over {x.rank - 2} spatial axes")
    return x, x.rank - 2


@converter("MaxPool", since=1)
def MaxPool(
    ctx: TorchImporter,
    X: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> LaidOut | tuple[LaidOut, LaidOut]:
    """``nn.MaxPool1d``, ``nn.MaxPool2d``, ``nn.MaxPool3d``."""
    x, rank = image(ctx, X, "max pool")
    kernel, (stride, dilation) = tuple(kernel_shape), steps(strides, dilations, rank)
    # padding that is no module's own is the lowest finite number: DeepLift subtracts it, and infinities leave no number
    dtype = ctx.numpy_dtype(ctx.node.outputs[0]) or np.dtype("float32")
    lowest = float(np.iinfo(dtype).min if dtype.kind in "iu" else torch.finfo(getattr(torch, dtype.name)).min)
    indexed = ctx.used_outputs() > 1
    tensor, pads = node_pads(ctx, x.tensor, auto_pad, pads, kernel, stride, dilation, value=lowest)
    if indexed and tensor is not x.tensor:
        ctx.refuse("its indices are used while its pads depend on a free size")
    begins = (0,) * rank
    padding, rest = split_pads(pads)
    if any(rest) or any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        if ceil_mode:
            pads = _ceil_pads(ctx, pads, kernel, stride, dilation)
        rounding = _rounding((ctx.shape(0) or ())[2:], pads, kernel, stride, dilation)
        padding, ceil_mode = pads[:rank], rounding or 0
        if rounding is None:
            padding, begins = (0,) * rank, pads[:rank]
            tensor = ctx.function(F.pad, tensor, pad_pairs(pads), "constant", lowest)
    if indexed:
        module = MAX[rank - 1](kernel, stride, padding, dilation, return_indices=True, ceil_mode=bool(ceil_mode))
        both = ctx.module(module, tensor)
        largest, index = (ctx.function(operator.getitem, both, k) for k in range(2))
        index = ctx.function(index_in_all, index, x.tensor, tensor, begins=begins, column_major=bool(storage_order))
        return LaidOut(largest, identity(x.rank)), LaidOut(index, identity(x.rank))
    module = MAX[rank - 1](kernel, stride, padding, dilation, ceil_mode=bool(ceil_mode))
    return LaidOut(ctx.module(module, tensor), identity(x.rank))


def index_in_all(
    index: torch.Tensor, x: torch.Tensor, padded: torch.Tensor, *, begins: Sequence[int], column_major: bool
) -> torch.Tensor:
    """Indices that count in a channel of a padded image as ones that count in all of the image itself."""
    space = x.shape[2:]
    places: list[torch.Tensor] = []
    for size, begin in zip(reversed(padded.shape[2:]), reversed(begins), strict=True):
        places.insert(0, index % size - begin)
        index = index // size
    order = list(range(len(space)))
    result: Any = 0
    for k in reversed(order) if column_major else order:
        result = result * space[k] + places[k]
    channels = torch.arange(x.shape[0] * x.shape[1], device=x.device) * math.prod(space)
    return result + channels.reshape(*x.shape[:2], *[1] * len(space))


def _rounding(
    sizes: Sequence[int | None],
    pads: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> int | None:
    """``ceil_mode`` with which the beginnings' pads alone give the windows of these pads; ``None`` if neither does.

    TensorFlow's ``same`` pads one more at the end, where a window that rounds up reaches beyond the input as well.
    """
    rank = len(kernel)
    left = {0, 1} if len(sizes) == rank else set()
    for k, size in enumerate(sizes):
        begin, end, extent = pads[k], pads[k + rank], dilation[k] * (kernel[k] - 1) + 1
        if size is None or begin > kernel[k] // 2:
            return None
        wanted = (size + begin + end - extent) // stride[k] + 1
        down = (size + 2 * begin - extent) // stride[k] + 1
        up = -(-(size + 2 * begin - extent) // stride[k]) + 1
        up -= (up - 1) * stride[k] >= size + begin
        left &= {mode for mode, count in ((0, down), (1, up)) if count == wanted}
    return min(left, default=None)


def _ceil_pads(
    ctx: TorchImporter, pads: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """Pads with which a pool that rounds down gives what one that rounds up gives with those given."""
    sizes = (ctx.shape(0) or (None,) * (len(kernel) + 2))[2:]
    if None in sizes:
        ctx.refuse("it rounds up with pads that PyTorch does not take, and the size of its input is free")
    return flat(ceil_mode_pads(pairs(pads), sizes, kernel, stride, dilation))


@converter("AveragePool", since=1)
def AveragePool(
    ctx: TorchImporter,
    X: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> LaidOut:
    """``nn.AvgPool1d``, ``nn.AvgPool2d``, ``nn.AvgPool3d``."""
    x, rank = image(ctx, X, "average pool")
    kernel, (stride, dilation) = tuple(kernel_shape), steps(strides, dilations, rank)
    sizes = (ctx.shape(0) or (None,) * (rank + 2))[2:]
    if auto_pad.startswith("SAME") and any(n is None and s > 1 for n, s in zip(sizes, stride, strict=True)):
        same = SameAvgPool(
            kernel, stride, dilation, include_pad=bool(count_include_pad), lower=auto_pad == "SAME_LOWER"
        )
        return LaidOut(ctx.module(same, x.tensor), identity(x.rank))
    _, pads = node_pads(ctx, x.tensor, auto_pad, pads, kernel, stride, dilation)
    padding, rest = split_pads(pads)
    module: nn.Module
    if any(rest) or any(d > 1 for d in dilation) or any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        module = AvgPool(kernel, stride, pads, dilation, include_pad=bool(count_include_pad), ceil=bool(ceil_mode))
    else:
        # without pads the two ways to count are one, and the default is what people write
        include = bool(count_include_pad) or not any(padding)
        module = AVERAGE[rank - 1](kernel, stride, padding, ceil_mode=bool(ceil_mode), count_include_pad=include)
    return LaidOut(ctx.module(module, x.tensor), identity(x.rank))


@converter("GlobalAveragePool", since=1)
def GlobalAveragePool(ctx: TorchImporter, X: Value) -> LaidOut:
    """``nn.AdaptiveAvgPool2d(1)`` and its siblings."""
    x, rank = image(ctx, X, "average pool")
    return LaidOut(ctx.module(GLOBAL_AVERAGE[rank - 1](1), x.tensor), identity(x.rank))


@converter("GlobalMaxPool", since=1)
def GlobalMaxPool(ctx: TorchImporter, X: Value) -> LaidOut:
    """``nn.AdaptiveMaxPool2d(1)`` and its siblings."""
    x, rank = image(ctx, X, "max pool")
    if ctx.ties == "shared":  # where several elements are the largest, TensorFlow gives each its part
        return LaidOut(ctx.function(torch.amax, x.tensor, tuple(range(2, x.rank)), True), identity(x.rank))
    return LaidOut(ctx.module(GLOBAL_MAX[rank - 1](1), x.tensor), identity(x.rank))


@converter("LpPool", since=2)
def LpPool(
    ctx: TorchImporter,
    X: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    p: int = 2,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> LaidOut:
    """A sum over windows, from an average."""
    x, rank = image(ctx, X, "Lp pool")
    kernel, (stride, dilation) = tuple(kernel_shape), steps(strides, dilations, rank)
    tensor, pads = node_pads(ctx, x.tensor, auto_pad, pads, kernel, stride, dilation)
    if ceil_mode:
        pads = _ceil_pads(ctx, pads, kernel, stride, dilation)
    powers = ctx.function(torch.pow, ctx.function(torch.abs, tensor), p)
    pool = AvgPool(kernel, stride, pads, dilation, include_pad=True, ceil=False)
    summed = ctx.function(torch.mul, ctx.module(pool, powers), math.prod(kernel))
    return LaidOut(ctx.function(torch.pow, summed, 1.0 / p), identity(x.rank))


@converter("GlobalLpPool", since=2)
def GlobalLpPool(ctx: TorchImporter, X: Value, *, p: int = 2) -> LaidOut:
    """A norm over everything but batch and channels."""
    x, _ = image(ctx, X, "Lp pool")
    norm = ctx.function(torch.linalg.vector_norm, x.tensor, p, tuple(range(2, x.rank)), True)
    return LaidOut(norm, identity(x.rank))


def unpool(
    x: Tensor,
    index: Tensor,
    *,
    kernel: Sequence[int],
    pads: Sequence[int],
    stride: Sequence[int],
    size: Sequence[int] | None,
) -> Tensor:
    """Each element where its index says, zero elsewhere; indices count in the image as large as without ``size``."""
    rank = len(kernel)
    plain = unpooled_sizes(x.shape[2:], kernel, stride, pairs(pads))
    result = x.new_zeros(x.shape[0] * x.shape[1] * math.prod(plain))
    result = result.scatter(0, index.reshape(-1), x.reshape(-1)).reshape(*x.shape[:2], *plain)
    if size is None:
        return result
    wanted = tuple(size)[-rank:]
    more = [n for have, new in zip(reversed(plain), reversed(wanted), strict=True) for n in (0, new - have)]
    return F.pad(result, more)


@converter("MaxUnpool", since=9)
def MaxUnpool(
    ctx: TorchImporter,
    X: Value,
    I: Value,  # noqa: E741  # ONNX's name
    output_shape: Value | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> LaidOut:
    """``torch.scatter``: ONNX counts in the whole tensor, ``nn.MaxUnpool2d`` in a channel."""
    rank = len(kernel_shape)
    size = None
    if output_shape is not None:
        if not isinstance(output_shape, ConstantValue):
            ctx.refuse("its output_shape is computed when the model runs, but has to be known beforehand")
        size = tuple(int(n) for n in ctx.known(output_shape, "output_shape"))
    options: dict[str, Any] = {"kernel": tuple(kernel_shape), "stride": tuple(strides or (1,) * rank), "size": size}
    return call(ctx, unpool, X, I, rank=X.rank, pads=tuple(pads or (0,) * (2 * rank)), **options)
