"""DeepLift's rules: what each nonlinear function multiplies a gradient by (Shrikumar et al., 2017, arXiv:1704.02685).

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.toolsets.captum.deep_lift_pairing import Pairing

__all__ = ["BILINEAR", "ELEMENTWISE", "RULES", "Function", "Rule"]

Function = Callable[..., Any]

#: Functions of one element (of each operand): the *rescale* rule for one operand, its Shapley average for two.
ELEMENTWISE = frozenset((
    "relu", "relu6", "hardtanh", "elu", "selu", "celu", "leaky_relu", "rrelu", "prelu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "softplus", "softsign", "tanh", "sigmoid", "logsigmoid", "log_sigmoid", "threshold",
    "hardshrink", "softshrink", "tanhshrink", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt",
    "square", "pow", "rpow", "abs", "absolute", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "arctan",
    "sinh", "cosh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "expit", "logit", "sinc", "clamp", "clip",
    "clamp_min", "clamp_max", "sign", "div", "true_divide", "divide", "truediv", "rtruediv", "rdiv", "maximum", "minimum",
    "atan2", "hypot", "logaddexp", "logaddexp2", "xlogy", "fmax", "fmin", "lgamma", "digamma",
))  # fmt: skip
#: Functions that are linear in each of their first two operands.
BILINEAR = frozenset(["mul", "multiply", "rmul", "matmul", "rmatmul", "mm", "bmm", "einsum", "linear"])
POOLS = {f"{kind}max_pool{n}d": (kind == "adaptive_", n) for kind in ("", "adaptive_") for n in (1, 2, 3)}


@dataclass(frozen=True)
class Rule:
    """One call of a function: as a function of the operands that come from the model's inputs, and how these are paired."""

    of: Function
    pairings: list[Pairing]
    eps: float
    args: Sequence[Any]
    kwargs: dict[str, Any] = field(default_factory=dict)

    def derivative(self, operands: Sequence[Tensor], grad: Tensor) -> tuple[Tensor, ...]:
        """The gradient as it is without a rule."""
        with torch.enable_grad():
            leaves = [operand.detach().requires_grad_() for operand in operands]
            output = self.of(*[leaf.clone() for leaf in leaves])
            return torch.autograd.grad(output, leaves, grad)

    def multiply(self, grad: Tensor, contribution: Tensor, difference: Tensor, derivative: Tensor) -> Tensor:
        """Gradient times contribution over difference; the derivative where there is no difference to speak of."""
        still = difference.abs() < self.eps
        return torch.where(still, derivative, grad * contribution / torch.where(still, 1.0, difference))


class _Rescale(torch.autograd.Function):
    """Functions of one element of each operand, all of one shape."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, pairing: Pairing, *operands: Tensor) -> Tensor:
        ctx.rule, ctx.pairing = rule, pairing
        ctx.save_for_backward(*operands)
        return rule.of(*[operand.clone() for operand in operands])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        rule, pairing, operands = ctx.rule, ctx.pairing, ctx.saved_tensors
        pairs = [pairing.halves(operand) for operand in operands]

        def swapped(*flags: bool) -> Tensor:
            """The function of inputs, or of baselines where the flag is set, for both halves alike."""
            halves = [pair[flag] for pair, flag in zip(pairs, flags, strict=True)]
            return rule.of(*[pairing.joined(half, half) for half in halves])

        if len(pairs) == 1:
            contributions = [swapped(False) - swapped(True)]
        else:
            new, old, left, right = (
                swapped(False, False),
                swapped(True, True),
                swapped(False, True),
                swapped(True, False),
            )
            contributions = [(left - old + new - right) / 2, (right - old + new - left) / 2]
        differences = [pairing.joined(x - x0, x - x0) for x, x0 in pairs]
        derivatives = rule.derivative(operands, grad)
        return (
            None,
            None,
            *[rule.multiply(grad, *parts) for parts in zip(contributions, differences, derivatives, strict=True)],
        )


def _rescale(rule: Rule, *operands: Tensor) -> Tensor:
    if len(operands) > 2:
        raise InvalidArgumentError("DeepLift has no rule for an elementwise function of three activations")
    shape = operands[0].shape
    if sum(isinstance(value, Tensor) for value in rule.args) > 1:
        with torch.no_grad():
            shape = rule.of(*[operand.detach().clone() for operand in operands]).shape
    both = [operand.expand(shape) for operand in operands]
    pairings = {
        pairing.shifted(len(shape) - operand.ndim) for pairing, operand in zip(rule.pairings, operands, strict=True)
    }
    if len(pairings) > 1:
        raise InvalidArgumentError("DeepLift has no rule for two activations whose batches lie along different axes")
    return _Rescale.apply(rule, pairings.pop(), *both)


class _Bilinear(torch.autograd.Function):
    """Products: each operand's derivative at the mean of the other's input and baseline, which is its Shapley average."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, *operands: Tensor) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward(*operands)
        return rule.of(*operands)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        rule, operands = ctx.rule, ctx.saved_tensors
        means = []
        for operand, pairing in zip(operands, rule.pairings, strict=True):
            mean = sum(pairing.halves(operand)) / 2
            means.append(pairing.joined(mean, mean))
        return (None, *rule.derivative(means, grad))


def _product(rule: Rule, *operands: Tensor) -> Tensor:
    return _Bilinear.apply(rule, *operands)


