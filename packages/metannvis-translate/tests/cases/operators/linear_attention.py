"""Rows of attention with a state: linear attention and causal convolutions."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array, positive, uniform
from .case import Case
from .formulas import split_heads

__all__ = ["CASES"]


def _delta_rule(q: Array, k: Array, v: Array, state: Array, decay: Array, beta: Array) -> tuple[Array, Array]:
    q, k, v = split_heads(q, 4), split_heads(k, 2), split_heads(v, 2)
    decay, beta = (x.swapaxes(1, 2)[..., None] for x in (decay, beta))
    results = []
    for t in range(3):
        state = state * np.exp(decay[:, :, t, :, None])
        written = beta[:, :, t] * (v[:, :, t] - np.einsum("bhdm,bhd->bhm", state, k[:, :, t]))
        state = state + k[:, :, t, :, None] * written[:, :, None, :]
        results.append(np.einsum("bhd,bhdm->bhm", q[:, :, t], np.repeat(state, 2, axis=1)) / math.sqrt(2))
    return np.stack(results, 1).reshape(2, 3, 12), state


def _causal(x: Array, w: Array, b: Array, past: Array) -> tuple[Array, Array]:
    padded = np.concatenate([past, x], axis=2)
    y = sum(w[:, 0, k, None] * padded[:, :, k : k + 5] for k in range(4)) + b[:, None]
    return y / (1 + np.exp(-y)), padded[:, :, -3:]


CASES: list[Case] = [
    Case("LinearAttention", (uniform(2, 3, 8), uniform(2, 3, 4), uniform(2, 3, 6), uniform(2, 2, 2, 3), uniform(2, 3, 2), positive(2, 3, 2)), {"q_num_heads": 4, "kv_num_heads": 2}, 27, 6, 2, formula=_delta_rule),
    Case("CausalConvWithState", (uniform(2, 3, 5), uniform(3, 1, 4), uniform(3), uniform(2, 3, 3)), {"activation": "silu"}, 27, 4, 2, batch_is_free=False, formula=_causal),
]  # fmt: skip
