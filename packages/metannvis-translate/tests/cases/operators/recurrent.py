"""Rows of recurrent layers: the forms that Keras' and PyTorch's layers have, and those that are computed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import Array, float32s, uniform
from .case import Case

__all__ = ["CASES"]

LINES = uniform(5, 2, 3).astype(np.float32)
#: ONNX Runtime has recurrent layers in single precision only, and ONNX's evaluator without lengths or activations.
KEPT = tuple(range(8))


def _recurrent(gates: int, size: int = 4, directions: int = 1, bias: bool = True) -> tuple[Array, ...]:
    found = uniform(directions, gates * size, 3), uniform(directions, gates * size, size, seed=1)
    return float32s(*found, uniform(directions, 2 * gates * size, seed=2)) if bias else float32s(*found)


def _lengths(*n: int) -> Array:
    return np.array(n, np.int32)


def _rnn(
    kind: str, direction: str = "forward", *, dynamic: int = 1, opset: int = 14, tag: str = "", **options: Any
) -> Case:
    """A row in single precision, against ONNX Runtime."""
    gates = GATES[kind]
    directions = 2 if direction == "bidirectional" else 1
    outputs = 3 if kind == "LSTM" else 2
    attributes = {"hidden_size": 4, "direction": direction, **options}
    inputs: tuple[Any, ...] = (LINES, *_recurrent(gates, 4, directions))
    return Case(kind, inputs, attributes, opset, dynamic, outputs, tag=tag or direction, keep=KEPT, batch_is_free=False)


STEPS, BATCH, INPUTS, UNITS = 5, 3, 4, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTIONS: dict[str, Any] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "hardsigmoid": lambda x: np.clip(0.25 * x + 0.5, 0, 1),
    "affine": lambda x: 0.75 * x + 0.125,
    "leakyrelu": lambda x: np.where(x >= 0, x, 0.125 * x),
}
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def _step(
    kind: str, x: Array, state: Sequence[Array], weights: Sequence[Any], f: Sequence[Any], options: dict[str, Any]
):
    """One step by the standard's formulas."""
    W, R, B, P = weights
    n, gates = UNITS, GATES[kind]
    limit = options.get("clip", np.inf)
    b = np.zeros(2 * gates * n) if B is None else B
    p = np.zeros(3 * n) if P is None else P
    w = [W[k * n : (k + 1) * n] for k in range(gates)]
    r = [R[k * n : (k + 1) * n] for k in range(gates)]
    wb = [b[k * n : (k + 1) * n] for k in range(gates)]
    rb = [b[(gates + k) * n : (gates + k + 1) * n] for k in range(gates)]
    h = state[0]

    def clip(v: Array) -> Array:
        return np.clip(v, -limit, limit)

    if kind == "RNN":
        return (f[0](clip(x @ w[0].T + h @ r[0].T + wb[0] + rb[0])),)
    if kind == "GRU":
        z, reset = (f[0](clip(x @ w[k].T + h @ r[k].T + wb[k] + rb[k])) for k in (0, 1))
        if options.get("linear_before_reset"):
            inner = reset * (h @ r[2].T + rb[2])
        else:
            inner = (reset * h) @ r[2].T + rb[2]
        return ((1 - z) * f[1](clip(x @ w[2].T + inner + wb[2])) + z * h,)
    c = state[1]
    i, o, forget, g = (x @ w[k].T + h @ r[k].T + wb[k] + rb[k] for k in range(4))
    i = f[0](clip(i + p[:n] * c))
    forget = 1 - i if options.get("input_forget") else f[0](clip(forget + p[2 * n :] * c))
    c = forget * c + i * f[1](clip(g))
    return f[0](clip(o + p[n : 2 * n] * c)) * f[2](c), c


def _run(kind: str, inputs: Sequence[Any], options: dict[str, Any]) -> tuple[Array, ...]:
    X, W, R, B, lengths, *states, P = [*inputs, *[None] * (8 - len(inputs))][: 8 if kind == "LSTM" else 6] + (
        [] if kind == "LSTM" else [None]
    )
    if options.get("layout"):
        X = X.swapaxes(0, 1)
        states = [None if s is None else s.swapaxes(0, 1) for s in states]
    ways = 2 if options.get("direction") == "bidirectional" else 1
    names = options.get("activations", DEFAULTS[kind] * ways)
    each = len(DEFAULTS[kind])
    steps, last = [], []
    for d in range(ways):
        f = [FUNCTIONS[name.lower()] for name in names[d * each : (d + 1) * each]]
        state = [np.zeros((X.shape[1], UNITS)) if s is None else s[d] for s in states]
        weights = [W[d], R[d], None if B is None else B[d], None if P is None else P[d]]
        found = np.zeros((X.shape[0], X.shape[1], UNITS))
        backwards = d == 1 or options.get("direction") == "reverse"
        for t in reversed(range(X.shape[0])) if backwards else range(X.shape[0]):
            runs = np.ones((X.shape[1], 1), bool) if lengths is None else (lengths > t)[:, None]
            new = _step(kind, X[t], state, weights, f, options)
            state = [np.where(runs, a, b) for a, b in zip(new, state, strict=True)]
            found[t] = np.where(runs, new[0], 0)
        steps.append(found)
        last.append(state)
    results = [np.stack(steps, 1), *(np.stack(parts) for parts in zip(*last, strict=True))]
    if options.get("layout"):
        results = [results[0].transpose(2, 0, 1, 3), *(s.swapaxes(0, 1) for s in results[1:])]
    return tuple(results)


