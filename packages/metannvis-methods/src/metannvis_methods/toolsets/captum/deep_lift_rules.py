"""DeepLift: its rules for what a network computes, whether modules or functions do it.

Captum has rules for ten kinds of modules, which it hooks on them. Where two such modules are adjacent, where the windows of a
max pool overlap, and where a nonlinear function is none of the ten, the sums do not come to the difference of the outputs
(Shrikumar et al., 2017, arXiv:1704.02685, equation 1). Here each nonlinear function that the model calls becomes an autograd
function of its own whose backward pass multiplies by the rule; Captum does the rest (baselines, targets, layers, averages).

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR  # no public name leads there
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.toolsets.captum.deep_lift_composites import COMPOSITES, RECURRENT

__all__ = ["functions_without_rules", "own_rules"]

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


#: Functions that compute several nonlinear steps at once, so that no rule can be given for what they do as a whole.
WHOLE = frozenset((
    "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell",
    "multi_head_attention_forward", "native_multi_head_attention", "transformer_encoder_layer_fwd",
))  # fmt: skip


def functions_without_rules(model: torch.nn.Module, inputs: Sequence[Any]) -> list[str]:
    """What stands against these rules on a model as it is, for people: what it computes out of their sight.

    Parameters
    ----------
    inputs
        Tensors that the model takes.
    """
    scripted = [
        name or "the model" for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)
    ]
    if scripted:
        return [f"{scripted[0]} is TorchScript, which cannot be looked into"]
    found: dict[str, None] = {}

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            name = plain_name(func)
            if name in WHOLE or (
                name in RECURRENT and isinstance(args[3], (tuple, list))
            ):  # the latter is of packed sequences
                found[f"{name!r} computes several steps at once"] = None
            return func(*args, **(kwargs or {}))

    with Watch():
        model(*inputs)
    return list(found)


@contextmanager
def own_rules(model: torch.nn.Module, eps: float = 1e-10) -> Iterator[None]:
    """Within, Captum's DeepLift of the model follows these rules; the model's ``forward`` is put back by the caller's guard.

    Parameters
    ----------
    model
        The first axis of its inputs is the batch, inputs before baselines, as Captum joins them.
    eps
        Where input and baseline of a function differ by less, its derivative is taken.
    """
    forward = model.forward

    @functools.wraps(forward)
    def with_rules(*args: Any, **kwargs: Any) -> Any:
        seen: list[_Call] = []
        with torch.no_grad(), _Recording(seen):
            forward(*map(_baselines, args), **{name: _baselines(value) for name, value in kwargs.items()})
        with _Ruled(seen, eps):
            return forward(*args, **kwargs)

    with patch.dict(model.__dict__, {"forward": with_rules}), patch.dict(SUPPORTED_NON_LINEAR, clear=True):
        yield


def _baselines(value: Any) -> Any:
    """The second half of what Captum joined; other arguments as they are."""
    if isinstance(value, Tensor) and value.ndim:
        return value[len(value) // 2 :].detach()
    if isinstance(value, (tuple, list)):
        return type(value)(map(_baselines, value))
    return value


@dataclass(frozen=True)
class _Call:
    """A call that a rule is for, as it is on the baselines alone: shapes of its operands, and a sample of their values."""

    name: str
    shapes: tuple[torch.Size, ...]
    samples: tuple[Tensor, ...]


def _sample(tensor: Tensor) -> Tensor:
    """A few values of a tensor, the same places whatever computed it."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, len(flat) // 64)].clone()


def plain_name(function: Function) -> str:
    """Name of a function without its overload, underscores and the mark of working in place: of ``relu_``, ``__imul__``."""
    name = getattr(function, "__name__", "").split(".")[0].strip("_").removesuffix("_with_indices")
    in_place = name[:1] == "i" and name[1:] in ("mul", "truediv", "div", "pow", "matmul")
    return name[1:] if in_place else name


