"""Rows of the ONNX → PyTorch importer: quantised arithmetic, recurrent layers, selections, windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import IMAGE, Case, _ints, _random

__all__ = ["QUANTISED_CASES"]

Array = np.ndarray[Any, Any]
BYTES = np.random.default_rng(3).integers(0, 255, (2, 3, 7, 8)).astype(np.uint8)
SIGNED = np.random.default_rng(4).integers(-128, 127, (4, 3, 3, 2)).astype(np.int8)
MATRICES = BYTES[0, :, :4, :], np.random.default_rng(5).integers(-128, 127, (8, 5)).astype(np.int8)
ZERO = np.uint8(7)
LINES = _random(5, 2, 3).astype(np.float32)
#: ONNX Runtime has recurrent layers in single precision only, and ONNX's evaluator without lengths or activations.
KEPT = tuple(range(8))


def _single(*arrays: Any) -> tuple[Array, ...]:
    return tuple(np.asarray(array, np.float32) for array in arrays)


def _recurrent(gates: int, size: int = 4, directions: int = 1, bias: bool = True) -> tuple[Array, ...]:
    found = _random(directions, gates * size, 3), _random(directions, gates * size, size, seed=1)
    return _single(*found, _random(directions, 2 * gates * size, seed=2)) if bias else _single(*found)


def _lengths(*n: int) -> Array:
    return np.array(n, np.int32)


def _rnn(
    kind: str, direction: str = "forward", *, dynamic: int = 1, opset: int = 14, tag: str = "", **options: Any
) -> Case:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    directions = 2 if direction == "bidirectional" else 1
    outputs = 3 if kind == "LSTM" else 2
    attributes = {"hidden_size": 4, "direction": direction, **options}
    inputs: tuple[Any, ...] = (LINES, *_recurrent(gates, 4, directions))
    return Case(kind, inputs, attributes, opset, dynamic, outputs, tag=tag or direction, keep=KEPT, batch_is_free=False)


def _dequantized(x: Array, scale: Array, zero: Array) -> Array:
    """By channel where there are several."""
    zero, scale = (value.reshape(-1, 1, 1) if value.size > 1 else value for value in (zero.astype(np.int64), scale))
    return (x.astype(np.int64) - zero).astype(np.float32) * scale


QUANTISED_CASES: list[Case] = [
    Case("QuantizeLinear", (*_single(IMAGE, 0.03), ZERO), {}, 13, keep=(0, 1, 2)),
    Case("QuantizeLinear", (*_single(IMAGE, np.linspace(0.01, 0.05, IMAGE.shape[1])), SIGNED[0, 0, :, 0].repeat(2)[: IMAGE.shape[1]]), {"axis": 1}, 13, tag="by-channel", keep=(0, 1, 2)),
    Case("DequantizeLinear", (BYTES, *_single(0.03), ZERO), {}, 13, keep=(0, 1, 2), formula=_dequantized),
    Case("DequantizeLinear", (BYTES, *_single([0.1, 0.2, 0.3]), np.array([1, 2, 3], np.uint8)), {"axis": 1}, 13, tag="by-channel", keep=(0, 1, 2), formula=_dequantized),
    Case("DynamicQuantizeLinear", _single(_random(3, 4)), {}, 11, outputs=3, keep=(0,), batch_is_free=False),
    Case("MatMulInteger", (*MATRICES, ZERO, np.int8(-3)), {}, 10, 2, keep=(0, 1, 2, 3), batch_is_free=False),
    Case("QLinearMatMul", (MATRICES[0], *_single(0.03), ZERO, MATRICES[1], *_single(0.02), np.int8(-3), *_single(0.9), np.uint8(120)), {}, 10, keep=tuple(range(8)), batch_is_free=False),
    Case("ConvInteger", (BYTES, SIGNED.astype(np.uint8), ZERO), {"pads": [1, 0, 1, 1], "strides": [2, 1]}, 10, keep=(0, 1, 2)),
    Case("QLinearConv", (BYTES, *_single(0.03), ZERO, SIGNED, *_single(0.02), np.int8(0), *_single(1.1), np.uint8(130), np.arange(4, dtype=np.int32) * 100), {"pads": [1, 1, 1, 1]}, 10, keep=tuple(range(9))),
    *(_rnn(kind, direction) for kind in ("LSTM", "RNN") for direction in ("forward", "reverse", "bidirectional")),
    _rnn("GRU", "bidirectional", linear_before_reset=1, tag="native"),
    _rnn("GRU", "bidirectional", tag="reset-first"),
    _rnn("LSTM", dynamic=4, tag="computed"),
    _rnn("GRU", dynamic=4, linear_before_reset=1, tag="computed"),
    _rnn("RNN", activations=["Relu"], tag="relu"),
    _rnn("LSTM", "bidirectional", clip=0.5, tag="clipped"),
    Case("LSTM", (LINES, *_recurrent(4, 4, 2), _lengths(5, 2), *_single(_random(2, 2, 4)), *_single(_random(2, 2, 4, seed=5)), *_single(_random(2, 12))), {"hidden_size": 4, "direction": "bidirectional"}, 14, outputs=3, tag="lengths-peepholes", keep=KEPT, batch_is_free=False),
    Case("LSTM", (LINES, *_recurrent(4), None, *_single(_random(1, 2, 4)), *_single(_random(1, 2, 4, seed=5))), {"hidden_size": 4}, 14, outputs=3, tag="states", keep=KEPT, batch_is_free=False),
    Case("GRU", (LINES, *_recurrent(3), _lengths(3, 5)), {"hidden_size": 4, "direction": "reverse"}, 14, outputs=2, tag="lengths", keep=KEPT, batch_is_free=False),
    Case("RNN", (LINES, *_recurrent(1), None, *_single(_random(1, 2, 4))), {"hidden_size": 4}, 14, outputs=2, tag="state", keep=KEPT, batch_is_free=False),
    Case("NonZero", (np.array([[0.0, 1.0, 2.0], [3.0, 0.0, -1.0]]),), {}, 13, batch_is_free=False),
    Case("Compress", (_random(3, 4), np.array([True, False, True])), {"axis": 0}, 11, 2, batch_is_free=False),
    Case("Compress", (_random(3, 4), np.array([False, True, True, False, True])), {}, 11, 2, tag="flat", batch_is_free=False),
    Case("Unique", (np.array([2.0, 1.0, 1.0, 3.0, 4.0, 3.0]),), {"sorted": 0}, 11, outputs=4, tag="as-they-come", batch_is_free=False),
    Case("Unique", (np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]),), {"axis": 0}, 11, outputs=4, tag="rows", batch_is_free=False),
    Case("ReverseSequence", (_random(4, 3, 2), _ints(4, 1, 3)), {}, 10, 2, batch_is_free=False),
    Case("ReverseSequence", (_random(3, 4, 2), _ints(4, 1, 3)), {"batch_axis": 0, "time_axis": 1}, 10, 2, tag="batch-first", batch_is_free=False),
    Case("TensorScatter", (_random(2, 3, 5, 4), _random(2, 3, 2, 4), _ints(1, 3)), {}, 24, 3, batch_is_free=False),
    Case("TensorScatter", (_random(2, 3, 5, 4), _random(2, 3, 2, 4), _ints(4, 3)), {"mode": "circular"}, 24, 3, tag="circular", batch_is_free=False),
    Case("EyeLike", (_random(3, 5),), {"k": 1}, 9, batch_is_free=False),
    Case("BitCast", (_single(_random(2, 3))[0],), {"to": 6}, 26, keep=(0,), batch_is_free=False),
    Case("CumProd", (_random(2, 5), np.array(1)), {}, 26, formula=lambda x, axis: np.cumprod(x, 1)),
    Case("CumProd", (_random(2, 3), np.array(1)), {"exclusive": 1, "reverse": 1}, 26, tag="both", formula=lambda x, axis: np.stack([x[:, 1] * x[:, 2], x[:, 2], x[:, 2] ** 0], 1)),
    Case("CumSum", (np.arange(6, dtype=np.int32).reshape(2, 3), np.array(1)), {}, 14, tag="int32"),
    Case("NonMaxSuppression", (*_single([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [1, 1, 0, 0], [0, 10, 1, 11]]], [[[0.9, 0.75, 0.6, 0.95]]]), _ints(3), *_single([0.5], [0.0])), {}, 11, 2, keep=(0, 1, 2, 3, 4), batch_is_free=False),
    Case("ScatterND", (_random(4, 3), np.array([[1], [-1], [1]]), _random(3, 3)), {"reduction": "max"}, 18, 3, tag="max", batch_is_free=False),
    Case("ScatterElements", (_random(2, 3), np.array([[0, -1]]), _random(1, 2)), {"axis": 1, "reduction": "mul"}, 18, 3, tag="mul", batch_is_free=False),
    Case("Scatter", (_random(2, 3), np.array([[0, 2]]), _random(1, 2)), {"axis": 1}, 9, 3, batch_is_free=False),
    Case("GatherND", (_random(2, 3, 4), np.array([[1], [-1]])), {"batch_dims": 1}, 13, 2, tag="batch", batch_is_free=False),
    Case("Pad", (_random(2, 3), _ints(1, 0, 2, -1), np.array(1.5)), {}, 18, 1, tag="computed-value", batch_is_free=False),
    Case("TopK", (np.array([[1.0, 3.0, 3.0, 2.0]]), _ints(2)), {}, 11, outputs=2, tag="ties", batch_is_free=False),
    Case("Mod", (np.array([[60000, 7]], np.uint16), np.array([[7, 3]], np.uint16)), {}, 13, 2, tag="uint16", keep=(0, 1), batch_is_free=False),
    Case("Sub", (np.array([[1, 7]], np.uint32), np.array([[2, 3]], np.uint32)), {}, 14, 2, tag="uint32", keep=(0, 1), batch_is_free=False),
    Case("ReduceMax", (np.zeros((2, 0, 3), np.int64), _ints(1)), {}, 18, tag="nothing", batch_is_free=False, formula=lambda x, axes: np.full((2, 1, 3), np.iinfo(np.int64).min)),
    Case("Size", (_random(2, 3),), {}, 13, batch_is_free=False),
    Case("HannWindow", (np.array(7),), {}, 17, batch_is_free=False),
    Case("HammingWindow", (np.array(7),), {"periodic": 0}, 17, batch_is_free=False),
    Case("BlackmanWindow", (np.array(8),), {}, 17, batch_is_free=False),
    Case("SpaceToDepth", (_random(2, 3, 4, 6),), {"blocksize": 2, "mode": "CRD"}, 28, tag="crd", formula=lambda x: x.reshape(2, 3, 2, 2, 3, 2).transpose(0, 1, 3, 5, 2, 4).reshape(2, 12, 2, 3)),
]  # fmt: skip
