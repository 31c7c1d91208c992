"""Custom operators for what PyTorch's exporter takes apart beyond recognition.

They stay whole, as operators of the hub's own domain ``metannvis``; :mod:`~metannvis_translate.passes.decompose` writes
them in the standard's own where the target is ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter import (
    activations,
    arithmetic,
    attention,
    batch_statistics,
    corrected_functions,
    decompositions,
    distances,
    indexing,
    losses,
    order_statistics,
    packed_sequences,
    recurrent,
    reductions,
    regions,
    scattering,
    segments,
    special_functions,
    stop_gradient,
)
from metannvis_translate.frameworks.torch.exporter.building_blocks import operator

__all__ = ["translations"]

average = operator("AdaptiveAveragePool", ("output_size",))
largest = operator("AdaptiveMaxPool", ("output_size",), outputs=2)
moved = operator("Roll", ("shifts", "dims"))


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def adaptive_avg_pool(self, output_size: Sequence[int]):  # type: ignore[no-untyped-def]
    return _batched(lambda x: average(x, output_size=list(output_size)), self, len(output_size))


def adaptive_max_pool(self, output_size: Sequence[int]):  # type: ignore[no-untyped-def]
    return _batched(lambda x: largest(x, output_size=list(output_size)), self, len(output_size))


def roll(self, shifts: Sequence[int], dims: Sequence[int] = ()):  # type: ignore[no-untyped-def]
    return moved(self, shifts=list(shifts), dims=list(dims) or None)


def exact(name: str) -> Any:
    """A function that a composition of the standard's operators would lose digits of."""
    whole = operator(name, ())

    def function(self):  # type: ignore[no-untyped-def]
        return whole(self)

    return function


grouped = operator(
    "GroupNormalization", ("num_groups", "epsilon"), inputs=("X", "scale", "bias"), kinds=("INT", "FLOAT")
)


def group_norm(input, num_groups: int, weight=None, bias=None, eps: float = 1e-5, cudnn_enabled: bool = True):  # type: ignore[no-untyped-def]
    size = op.Constant(value_ints=[int(input.shape[1])])
    if weight is None:
        weight = op.CastLike(op.Expand(op.Constant(value_float=1.0), size), input)
    if bias is None:
        bias = op.CastLike(op.Expand(op.Constant(value_float=0.0), size), input)
    return grouped(input, weight, bias, num_groups=num_groups, epsilon=eps)


def slice_scatter(self, src, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1):  # type: ignore[no-untyped-def]
    return _put(self, src, dim, start, end, step)


def select_scatter(self, src, dim: int, index: int):  # type: ignore[no-untyped-def]
    row = op.Unsqueeze(src, op.Constant(value_ints=[dim]))
    return _put(self, row, dim, index, index + 1 or None, 1)


