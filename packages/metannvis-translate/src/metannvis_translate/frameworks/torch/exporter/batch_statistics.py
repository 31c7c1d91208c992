"""Normalization by the statistics of the batch: a model that asks for it in inference mode, too.

PyTorch's exporter writes the running statistics instead, whatever the model asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import number, stop

__all__ = ["translations"]


def by_batch(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """The normalized values, mean, variance, and the reciprocal deviation."""
    rank = len(x.shape)
    axes = op.Constant(value_ints=[0, *range(2, rank)])
    mean = op.ReduceMean(x, axes, keepdims=1)
    apart = op.Sub(x, mean)
    variance = op.ReduceMean(op.Mul(apart, apart), axes, keepdims=1)
    deviation = op.Sqrt(op.Add(variance, number(eps, x)))
    y = op.Div(apart, deviation)
    channels = op.Constant(value_ints=[1, -1, *[1] * (rank - 2)])
    if weight is not None:
        y = op.Mul(y, op.Reshape(weight, channels))
    if bias is not None:
        y = op.Add(y, op.Reshape(bias, channels))
    # PyTorch differentiates the first of these only
    mean, variance = stop(op.Squeeze(mean, axes)), stop(op.Squeeze(variance, axes))
    return y, mean, variance, op.Div(number(1.0, x), op.Sqrt(op.Add(variance, number(eps, x))))


def by_running(x: Any, weight: Any, bias: Any, mean: Any, variance: Any, eps: float) -> Any:
    size = op.Constant(value_ints=[int(x.shape[1])])
    weight = op.Expand(number(1.0, x), size) if weight is None else weight
    bias = op.Expand(number(0.0, x), size) if bias is None else bias
    return op.BatchNormalization(x, weight, bias, mean, variance, epsilon=eps)


def nothing(mean: Any) -> Any:
    """PyTorch returns no statistics where it took none; what an output is made of has to be a tensor of the model."""
    start = op.Constant(value_ints=[0])
    return op.Slice(mean, start, start, start)


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def batch_norm(  # type: ignore[no-untyped-def]
    input, weight=None, bias=None, running_mean=None, running_var=None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
):  # fmt: skip
    if training or running_mean is None or running_var is None:
        y, mean, _, reciprocal = by_batch(input, weight, bias, eps)
        return y, mean, reciprocal
    y = by_running(input, weight, bias, running_mean, running_var, eps)
    return y, nothing(running_mean), nothing(running_var)


def batch_norm_without_statistics(  # type: ignore[no-untyped-def]
    input, weight=None, bias=None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5
):
    y, mean, _, reciprocal = by_batch(input, weight, bias, eps)
    return y, mean, reciprocal


def batch_norm_functional(  # type: ignore[no-untyped-def]
    input, weight=None, bias=None, running_mean=None, running_var=None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
):  # fmt: skip
    if not training:
        y = by_running(input, weight, bias, running_mean, running_var, eps)
        return y, nothing(running_mean), nothing(running_var), op.Identity(running_mean), op.Identity(running_var)
    y, mean, variance, reciprocal = by_batch(input, weight, bias, eps)
    sizes = [op.Gather(op.Shape(input), op.Constant(value_int=k)) for k in range(len(input.shape)) if k != 1]
    several = sizes[0]
    for size in sizes[1:]:
        several = op.Mul(several, size)
    count = op.CastLike(several, input)
    unbiased = op.Mul(variance, op.Div(count, op.Sub(count, number(1.0, input))))

    def moved(old: Any, new: Any) -> Any:
        return op.Add(op.Mul(old, number(1 - momentum, input)), op.Mul(new, number(momentum, input)))

    return y, mean, reciprocal, moved(running_mean, mean), moved(running_var, unbiased)


def layer_norm(input, normalized_shape: Sequence[int], weight=None, bias=None, eps: float = 1e-5):  # type: ignore[no-untyped-def]
    first = -len(normalized_shape)
    if weight is None:
        weight = op.Expand(number(1.0, input), op.Constant(value_ints=[int(size) for size in normalized_shape]))
    y, mean, reciprocal = op.LayerNormalization(input, weight, bias, axis=first, epsilon=eps)
    return y, stop(mean), stop(reciprocal)


def group_norm(  # type: ignore[no-untyped-def]
    input, weight=None, bias=None, N: int = 1, C: int = 1, HxW: int = 1, group: int = 1, eps: float = 1e-5
):
    from onnxscript.function_libs.torch_lib.ops.core import aten_native_group_norm

    if 0 in list(input.shape):
        # nothing has no mean; of no samples there are none
        missing = op.Expand(number(math.nan, input), op.Constant(value_ints=[N, group]))
        return op.Identity(input), missing, missing
    return aten_native_group_norm(input, weight, bias, N, C, HxW, group, eps)


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.native_group_norm.default: group_norm,
        aten.native_layer_norm.default: layer_norm,
        aten.native_batch_norm.default: batch_norm,
        aten._native_batch_norm_legit.default: batch_norm,
        aten._native_batch_norm_legit.no_stats: batch_norm_without_statistics,
        aten._native_batch_norm_legit_functional.default: batch_norm_functional,
    }
