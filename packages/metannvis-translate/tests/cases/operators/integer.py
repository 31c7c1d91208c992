"""Rows of products of eight-bit integers."""

from __future__ import annotations

import numpy as np

from .arrays import BYTES, SIGNED_BYTES, ZERO, float32s
from .case import Case

__all__ = ["CASES"]

#: Two products of these do not fit into 16 bits, where kernels of processors without VNNI saturate.
BRIGHT = np.random.default_rng(5).integers(250, 256, (2, 3, 7, 8)).astype(np.uint8)
STEEP = np.random.default_rng(6).choice([-128, -120, 127], (4, 3, 3, 2), p=[0.2, 0.1, 0.7]).astype(np.int8)
MATRICES = BYTES[0, :, :4, :], np.random.default_rng(5).integers(-128, 127, (8, 5)).astype(np.int8)

CASES: list[Case] = [
    Case("MatMulInteger", (BYTES, SIGNED_BYTES[:1, :, :, 0].reshape(1, 9)[:, :8].T.copy(), np.array(120, np.uint8)), {}, 10),
    Case("MatMulInteger", (BRIGHT, STEEP.reshape(8, 9)), {}, 10, tag="beyond-16-bits"),
    Case("MatMulInteger", (*MATRICES, ZERO, np.int8(-3)), {}, 10, 2, keep=(0, 1, 2, 3), batch_is_free=False),
    Case("ConvInteger", (BYTES, SIGNED_BYTES.view(np.uint8), np.array(120, np.uint8), np.array(3, np.uint8)), {"pads": [1, 0, 1, 0]}, 10),
    Case("ConvInteger", (BYTES, SIGNED_BYTES.astype(np.uint8), ZERO), {"pads": [1, 0, 1, 1], "strides": [2, 1]}, 10, keep=(0, 1, 2)),
    Case("QLinearMatMul", (BYTES, np.array(0.02), np.array(120, np.uint8), SIGNED_BYTES[0, 0, :2].T.repeat(4, 0)[:8].copy(), np.array(0.03), np.array(2, np.int8), np.array(0.5), np.array(100, np.uint8)), {}, 10, keep=(1, 4, 6)),
    Case("QLinearMatMul", (BRIGHT, np.array(0.02, np.float32), np.array(3, np.uint8), STEEP.reshape(8, 9), np.array(0.03, np.float32), np.array(0, np.int8), np.array(2.3, np.float32), np.array(100, np.uint8)), {}, 10, keep=(1, 4, 6), tag="beyond-16-bits"),
    Case("QLinearMatMul", (MATRICES[0], *float32s(0.03), ZERO, MATRICES[1], *float32s(0.02), np.int8(-3), *float32s(0.9), np.uint8(120)), {}, 10, keep=tuple(range(8)), batch_is_free=False),
    Case("QLinearConv", (BYTES, np.array(0.02, np.float32), np.array(120, np.uint8), SIGNED_BYTES, np.array([0.03, 0.02, 0.01, 0.04], np.float32), np.zeros(4, np.int8), np.array(0.5, np.float32), np.array(100, np.uint8), np.array([5, -7, 100, 3], np.int32)), {"strides": [2, 1]}, 10, keep=(1, 4, 6)),
    Case("QLinearConv", (BRIGHT, np.array(0.02, np.float32), np.array(3, np.uint8), STEEP, np.array([0.03, 0.02, 0.01, 0.04], np.float32), np.zeros(4, np.int8), np.array(9.7, np.float32), np.array(100, np.uint8)), {"pads": [1, 1, 1, 1]}, 10, keep=(1, 4, 6), tag="beyond-16-bits"),
    Case("QLinearConv", (BYTES, *float32s(0.03), ZERO, SIGNED_BYTES, *float32s(0.02), np.int8(0), *float32s(1.1), np.uint8(130), np.arange(4, dtype=np.int32) * 100), {"pads": [1, 1, 1, 1]}, 10, keep=tuple(range(9))),
]  # fmt: skip
