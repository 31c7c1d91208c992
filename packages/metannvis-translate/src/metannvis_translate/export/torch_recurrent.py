"""Elman networks of PyTorch as ONNX's ``RNN``: left alone, the exporter writes out every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["translations"]


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    import torch

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

    aten = torch.ops.aten
    return {aten.rnn_tanh.input: rnn_tanh, aten.rnn_relu.input: rnn_relu}


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
    from onnxscript import opset20 as op

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
