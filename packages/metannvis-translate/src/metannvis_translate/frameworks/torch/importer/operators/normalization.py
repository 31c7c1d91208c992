"""Normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from metannvis_translate.frameworks.torch.importer.calls import calls
from metannvis_translate.frameworks.torch.importer.modules import LocalResponseNorm
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

BATCH: dict[int, Any] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
INSTANCE: dict[int, Any] = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}


@converter("BatchNormalization", since=7)
def BatchNormalization(
    ctx: TorchImporter,
    X: Value,
    scale: Value,
    B: Value,
    input_mean: Value,
    input_var: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    training_mode: int = 0,
) -> LaidOut:
    """``nn.BatchNorm1d``, ``nn.BatchNorm2d``, ``nn.BatchNorm3d``, with ONNX's momentum m as PyTorch's 1 − m."""
    if training_mode:
        ctx.refuse("it normalises by the batch (training_mode=1); export the model in inference mode")
    if not spatial:
        ctx.refuse("it normalises each position apart (spatial=0)")
    x = ctx.placed(X)
    if x.rank < 2 or x.order[1] != 1:
        x = ctx.plain(x)
    known = [value for value in (scale, B, input_mean, input_var) if isinstance(value, ConstantValue)]
    if x.rank in BATCH and len(known) == 4:
        weight, bias, mean, variance = known
        module = BATCH[x.rank](weight.array.size, epsilon, round(1 - momentum, 12), device="meta")
        module.weight, module.bias = ctx.weight(weight), ctx.weight(bias)
        module.running_mean, module.running_var = ctx.buffer(mean.array), ctx.buffer(variance.array)
        module.num_batches_tracked = torch.tensor(0)
        return LaidOut(ctx.module(module, x.tensor), x.order)
    tensors = [ctx.plain(v).tensor for v in (input_mean, input_var, scale, B)]
    return LaidOut(ctx.function(F.batch_norm, x.tensor, *tensors, False, 0.0, epsilon), x.order)


@converter("InstanceNormalization", since=6)
def InstanceNormalization(
    ctx: TorchImporter, input: Value, scale: Value, B: Value, *, epsilon: float = 1e-5
) -> LaidOut:
    """``nn.InstanceNorm1d``, ``nn.InstanceNorm2d``, ``nn.InstanceNorm3d``."""
    x = ctx.plain(input)
    if _are_single(ctx.shape(0), None):
        return _of_single_numbers(ctx, x, scale, B)
    if x.rank in INSTANCE and isinstance(scale, ConstantValue) and isinstance(B, ConstantValue):
        module = INSTANCE[x.rank](scale.array.size, epsilon, affine=True, device="meta")
        module.weight, module.bias = ctx.weight(scale), ctx.weight(B)
        return LaidOut(ctx.module(module, x.tensor), x.order)
    tensors = [ctx.plain(v).tensor for v in (scale, B)]
    return LaidOut(ctx.function(F.instance_norm, x.tensor, None, None, *tensors, True, 0.0, epsilon), x.order)


@converter("GroupNormalization", since=18)
def GroupNormalization_18(
    ctx: TorchImporter, X: Value, scale: Value, bias: Value, *, epsilon: float = 1e-5, num_groups: int
) -> LaidOut:
    """``nn.GroupNorm``; scale and bias are given once a group."""
    shape = ctx.shape(0)
    if shape is None or shape[1] is None:
        ctx.refuse("its number of channels is not known")
    each = shape[1] // num_groups

    def repeated(value: Value, what: str) -> ConstantValue:
        array = np.repeat(ctx.known(value, what), each)
        # the same weight for a group's channels: not a weight of the source any more
        return ConstantValue(array, name=f"{getattr(value, 'name', '')}.repeated{each}")

    return GroupNormalization(
        ctx, X, repeated(scale, "scale"), repeated(bias, "bias"), epsilon=epsilon, num_groups=num_groups
    )


@converter("GroupNormalization", domain=DOMAIN)
@converter("GroupNormalization", since=21)
def GroupNormalization(
    ctx: TorchImporter,
    X: Value,
    scale: Value,
    bias: Value,
    *,
    epsilon: float = 1e-5,
    num_groups: int,
    stash_type: int = 1,
) -> LaidOut:
    """``nn.GroupNorm``.

    Of values whose channels lie last in memory, PyTorch takes the variance as the mean of squares less the square of the mean,
    in single precision: where the spread is small beside the mean, a hundred times as far off as of values in plain order.
    """
    x = ctx.plain(X)
    if _are_single(ctx.shape(0), num_groups):
        return _of_single_numbers(ctx, x, scale, bias)
    if x.rank > 3:
        x = LaidOut(ctx.method("contiguous", x.tensor), x.order)
    if isinstance(scale, ConstantValue) and isinstance(bias, ConstantValue):
        module = nn.GroupNorm(num_groups, scale.array.size, epsilon, device="meta")
        module.weight, module.bias = ctx.weight(scale), ctx.weight(bias)
        return LaidOut(ctx.module(module, x.tensor), x.order)
    tensors = [ctx.plain(v).tensor for v in (scale, bias)]
    return LaidOut(ctx.function(F.group_norm, x.tensor, num_groups, *tensors, epsilon), x.order)


def _are_single(shape: Sequence[int | None] | None, groups: int | None) -> bool:
    """Whether groups (or channels) hold one number each: PyTorch refuses to normalise one sample of these."""
    if shape is None or any(size != 1 for size in shape[2:]):
        return False
    return groups is None or shape[1] == groups


def _of_single_numbers(ctx: TorchImporter, x: LaidOut, scale: Value, bias: Value) -> LaidOut:
    """What is left of a number that is normalised alone: the bias."""
    wide = (-1, *[1] * (x.rank - 2))
    factor, offset = (ctx.function(torch.reshape, ctx.plain(v).tensor, wide) for v in (scale, bias))
    centred = ctx.function(torch.sub, x.tensor, x.tensor)
    return LaidOut(ctx.function(torch.add, ctx.function(torch.mul, centred, factor), offset), x.order)


@converter("LayerNormalization", since=17)
def LayerNormalization(
    ctx: TorchImporter,
    X: Value,
    Scale: Value,
    B: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> tuple[LaidOut, ...]:
    """``nn.LayerNorm``; the mean and the inverse deviation apart where somebody uses them."""
    result = _layer_normalization(ctx, X, Scale, B, axis, epsilon)
    if ctx.used_outputs() == 1:
        return (result,)
    axes = tuple(range(axis % X.rank, X.rank))
    x = ctx.plain(X)
    dtype = getattr(torch, str(ctx.numpy_dtype(ctx.node.outputs[1]) or ctx.float_dtype("FLOAT")))
    return result, *calls(ctx, statistics, x, ranks=(x.rank, x.rank), axes=axes, epsilon=epsilon, dtype=dtype)


def statistics(
    x: torch.Tensor, *, axes: tuple[int, ...], epsilon: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and inverse deviation over the axes, which stay with a size of one; in single precision at least."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return mean.to(dtype), torch.rsqrt(variance + epsilon).to(dtype)


def _layer_normalization(
    ctx: TorchImporter, X: Value, Scale: Value, B: Value | None, axis: int, epsilon: float
) -> LaidOut:
    x, shape = _normalized(ctx, X, Scale, axis)
    weight, bias = (_spread(ctx, value, shape) for value in (Scale, B))
    if isinstance(weight, ConstantValue) and (bias is None or isinstance(bias, ConstantValue)):
        module = nn.LayerNorm(shape, epsilon, bias=bias is not None, device="meta")
        module.weight = ctx.weight(weight)
        module.bias = ctx.weight(bias) if bias is not None else None
        return LaidOut(ctx.module(module, x.tensor), x.order)
    tensors = [None if value is None else ctx.plain(value).tensor for value in (weight, bias)]
    return LaidOut(ctx.function(F.layer_norm, x.tensor, shape, *tensors, epsilon), x.order)


@converter("RMSNormalization", since=23)
def RMSNormalization(
    ctx: TorchImporter, X: Value, scale: Value, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> LaidOut:
    """``nn.RMSNorm``."""
    x, shape = _normalized(ctx, X, scale, axis)
    weight = _spread(ctx, scale, shape)
    if isinstance(weight, ConstantValue):
        module = nn.RMSNorm(shape, epsilon, device="meta")
        module.weight = ctx.weight(weight)
        return LaidOut(ctx.module(module, x.tensor), x.order)
    return LaidOut(ctx.function(F.rms_norm, x.tensor, shape, ctx.plain(scale).tensor, epsilon), x.order)


def _normalized(ctx: TorchImporter, X: Value, scale: Value, axis: int) -> tuple[LaidOut, tuple[int, ...]]:
    """The input with the axes from ``axis`` on last, and their sizes."""
    x = ctx.placed(X)
    count = x.rank - axis % x.rank
    if x.order[-count:] != identity(x.rank)[-count:]:
        x = ctx.plain(x)
    sizes = (ctx.shape(0) or ())[-count:]
    if not sizes or None in sizes:
        if not isinstance(scale, ConstantValue) or scale.rank != count:
            ctx.refuse("the size of what it normalises over is not known")
        sizes = scale.array.shape
    return x, tuple(int(size or 0) for size in sizes)


def _spread(ctx: TorchImporter, value: Value | None, shape: tuple[int, ...]) -> Value | None:
    """A weight as large as what is normalised, which PyTorch asks for and ONNX does not."""
    if not isinstance(value, ConstantValue) or value.array.shape == shape:
        return value
    lead = value.array.ndim - len(shape)
    if lead > 0 and value.array.shape[:lead] != (1,) * lead:
        ctx.refuse(f"its scale has the shape {value.array.shape}")
    array = value.array.reshape(value.array.shape[lead:]) if lead > 0 else value.array
    return ConstantValue(np.broadcast_to(array, shape), name=f"{value.name}.spread")


@converter("LRN", since=1)
def LRN(
    ctx: TorchImporter, X: Value, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> LaidOut:
    """``nn.LocalResponseNorm``."""
    x = ctx.plain(X)
    cls = nn.LocalResponseNorm if size % 2 else LocalResponseNorm
    return LaidOut(ctx.module(cls(size, alpha, beta, bias), x.tensor), x.order)


@converter("MeanVarianceNormalization", since=9)
def MeanVarianceNormalization(ctx: TorchImporter, X: Value, *, axes: Sequence[int] = (0, 2, 3)) -> LaidOut:
    """``(x − mean) / (deviation + 1e-9)``."""
    x = ctx.placed(X)
    dims = tuple(sorted(x.axis(axis) for axis in axes))
    mean = ctx.function(torch.mean, x.tensor, dims, True)
    squares = ctx.function(torch.mean, ctx.function(torch.square, x.tensor), dims, True)
    variance = ctx.function(torch.sub, squares, ctx.function(torch.square, mean))
    deviation = ctx.function(torch.add, ctx.function(torch.sqrt, variance), 1e-9)
    return LaidOut(ctx.function(torch.div, ctx.function(torch.sub, x.tensor, mean), deviation), x.order)


@converter("LpNormalization", since=1)
def LpNormalization(ctx: TorchImporter, input: Value, *, axis: int = -1, p: int = 2) -> LaidOut:
    """``x / ‖x‖``, zero where the norm is."""
    x = ctx.placed(input)
    norm = ctx.function(torch.linalg.vector_norm, x.tensor, p, (x.axis(axis),), True)
    safe = ctx.function(torch.where, ctx.function(torch.eq, norm, 0), 1.0, norm)
    return LaidOut(ctx.function(torch.div, x.tensor, safe), x.order)
