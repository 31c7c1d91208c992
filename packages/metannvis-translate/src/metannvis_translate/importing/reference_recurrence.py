"""Reference recurrences: LSTM, GRU and RNN for ONNX's evaluator, whose own know neither lengths nor activations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metannvis_translate.importing.recurrence import Recurrence

__all__ = ["recurrent_operators"]

Array = np.ndarray[Any, Any]
#: ``function(x, alpha, beta)`` by name.
FUNCTIONS: dict[str, Callable[[Array, float, float], Array]] = {
    "relu": lambda x, a, b: np.maximum(x, 0),
    "tanh": lambda x, a, b: np.tanh(x),
    "sigmoid": lambda x, a, b: 0.5 * (1 + np.tanh(0.5 * x)),
    "softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "softplus": lambda x, a, b: np.logaddexp(x, 0),
    "affine": lambda x, a, b: a * x + b,
    "leakyrelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "thresholdedrelu": lambda x, a, b: np.where(x >= a, x, 0),
    "scaledtanh": lambda x, a, b: a * np.tanh(b * x),
    "hardsigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "elu": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
}


@functools.cache
def recurrent_operators() -> tuple[type, ...]:
    """Operators to give to an evaluator as ``new_ops=``, as a list."""
    from onnx.reference.op_run import OpRun

    class LSTM(OpRun):
        op_domain = ""

        def _run(self, x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, activation_alpha=None, activation_beta=None, activations=None, clip=None, direction=None, hidden_size=None, input_forget=None, layout=None):  # type: ignore[no-untyped-def]  # noqa: E501  # fmt: skip
            how = Recurrence.of(
                "LSTM", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations,
                clip=clip, direction=direction or "forward", layout=layout or 0, input_forget=input_forget or 0,
            )  # fmt: skip
            return evaluated(how, x, w, r, b, sequence_lens, [initial_h, initial_c], p)

    class GRU(OpRun):
        op_domain = ""

        def _run(self, x, w, r, b=None, sequence_lens=None, initial_h=None, activation_alpha=None, activation_beta=None, activations=None, clip=None, direction=None, hidden_size=None, layout=None, linear_before_reset=None):  # type: ignore[no-untyped-def]  # noqa: E501  # fmt: skip
            how = Recurrence.of(
                "GRU", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations,
                clip=clip, direction=direction or "forward", layout=layout or 0,
                linear_before_reset=linear_before_reset or 0,
            )  # fmt: skip
            return evaluated(how, x, w, r, b, sequence_lens, [initial_h], None)

    class RNN(OpRun):
        op_domain = ""

        def _run(self, x, w, r, b=None, sequence_lens=None, initial_h=None, activation_alpha=None, activation_beta=None, activations=None, clip=None, direction=None, hidden_size=None, layout=None):  # type: ignore[no-untyped-def]  # noqa: E501  # fmt: skip
            how = Recurrence.of(
                "RNN", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations,
                clip=clip, direction=direction or "forward", layout=layout or 0,
            )  # fmt: skip
            return evaluated(how, x, w, r, b, sequence_lens, [initial_h], None)

    return (LSTM, GRU, RNN)


def evaluated(
    how: Recurrence,
    x: Array,
    w: Array,
    r: Array,
    b: Array | None,
    lengths: Array | None,
    states: Sequence[Array | None],
    p: Array | None,
) -> tuple[Array, ...]:
    """The node's outputs, in the precision of its input."""
    if how.batch_first:
        x = x.swapaxes(0, 1)
        states = [None if state is None else state.swapaxes(0, 1) for state in states]
    steps, batch, units = x.shape[0], x.shape[1], r.shape[-1]
    outputs, ends = [], []
    for way in range(how.directions):
        state = [np.zeros((batch, units), x.dtype) if s is None else s[way] for s in states]
        bias = np.zeros(2 * r.shape[1], x.dtype) if b is None else b[way]
        peepholes = np.zeros(3 * units, x.dtype) if p is None else p[way]
        found = np.zeros((steps, batch, units), x.dtype)
        backwards = how.reverse or way == 1
        for t in reversed(range(steps)) if backwards else range(steps):
            new = _step(how, way, x[t], state, w[way], r[way], bias, peepholes)
            runs = np.ones((batch, 1), bool) if lengths is None else (np.asarray(lengths) > t)[:, None]
            state = [np.where(runs, after, before) for after, before in zip(new, state, strict=True)]
            found[t] = np.where(runs, new[0], 0)
        outputs.append(found)
        ends.append(state)
    results = [np.stack(outputs, 1), *(np.stack(parts) for parts in zip(*ends, strict=True))]
    if how.batch_first:
        results = [results[0].transpose(2, 0, 1, 3), *(state.swapaxes(0, 1) for state in results[1:])]
    return tuple(result.astype(x.dtype) for result in results)


def _step(
    how: Recurrence, way: int, x: Array, state: Sequence[Array], w: Array, r: Array, bias: Array, peepholes: Array
) -> list[Array]:
    functions = [functools.partial(_applied, row) for row in how.functions(way)]
    limit = np.inf if not how.clip else how.clip
    h, units = state[0], r.shape[-1]
    wb, rb = np.split(bias, 2)
    from_x, from_h = x @ w.T + wb, h @ r.T + rb

    def clipped(value: Array) -> Array:
        return np.clip(value, -limit, limit)

    if how.kind == "RNN":
        return [functions[0](clipped(from_x + from_h))]
    if how.kind == "GRU":
        xz, xr, xn = np.split(from_x, 3, -1)
        hz, hr, hn = np.split(from_h, 3, -1)
        update, reset = functions[0](clipped(xz + hz)), functions[0](clipped(xr + hr))
        inner = reset * hn if how.linear_before_reset else (reset * h) @ r[2 * units :].T + rb[2 * units :]
        return [(1 - update) * functions[1](clipped(xn + inner)) + update * h]
    c = state[1]
    i, o, f, g = np.split(from_x + from_h, 4, -1)
    pi, po, pf = np.split(peepholes, 3)
    i = functions[0](clipped(i + pi * c))
    f = 1 - i if how.input_forget else functions[0](clipped(f + pf * c))
    c = f * c + i * functions[1](clipped(g))
    o = functions[0](clipped(o + po * c))
    return [o * functions[2](c), c]


def _applied(row: Any, x: Array) -> Array:
    return FUNCTIONS[row.name](x, row.alpha, row.beta)
