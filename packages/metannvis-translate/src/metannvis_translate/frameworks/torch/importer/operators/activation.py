"""Activations: a module each, called once, not in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from metannvis_translate.frameworks.torch.importer import modules
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN, KINK, LINEAR_ABOVE, SINGLE
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

#: Above this many, softplus is the identity. PyTorch's own 20 is off by 2e-9, which a float64 proof sees.
SOFTPLUS_LINEAR = 40
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def apply(ctx: TorchImporter, module: nn.Module, X: Value) -> LaidOut:
    """A module that treats each element alike."""
    x = ctx.placed(X)
    return LaidOut(ctx.module(module, x.tensor), x.order)


@converter("Relu", since=1)
def Relu(ctx: TorchImporter, X: Value) -> LaidOut:
    return apply(ctx, nn.ReLU(), X)


@converter("Sigmoid", since=1)
def Sigmoid(ctx: TorchImporter, X: Value) -> LaidOut:
    return apply(ctx, nn.Sigmoid(), X)


@converter("Tanh", since=1)
def Tanh(ctx: TorchImporter, X: Value) -> LaidOut:
    return apply(ctx, nn.Tanh(), X)


@converter("Softsign", since=1)
def Softsign(ctx: TorchImporter, X: Value) -> LaidOut:
    return apply(ctx, nn.Softsign(), X)


@converter("Softplus", since=1)
def Softplus(ctx: TorchImporter, X: Value) -> LaidOut:
    threshold = ctx.stated(LINEAR_ABOVE)
    return apply(ctx, nn.Softplus(threshold=SOFTPLUS_LINEAR if threshold is None else float(threshold)), X)


@converter("Softplus", domain=DOMAIN)
def Softplus_metannvis(ctx: TorchImporter, X: Value, *, beta: float = 1.0, threshold: float = 20.0) -> LaidOut:
    """``nn.Softplus`` as PyTorch has it: the identity above the threshold."""
    return apply(ctx, nn.Softplus(beta, threshold), X)


@converter("Threshold", domain=DOMAIN)
def Threshold(ctx: TorchImporter, X: Value, *, threshold: float, value: float) -> LaidOut:
    return apply(ctx, nn.Threshold(threshold, value), X)


@converter("GLU", domain=DOMAIN)
def GLU(ctx: TorchImporter, X: Value, *, axis: int = -1) -> LaidOut:
    x = ctx.placed(X)
    return LaidOut(ctx.module(nn.GLU(x.axis(axis)), x.tensor), x.order)


@converter("Elu", since=1)
def Elu(ctx: TorchImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    return apply(ctx, nn.ELU(alpha), X)


@converter("Selu", since=1)
def Selu(ctx: TorchImporter, X: Value, *, alpha: float = SELU_ALPHA, gamma: float = SELU_GAMMA) -> LaidOut:
    usual = math.isclose(alpha, SELU_ALPHA, rel_tol=1e-6) and math.isclose(gamma, SELU_GAMMA, rel_tol=1e-6)
    if usual and ctx.stated(KINK) == "below":
        return apply(ctx, nn.SELU(), X)
    return apply(ctx, modules.SELU(alpha, gamma), X)


@converter("Celu", since=12)
def Celu(ctx: TorchImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    return apply(ctx, modules.Celu(alpha) if ctx.stated(KINK) == "both" else nn.CELU(alpha), X)


@converter("LeakyRelu", since=6)
def LeakyRelu(ctx: TorchImporter, X: Value, *, alpha: float = 0.01) -> LaidOut:
    return apply(ctx, nn.LeakyReLU(alpha), X)


@converter("PRelu", since=7)
def PRelu(ctx: TorchImporter, X: Value, slope: Value) -> LaidOut:
    """``nn.PReLU`` where its one or per-channel weight does; it takes the channels on axis 1."""
    x = ctx.placed(X)
    if not isinstance(slope, ConstantValue):
        zero = ctx.function(torch.zeros_like, x.tensor)
        scaled = ctx.function(torch.mul, x.tensor, ctx.broadcastable(slope, x.order))
        return LaidOut(ctx.function(torch.where, ctx.function(torch.gt, x.tensor, zero), x.tensor, scaled), x.order)
    full = (1,) * (x.rank - slope.rank) + slope.array.shape
    lying = x.arrange(full)
    count = slope.array.size
    if ctx.stated(KINK) != "none" and (count == 1 or (len(lying) > 1 and lying[1] == count)):
        module = nn.PReLU(count, device="meta")
        module.weight = ctx.weight(slope, "flat", slope.array.reshape(-1))
    else:
        module = modules.PReLU(ctx.weight(slope, f"as {x.order}", slope.array.reshape(full).transpose(x.order)))
    return LaidOut(ctx.module(module, x.tensor), x.order)


@converter("HardSigmoid", since=1)
def HardSigmoid(ctx: TorchImporter, X: Value, *, alpha: float = 0.2, beta: float = 0.5) -> LaidOut:
    usual = math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5
    # PyTorch's own has its slope in single precision, which is right for a source that has it so too
    return apply(ctx, nn.Hardsigmoid() if usual and ctx.stated(SINGLE) else modules.HardSigmoid(alpha, beta), X)


@converter("HardSwish", since=14)
def HardSwish(ctx: TorchImporter, X: Value) -> LaidOut:
    return apply(ctx, nn.Hardswish(), X)


@converter("Swish", since=24)
def Swish(ctx: TorchImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    if alpha == 1:
        return apply(ctx, nn.SiLU(), X)
    x = ctx.placed(X)
    gate = ctx.module(nn.Sigmoid(), ctx.function(torch.mul, x.tensor, alpha), suffix="sigmoid")
    return LaidOut(ctx.function(torch.mul, x.tensor, gate), x.order)


@converter("SwiGLU", since=28)
def SwiGLU(ctx: TorchImporter, A: Value, B: Value, *, alpha: float = 1.0) -> LaidOut:
    """``nn.SiLU`` of the one times the other."""
    order = ctx.common_order((A, B))
    gate = Swish(ctx, ctx.reorder(ctx.placed(A), order), alpha=alpha)
    return LaidOut(ctx.function(torch.mul, gate.tensor, ctx.reorder(ctx.placed(B), order).tensor), order)


@converter("Mish", since=18)
def Mish(ctx: TorchImporter, X: Value) -> LaidOut:
    return apply(ctx, nn.Mish(), X)


@converter("Gelu", since=20)
def Gelu(ctx: TorchImporter, X: Value, *, approximate: str = "none") -> LaidOut:
    return apply(ctx, nn.GELU(approximate), X)


@converter("ThresholdedRelu", since=10)
def ThresholdedRelu(ctx: TorchImporter, X: Value, *, alpha: float = 1.0) -> LaidOut:
    return apply(ctx, nn.Threshold(alpha, 0.0), X)


@converter("Shrink", since=9)
def Shrink(ctx: TorchImporter, input: Value, *, bias: float = 0.0, lambd: float = 0.5) -> LaidOut:
    if bias == 0:
        return apply(ctx, nn.Hardshrink(lambd), input)
    return apply(ctx, nn.Softshrink(lambd) if bias == lambd else modules.Shrink(bias, lambd), input)


@converter("Clip", since=6)
def Clip_6(ctx: TorchImporter, input: Value, *, min: float | None = None, max: float | None = None) -> LaidOut:
    return clip(ctx, input, min, max)


@converter("Clip", since=11)
def Clip(ctx: TorchImporter, input: Value, min: Value | None = None, max: Value | None = None) -> LaidOut:
    """The modules that people write for it, ``nn.ReLU6`` and ``nn.Hardtanh``, where the bounds are theirs."""
    bounds = [value.scalar() if isinstance(value, ConstantValue) else None for value in (min, max)]
    if any(value is not None and not isinstance(value, ConstantValue) for value in (min, max)):
        x = ctx.placed(input)
        tensors = [None if value is None else ctx.plain(value).tensor for value in (min, max)]
        return LaidOut(ctx.function(torch.clamp, x.tensor, *tensors), x.order)
    return clip(ctx, input, *bounds)


def clip(ctx: TorchImporter, X: Value, low: float | None, high: float | None) -> LaidOut:
    """``nn.ReLU6``, ``nn.Hardtanh`` or our own; they differ in the gradient *at* the bounds.

    PyTorch has zero there in all of its functions, TensorFlow in ``relu6`` only.
    """
    info = np.finfo(np.float32)
    low = None if low is not None and low <= info.min else low
    high = None if high is not None and high >= info.max else high
    if low is None and high is None:
        return ctx.placed(X)
    if ctx.is_integer():
        return apply(ctx, modules.Clip(low, high), X)
    if (low, high) == (0, 6):
        return apply(ctx, nn.ReLU6(), X)
    if ctx.stated(KINK) == "inside":
        return apply(ctx, modules.Clip(low, high, closed=True), X)
    usual = low is not None and high is not None and low < high
    return apply(ctx, nn.Hardtanh(low, high) if usual else modules.Clip(low, high), X)
