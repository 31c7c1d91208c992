"""Rows of quantising and dequantising."""

from __future__ import annotations

import numpy as np

from .arrays import BYTES, IMAGE, SIGNED_BYTES, ZERO, Array, float32s, integers, uniform
from .case import Case

__all__ = ["CASES"]


def _dequantized(x: Array, scale: Array, zero: Array) -> Array:
    """By channel where there are several."""
    zero, scale = (value.reshape(-1, 1, 1) if value.size > 1 else value for value in (zero.astype(np.int64), scale))
    return (x.astype(np.int64) - zero).astype(np.float32) * scale


CASES: list[Case] = [
    Case("QuantizeLinear", (*float32s(IMAGE, 0.03), ZERO), {}, 13, keep=(0, 1, 2)),
    Case("QuantizeLinear", (*float32s(IMAGE, np.linspace(0.01, 0.05, IMAGE.shape[1])), SIGNED_BYTES[0, 0, :, 0].repeat(2)[: IMAGE.shape[1]]), {"axis": 1}, 13, tag="by-channel", keep=(0, 1, 2)),
    Case("QuantizeLinear", (uniform(3, 4), np.float32(0.03), np.uint8(120)), opset=19, keep=(0, 1)),
    Case("QuantizeLinear", (uniform(3, 4), np.array([0.03, 0.1, 0.2, 0.3], np.float32), np.array([3, -4, 5, 6], np.int8)),
         {"axis": 1}, opset=19, keep=(0, 1), tag="axis"),
    Case("DequantizeLinear", (BYTES, *float32s(0.03), ZERO), {}, 13, keep=(0, 1, 2), formula=_dequantized),
    Case("DequantizeLinear", (BYTES, *float32s([0.1, 0.2, 0.3]), np.array([1, 2, 3], np.uint8)), {"axis": 1}, 13, tag="by-channel", keep=(0, 1, 2), formula=_dequantized),
    Case("DequantizeLinear", (integers(3, 4, dtype="int8"), np.float32(0.03), np.int8(2)), opset=19, keep=(1,)),
    Case("DequantizeLinear", (integers(2, 4, dtype="int8"), np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)),
         {"axis": 1, "block_size": 2}, opset=21, keep=(1,), tag="blocks", batch_is_free=False),
    Case("DynamicQuantizeLinear", float32s(uniform(3, 4)), {}, 11, outputs=3, keep=(0,), batch_is_free=False),
    Case("DynamicQuantizeLinear", (uniform(3, 4).astype(np.float32),), opset=11, outputs=3, keep=(0,)),
]  # fmt: skip