class _Intercepting(TorchFunctionMode):
    """What the nonlinear functions of a forward pass go through, by name."""

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = plain_name(func)
        composite = COMPOSITES.get(name)
        if composite is not None and not (name in RECURRENT and isinstance(args[3], (tuple, list))):
            with self:
                return composite(*args, **{"x" if key == "input" else key: value for key, value in kwargs.items()})
        if name not in RULES:
            return func(*args, **kwargs)
        places = [k for k, value in enumerate(args) if isinstance(value, Tensor) and value.is_floating_point()]
        if not places and isinstance(kwargs.get("input"), Tensor):
            args, kwargs = (kwargs["input"], *args), {k: value for k, value in kwargs.items() if k != "input"}
            places = [0]
        return self.call(name, func, args, kwargs, places) if places else func(*args, **kwargs)

    def call(self, name: str, func: Function, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> Any:
        raise NotImplementedError


class _Recording(_Intercepting):
    """The pass of the baselines alone, which shows where the batch lies in each operand."""

    def __init__(self, seen: list[_Call]) -> None:
        super().__init__()
        self.seen = seen

    def call(self, name: str, func: Function, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> Any:
        operands = [args[k] for k in places]
        self.seen.append(_Call(name, tuple(t.shape for t in operands), tuple(map(_sample, operands))))
        return func(*args, **kwargs)


class _Ruled(_Intercepting):
    """The pass of inputs and baselines together, by the rules."""

    def __init__(self, seen: Sequence[_Call], eps: float) -> None:
        super().__init__()
        self.seen = iter(seen)
        self.eps = eps

    def call(self, name: str, func: Function, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> Any:
        operands = [args[k] for k in places]
        alone = next(self.seen, None)
        if alone is None or alone.name != name or len(alone.shapes) != len(operands):
            raise InvalidArgumentError(
                f"DeepLift compares an input with its baseline function by function, and on both together the model comes to "
                f"{name!r} where on the baseline alone it comes to {alone and alone.name!r}: its way depends on its values"
            )
        moving = [
            k
            for k, operand, shape in zip(places, operands, alone.shapes, strict=True)
            if operand.requires_grad and operand.shape != shape
        ]
        if not moving or (name in BILINEAR and len(moving) == 1):
            return func(*args, **kwargs)
        pairings = [
            _pairing(args[k], alone.shapes[place], alone.samples[place])
            for place, k in enumerate(places)
            if k in moving
        ]
        if not all(pairings):
            raise InvalidArgumentError(
                f"DeepLift compares each input with its baseline, and what the model hands to {name!r} mixes samples of a batch"
            )

        def of(*values: Tensor) -> Any:
            full = list(args)
            for k, value in zip(moving, values, strict=True):
                full[k] = value
            return func(*full, **kwargs)

        rule = _Rule(of, [pairing for pairing in pairings if pairing], self.eps, args, kwargs)
        given = [args[k] for k in moving]
        in_place = _works_in_place(func, args, kwargs)
        result = RULES[name](rule, *([value.clone() for value in given] if in_place else given))
        if in_place:
            args[0].copy_(result)
            return args[0]
        return result


def _works_in_place(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    name = getattr(func, "__name__", "").split(".")[0]
    if name.startswith("__i") and name.endswith("__"):
        return True
    if name.endswith("_") and not name.startswith("__"):
        return True
    return kwargs.get("inplace") is True or (name in ELEMENTWISE and len(args) > 1 and args[-1] is True)


@dataclass(frozen=True)
class _Pairing:
    """How inputs and baselines lie in a tensor: along ``axis``, which is ``blocks`` times inputs before their baselines.

    There is one block where the batch comes first on its axis, more where it was merged with an axis in front of it.
    """

    axis: int
    blocks: int = 1

    def halves(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and baselines, each as the tensor would be with them alone."""
        blocks = tensor.unflatten(self.axis, (self.blocks, 2, -1))
        first, second = blocks.unbind(self.axis + 1)
        return first.flatten(self.axis, self.axis + 1), second.flatten(self.axis, self.axis + 1)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """The inverse of :meth:`halves`."""
        blocks = [half.unflatten(self.axis, (self.blocks, -1)) for half in (first, second)]
        return torch.stack(blocks, self.axis + 1).flatten(self.axis, self.axis + 2)

    def shifted(self, axes: int) -> _Pairing:
        """The same in a tensor that has further axes in front."""
        return _Pairing(self.axis + axes, self.blocks)


def _pairing(both: Tensor, shape: torch.Size, sample: Tensor) -> _Pairing | None:
    """The pairing that leaves of a tensor what it is for baselines alone, of which shape and a few values are known."""
    doubled = [k for k, (n, size) in enumerate(zip(shape, both.shape, strict=False)) if n != size]
    if len(shape) != both.ndim or len(doubled) != 1 or both.shape[doubled[0]] != 2 * shape[doubled[0]]:
        return None
    count = shape[doubled[0]]
    slack = 1e-3 * float(torch.nan_to_num(sample, posinf=0, neginf=0).abs().max())
    for blocks in (blocks for blocks in range(1, count + 1) if count % blocks == 0):
        pairing = _Pairing(doubled[0], blocks)
        alone = _sample(pairing.halves(both.detach())[1])
        if torch.allclose(alone, sample, rtol=1e-3, atol=slack, equal_nan=True):
            return pairing
    return None


@dataclass(frozen=True)
class _Rule:
    """One call of a function: as a function of the operands that come from the model's inputs, and how these are paired."""

    of: Function
    pairings: list[_Pairing]
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
    def forward(ctx: Any, rule: _Rule, pairing: _Pairing, *operands: Tensor) -> Tensor:
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


def _rescale(rule: _Rule, *operands: Tensor) -> Tensor:
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
    def forward(ctx: Any, rule: _Rule, *operands: Tensor) -> Tensor:
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


def _product(rule: _Rule, *operands: Tensor) -> Tensor:
    return _Bilinear.apply(rule, *operands)


class _Largest(torch.autograd.Function):
    """Maxima over places: what the larger of input and baseline has more goes to its own place.

    That is Captum's rule but for windows that overlap, whose shares add up here. ``places`` are positions among the last
    ``axes`` axes, flattened.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, largest: Tensor, places: Tensor, axes: int, pairing: _Pairing, eps: float
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

    def pool(rule: _Rule, x: Tensor) -> Any:
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


class _Softmax(torch.autograd.Function):
    """Exponentials over their sum (or their logarithm): rescaled exponentials, a sum, a rescaled reciprocal, a product."""

    @staticmethod
    def forward(ctx: Any, rule: _Rule, dim: int, logarithm: bool, x: Tensor) -> Tensor:
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


def _softmax(rule: _Rule, x: Tensor, *, logarithm: bool = False) -> Tensor:
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
}