class _Largest(torch.autograd.Function):
    """Maxima over places: what the larger of input and baseline has more goes to its own place.

    That is Captum's rule but for windows that overlap, whose shares add up here. ``places`` are positions among the last
    ``axes`` axes, flattened.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, largest: Tensor, places: Tensor, axes: int, pairing: Pairing, eps: float
    ) -> Tensor:
        ctx.axes, ctx.pairing, ctx.eps = axes, pairing, eps
        ctx.save_for_backward(x, largest, places)
        return largest.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, largest, places = ctx.saved_tensors
        n, pairing = ctx.axes, ctx.pairing
        (y, y0), (g, _) = pairing.halves(largest), pairing.halves(grad)
        x_in, x_base = pairing.halves(x)
        at, at0 = pairing.halves(places)
        top = torch.maximum(y, y0)

        def spread(value: Tensor, where: Tensor) -> Tensor:
            flat = value.flatten(-n)
            empty = torch.zeros(*x_in.shape[:-n], x_in.shape[-n:].numel(), dtype=value.dtype, device=value.device)
            return empty.scatter_add(-1, where.flatten(-n), flat).reshape(x_in.shape)

        difference = x_in - x_base
        gained = spread(g * (top - y0), at) + spread(g * (y - top), at0)
        still = difference.abs() < ctx.eps
        multiplier = torch.where(still, spread(g, at), gained / torch.where(still, 1.0, difference))
        return pairing.joined(multiplier, multiplier), None, None, None, None, None


def _pool(name: str) -> Function:
    adaptive, n = POOLS[name]
    function = getattr(F, name)

    def pool(rule: Rule, x: Tensor) -> Any:
        names = ("output_size",) if adaptive else ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = {
            **dict(zip(names, rule.args[1:], strict=False)),
            **{k: v for k, v in rule.kwargs.items() if k in names},
        }
        if not given.get("stride", True):
            del given["stride"]
        with torch.no_grad():
            largest, places = function(x.detach(), **given, return_indices=True)
        pooled = _Largest.apply(x, largest, places, n, rule.pairings[0], rule.eps)
        template = rule.of(x.detach())
        return (pooled, places) if isinstance(template, tuple) else pooled

    return pool


def _extreme(name: str) -> Function:
    sign = 1 if "max" in name else -1

    def extreme(rule: Rule, *operands: Tensor) -> Any:
        """Largest or smallest over axes; of two tensors, element by element."""
        named = next((rule.kwargs[key] for key in ("dim", "axis", "other") if key in rule.kwargs), None)
        dim = rule.args[1] if len(rule.args) > 1 else named
        if isinstance(dim, Tensor):
            return _rescale(rule, *operands)
        template, x, pairing = rule.of(operands[0].detach()), operands[0], rule.pairings[0]
        result = template[0] if isinstance(template, tuple) else template
        over = {k % x.ndim for k in ((dim,) if isinstance(dim, int) else dim or range(x.ndim))}
        stay = [k for k in range(x.ndim) if k not in over]
        if pairing.axis in over:
            raise InvalidArgumentError(
                f"DeepLift compares each input with its baseline, and {name!r} mixes samples of a batch"
            )
        last = (sign * x).permute(*stay, *over).flatten(len(stay))
        largest, places = last.detach().max(-1, keepdim=True)
        axis = Pairing(stay.index(pairing.axis), pairing.blocks)
        found = (sign * _Largest.apply(last, largest, places, 1, axis, rule.eps)).reshape(result.shape)
        return type(template)((found, *template[1:])) if isinstance(template, tuple) else found

    return extreme


class _Softmax(torch.autograd.Function):
    """Exponentials over their sum (or their logarithm): rescaled exponentials, a sum, a rescaled reciprocal, a product."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, dim: int, logarithm: bool, x: Tensor) -> Tensor:
        ctx.rule, ctx.dim, ctx.logarithm = rule, dim, logarithm
        ctx.save_for_backward(x)
        return rule.of(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        pairing, dim, eps = ctx.rule.pairings[0], ctx.dim, ctx.rule.eps
        (x, x0), (g, _) = pairing.halves(ctx.saved_tensors[0]), pairing.halves(grad)
        shift = torch.maximum(x, x0).amax(dim, keepdim=True)
        e, e0 = torch.exp(x - shift), torch.exp(x0 - shift)
        total, total0 = e.sum(dim, keepdim=True), e0.sum(dim, keepdim=True)
        still = ~((x - x0).abs() >= eps)  # both may be minus infinity, where something is masked
        slope = torch.where(still, e, (e - e0) / torch.where(still, 1.0, x - x0))
        if ctx.logarithm:
            same = (total - total0).abs() < eps
            change = torch.where(same, 1 / total, (total / total0).log() / torch.where(same, 1.0, total - total0))
            multiplier = g - g.sum(dim, keepdim=True) * change * slope
        else:
            through_sum = (g * (e + e0) / 2).sum(dim, keepdim=True) / (total * total0)
            multiplier = slope * (g * (1 / total + 1 / total0) / 2 - through_sum)
        return None, None, None, pairing.joined(multiplier, multiplier)


def _softmax(rule: Rule, x: Tensor, *, logarithm: bool = False) -> Tensor:
    dim = rule.args[1] if len(rule.args) > 1 else rule.kwargs.get("dim")
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1  # PyTorch's choice
    return _Softmax.apply(rule, dim, logarithm, x)


RULES: dict[str, Function] = {
    "softmax": _softmax,
    "log_softmax": functools.partial(_softmax, logarithm=True),
    **dict.fromkeys(ELEMENTWISE, _rescale),
    **dict.fromkeys(BILINEAR, _product),
    **{name: _pool(name) for name in POOLS},
    **{name: _extreme(name) for name in ("amax", "amin", "max", "min")},
}
