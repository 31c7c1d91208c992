"""DeepLift: functions that compute several nonlinear steps at once, written in functions that there are rules for.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["COMPOSITES", "RECURRENT"]

Function = Callable[..., Any]


def _normalized(x: Tensor, dims: tuple[int, ...], eps: float, *, centred: bool = True) -> Tensor:
    centre = x - x.mean(dims, keepdim=True) if centred else x
    return centre * torch.rsqrt(torch.square(centre).mean(dims, keepdim=True) + eps)


def _layer_norm(
    x: Tensor, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, *args: Any, **kwargs: Any
) -> Tensor:
    result = _normalized(x, tuple(range(-len(shape), 0)), eps)
    result = result if weight is None else result * weight
    return result if bias is None else result + bias


def _rms_norm(x: Tensor, shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Tensor:
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    result = _normalized(x, tuple(range(-len(shape), 0)), eps, centred=False)
    return result if weight is None else result * weight


def _group_norm(x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *args: Any) -> Tensor:
    grouped = x.reshape(x.shape[0], groups, -1)
    result = _normalized(grouped, (-1,), eps).reshape(x.shape)
    each = (1, -1, *[1] * (x.ndim - 2))
    result = result if weight is None else result * weight.reshape(each)
    return result if bias is None else result + bias.reshape(each)


def _instance_norm(
    x: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *args: Any,
) -> Tensor:
    each = (1, -1, *[1] * (x.ndim - 2))
    if use_input_stats:
        result = _normalized(x, tuple(range(2, x.ndim)), eps)
    else:
        result = (x - running_mean.reshape(each)) * torch.rsqrt(running_var.reshape(each) + eps)
    result = result if weight is None else result * weight.reshape(each)
    return result if bias is None else result + bias.reshape(each)


def _glu(x: Tensor, dim: int = -1) -> Tensor:
    value, gate = x.chunk(2, dim)
    return value * torch.sigmoid(gate)


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = torch.matmul(query * scale, key.transpose(-2, -1))
    if is_causal:
        kept = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~kept, -torch.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return torch.matmul(torch.softmax(scores, -1), value)


def _addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return bias * beta + torch.matmul(a, b) * alpha


Step = Callable[[Tensor, tuple[Tensor, ...], Sequence[Tensor]], tuple[Tensor, ...]]


def _lstm_step(x: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    hidden, cell = state
    let_in, keep, new, let_out = sum(_affine(x, hidden, weights)).chunk(4, -1)
    cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(new)
    hidden = torch.sigmoid(let_out) * torch.tanh(cell)
    projection = weights[4] if len(weights) == 5 else weights[2] if len(weights) == 3 else None
    return (hidden if projection is None else F.linear(hidden, projection)), cell


def _gru_step(x: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (hidden,) = state
    (reset, update, new), (reset_h, update_h, new_h) = (part.chunk(3, -1) for part in _affine(x, hidden, weights))
    new = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
    return (new + torch.sigmoid(update + update_h) * (hidden - new),)


def _plain_step(function: Function) -> Step:
    return lambda x, state, weights: (function(sum(_affine(x, state[0], weights))),)


def _affine(x: Tensor, hidden: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What a step makes of its input, and of the state before, by weights in PyTorch's order."""
    bias = weights[2:4] if len(weights) > 3 else (None, None)
    return F.linear(x, weights[0], bias[0]), F.linear(hidden, weights[1], bias[1])


def _recurrent(step: Step) -> Function:
    """PyTorch's layers over several directions and layers, step by step."""

    def run(
        x: Tensor,
        first: Any,
        weights: Sequence[Tensor],
        biases: bool,
        layers: int,
        dropout: float,
        train: bool,
        both: bool,
        batch_first: bool,
    ) -> tuple[Tensor, ...]:
        states = first if isinstance(first, (tuple, list)) else (first,)
        directions = 1 + both
        each = len(weights) // (layers * directions)
        steps = x.unbind(1 if batch_first else 0)
        last = []
        for layer in range(layers):
            sides = []
            for direction in range(directions):
                k = layer * directions + direction
                state = tuple(part[k] for part in states)
                found = []
                for part in reversed(steps) if direction else steps:
                    state = step(part, state, weights[k * each : (k + 1) * each])
                    found.append(state[0])
                sides.append(found[::-1] if direction else found)
                last.append(state)
            steps = tuple(torch.cat(parts, -1) for parts in zip(*sides, strict=True))
        output = torch.stack(steps, 1 if batch_first else 0)
        return output, *(torch.stack(parts) for parts in zip(*last, strict=True))

    return run


#: Recurrent layers, as one function each. With packed sequences their arguments are others.
RECURRENT: dict[str, Function] = {
    "lstm": _recurrent(_lstm_step),
    "gru": _recurrent(_gru_step),
    "rnn_tanh": _recurrent(_plain_step(torch.tanh)),
    "rnn_relu": _recurrent(_plain_step(torch.relu)),
}
#: Functions that are written in terms of others, for which there are rules.
COMPOSITES: dict[str, Function] = {
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "glu": _glu,
    "scaled_dot_product_attention": _attention,
    "addmm": _addmm,
    "baddbmm": _addmm,
    **RECURRENT,
}