def avg_pool(  # type: ignore[no-untyped-def]
    self,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _batched(lambda x: _average(x, *options), self, len(kernel_size))


def rrelu(  # type: ignore[no-untyped-def]
    self, noise, lower: float = 0.125, upper: float = 1 / 3, training: bool = False, generator: str = ""
):
    if training:
        raise NotImplementedError("rrelu in training mode, whose slopes are random")
    return op.LeakyRelu(self, alpha=(lower + upper) / 2), op.Identity(noise)


def grid_sampler_3d(  # type: ignore[no-untyped-def]
    input, grid, interpolation_mode: int, padding_mode: int, align_corners: bool
):
    mode, padding = ("linear", "nearest")[interpolation_mode], ("zeros", "border", "reflection")[padding_mode]
    return op.GridSample(input, grid, align_corners=int(align_corners), mode=mode, padding_mode=padding)


def _batched(function: Callable[[Any], Any], x: Any, space: int) -> Any:
    """A function of images, on a single one as well, which PyTorch's pools take for what it is."""
    if x.shape is None or len(x.shape) != space + 1:
        return function(x)
    first = op.Constant(value_ints=[0])
    found = function(op.Unsqueeze(x, first))
    if isinstance(found, tuple):
        return tuple(op.Squeeze(part, first) for part in found)
    return op.Squeeze(found, first)


def _average(
    x: Any,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    counts_padding: bool,
    divisor: int | None,
) -> Any:
    """An average pool; one with a divisor of its own, which PyTorch's exporter forgets, is a sum of windows divided by it."""
    n = len(kernel)
    pads = list(padding) * (n if len(padding) == 1 else 1)
    steps = list(strides) or list(kernel)
    options: dict[str, Any] = {"kernel_shape": list(kernel), "strides": steps}
    if divisor is None:
        return op.AveragePool(
            x, pads=pads * 2, count_include_pad=int(counts_padding), ceil_mode=int(ceil_mode), **options
        )
    # padded beforehand, every window is whole, and its mean is its sum divided by its size
    sizes = x.shape[2:] if x.shape is not None else [None] * n
    rows: Any = zip(sizes, kernel, steps, pads, strict=True)
    ends = [row[-1] + _beyond(*row) for row in rows] if ceil_mode else pads
    edges = op.Constant(value_ints=[0, 0, *pads, 0, 0, *ends])
    mean = op.AveragePool(op.Pad(x, edges) if any(ends) else x, pads=[0] * 2 * n, count_include_pad=1, **options)
    # two whole numbers: a quotient would be rounded to single precision
    total = op.Mul(mean, op.CastLike(op.Constant(value_float=float(math.prod(kernel))), x))
    return op.Div(total, op.CastLike(op.Constant(value_float=float(divisor)), x))


def _beyond(size: Any, kernel: int, stride: int, pad: int) -> int:
    """How far the last window of a pool with ``ceil_mode`` reaches beyond the padding at the end."""
    if not isinstance(size, int):
        raise NotImplementedError("an average pool with a divisor of its own, ceil_mode and a free size")
    windows = -(-(size + 2 * pad - kernel) // stride) + 1
    if (windows - 1) * stride >= size + pad:
        windows -= 1
    return max(0, (windows - 1) * stride + kernel - size - 2 * pad)


def _put(whole: Any, part: Any, axis: int, start: int | None, end: int | None, step: int) -> Any:
    """A tensor with a slice of it replaced (``x[:, 1:] += y``): what lies before, the new part, what lies behind."""
    size = whole.shape[axis] if whole.shape is not None else None
    start = start or 0
    end = _LAST if end is None else end
    if isinstance(size, int):
        start, end = (min(max(k + size if k < 0 else k, 0), size) for k in (start, end))
    along = op.Constant(value_ints=[axis])

    def cut(first: int, last: int) -> Any:
        return op.Slice(whole, op.Constant(value_ints=[first]), op.Constant(value_ints=[last]), along)

    if step != 1:
        if not isinstance(size, int):
            raise NotImplementedError("a part of a tensor of free size is replaced with a step")
        return _interleave(op, cut, part, along, axis, range(start, end, step), size)
    pieces = [cut(0, start)] if start != 0 else []
    pieces.append(part)
    if end < (size if isinstance(size, int) else _LAST):
        pieces.append(cut(end, _LAST))
    return op.Concat(*pieces, axis=axis) if len(pieces) > 1 else op.Identity(part)


def _interleave(op: Any, cut: Any, part: Any, along: Any, axis: int, places: range, size: int) -> Any:
    """Entries at regular places replaced one by one."""
    pieces, done = [], 0
    for k, place in enumerate(places):
        if place > done:
            pieces.append(cut(done, place))
        pieces.append(op.Slice(part, op.Constant(value_ints=[k]), op.Constant(value_ints=[k + 1]), along))
        done = place + 1
    if done < size:
        pieces.append(cut(done, size))
    return op.Concat(*pieces, axis=axis)


#: An end beyond every axis.
_LAST = (1 << 63) - 1


def translations() -> dict[Any, Callable[..., Any]]:
    """What ``torch.onnx.export(custom_translation_table=...)`` takes: operator → function that returns its nodes."""
    aten = torch.ops.aten
    return {
        aten.grid_sampler_3d.default: grid_sampler_3d,
        aten.avg_pool2d.default: avg_pool,
        aten.avg_pool3d.default: avg_pool,
        aten.rrelu_with_noise_functional.default: rrelu,
        aten.adaptive_avg_pool1d.default: adaptive_avg_pool,
        aten.adaptive_avg_pool2d.default: adaptive_avg_pool,
        aten.adaptive_avg_pool3d.default: adaptive_avg_pool,
        aten.adaptive_max_pool1d.default: adaptive_max_pool,
        aten.adaptive_max_pool2d.default: adaptive_max_pool,
        aten.adaptive_max_pool3d.default: adaptive_max_pool,
        aten.group_norm.default: group_norm,
        aten.roll.default: roll,
        aten.log1p.default: exact("Log1p"),
        aten.expm1.default: exact("Expm1"),
        aten.special_expm1.default: exact("Expm1"),
        aten.slice_scatter.default: slice_scatter,
        aten.select_scatter.default: select_scatter,
        **activations.translations(),
        **arithmetic.translations(),
        **attention.translations(),
        **batch_statistics.translations(),
        **corrected_functions.translations(),
        **decompositions.translations(),
        **distances.translations(),
        **indexing.translations(),
        **losses.translations(),
        **order_statistics.translations(),
        **packed_sequences.translations(),
        **recurrent.translations(),
        **reductions.translations(),
        **regions.translations(),
        **scattering.translations(),
        **segments.translations(),
        **special_functions.translations(),
        **stop_gradient.translations(),
    }
