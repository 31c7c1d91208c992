"""Rows of attention and of rotary embeddings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import Array, ints, uniform
from .case import Case
from .formulas import as_float32, split_heads

__all__ = ["CASES"]


def _attend(
    q: Array,
    k: Array,
    v: Array,
    *,
    bias: Any = 0.0,
    visible: Any = True,
    softcap: float = 0.0,
    scale: float | None = None,
) -> tuple[Array, ...]:
    """Result, scores, scores after the soft cap, with the bias, weights: attention by its formula."""
    k, v = (np.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    scores = q @ k.swapaxes(2, 3) * (1 / math.sqrt(q.shape[3]) if scale is None else scale)
    capped = np.tanh(scores / softcap) * softcap if softcap else scores
    biased = np.where(visible, capped + bias, -np.inf)
    weights = np.exp(biased - np.where(np.isinf(top := biased.max(-1, keepdims=True)), 0, top))
    total = weights.sum(-1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    return weights @ v, scores, capped, biased, weights


def _cached(q: Array, k: Array, v: Array, past_k: Array, past_v: Array) -> tuple[Array, ...]:
    k, v = np.concatenate([past_k, k], 2), np.concatenate([past_v, v], 2)
    return _attend(q, k, v, visible=_places(5, 10, 3) >= 0)[0], k, v


def _places(queries: int, keys: int, before: Any = 0) -> Array:
    """How far each key lies before each query."""
    return np.arange(queries)[:, None] + before - np.arange(keys)


def _lengths(q: Array, k: Array, v: Array, used: Array) -> Array:
    used = used.reshape(-1, 1, 1, 1)
    return _attend(q, k, v, visible=(_places(5, 7, used - 5) >= 0) & (np.arange(7) < used))[0]


def _windowed(q: Array, k: Array, v: Array) -> Array:
    away = _places(5, 7)
    return _attend(q, k, v, visible=(away <= 1) & (away >= -2))[0]


_QKV = (uniform(2, 4, 5, 8), uniform(2, 2, 7, 8), uniform(2, 2, 7, 6))
_TOKENS = (uniform(2, 5, 24), uniform(2, 7, 24), uniform(2, 7, 18))
_MASK = np.tril(np.ones((5, 7), dtype=bool), 1)
_MASK[3] = False

CASES: list[Case] = [
    Case("Attention", _QKV, {}, 23, 3, tag="grouped-query", formula=lambda q, k, v: _attend(q, k, v)[0]),
    Case("Attention", _TOKENS, {"q_num_heads": 3, "kv_num_heads": 3, "scale": 0.3}, 23, 3, tag="tokens", formula=lambda *x: _attend(*(split_heads(t, 3) for t in x), scale=as_float32(0.3))[0].swapaxes(1, 2).reshape(2, 5, 18)),
    Case("Attention", (*_QKV, _MASK), {"softcap": 1.5}, 23, 3, tag="mask", formula=lambda *x: _attend(*x[:3], visible=x[3], softcap=1.5)[0]),
    Case("Attention", (*_QKV, uniform(5, 7)), {"is_causal": 1}, 24, 4, tag="bias-causal", batch_is_free=False, formula=lambda *x: _attend(*x[:3], bias=x[3], visible=_places(5, 7) >= 0)[0]),
    Case("Attention", (*_QKV, None, uniform(2, 2, 3, 8), uniform(2, 2, 3, 6)), {"is_causal": 1}, 23, 6, 3, tag="cache", formula=_cached),
    Case("Attention", (*_QKV, None, None, None, ints(3, 6)), {"is_causal": 1}, 24, 7, tag="lengths", batch_is_free=False, formula=_lengths),
    Case("Attention", _QKV, {"left_window_size": 1, "right_window_size": 2}, 25, 3, tag="window", formula=_windowed),
    *(
        Case("Attention", (*_QKV, _MASK), {"softcap": 1.5, "qk_matmul_output_mode": mode}, 24, 3, 4, tag=f"scores-{mode}", formula=lambda q, k, v, m, n=mode: (_attend(q, k, v, visible=m, softcap=1.5)[0], k, v, _attend(q, k, v, visible=m, softcap=1.5)[n + 1]))
        for mode in (0, 1, 3)
    ),
    Case("RotaryEmbedding", (uniform(2, 3, 4, 8), uniform(4, 4), uniform(4, 4, seed=1), np.array([[0, 1, 2, 3], [3, 1, 0, 2]])), {}, 23, 1, batch_is_free=False),
    Case("RotaryEmbedding", (uniform(2, 4, 24), uniform(2, 4, 3), uniform(2, 4, 3, seed=1)), {"num_heads": 3, "interleaved": 1, "rotary_embedding_dim": 6}, 23, 1, tag="part", batch_is_free=False),
]  # fmt: skip
