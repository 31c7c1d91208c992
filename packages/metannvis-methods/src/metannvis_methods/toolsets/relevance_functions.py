"""Layer-wise relevance propagation through functions: the epsilon rule for linear ones, a refusal for all that is neither.

Captum and zennit hook on modules. Between them what is carried back is relevance, as if it were a gradient, which is right
where elements are only moved, and wrong wherever numbers are computed: a function that halves its input would halve the
relevance.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["function_rules"]

#: As Captum's rules.
EPSILON = 1e-9
#: Functions that move, repeat, choose or leave out elements: relevance goes with them. A ReLU leaves out what has none.
MOVES = frozenset((
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t",
    "squeeze", "unsqueeze", "expand", "expand_as", "broadcast_to", "repeat", "repeat_interleave", "tile", "cat", "concat",
    "concatenate", "stack", "hstack", "vstack", "split", "split_with_sizes", "tensor_split", "chunk", "unbind", "getitem",
    "select", "narrow", "index_select", "gather", "take_along_dim", "flip", "roll", "rot90", "pad", "constant_pad_nd",
    "contiguous", "clone", "view_as", "reshape_as", "to", "type", "type_as", "float", "double", "half", "bfloat16", "alias",
    "where", "masked_fill", "masked_select", "tril", "triu", "diagonal", "unfold", "pixel_shuffle", "pixel_unshuffle",
    "channel_shuffle", "dropout", "identity", "relu", "amax", "amin", "max", "min", "maximum", "minimum", "topk", "sort",
    "max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "T", "mT",
    "select_scatter", "slice", "native_dropout", "detach", "requires_grad_", "broadcast_tensors", "index", "ravel",
))  # fmt: skip
#: Linear functions, those of several operands in each of them alone: at most as many of these as said may be activations.
LINEAR = {
    **dict.fromkeys(("add", "sub", "subtract", "rsub", "radd"), 2),
    **dict.fromkeys(("mul", "multiply", "rmul", "div", "divide", "true_divide", "truediv"), 1),
    **dict.fromkeys(("neg", "negative", "positive", "sum", "mean", "nansum", "cumsum", "trace", "diff"), 1),
    **dict.fromkeys(
        ("matmul", "rmatmul", "mm", "bmm", "mv", "dot", "einsum", "linear", "addmm", "baddbmm", "tensordot"), 1
    ),
    **{f"conv{kind}{n}d": 1 for kind in ("", "_transpose") for n in (1, 2, 3)},
    **{f"{kind}avg_pool{n}d": 1 for kind in ("", "adaptive_") for n in (1, 2, 3)},
    **dict.fromkeys(("interpolate", "upsample", "fold", "batch_norm"), 1),
}


class _Epsilon(torch.autograd.Function):
    """A linear function, its relevance shared by what each element contributes."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], epsilon: float, *activations: Tensor) -> Tensor:
        ctx.function, ctx.epsilon = function, epsilon
        ctx.save_for_backward(*activations)
        return function(*activations)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> Any:
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in ctx.saved_tensors]
            output = ctx.function(*leaves)
            sign = torch.where(output < 0, -1.0, 1.0).to(output)
            found = torch.autograd.grad(output, leaves, (relevance / (output + ctx.epsilon * sign)).detach())
        return (None, None, *(x.detach() * gradient for x, gradient in zip(leaves, found, strict=True)))


class _FunctionRules(TorchFunctionMode):
    def __init__(self, weights: set[int], epsilon: float) -> None:
        super().__init__()
        self.weights, self.epsilon, self.modules = weights, epsilon, 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if self.modules:  # a module has rules of its own
            return func(*args, **given)
        name = getattr(getattr(func, "overloadpacket", func), "__name__", "").partition(".")[0].strip("_")
        if name in MOVES or name == "get":
            return func(*args, **given)
        places = [k for k, value in enumerate(args) if self._is_activation(value)]
        most = LINEAR.get(name, 0)
        if 0 < len(places) <= most and not any(self._is_activation(value) for value in given.values()):

            def function(*activations: Tensor) -> Tensor:
                filled = list(args)
                for place, value in zip(places, activations, strict=True):
                    filled[place] = value
                result: Tensor = func(*filled, **given)
                return result

            if (not name.endswith("div") and not name.endswith("divide")) or places == [0]:
                linear: Tensor = _Epsilon.apply(function, self.epsilon, *(args[place] for place in places))
                return linear
        result = func(*args, **given)
        if isinstance(result, Tensor) and result.requires_grad and result.grad_fn is not None:
            result.register_hook(_refusal(name))  # a softmax that is left out is not reached
        return result

    def _is_activation(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.requires_grad and id(value) not in self.weights


def _refusal(name: str) -> Callable[[Tensor], None]:
    def refuse(_: Tensor) -> None:
        raise InvalidArgumentError(
            f"relevance propagation has no rule for {name}(…), which the model calls on activations: it is neither linear in "
            "them nor moves their elements"
        )

    return refuse


@contextmanager
def function_rules(model: Any, whole: Any, epsilon: float = EPSILON) -> Iterator[None]:
    """Within, functions that ``model`` calls outside its innermost modules carry relevance back by rules.

    ``whole`` is the module around it, ``epsilon`` what is added to a denominator with its sign.
    """
    mode = _FunctionRules({id(tensor) for tensor in (*whole.parameters(), *whole.buffers())}, epsilon)

    def enter(*_: Any) -> None:
        mode.modules += 1

    def leave(*_: Any) -> None:
        mode.modules -= 1

    hooks = []
    innermost = [module for module in model.modules() if not any(module.children()) and module is not model]
    for module in innermost:
        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(leave, always_call=True))
    hooks.append(model.register_forward_pre_hook(lambda *_: mode.__enter__() and None))
    hooks.append(model.register_forward_hook(lambda *_: mode.__exit__(None, None, None), always_call=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
