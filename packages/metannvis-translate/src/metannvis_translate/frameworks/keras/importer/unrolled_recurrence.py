"""Recurrences step by step: peepholes, sequences of different lengths, activations that Keras' layers do not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from metannvis_translate.importing.recurrence import Activation, Recurrence

__all__ = ["by_steps"]

ops = keras.ops
#: ``function(x, alpha, beta)`` by name.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda x, a, b: ops.relu(x),
    "tanh": lambda x, a, b: ops.tanh(x),
    "sigmoid": lambda x, a, b: ops.sigmoid(x),
    "softsign": lambda x, a, b: ops.softsign(x),
    "softplus": lambda x, a, b: ops.softplus(x),
    "affine": lambda x, a, b: ops.add(ops.multiply(x, a), b),
    "leakyrelu": lambda x, a, b: ops.where(ops.greater_equal(x, 0), x, ops.multiply(x, a)),
    "thresholdedrelu": lambda x, a, b: ops.where(ops.greater_equal(x, a), x, ops.zeros_like(x)),
    "scaledtanh": lambda x, a, b: ops.multiply(ops.tanh(ops.multiply(x, b)), a),
    "hardsigmoid": lambda x, a, b: ops.clip(ops.add(ops.multiply(x, a), b), 0.0, 1.0),
    "elu": lambda x, a, b: ops.where(ops.greater_equal(x, 0), x, ops.multiply(ops.expm1(ops.minimum(x, 0)), a)),
}


@dataclass(frozen=True)
class Cell:
    """What one step of one direction computes."""

    how: Recurrence
    activations: Sequence[Activation]

    def activate(self, which: int, x: Any) -> Any:
        """The activation number ``which`` (f, g, h of the standard)."""
        name, alpha, beta = self.activations[which]
        return FUNCTIONS[name](x, alpha, beta)

    def clipped(self, x: Any) -> Any:
        """What goes into an activation, limited if the node says so."""
        return x if self.how.clip is None else ops.clip(x, -self.how.clip, self.how.clip)


def by_steps(
    x: Any,
    weights: Sequence[Any],
    initial: Sequence[Any],
    lengths: Any | None,
    how: Recurrence,
    direction: int,
) -> list[Any]:
    """Every step's output (batch, steps, units) and the last states (batch, units) of one direction.

    ``x`` is (batch, steps, inputs); ``weights`` are W (gates · units, inputs), R (gates · units, units), B (2 · gates ·
    units) and P (3 · units), of which the last two may be missing. Beyond a sequence's length outputs are zero.
    """
    W, R, B, P = weights
    units, steps = R.shape[-1], x.shape[1]
    cell, backwards = Cell(how, how.functions(direction)), how.reverse or direction == 1
    projected = ops.matmul(x, ops.transpose(W))
    step = {"LSTM": lstm_step, "GRU": gru_step, "RNN": rnn_step}[how.kind]
    zeros = ops.matmul(
        ops.zeros_like(x[:, 0, :]), np.zeros((x.shape[-1], units), keras.backend.standardize_dtype(x.dtype))
    )
    states = [zeros if state is None else state for state in initial]
    found: list[Any] = [None] * steps
    for t in reversed(range(steps)) if backwards else range(steps):
        new = step(cell, projected[:, t, :], states, R, B, P, units)
        if lengths is None:
            states, found[t] = new, new[0]
            continue
        runs = ops.expand_dims(ops.greater(lengths, t), -1)
        states = [ops.where(runs, after, before) for after, before in zip(new, states, strict=True)]
        found[t] = ops.where(runs, new[0], ops.zeros_like(new[0]))
    return [ops.stack(found, axis=1), *states]


def gate(tensor: Any, index: int, units: int) -> Any:
    return tensor[..., index * units : (index + 1) * units]


def rnn_step(cell: Cell, x: Any, states: Sequence[Any], R: Any, B: Any, P: Any, units: int) -> list[Any]:
    total = ops.add(x, ops.matmul(states[0], ops.transpose(R)))
    if B is not None:
        total = ops.add(total, ops.add(B[..., :units], B[..., units:]))
    return [cell.activate(0, cell.clipped(total))]


def gru_step(cell: Cell, x: Any, states: Sequence[Any], R: Any, B: Any, P: Any, units: int) -> list[Any]:
    (h,) = states
    two = 2 * units
    total = ops.add(x[..., :two], ops.matmul(h, ops.transpose(R[:two, :])))
    if B is not None:
        total = ops.add(total, ops.add(B[..., :two], B[..., 3 * units : 5 * units]))
    total = cell.activate(0, cell.clipped(total))
    update, reset = gate(total, 0, units), gate(total, 1, units)
    last = ops.transpose(R[two:, :])
    if cell.how.linear_before_reset:
        inner = ops.matmul(h, last)
        inner = ops.multiply(reset, inner if B is None else ops.add(inner, B[..., 5 * units :]))
    else:
        inner = ops.matmul(ops.multiply(reset, h), last)
        inner = inner if B is None else ops.add(inner, B[..., 5 * units :])
    inner = ops.add(gate(x, 2, units), inner)
    if B is not None:
        inner = ops.add(inner, B[..., two : 3 * units])
    candidate = cell.activate(1, cell.clipped(inner))
    return [ops.add(ops.multiply(ops.subtract(1.0, update), candidate), ops.multiply(update, h))]


def lstm_step(cell: Cell, x: Any, states: Sequence[Any], R: Any, B: Any, P: Any, units: int) -> list[Any]:
    h, c = states
    total = ops.add(x, ops.matmul(h, ops.transpose(R)))
    if B is not None:
        total = ops.add(total, ops.add(B[..., : 4 * units], B[..., 4 * units :]))
    i, o, f, g = (gate(total, k, units) for k in range(4))
    if P is not None:
        i, f = ops.add(i, ops.multiply(gate(P, 0, units), c)), ops.add(f, ops.multiply(gate(P, 2, units), c))
    i = cell.activate(0, cell.clipped(i))
    f = ops.subtract(1.0, i) if cell.how.input_forget else cell.activate(0, cell.clipped(f))
    c = ops.add(ops.multiply(f, c), ops.multiply(i, cell.activate(1, cell.clipped(g))))
    if P is not None:
        o = ops.add(o, ops.multiply(gate(P, 1, units), c))
    o = cell.activate(0, cell.clipped(o))
    return [ops.multiply(o, cell.activate(2, c)), c]
