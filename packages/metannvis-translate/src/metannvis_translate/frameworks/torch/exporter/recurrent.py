"""Recurrent layers of PyTorch that its exporter writes badly.

Elman networks become ONNX's ``RNN``: left alone, the exporter writes out every step. An LSTM whose hidden state is projected
(``proj_size``), which the exporter takes for another one and ONNX does not have, is written out step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20 as op
from onnxscript.function_libs.torch_lib.ops.core import aten_lstm

__all__ = ["translations"]


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def rnn_tanh(  # type: ignore[no-untyped-def]
    input, hx, params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool,
):  # fmt: skip
    return _rnn("Tanh", input, hx, params, has_biases, num_layers, bidirectional, batch_first)


def rnn_relu(  # type: ignore[no-untyped-def]
    input, hx, params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool,
):  # fmt: skip
    return _rnn("Relu", input, hx, params, has_biases, num_layers, bidirectional, batch_first)


def lstm(  # type: ignore[no-untyped-def]
    input, hx: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool,
):  # fmt: skip
    plain = num_layers * (2 if bidirectional else 1) * (4 if has_biases else 2)
    if len(params) == plain:
        return aten_lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return _projected_lstm(input, hx, params, has_biases, num_layers, bidirectional, batch_first)


def _rnn(
    activation: str,
    x: Any,
    states: Any,
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, Any]:
    """All layers: steps of the last one, and the last state of every one."""
    directions = 2 if bidirectional else 1
    each = 4 if has_biases else 2
    if batch_first:
        x = op.Transpose(x, perm=[1, 0, 2])
    last = []
    for layer in range(num_layers):
        rows = [params[(layer * directions + k) * each :][:each] for k in range(directions)]
        weights = [op.Concat(*(op.Unsqueeze(row[k], [0]) for row in rows), axis=0) for k in (0, 1)]
        if has_biases:
            biases = [op.Unsqueeze(op.Concat(row[2], row[3], axis=0), [0]) for row in rows]
            weights.append(op.Concat(*biases, axis=0))
        first = layer * directions
        steps, state = op.RNN(
            x,
            *weights,
            initial_h=op.Slice(states, [first], [first + directions], [0]),
            activations=[activation] * directions,
            direction="bidirectional" if bidirectional else "forward",
            hidden_size=int(states.shape[2]),
        )
        last.append(state)
        # (steps, directions, batch, units)
        x = op.Reshape(op.Transpose(steps, perm=[0, 2, 1, 3]), [0, 0, -1])
    hidden = op.Concat(*last, axis=0) if len(last) > 1 else last[0]
    return (op.Transpose(x, perm=[1, 0, 2]) if batch_first else x), hidden


def _projected_lstm(
    x: Any,
    states: Sequence[Any],
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, Any, Any]:
    """Steps of the last layer; the last hidden states, projected, and cell states of every layer and direction."""
    steps = x.shape[1 if batch_first else 0] if x.shape is not None else None
    if not isinstance(steps, int):
        raise NotImplementedError("an LSTM with a projection over a free number of steps")
    directions = 2 if bidirectional else 1
    each = 5 if has_biases else 3
    if batch_first:
        x = op.Transpose(x, perm=[1, 0, 2])
    last_h, last_c = [], []
    for layer in range(num_layers):
        sides = []
        for k in range(directions):
            place = layer * directions + k
            w_input, w_hidden, *biases, w_projection = params[place * each :][:each]
            units = int(w_projection.shape[1])
            gates = op.MatMul(x, op.Transpose(w_input, perm=[1, 0]))
            for bias in biases:
                gates = op.Add(gates, bias)
            h, c = (op.Gather(state, op.Constant(value_int=place), axis=0) for state in states)
            found: list[Any] = [None] * steps
            for step in range(steps) if k == 0 else reversed(range(steps)):
                # not a MatMul, which would be a dense layer of its own at each step
                own = op.Einsum(h, w_hidden, equation="nh,gh->ng")
                total = op.Add(op.Gather(gates, op.Constant(value_int=step), axis=0), own)
                i, f, g, o = (op.Slice(total, [n * units], [(n + 1) * units], [1]) for n in range(4))
                c = op.Add(op.Mul(op.Sigmoid(f), c), op.Mul(op.Sigmoid(i), op.Tanh(g)))
                h = op.Einsum(op.Mul(op.Sigmoid(o), op.Tanh(c)), w_projection, equation="nh,ph->np")
                found[step] = op.Unsqueeze(h, [0])
            sides.append(op.Concat(*found, axis=0) if steps > 1 else found[0])
            last_h.append(op.Unsqueeze(h, [0]))
            last_c.append(op.Unsqueeze(c, [0]))
        x = op.Concat(*sides, axis=2) if directions > 1 else sides[0]
    hidden, cells = (op.Concat(*last, axis=0) if len(last) > 1 else last[0] for last in (last_h, last_c))
    return (op.Transpose(x, perm=[1, 0, 2]) if batch_first else x), hidden, cells


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {aten.lstm.input: lstm, aten.rnn_tanh.input: rnn_tanh, aten.rnn_relu.input: rnn_relu}
