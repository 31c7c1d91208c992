"""AttnLRP: layer-wise relevance propagation through attention.

Relevance is ``R = x ∂f/∂x`` with changed derivatives. At a small stabilizer the epsilon rule of linear layers and sums is what
autograd has, and so is the rule of a softmax, ``x_i (R_i − s_i ΣR)``. Changed are products of two tensors that both depend on
the input (half to each), normalizations (their scale is a constant), and functions of each number (relevance passes as it is).

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.backprop.differences import ELEMENTWISE, LINEAR, function_name
from metannvis_methods.toolsets.metannvis.backprop.scoring import gradients
from metannvis_methods.toolsets.metannvis.method import Method

__all__ = ["WHOLE", "AttnLRP", "functions_as_a_whole"]

Function = Callable[..., Any]
#: Functions that compute attention and more at once.
WHOLE = frozenset(
    [
        "multi_head_attention_forward",
        "native_multi_head_attention",
        "transformer_encoder_layer_fwd",
        "lstm",
        "gru",
        "rnn_tanh",
    ]
)
ADDITIONS = frozenset(["add", "radd", "iadd"])
#: Products that are a linear layer where one of the two is a weight.
MATRIX_PRODUCTS = frozenset(["matmul", "bmm", "rmatmul", "mm", "einsum"])
PRODUCTS = frozenset(["matmul", "bmm", "rmatmul", "mul", "multiply", "rmul", "einsum"])


class AttnLRP(Method):
    """Relevance of the output, carried back through attention as well (Achtibat et al., 2024, arXiv:2402.05602)."""

    def attribute(
        self, inputs: Any, target: Any = None, additional_forward_args: Any = None, epsilon: float = 1e-6
    ) -> MethodOutput:
        """Relevance in the shape of the inputs.

        Parameters
        ----------
        epsilon
            Stabilizer of linear layers: ``R_j = Σ_k x_j w_jk R_k / (z_k + ε sign z_k)``.
        """
        with constant_weights(self.call.model), RelevanceRules(epsilon):
            _, slopes = gradients(self.call, self.call.inputs, additional_forward_args)
        return MethodOutput(self.as_given([x * g for x, g in zip(self.call.inputs, slopes, strict=True)]))


def functions_as_a_whole(model: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> tuple[str, ...]:
    """Functions of a model that compute several steps at once, so that no rule can be given for what they do."""
    found: dict[str, None] = {}

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            name = function_name(func).strip("_")
            if name in WHOLE:
                found[f"{name} computes several steps at once"] = None
            return func(*args, **(kwargs or {}))

    with Watch():
        model(*inputs)
    return tuple(found)


class RelevanceRules(TorchFunctionMode):
    """Inside, derivatives are those by which relevance is carried."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        #: By the identity of what linear layers return, which is kept alive: it, and what it was before it was stabilized.
        self._linear: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Follow the rule of a function."""
        options = kwargs or {}
        name = function_name(func).strip("_")
        moving = sum(map(_depends, args))
        if name in LINEAR or (name in MATRIX_PRODUCTS and moving == 1):
            return self._stabilized(func(*args, **options))
        if name in ADDITIONS and moving == 1 and not options:
            linear = next(map(self._linear_of, filter(_depends, args)))
            if linear is not None:  # a layer whose bias is added by itself
                return self._stabilized(func(*(linear if _depends(x) else x for x in args)))
        if name in PRODUCTS and moving > 1:
            return func(*(_halved(x) if _depends(x) else x for x in args), **options)
        if name == "scaled_dot_product_attention":
            return _attention(*args, **options)
        if name == "layer_norm":
            return _layer_norm(*args[:5], **options)
        if name == "rms_norm":
            return _rms_norm(*args, **options)
        if name in ELEMENTWISE and torch.is_tensor(args[0]) and args[0].requires_grad:
            return _passed_on(args[0], func(args[0].detach().clone(), *args[1:], **options))
        return func(*args, **options)

    def _stabilized(self, z: torch.Tensor) -> torch.Tensor:
        """The output of a linear layer, of which is remembered what it was."""
        found: torch.Tensor = _Stabilized.apply(z, self.epsilon)
        self._linear[id(found)] = (found, z)
        return found

    def _linear_of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        entry = self._linear.get(id(tensor))
        return None if entry is None else entry[1]


def _depends(value: Any) -> bool:
    """Whether a value depends on the input: weights have no gradients here."""
    return torch.is_tensor(value) and value.requires_grad


@contextmanager
def constant_weights(model: torch.nn.Module) -> Iterator[None]:
    """Inside, nothing has a gradient but what depends on the input."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in weights:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def _halved(x: torch.Tensor) -> torch.Tensor:
    """The same numbers with half of their derivatives."""
    return x / 2 + (x / 2).detach()


def _passed_on(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """``y`` of each number, to which relevance passes as it is: ``y = x · (y / x)``, the ratio a constant."""
    at_zero = x.detach() == 0
    ratio = torch.where(at_zero, 0.0, y / torch.where(at_zero, 1.0, x.detach()))
    return x * ratio + torch.where(at_zero, y, 0.0)


class _Stabilized(torch.autograd.Function):
    """A linear layer's output, whose derivatives are multiplied with ``z / (z + ε sign z)``."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, epsilon: float) -> torch.Tensor:
        ctx.epsilon = epsilon
        ctx.save_for_backward(z)
        return z.clone()

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor, None]:
        (z,) = ctx.saved_tensors
        sign = torch.where(z < 0, -1.0, 1.0).to(z)
        return cotangent * z / (z + ctx.epsilon * sign), None


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Its two products and the softmax between them."""
    if enable_gqa:
        copies = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(copies, -3) for x in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    products = _halved(query) @ _halved(key).transpose(-2, -1) * factor
    if is_causal:
        above = torch.ones(products.shape[-2:], dtype=torch.bool, device=products.device).triu(1)
        products = products.masked_fill(above, -torch.inf)
    if attn_mask is not None:
        products = (
            products.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else products + attn_mask
        )
    return _halved(torch.softmax(products, -1)) @ _halved(value)


def _layer_norm(
    x: torch.Tensor, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> torch.Tensor:
    """The deviation is a constant."""
    axes = tuple(range(-len(normalized_shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    found = centred / (centred.square().mean(axes, keepdim=True) + eps).sqrt().detach()
    found = found if weight is None else found * weight
    return found if bias is None else found + bias


def _rms_norm(
    x: torch.Tensor, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None
) -> torch.Tensor:
    """The root of the mean square is a constant."""
    axes = tuple(range(-len(normalized_shape), 0))
    small = torch.finfo(x.dtype).eps if eps is None else eps
    found = x * torch.rsqrt(x.square().mean(axes, keepdim=True) + small).detach()
    return found if weight is None else found * weight
