"""Differences from a reference, positive and negative parts apart: DeepLIFT's rules for what a network computes.

A tensor ``y`` of a network stands for ``y₀ + Δ⁺ + Δ⁻``, of which the two parts are differentiable with respect to those of the
input: their derivatives are the multipliers (Shrikumar et al., 2017, arXiv:1704.02685). Dense and convolutional layers follow
the Linear rule, elementwise functions RevealCancel or Rescale; what moves, adds or averages numbers keeps the parts. A maximum
is ``max(a, b) = ½ (a + relu(b − a)) + ½ (b + relu(a − b))``, pair by pair.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

__all__ = [
    "ELEMENTWISE",
    "LINEAR",
    "MOVING",
    "Nonlinear",
    "Parts",
    "added",
    "function_name",
    "largest",
    "largest_of_windows",
    "linear",
    "nonlinear",
    "scaled",
]

#: The rule of elementwise functions.
Nonlinear = Literal["rescale", "reveal_cancel"]
#: Functions with a weight and a bias.
LINEAR = frozenset(["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"])
#: Functions that move numbers, or average them with equal weights, and add nothing.
MOVING = frozenset((
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "movedim", "moveaxis", "t", "squeeze", "unsqueeze",
    "contiguous", "clone", "cat", "concat", "stack", "split", "chunk", "unbind", "expand", "expand_as", "repeat", "narrow",
    "select", "index_select", "flip", "roll", "unfold", "to", "double", "float", "type", "type_as", "view_as", "reshape_as",
    "__getitem__", "mean", "sum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
    "feature_dropout", "zero_pad", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "upsample", "swapaxes", "swapdims",
))  # fmt: skip
#: Functions of each number by itself.
ELEMENTWISE = frozenset((
    "relu", "relu_", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "celu", "gelu", "silu", "mish", "softplus", "relu6",
    "hardtanh", "hardsigmoid", "hardswish", "sigmoid", "tanh", "clamp", "clip", "clamp_min", "clamp_max", "exp", "abs", "sqrt",
    "square", "pow", "softsign", "logsigmoid", "threshold", "log1p", "expm1", "erf", "sin", "cos", "prelu",
))  # fmt: skip


def function_name(func: Any) -> str:
    """What a function is called; an operator of an exported program as the function that it is of."""
    return str(getattr(getattr(func, "overloadpacket", func), "__name__", func))


@dataclass(frozen=True)
class Parts:
    """A tensor as reference and parts of its difference.

    Attributes
    ----------
    reference
        Without a gradient.
    plus, minus
        What adds to it and what takes from it, with gradients.
    """

    reference: torch.Tensor
    plus: torch.Tensor
    minus: torch.Tensor

    @property
    def whole(self) -> torch.Tensor:
        """The tensor."""
        return self.reference + self.plus + self.minus

    def each(self, function: Callable[[torch.Tensor], Any]) -> Parts | list[Parts]:
        """A function of all three that is linear and keeps the parts; several where it returns several."""
        found = [function(part) for part in (self.reference, self.plus, self.minus)]
        if torch.is_tensor(found[0]):
            return Parts(*found)
        return [Parts(*parts) for parts in zip(*found, strict=True)]


def linear(function: Callable[..., torch.Tensor], x: Parts, weight: torch.Tensor, *options: Any, **more: Any) -> Parts:
    """The Linear rule: a product of weight and difference adds to the part that its own sign says.

    Where the difference is zero each part has half of the weights' multipliers.
    """
    bias = options[0] if options else more.get("bias")
    rest = options[1:]
    more = {name: value for name, value in more.items() if name != "bias"}

    def product(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return function(values, weights, None, *rest, **more)

    difference = x.plus + x.minus
    up, down = (difference > 0).to(difference) * difference, (difference < 0).to(difference) * difference
    half = product((difference == 0).to(difference) * difference, weight) / 2
    positive, negative = weight.clamp(min=0), weight.clamp(max=0)
    return Parts(
        function(x.reference, weight, bias, *rest, **more),
        product(up, positive) + product(down, negative) + half,
        product(up, negative) + product(down, positive) + half,
    )


def scaled(x: Parts, factor: Any, shift: Any = 0.0) -> Parts:
    """``x · factor + shift``, which exchanges the parts where the factor is negative."""
    factor = torch.as_tensor(factor, dtype=x.plus.dtype, device=x.plus.device)
    up, down = factor.clamp(min=0), factor.clamp(max=0)
    return Parts(x.reference * factor + shift, x.plus * up + x.minus * down, x.minus * up + x.plus * down)


def added(a: Parts, b: Parts, factor: float = 1.0) -> Parts:
    """``a + factor · b``."""
    b = scaled(b, factor)
    return Parts(a.reference + b.reference, a.plus + b.plus, a.minus + b.minus)


def nonlinear(function: Callable[[torch.Tensor], torch.Tensor], x: Parts, rule: Nonlinear) -> Parts:
    """A function of each number, by the rule."""
    reference, plus, minus = x.reference, x.plus.detach(), x.minus.detach()
    at_reference, at_whole = function(reference), function(reference + plus + minus)
    if rule == "rescale":
        ratio = _ratio(at_whole - at_reference, plus + minus)
        return Parts(at_reference, ratio * x.plus, ratio * x.minus)
    at_plus, at_minus = function(reference + plus), function(reference + minus)
    up = (at_plus - at_reference + at_whole - at_minus) / 2
    down = (at_minus - at_reference + at_whole - at_plus) / 2
    return Parts(at_reference, _ratio(up, plus) * x.plus, _ratio(down, minus) * x.minus)


def _ratio(change: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """A multiplier: what is not there contributes nothing."""
    return torch.where(by == 0, 0.0, change / torch.where(by == 0, 1.0, by))


def _larger(a: Parts, b: Parts, rule: Nonlinear) -> Parts:
    """``max(a, b)``, both ways to write it, half each."""
    one = added(a, nonlinear(torch.relu, added(b, a, -1.0), rule))
    other = added(b, nonlinear(torch.relu, added(a, b, -1.0), rule))
    return scaled(added(one, other), 0.5)


def largest(x: Parts, axis: int, rule: Nonlinear) -> Parts:
    """The maximum along an axis, by a tournament."""
    found = x.each(lambda part: part.unbind(axis))
    entries = found if isinstance(found, list) else [found]
    while len(entries) > 1:
        pairs = [_larger(a, b, rule) for a, b in zip(entries[::2], entries[1::2], strict=False)]
        entries = pairs + entries[len(pairs) * 2 :]
    return entries[0]


def largest_of_windows(
    x: Parts,
    rank: int,
    rule: Nonlinear,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Parts | None:
    """Max pooling over the last axes; ``None`` for windows with holes."""
    sizes, paddings, dilations = (_each(value, rank) for value in (size, padding, dilation))
    steps = sizes if stride in (None, []) else _each(stride, rank)
    if any(value != 1 for value in dilations):
        return None
    ends = []
    for length, wide, step, pad in zip(x.reference.shape[-rank:], sizes, steps, paddings, strict=True):
        over = (length + 2 * pad - wide) / step
        count = (math.ceil(over) if ceil_mode else math.floor(over)) + 1
        if ceil_mode and (count - 1) * step >= length + pad:  # a window that begins beyond the input
            count -= 1
        ends.append(max(0, (count - 1) * step + wide - length - pad))
    pads = [number for pair in zip(reversed(paddings), reversed(ends), strict=True) for number in pair]
    low = float(torch.minimum(x.reference, x.whole).detach().min()) - 1  # which is never the largest
    pad = torch.nn.functional.pad
    padded = Parts(pad(x.reference, pads, value=low), pad(x.plus, pads), pad(x.minus, pads))

    found = padded.each(_unfolding(rank, sizes, steps))
    assert isinstance(found, Parts)
    return largest(found, -1, rule)


def _unfolding(rank: int, sizes: Sequence[int], steps: Sequence[int]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Windows over the last ``rank`` axes, their numbers on a new last axis."""

    def windows(part: torch.Tensor) -> torch.Tensor:
        first = part.ndim - rank
        for axis in range(rank):
            part = part.unfold(first + axis, sizes[axis], steps[axis])
        return part.flatten(-rank)

    return windows


def _each(value: Any, rank: int) -> tuple[int, ...]:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    return given * rank if len(given) == 1 else given