def _case(
    kind: str, tag: str, *, bias: bool = True, extra: Sequence[Any] = (), dynamic: int = 1, **options: Any
) -> Case:
    """A row against the standard's formulas."""
    ways = 2 if options.get("direction") == "bidirectional" else 1
    gates = GATES[kind]
    x = uniform(STEPS, BATCH, INPUTS)
    if options.get("layout"):
        x = x.swapaxes(0, 1)
    inputs: list[Any] = [x, uniform(ways, gates * UNITS, INPUTS, seed=1), uniform(ways, gates * UNITS, UNITS, seed=2)]
    inputs += [uniform(ways, 2 * gates * UNITS, seed=3) if bias else None, *extra]
    while inputs[-1] is None:
        inputs.pop()
    attributes = {"hidden_size": UNITS, **options}
    outputs = 3 if kind == "LSTM" else 2
    return Case(
        kind, tuple(inputs), attributes, 14, dynamic, outputs, tag, batch_is_free=bool(options.get("layout")),
        formula=lambda *_: _run(kind, inputs, options), keep=(4,),
    )  # fmt: skip


LENGTHS = np.array([5, 2, 3], dtype=np.int32)
HIDDEN, CELL, PEEPHOLES = (
    uniform(1, BATCH, UNITS, seed=4),
    uniform(1, BATCH, UNITS, seed=5),
    uniform(1, 3 * UNITS, seed=6),
)
SLOPES = {"activation_alpha": [0.25], "activation_beta": [0.5]}

CASES: list[Case] = [
    Case("WholeSequence", (uniform(2, 5, 3), np.array([5, 2])), {"axis": 1}, 20, 2, domain="metannvis", keep=(1,), formula=lambda x, lengths: x),
    *(_rnn(kind, direction) for kind in ("LSTM", "RNN") for direction in ("forward", "reverse", "bidirectional")),
    _rnn("LSTM", dynamic=4, tag="computed"),
    _rnn("LSTM", "bidirectional", clip=0.5, tag="clipped"),
    Case("LSTM", (LINES, *_recurrent(4, 4, 2), _lengths(5, 2), *float32s(uniform(2, 2, 4)), *float32s(uniform(2, 2, 4, seed=5)), *float32s(uniform(2, 12))), {"hidden_size": 4, "direction": "bidirectional"}, 14, outputs=3, tag="lengths-peepholes", keep=KEPT, batch_is_free=False),
    Case("LSTM", (LINES, *_recurrent(4), None, *float32s(uniform(1, 2, 4)), *float32s(uniform(1, 2, 4, seed=5))), {"hidden_size": 4}, 14, outputs=3, tag="states", keep=KEPT, batch_is_free=False),
    _case("LSTM", "bare", bias=False),
    _case("LSTM", "bidirectional", direction="bidirectional"),
    _case("LSTM", "reverse", direction="reverse", layout=1),
    _case("LSTM", "states", extra=[None, HIDDEN, CELL]),
    _case("LSTM", "peepholes", extra=[None, HIDDEN, CELL, PEEPHOLES]),
    _case("LSTM", "lengths", direction="bidirectional", extra=[LENGTHS]),
    _case("LSTM", "activations", activations=["HardSigmoid", "Relu", "Affine"], activation_alpha=[0.25, 0.75], activation_beta=[0.5, 0.125]),
    _case("LSTM", "clip", clip=0.375, input_forget=1),
    _case("LSTM", "computed", dynamic=4),
    _rnn("RNN", activations=["Relu"], tag="relu"),
    Case("RNN", (LINES, *_recurrent(1), None, *float32s(uniform(1, 2, 4))), {"hidden_size": 4}, 14, outputs=2, tag="state", keep=KEPT, batch_is_free=False),
    _case("RNN", "bare", bias=False, direction="reverse"),
    _case("RNN", "both", direction="bidirectional", activations=["Relu", "Tanh"]),
    _case("RNN", "states", extra=[None, HIDDEN], activations=["Relu"]),
    _case("RNN", "activations", activations=["LeakyRelu"], activation_alpha=[0.125]),
    _case("RNN", "lengths", extra=[LENGTHS], dynamic=5),
    _rnn("GRU", "bidirectional", linear_before_reset=1, tag="native"),
    _rnn("GRU", "bidirectional", tag="reset-first"),
    _rnn("GRU", dynamic=4, linear_before_reset=1, tag="computed"),
    Case("GRU", (LINES, *_recurrent(3), _lengths(3, 5)), {"hidden_size": 4, "direction": "reverse"}, 14, outputs=2, tag="lengths", keep=KEPT, batch_is_free=False),
    _case("GRU", "bare", bias=False),
    _case("GRU", "after", linear_before_reset=1, direction="bidirectional"),
    _case("GRU", "before", extra=[None, HIDDEN], layout=0),
    _case("GRU", "lengths", extra=[LENGTHS], linear_before_reset=1, direction="reverse"),
    _case("GRU", "activations", activations=["HardSigmoid", "Tanh"], clip=2.0, **SLOPES),
    _case("GRU", "computed", dynamic=4),
]  # fmt: skip
