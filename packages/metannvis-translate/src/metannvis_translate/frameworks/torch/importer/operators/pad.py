"""Padding: ONNX's Pad, and the pads of convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import fx

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.modules import SamePad, Take
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.importing.windows import Pads, axis_pads, extents, flat, pad_index, same_pads

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["node_pads", "pad_pairs", "split_pads"]

#: ONNX's modes by PyTorch's names for them.
MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad_pairs(pads: Sequence[int]) -> list[int]:
    """ONNX pads (all beginnings, then all ends) as PyTorch takes them: pairs, from the last axis on."""
    rank = len(pads) // 2
    return [amount for axis in reversed(range(rank)) for amount in (int(pads[axis]), int(pads[axis + rank]))]


def split_pads(pads: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads as what is common to both sides, and what is left at the beginnings and ends."""
    rank = len(pads) // 2
    both = tuple(min(pads[k], pads[k + rank]) for k in range(rank))
    return both, tuple(amount - both[k % rank] for k, amount in enumerate(pads))


def node_pads(
    ctx: TorchImporter,
    tensor: fx.Node,
    auto_pad: str,
    pads: Sequence[int] | None,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    *,
    value: float = 0.0,
) -> tuple[fx.Node, tuple[int, ...]]:
    """Pads of a convolution or pool, from ``pads`` or ``auto_pad``.

    Where they depend on a size that is free, the tensor comes back padded.
    """
    rank = len(kernel)
    if auto_pad in ("NOTSET", "", "VALID"):
        return tensor, tuple(pads) if pads and auto_pad != "VALID" else (0,) * (2 * rank)
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        ctx.refuse(f"its auto_pad {auto_pad!r} is not known")
    sizes, lower = (ctx.shape(0) or (None,) * (rank + 2))[2:], auto_pad == "SAME_LOWER"
    if any(size is None and step > 1 for size, step in zip(sizes, stride, strict=True)):
        module = SamePad(extents(kernel, dilation), stride, lower=lower, value=value)
        return ctx.module(module, tensor, suffix="pad"), (0,) * (2 * rank)
    rows = zip(sizes, kernel, stride, dilation, strict=True)
    return tensor, flat([same_pads(size, k, s, d, lower=lower) for size, k, s, d in rows])


def pad(ctx: TorchImporter, data: Value, pads: Pads, mode: str, value: Any) -> LaidOut:
    """Pads (begin, end) of each logical axis, applied to the tensor as it lies."""
    x = ctx.placed(data)
    amounts = list(x.arrange(pads))
    if not any(begin or end for begin, end in amounts):
        return x
    pairs = pad_pairs(flat(amounts))
    while pairs[-2:] == [0, 0]:
        del pairs[-2:]
    if mode == "constant":
        # F.pad takes a fill of double precision, in which not every large integer is
        return LaidOut(ctx.function(torch.constant_pad_nd, x.tensor, pairs, value), x.order)
    if mode not in MODES:
        ctx.refuse(f"its mode {mode!r} is not known")
    # PyTorch pads the last one to three axes of tensors with exactly two more
    if x.rank in (3, 4, 5) and len(pairs) // 2 <= x.rank - 2 and min(pairs) >= 0 and _fits(ctx, x, amounts):
        pairs += [0] * (2 * (x.rank - 2) - len(pairs))
        return LaidOut(ctx.function(F.pad, x.tensor, pairs, MODES[mode]), x.order)
    shape = ctx.shape(0)
    sizes = x.arrange(shape) if shape is not None else (None,) * x.rank
    dims, indices = [], []
    for dim, (size, amount) in enumerate(zip(sizes, amounts, strict=True)):
        if amount == (0, 0):
            continue
        if size is None:
            ctx.refuse(f"its mode {mode!r} pads an axis of free size")
        indices.append(ctx.buffer(pad_index(size, amount, mode)))
        dims.append(dim)
    return LaidOut(ctx.module(Take(dims, indices), x.tensor), x.order)


def _fits(ctx: TorchImporter, x: LaidOut, pads: Pads) -> bool:
    """Whether every pad is shorter than its axis, which PyTorch's reflection and wrapping ask for."""
    shape = ctx.shape(0)
    if shape is None:
        return True
    return all(size is None or max(amount) < size for size, amount in zip(x.arrange(shape), pads, strict=True))


@converter("Pad", since=1)
def Pad_1(
    ctx: TorchImporter, data: Value, *, mode: str = "constant", pads: Sequence[int] = (), value: float = 0.0
) -> LaidOut:
    """``F.pad``; no module, since padding has no rule of its own."""
    return pad(ctx, data, axis_pads(pads, None, data.rank), mode, value)


def pad_with(x: torch.Tensor, value: torch.Tensor, *, pads: Sequence[int]) -> torch.Tensor:
    """Padding with a number that is computed."""
    inside = F.pad(torch.ones_like(x, dtype=torch.bool), list(pads), value=False)
    return torch.where(inside, F.pad(x, list(pads)), value.reshape(()))


@converter("Pad", since=11)
def Pad(
    ctx: TorchImporter,
    data: Value,
    pads: Value,
    constant_value: Value | None = None,
    axes: Value | None = None,
    *,
    mode: str = "constant",
) -> LaidOut:
    """``F.pad``; no module, since padding has no rule of its own."""
    chosen = None if axes is None else ctx.known(axes, "axes").tolist()
    widths = ctx.sizes(pads, "pads")
    if any(isinstance(width, fx.Node) for width in widths):
        known = constant_value is None or isinstance(constant_value, ConstantValue)
        if mode != "constant" or not known:
            ctx.refuse("its pads depend on a free size")
        x = ctx.placed(data)
        free: list[Any] = [(0, 0)] * x.rank
        for k, axis in enumerate(range(x.rank) if chosen is None else chosen):
            free[axis % x.rank] = (widths[k], widths[k + len(widths) // 2])
        pairs = [width for pair in reversed(list(x.arrange(free))) for width in pair]
        fill = constant_value.scalar() if isinstance(constant_value, ConstantValue) else 0
        return LaidOut(ctx.function(F.pad, x.tensor, pairs, "constant", fill), x.order)
    amounts = axis_pads(widths, chosen, data.rank)
    if constant_value is not None and not isinstance(constant_value, ConstantValue):
        if mode != "constant":
            ctx.refuse("its constant_value is computed when the model runs")
        return call(ctx, pad_with, data, constant_value, rank=data.rank, pads=pad_pairs(flat(amounts)))
    value = constant_value.scalar() if isinstance(constant_value, ConstantValue) else 0
    return pad(ctx, data, amounts, mode, value)
