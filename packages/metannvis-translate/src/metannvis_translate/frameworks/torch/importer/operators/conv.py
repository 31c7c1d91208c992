"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.operators.pad import node_pads, pad_pairs, split_pads
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.importing.windows import steps, transposed_pads

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

CONV: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
CONV_TRANSPOSE: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def weigh(ctx: TorchImporter, module: nn.Module, W: ConstantValue, B: Value | None) -> None:
    """Give a module that was made without memory its weights."""
    module.weight = ctx.weight(W)
    module.bias = ctx.weight(B) if isinstance(B, ConstantValue) else None


@converter("Conv", since=1)
def Conv(
    ctx: TorchImporter,
    X: Value,
    W: Value,
    B: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> LaidOut:
    """``nn.Conv1d``, ``nn.Conv2d``, ``nn.Conv3d``."""
    x = ctx.plain(X)
    rank = x.rank - 2
    if not 1 <= rank <= 3:
        ctx.refuse(f"PyTorch has no convolution over {rank} spatial axes")
    kernel = tuple(W.array.shape[2:]) if isinstance(W, ConstantValue) else tuple(kernel_shape or ctx.shape(1)[2:])  # type: ignore[index]
    stride, dilation = steps(strides, dilations, rank)
    tensor, pads = node_pads(ctx, x.tensor, auto_pad, pads, kernel, stride, dilation)
    padding, rest = split_pads(pads)
    if any(rest):
        # all of it at once: one padding instead of two
        padding, rest = (0,) * rank, pads
        tensor = ctx.function(F.pad, tensor, pad_pairs(rest))
    if isinstance(W, ConstantValue) and (B is None or isinstance(B, ConstantValue)):
        module = CONV[rank - 1](
            W.array.shape[1] * group,
            W.array.shape[0],
            kernel,
            stride,
            padding,
            dilation,
            group,
            B is not None,
            device="meta",
        )
        weigh(ctx, module, W, B)
        return LaidOut(ctx.module(module, tensor), identity(x.rank))
    convolve = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    bias = None if B is None else ctx.plain(B).tensor
    weight = ctx.plain(W).tensor
    return LaidOut(ctx.function(convolve, tensor, weight, bias, stride, padding, dilation, group), identity(x.rank))


@converter("ConvTranspose", since=1)
def ConvTranspose(
    ctx: TorchImporter,
    X: Value,
    W: Value,
    B: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> LaidOut:
    """``nn.ConvTranspose1d``, ``nn.ConvTranspose2d``, ``nn.ConvTranspose3d``."""
    x = ctx.plain(X)
    rank = x.rank - 2
    if not 1 <= rank <= 3:
        ctx.refuse(f"PyTorch has no transposed convolution over {rank} spatial axes")
    kernel = tuple(W.array.shape[2:]) if isinstance(W, ConstantValue) else tuple(kernel_shape or ctx.shape(1)[2:])  # type: ignore[index]
    stride, dilation = steps(strides, dilations, rank)
    extra = tuple(output_padding or (0,) * rank)
    sizes = (ctx.shape(0) or (None,) * (rank + 2))[2:]
    amounts = transposed_pads(auto_pad, pads, output_shape, sizes, kernel, stride, dilation, extra)
    if amounts is None:
        ctx.refuse("its output_shape is fixed while the size of its input is free")
    begins, ends = zip(*amounts, strict=True)
    # `padding` is cut off at both sides; what differs is cut off (or kept) at the end
    padding = tuple(max(begin, 0) for begin in begins)
    longer = tuple(p - end + e for p, end, e in zip(padding, ends, extra, strict=True))
    kept = tuple(max(amount, 0) for amount in longer)
    if any(k >= max(s, d) for k, s, d in zip(kept, stride, dilation, strict=True)) or any(b < 0 for b in begins):
        moved = tuple(-begin for begin in begins) + tuple(e - end for e, end in zip(extra, ends, strict=True))
        options: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": group, "pads": moved}
        return call(ctx, transposed, x, W, B, rank=x.rank, **options)
    if isinstance(W, ConstantValue) and (B is None or isinstance(B, ConstantValue)):
        channels = W.array.shape[0], W.array.shape[1] * group
        module = CONV_TRANSPOSE[rank - 1](
            *channels, kernel, stride, padding, kept, group, B is not None, dilation, device="meta"
        )
        weigh(ctx, module, W, B)
        tensor = ctx.module(module, x.tensor)
    else:
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
        bias = None if B is None else ctx.plain(B).tensor
        tensor = ctx.function(convolve, x.tensor, ctx.plain(W).tensor, bias, stride, padding, kept, group, dilation)
    if any(amount < 0 for amount in longer):
        tensor = ctx.function(F.pad, tensor, pad_pairs((0,) * rank + tuple(min(amount, 0) for amount in longer)))
    return LaidOut(tensor, identity(x.rank))


def transposed(
    x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None, *, pads: Sequence[int], **options: Any
) -> torch.Tensor:
    """A transposed convolution that is cut, or filled up with the bias, at both ends by any amounts."""
    convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[x.ndim - 3]
    y = F.pad(convolve(x, w, None, **options), pad_pairs(pads))
    return y if bias is None else y + bias.reshape(-1, *[1] * (x.ndim - 2))
