"""Recurrent layers step by step: with peepholes, lengths, clipping and activations that PyTorch's modules lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.importing.recurrence import Activation, Recurrence

__all__ = ["recurrence"]

#: ``function(x, alpha, beta)`` by name.
FUNCTIONS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "sigmoid": lambda x, a, b: torch.sigmoid(x),
    "tanh": lambda x, a, b: torch.tanh(x),
    "relu": lambda x, a, b: torch.relu(x),
    "softsign": lambda x, a, b: F.softsign(x),
    "softplus": lambda x, a, b: F.softplus(x),
    "affine": lambda x, a, b: a * x + b,
    "leakyrelu": lambda x, a, b: F.leaky_relu(x, a),
    "thresholdedrelu": lambda x, a, b: F.threshold(x, a, 0),
    "scaledtanh": lambda x, a, b: a * torch.tanh(b * x),
    "hardsigmoid": lambda x, a, b: torch.clamp(a * x + b, 0, 1),
    "elu": lambda x, a, b: F.elu(x, a),
}


def _bound(activation: Activation) -> Callable[[Tensor], Tensor]:
    function = FUNCTIONS[activation.name]
    return lambda x: function(x, activation.alpha, activation.beta)


def recurrence(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    h: Tensor | None,
    c: Tensor | None,
    peepholes: Tensor | None,
    *,
    kind: str,
    direction: str,
    activations: Sequence[str],
    alpha: Sequence[float],
    beta: Sequence[float],
    clip: float | None,
    batch_first: bool,
    linear_before_reset: bool,
) -> tuple[Tensor, ...]:
    """All steps (time, directions, batch, features), and the last states; batch first with ``batch_first``."""
    if batch_first:
        x = x.transpose(0, 1)
        h = None if h is None else h.transpose(0, 1)
        c = None if c is None else c.transpose(0, 1)
    if lengths is not None:  # what is behind a sequence may be anything, of which nothing times it is no number
        x = torch.where((torch.arange(x.shape[0], device=x.device)[:, None] < lengths)[:, :, None], x, 0.0)
    count = w.shape[0]
    how = Recurrence.of(
        kind, activation_alpha=alpha, activation_beta=beta, activations=activations, clip=clip, direction=direction,
        layout=batch_first, linear_before_reset=linear_before_reset,
    )  # fmt: skip
    zeros = x.new_zeros(count, x.shape[1], r.shape[2])
    h, c = zeros if h is None else h, zeros if c is None else c
    bias = x.new_zeros(count, 2 * r.shape[1]) if bias is None else bias
    outputs, ends = [], []
    for k in range(count):
        backwards = how.reverse or k == 1
        functions = [_bound(activation) for activation in how.functions(k)]
        weights = _Weights(w[k], r[k], bias[k], None if peepholes is None else peepholes[k])
        steps, last = _direction(
            _turned(x, lengths) if backwards else x, weights, lengths, (h[k], c[k]), how, functions
        )
        outputs.append(_turned(steps, lengths) if backwards else steps)
        ends.append(last)
    y = torch.stack(outputs, 1)
    states = [torch.stack(state) for state in zip(*ends, strict=True)]
    if batch_first:
        return y.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in states)
    return y, *states


def _turned(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Backwards in time, each sequence within its own length."""
    if lengths is None:
        return x.flip(0)
    time = torch.arange(x.shape[0], device=x.device)[:, None]
    index = torch.where(time < lengths, lengths - 1 - time, time).long()
    return x.gather(0, index[:, :, None].expand_as(x))


class _Weights(NamedTuple):
    """Of a direction: (gates, features), (gates, units), (both biases of the gates), (gates with peepholes)."""

    w: Tensor
    r: Tensor
    bias: Tensor
    peepholes: Tensor | None


def _direction(
    x: Tensor,
    weights: _Weights,
    lengths: Tensor | None,
    first: tuple[Tensor, Tensor],
    how: Recurrence,
    functions: Sequence[Callable[[Tensor], Tensor]],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All steps (time, batch, units) of inputs (time, batch, features), and the last states, from the first ones."""
    kind, clip = how.kind, how.clip

    def clipped(gate: Tensor) -> Tensor:
        return gate if not clip else gate.clamp(-clip, clip)

    w, r, bias, peepholes = weights
    h, c = first
    wb, rb = bias.chunk(2)
    steps = []
    for t in range(x.shape[0]):
        before: tuple[Tensor, ...] = (h, c)
        from_x, from_h = x[t] @ w.T + wb, h @ r.T + rb
        if kind == "RNN":
            h = functions[0](clipped(from_x + from_h))
        elif kind == "GRU":
            h = _gru(from_x, from_h, h, r, rb, functions, clipped, how.linear_before_reset)
        else:
            h, c = _lstm(from_x + from_h, c, peepholes, functions, clipped)
        out = h
        if lengths is not None:
            going = (t < lengths)[:, None]
            out = torch.where(going, h, 0.0)
            h, c = (torch.where(going, new, old) for new, old in zip((h, c), before, strict=True))
        steps.append(out)
    return torch.stack(steps), (h, c) if kind == "LSTM" else (h,)


def _gru(
    from_x: Tensor, from_h: Tensor, h: Tensor, r: Tensor, rb: Tensor, functions: Any, clipped: Any, linear: bool
) -> Tensor:
    xz, xr, xn = from_x.chunk(3, -1)
    hz, hr, hn = from_h.chunk(3, -1)
    size = h.shape[-1]
    update, reset = functions[0](clipped(xz + hz)), functions[0](clipped(xr + hr))
    inner = reset * hn if linear else (reset * h) @ r[2 * size :].T + rb[2 * size :]
    return (1 - update) * functions[1](clipped(xn + inner)) + update * h


def _lstm(gates: Tensor, c: Tensor, peepholes: Tensor | None, functions: Any, clipped: Any) -> tuple[Tensor, Tensor]:
    i, o, f, g = gates.chunk(4, -1)
    pi, po, pf = (0.0, 0.0, 0.0) if peepholes is None else peepholes.chunk(3)
    i, f = functions[0](clipped(i + pi * c)), functions[0](clipped(f + pf * c))
    c = f * c + i * functions[1](clipped(g))
    o = functions[0](clipped(o + po * c))
    return o * functions[2](c), c
