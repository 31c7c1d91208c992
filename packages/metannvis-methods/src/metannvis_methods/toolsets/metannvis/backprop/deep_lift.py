"""DeepLIFT with positive and negative parts apart: the Linear rule with Rescale, and with RevealCancel.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch.overrides import TorchFunctionMode

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.differences import (
    ELEMENTWISE,
    LINEAR,
    MOVING,
    Nonlinear,
    Parts,
    added,
    function_name,
    largest,
    largest_of_windows,
    linear,
    nonlinear,
    scaled,
)
from metannvis_methods.toolsets.metannvis.backprop.scoring import scores
from metannvis_methods.toolsets.metannvis.method import Method

__all__ = ["DeepLiftLinear", "DeepLiftRevealCancel"]

Function = Callable[..., Any]


class DeepLiftLinear(Method):
    """Contributions by the Linear rule and Rescale (Shrikumar et al., 2017, arXiv:1704.02685, 3.5.1 and 3.5.2)."""

    rule: ClassVar[Nonlinear] = "rescale"

    def attribute(
        self, inputs: Any, target: Any = None, baselines: Any = None, additional_forward_args: Any = None
    ) -> MethodOutput:
        """Contributions in the shape of the inputs, whose sum is the difference of the outputs.

        Parameters
        ----------
        baselines
            The reference: a number, an array, or several; ``None``: 0.

        Raises
        ------
        InvalidArgumentError
            The model computes something that there is no rule for.
        """
        call = self.call
        given = in_order(baselines) or (0,)
        given = given * len(call.inputs) if len(given) == 1 else given
        parts = []
        for x, b in zip(call.inputs, given, strict=True):
            reference = torch.as_tensor(b, dtype=x.dtype, device=x.device).expand_as(x)
            difference = x.detach() - reference
            parts.append(
                Parts(reference, difference.clamp(min=0).requires_grad_(), difference.clamp(max=0).requires_grad_())
            )
        with torch.enable_grad(), Differences(self.rule) as differences:
            points = [differences.known(part.whole, part) for part in parts]
            found = scores(call, points, additional_forward_args)
            lacks = differences.lacks(found)
            if lacks:
                raise InvalidArgumentError(
                    f"{call.spec.key} has no rule for {lacks}, which the model computes: take deep_lift or integrated_gradients"
                )
            leaves = [leaf for part in parts for leaf in (part.plus, part.minus)]
            slopes = torch.autograd.grad(found.sum(), leaves, allow_unused=True)
        products = [
            torch.zeros_like(leaf) if slope is None else slope * leaf.detach()
            for leaf, slope in zip(leaves, slopes, strict=True)
        ]
        return MethodOutput(self.as_given([a + b for a, b in zip(products[::2], products[1::2], strict=True)]))


class DeepLiftRevealCancel(DeepLiftLinear):
    """Contributions by the Linear rule and RevealCancel (Shrikumar et al., 2017, arXiv:1704.02685, 3.5.1 and 3.5.3).

    ``Δy⁺ = ½ [g(x₀ + Δ⁺) − g(x₀) + g(x₀ + Δ⁻ + Δ⁺) − g(x₀ + Δ⁻)]``, and ``Δy⁻`` likewise.
    """

    rule: ClassVar[Nonlinear] = "reveal_cancel"


class Differences(TorchFunctionMode):
    """Inside, what is computed of tensors with parts has parts as well; what there is no rule for is remembered by name."""

    def __init__(self, rule: Nonlinear) -> None:
        super().__init__()
        self.rule = rule
        #: By the identity of a tensor, which is kept alive: its parts, or the name of what has none.
        self._known: dict[int, tuple[torch.Tensor, Parts | str]] = {}

    def known(self, tensor: torch.Tensor, parts: Parts | str) -> torch.Tensor:
        """Remember the parts of a tensor."""
        self._known[id(tensor)] = (tensor, parts)
        return tensor

    def lacks(self, tensor: torch.Tensor) -> str:
        """The name of what there was no rule for on the way to a tensor; empty if there was a rule for all."""
        entry = self._known.get(id(tensor))
        if entry is None and not tensor.requires_grad:
            return "a model that is compiled, or does not look at its inputs"
        return entry[1] if entry is not None and isinstance(entry[1], str) else ""

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Follow the rule of a function of tensors that have parts."""
        options = kwargs or {}
        entries = [self._known[id(x)][1] for x in _tensors((*args, *options.values())) if id(x) in self._known]
        if not entries:
            return func(*args, **options)
        name = function_name(func).removeprefix("_") if func is not torch.Tensor.__getitem__ else ""
        name = name or "__getitem__"
        broken = next((entry for entry in entries if isinstance(entry, str)), None)
        parts = None if broken is not None else self._by_rule(func, name, args, options)
        if parts is None:
            result = func(*args, **options)
            for tensor in _tensors((result,)):
                if tensor.is_floating_point():
                    self.known(tensor, broken or name)
            return result
        if isinstance(parts, list):
            made = [self.known(part.whole, part) for part in parts]
            return tuple(made)
        return self.known(parts.whole, parts)

    def _of(self, value: Any) -> Any:
        """Parts of a tensor that has some; of another one its value, which does not differ from the reference."""
        entry = self._known.get(id(value))
        if entry is not None:
            return entry[1]
        if torch.is_tensor(value) and value.is_floating_point():
            return Parts(value.detach(), torch.zeros_like(value), torch.zeros_like(value))
        return value

    def _by_rule(
        self, func: Function, name: str, args: Sequence[Any], options: dict[str, Any]
    ) -> Parts | list[Parts] | None:
        """Parts of what a function returns; ``None`` if there is no rule for it."""
        x = self._of(args[0]) if args else None
        if name in (
            "__get__",
            "size",
            "dim",
            "numel",
            "__len__",
            "is_floating_point",
            "stride",
            "requires_grad_",
            "detach",
        ):
            return None
        if name in MOVING:
            return self._moved(func, args, options)
        if name in ("pad", "constant_pad_nd") and isinstance(x, Parts):
            return _padded(func, x, args[1:], options)
        if name in LINEAR and isinstance(x, Parts) and id(args[1]) not in self._known:
            return linear(func, x, *args[1:], **options)
        if name in ELEMENTWISE and isinstance(x, Parts) and not any(id(a) in self._known for a in args[1:]):
            return nonlinear(lambda part: func(part.clone(), *args[1:], **options), x, self.rule)
        return self._arithmetic(func, name.strip("_"), args, options) or self._pooled(name, args, options)

    def _moved(self, func: Function, args: Sequence[Any], options: dict[str, Any]) -> Parts | list[Parts]:
        """The function of each of the three."""
        whose: Sequence[Any] = args[0] if isinstance(args[0], (tuple, list)) else (args[0],)
        several = whose is args[0]
        entries = [self._of(item) for item in whose]

        def applied(which: str) -> Any:
            parts = [getattr(entry, which) for entry in entries]
            return func(parts if several else parts[0], *args[1:], **options)

        found = [applied(which) for which in ("reference", "plus", "minus")]
        if torch.is_tensor(found[0]):
            return Parts(*found)
        return [Parts(*parts) for parts in zip(*found, strict=True)]

    def _arithmetic(self, func: Function, name: str, args: Sequence[Any], options: dict[str, Any]) -> Parts | None:
        """Sums, differences, and products with what does not depend on the input."""
        if name == "neg":
            return scaled(self._of(args[0]), -1.0)
        if name == "batch_norm" and hasattr(func, "overloadpacket"):  # whose arguments lie otherwise
            x, weight, bias, mean, variance, training, momentum, eps = args[:8]
            return self._normalized(x, mean, variance, weight, bias, training, momentum, eps)
        if name == "batch_norm":
            return self._normalized(*args, **options)
        if len(args) < 2 or (options and set(options) - {"alpha"}):
            return None
        a, b = args[:2]
        if name in ("add", "iadd", "radd", "sub", "isub", "rsub"):
            sign = -1.0 if "sub" in name else 1.0
            a, b = (b, a) if name == "rsub" else (a, b)
            pair = [self._of(item if torch.is_tensor(item) else _like(item, args)) for item in (a, b)]
            return added(pair[0], pair[1], sign * float(options.get("alpha", 1)))
        depends = [id(item) in self._known for item in (a, b)]
        if name in ("mul", "imul", "rmul", "multiply") and depends.count(True) == 1:
            return scaled(self._of(a if depends[0] else b), b if depends[0] else a)
        if name in ("div", "truediv", "itruediv", "divide") and depends == [True, False]:
            return scaled(self._of(a), 1 / b)
        return None

    def _normalized(
        self,
        x: Any,
        mean: torch.Tensor,
        variance: torch.Tensor,
        weight: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Parts | None:
        """Batch normalization by its statistics: a factor and a shift a channel."""
        if training or mean is None:
            return None
        parts: Parts = self._of(x)
        shape = [1, -1, *[1] * (parts.reference.ndim - 2)]
        factor = (variance + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if bias is None else bias) - mean * factor
        return scaled(parts, factor.reshape(shape), shift.reshape(shape))

    def _pooled(self, name: str, args: Sequence[Any], options: dict[str, Any]) -> Parts | None:
        """Maxima over windows, or along axes."""
        x = self._of(args[0])
        for rank in (1, 2, 3):
            if name in (f"max_pool{rank}d", f"boolean_dispatch{rank}"):
                names = ("size", "stride", "padding", "dilation", "ceil_mode")
                given = dict(zip(names, args[1:], strict=False)) | options
                given.pop("return_indices", None)
                if "kernel_size" in given:
                    given["size"] = given.pop("kernel_size")
                return largest_of_windows(x, rank, self.rule, **given)
        if name == "amax":
            axes = options.get("dim", args[1] if len(args) > 1 else ())
            keep = bool(options.get("keepdim", args[2] if len(args) > 2 else False))
            axes = axes if isinstance(axes, (tuple, list)) else (axes,)
            for axis in sorted((k % x.reference.ndim for k in axes), reverse=True):
                x = largest(x, axis, self.rule)
                if keep:
                    x = Parts(*(part.unsqueeze(axis) for part in (x.reference, x.plus, x.minus)))
            return x if axes else None
        return None


def _padded(func: Function, x: Parts, args: Sequence[Any], options: dict[str, Any]) -> Parts:
    """Numbers around a tensor: those that are the same whatever it holds differ from nothing."""
    mode = options.get("mode", next((value for value in args if isinstance(value, str)), "constant"))
    pads = options.get("pad", args[0] if args else ())

    def around(part: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = (
            torch.nn.functional.pad(part, pads) if mode == "constant" else func(part, *args, **options)
        )
        return found

    return Parts(func(x.reference, *args, **options), around(x.plus), around(x.minus))


def _like(number: Any, args: Sequence[Any]) -> torch.Tensor:
    """A number as a tensor like that which stands beside it."""
    tensor = next(item for item in args if torch.is_tensor(item))
    return torch.as_tensor(number, dtype=tensor.dtype, device=tensor.device)


def _tensors(values: Any) -> list[torch.Tensor]:
    found = []
    for value in values:
        if torch.is_tensor(value):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _tensors(value)
    return found
