"""Padding: ONNX's Pad, and the pads of convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.modules import SamePad, Take
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import Placed
from metannvis_translate.importing.values import Const, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["pad_pairs", "same_pads", "split_pads"]

#: ONNX modes by NumPy's and by PyTorch's names for them.
MODES = {"reflect": ("reflect", "reflect"), "edge": ("edge", "replicate"), "wrap": ("wrap", "circular")}


def pad_pairs(pads: Sequence[int]) -> list[int]:
    """ONNX pads (all beginnings, then all ends) as PyTorch takes them: pairs, from the last axis on."""
    rank = len(pads) // 2
    return [amount for axis in reversed(range(rank)) for amount in (int(pads[axis]), int(pads[axis + rank]))]


def split_pads(pads: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads as what is common to both sides, and what is left at the beginnings and ends."""
    rank = len(pads) // 2
    both = tuple(min(pads[k], pads[k + rank]) for k in range(rank))
    return both, tuple(amount - both[k % rank] for k, amount in enumerate(pads))


def same_pads(
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
    extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    sizes = (ctx.shape(0) or (None,) * (rank + 2))[2:]
    totals = []
    for size, extent, step in zip(sizes, extents, stride, strict=True):
        if size is None and step > 1:
            lower = auto_pad == "SAME_LOWER"
            padded = ctx.module(SamePad(extents, stride, lower=lower, value=value), tensor, suffix="pad")
            return padded, (0,) * (2 * rank)
        steps = 0 if size is None else (-(-size // step) - 1) * step - size
        totals.append(max(extent - 1 if size is None else steps + extent, 0))
    halves = tuple(total // 2 for total in totals)
    others = tuple(total - half for total, half in zip(totals, halves, strict=True))
    return tensor, halves + others if auto_pad == "SAME_UPPER" else others + halves


def pad(ctx: TorchImporter, data: Value, pads: Sequence[int], mode: str, value: Any) -> Placed:
    """Pads in logical axes, applied to the tensor as it lies."""
    x = ctx.placed(data)
    rank = x.rank
    begins, ends = x.arrange(tuple(pads[:rank])), x.arrange(tuple(pads[rank:]))
    if not any(begins) and not any(ends):
        return x
    pairs = pad_pairs((*begins, *ends))
    while pairs[-2:] == [0, 0]:
        del pairs[-2:]
    if mode == "constant":
        return Placed(ctx.function(F.pad, x.tensor, pairs, "constant", value), x.order)
    if mode not in MODES:
        ctx.refuse(f"its mode {mode!r} is not known")
    by_numpy, by_torch = MODES[mode]
    # PyTorch pads the last one to three axes of tensors with exactly two more
    if rank in (3, 4, 5) and len(pairs) // 2 <= rank - 2 and min(pairs) >= 0 and _fits(ctx, x, begins, ends):
        pairs += [0] * (2 * (rank - 2) - len(pairs))
        return Placed(ctx.function(F.pad, x.tensor, pairs, by_torch), x.order)
    shape = ctx.shape(0)
    sizes = x.arrange(shape) if shape is not None else (None,) * rank
    dims, indices = [], []
    for dim, (size, begin, end) in enumerate(zip(sizes, begins, ends, strict=True)):
        if not (begin or end):
            continue
        if size is None:
            ctx.refuse(f"its mode {mode!r} pads an axis of free size")
        index = np.pad(np.arange(int(size or 0)), (max(begin, 0), max(end, 0)), mode=by_numpy)  # type: ignore[call-overload]
        indices.append(ctx.buffer(index[max(-begin, 0) : len(index) - max(-end, 0)].astype(np.int64)))
        dims.append(dim)
    return Placed(ctx.module(Take(dims, indices), x.tensor), x.order)


def _fits(ctx: TorchImporter, x: Placed, begins: Sequence[int], ends: Sequence[int]) -> bool:
    """Whether every pad is shorter than its axis, which PyTorch's reflection and wrapping ask for."""
    shape = ctx.shape(0)
    if shape is None:
        return True
    return all(n is None or max(b, e) < n for n, b, e in zip(x.arrange(shape), begins, ends, strict=True))


@converter("Pad", since=1)
def Pad_1(
    ctx: TorchImporter, data: Value, *, mode: str = "constant", pads: Sequence[int] = (), value: float = 0.0
) -> Placed:
    """``F.pad``; no module, since padding has no rule of its own."""
    return pad(ctx, data, pads, mode, value)


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
) -> Placed:
    """``F.pad``; no module, since padding has no rule of its own."""
    amounts = ctx.known(pads, "pads").tolist()
    rank = data.rank
    if axes is not None:
        chosen = ctx.known(axes, "axes").tolist()
        full = [0] * (2 * rank)
        for k, axis in enumerate(chosen):
            full[axis % rank], full[axis % rank + rank] = amounts[k], amounts[k + len(chosen)]
        amounts = full
    if constant_value is not None and not isinstance(constant_value, Const):
        if mode != "constant":
            ctx.refuse("its constant_value is computed when the model runs")
        begins, ends = amounts[:rank], amounts[rank:]
        return call(ctx, pad_with, data, constant_value, rank=rank, pads=pad_pairs((*begins, *ends)))
    value = constant_value.scalar() if isinstance(constant_value, Const) else 0
    return pad(ctx, data, amounts, mode, value)
