"""Recurrences step by step: peepholes, sequences of different lengths, activations that Keras' layers do not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

__all__ = ["DEFAULTS", "Cell", "by_steps"]

ops = keras.ops
#: Activations of one direction, if the node names none.
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
#: Activations by name, as functions of the tensor, alpha and beta; and what alpha and beta are if not given.
ACTIVATIONS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "relu": (lambda x, a, b: ops.relu(x), 0, 0),
    "tanh": (lambda x, a, b: ops.tanh(x), 0, 0),
    "sigmoid": (lambda x, a, b: ops.sigmoid(x), 0, 0),
    "softsign": (lambda x, a, b: ops.softsign(x), 0, 0),
    "softplus": (lambda x, a, b: ops.softplus(x), 0, 0),
    "affine": (lambda x, a, b: ops.add(ops.multiply(x, a), b), 1, 0),
    "leakyrelu": (lambda x, a, b: ops.where(ops.greater_equal(x, 0), x, ops.multiply(x, a)), 0.01, 0),
    "thresholdedrelu": (lambda x, a, b: ops.where(ops.greater_equal(x, a), x, ops.zeros_like(x)), 1, 0),
    "scaledtanh": (lambda x, a, b: ops.multiply(ops.tanh(ops.multiply(x, b)), a), 1, 1),
    "hardsigmoid": (lambda x, a, b: ops.clip(ops.add(ops.multiply(x, a), b), 0.0, 1.0), 0.2, 0.5),
    "elu": (lambda x, a, b: ops.where(ops.greater_equal(x, 0), x, ops.multiply(ops.expm1(ops.minimum(x, 0)), a)), 1, 0),
}


@dataclass(frozen=True)
class Cell:
    """What one step computes: the operator and its attributes."""

    kind: str
    activations: tuple[str, ...] = ()
    alpha: tuple[float, ...] = ()
    beta: tuple[float, ...] = ()
    clip: float | None = None
    reset_after: bool = False
    input_forget: bool = False

    def of(self, direction: int, directions: int) -> Cell:
        """The cell with one direction's activations alone; alpha and beta one for each activation."""
        names = self.activations or DEFAULTS[self.kind] * directions
        # ONNX lists alpha and beta only for the activations that take them, in order
        alpha, beta = iter(self.alpha), iter(self.beta)
        rows = []
        for name in names:
            _, a, b = ACTIVATIONS[name.lower()]
            takes_alpha = name.lower() in ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu")
            takes_beta = name.lower() in ("affine", "scaledtanh", "hardsigmoid")
            rows.append((name, next(alpha, a) if takes_alpha else a, next(beta, b) if takes_beta else b))
        each = len(DEFAULTS[self.kind])
        own = rows[direction * each : (direction + 1) * each]
        names, alphas, betas = zip(*own, strict=True)
        return dataclasses.replace(self, activations=names, alpha=alphas, beta=betas)

    def activate(self, which: int, x: Any) -> Any:
        """The activation number ``which`` (f, g, h of the standard)."""
        function, _, _ = ACTIVATIONS[self.activations[which].lower()]
        return function(x, self.alpha[which], self.beta[which])

    def clipped(self, x: Any) -> Any:
        """What goes into an activation, limited if the node says so."""
        return x if self.clip is None else ops.clip(x, -self.clip, self.clip)


def by_steps(
    x: Any,
    weights: Sequence[Any],
    initial: Sequence[Any],
    lengths: Any | None,
    cell: Cell,
    *,
    backwards: bool,
) -> list[Any]:
    """Every step's output (batch, steps, units) and the last states (batch, units) of one direction.

    ``x`` is (batch, steps, inputs); ``weights`` are W (gates · units, inputs), R (gates · units, units), B (2 · gates ·
    units) and P (3 · units), of which the last two may be missing. Beyond a sequence's length outputs are zero.
    """
    W, R, B, P = weights
    units, steps = R.shape[-1], x.shape[1]
    projected = ops.matmul(x, ops.transpose(W))
    step = {"LSTM": lstm_step, "GRU": gru_step, "RNN": rnn_step}[cell.kind]
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
    if cell.reset_after:
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
    f = ops.subtract(1.0, i) if cell.input_forget else cell.activate(0, cell.clipped(f))
    c = ops.add(ops.multiply(f, c), ops.multiply(i, cell.activate(1, cell.clipped(g))))
    if P is not None:
        o = ops.add(o, ops.multiply(gate(P, 1, units), c))
    o = cell.activate(0, cell.clipped(o))
    return [ops.multiply(o, cell.activate(2, c)), c]
