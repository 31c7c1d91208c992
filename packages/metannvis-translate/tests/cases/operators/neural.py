"""Rows of the operators that networks are made of beyond the common ones: attention, norms, pools, sampling, signals, losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .case import IMAGE, Case, _ints, _positive, _random, _single

__all__ = ["NEURAL_CASES"]

Array = np.ndarray[Any, Any]


def _lp_normalized(x: Array, p: int, axis: int) -> Array:
    return x / (np.abs(x) ** p).sum(axis=axis, keepdims=True) ** (1 / p)


def _grouped(x: Array, scale: Array, bias: Array, groups: int) -> Array:
    y = x.reshape(x.shape[0], groups, -1)
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + _single(1e-5))
    along = (-1, *[1] * (x.ndim - 2))
    return y.reshape(x.shape) * scale.reshape(along) + bias.reshape(along)


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


def _heads(x: Array, heads: int) -> Array:
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


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


def _delta_rule(q: Array, k: Array, v: Array, state: Array, decay: Array, beta: Array) -> tuple[Array, Array]:
    q, k, v = _heads(q, 4), _heads(k, 2), _heads(v, 2)
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


_TIES = np.array([[2.0, 5, 5, -1, 2, 7], [0, 0, 3, 3, -4, 0]])
_QKV = (_random(2, 4, 5, 8), _random(2, 2, 7, 8), _random(2, 2, 7, 6))
_TOKENS = (_random(2, 5, 24), _random(2, 7, 24), _random(2, 7, 18))
_MASK = np.tril(np.ones((5, 7), dtype=bool), 1)
_MASK[3] = False
_STATISTICS = (_random(6), _random(6, seed=1), _random(6, seed=2), _positive(6))

NEURAL_CASES: list[Case] = [
    Case("Attention", _QKV, {}, 23, 3, tag="grouped-query", formula=lambda q, k, v: _attend(q, k, v)[0]),
    Case("Attention", _TOKENS, {"q_num_heads": 3, "kv_num_heads": 3, "scale": 0.3}, 23, 3, tag="tokens", formula=lambda *x: _attend(*(_heads(t, 3) for t in x), scale=_single(0.3))[0].swapaxes(1, 2).reshape(2, 5, 18)),
    Case("Attention", (*_QKV, _MASK), {"softcap": 1.5}, 23, 3, tag="mask", formula=lambda *x: _attend(*x[:3], visible=x[3], softcap=1.5)[0]),
    Case("Attention", (*_QKV, _random(5, 7)), {"is_causal": 1}, 24, 4, tag="bias-causal", batch_is_free=False, formula=lambda *x: _attend(*x[:3], bias=x[3], visible=_places(5, 7) >= 0)[0]),
    Case("Attention", (*_QKV, None, _random(2, 2, 3, 8), _random(2, 2, 3, 6)), {"is_causal": 1}, 23, 6, 3, tag="cache", formula=_cached),
    Case("Attention", (*_QKV, None, None, None, _ints(3, 6)), {"is_causal": 1}, 24, 7, tag="lengths", batch_is_free=False, formula=_lengths),
    Case("Attention", _QKV, {"left_window_size": 1, "right_window_size": 2}, 25, 3, tag="window", formula=_windowed),
    *(
        Case("Attention", (*_QKV, _MASK), {"softcap": 1.5, "qk_matmul_output_mode": mode}, 24, 3, 4, tag=f"scores-{mode}", formula=lambda q, k, v, m, n=mode: (_attend(q, k, v, visible=m, softcap=1.5)[0], k, v, _attend(q, k, v, visible=m, softcap=1.5)[n + 1]))
        for mode in (0, 1, 3)
    ),
    Case("RotaryEmbedding", (_random(2, 3, 4, 8), _random(4, 4), _random(4, 4, seed=1), np.array([[0, 1, 2, 3], [3, 1, 0, 2]])), {}, 23, 1, batch_is_free=False),
    Case("RotaryEmbedding", (_random(2, 4, 24), _random(2, 4, 3), _random(2, 4, 3, seed=1)), {"num_heads": 3, "interleaved": 1, "rotary_embedding_dim": 6}, 23, 1, tag="part", batch_is_free=False),
    Case("BatchNormalization", (IMAGE, *_STATISTICS), {"epsilon": 1e-3}, 15, 5, tag="computed"),
    Case("LayerNormalization", (_random(2, 4, 6), _random(6), _random(6, seed=1)), {}, 17, 3, tag="computed"),
    Case("LayerNormalization", (_random(2, 4, 6), _random(6)), {}, 17, outputs=3, tag="statistics"),
    Case("RMSNormalization", (_random(2, 4, 6), _random(6)), {"epsilon": 1e-3}, 23),
    Case("RMSNormalization", (_random(2, 4, 6), _random(4, 6)), {"axis": 1}, 23, tag="two-axes"),
    Case("RMSNormalization", (IMAGE, _random(11)), {}, 23, 2, tag="computed"),
    Case("InstanceNormalization", (IMAGE, _random(6), _random(6, seed=1)), {"epsilon": 1e-4}, 13, 3, tag="computed"),
    Case("GroupNormalization", (IMAGE, _random(3), _random(3, seed=1)), {"num_groups": 3}, 18, formula=lambda x, s, b: _grouped(x, np.repeat(s, 2), np.repeat(b, 2), 3)),
    Case("GroupNormalization", (IMAGE, _random(6), _random(6, seed=1)), {"num_groups": 2}, 21, 3, tag="computed", formula=lambda x, s, b: _grouped(x, s, b, 2)),
    Case("GroupNormalization", (_random(2, 6), _random(6), _random(6, seed=1)), {"num_groups": 2}, 21, tag="flat", formula=lambda x, s, b: _grouped(x, s, b, 2)),
    Case("LpNormalization", (_random(2, 5, 3),), {"axis": 1, "p": 1}, 22, tag="1", formula=lambda x: _lp_normalized(x, 1, 1)),
    Case("LpNormalization", (_random(2, 5, 3),), {}, 22, formula=lambda x: _lp_normalized(x, 2, -1)),
    Case("LinearAttention", (_random(2, 3, 8), _random(2, 3, 4), _random(2, 3, 6), _random(2, 2, 2, 3), _random(2, 3, 2), _positive(2, 3, 2)), {"q_num_heads": 4, "kv_num_heads": 2}, 27, 6, 2, formula=_delta_rule),
    Case("CausalConvWithState", (_random(2, 3, 5), _random(3, 1, 4), _random(3), _random(2, 3, 3)), {"activation": "silu"}, 27, 4, 2, batch_is_free=False, formula=_causal),
    Case("SwiGLU", (_random(2, 5), _random(2, 5, seed=1)), {"alpha": 0.7}, 28, 2, formula=lambda a, b: a * b / (1 + np.exp(-_single(0.7) * a))),
    Case("PRelu", (_random(2, 3, 4), _random(3, 1)), {}, 16, 2, tag="computed"),
    Case("Dropout", (_random(2, 5),), {}, 13, outputs=2, tag="mask"),
    Case("Einsum", (_random(2, 3, 4), _random(2, 4, 5)), {"equation": "bij, bjk"}, 12, 2, formula=lambda a, b: np.einsum("bij,bjk->ik", a, b)),
    Case("Einsum", (_random(2, 3, 4), _random(4, 5)), {"equation": "...j,jk->...k"}, 12, 1, tag="ellipsis"),
    Case("Det", (_random(2, 3, 4, 4),), {}, 22, formula=np.linalg.det),
    Case("TopK", (_random(2, 6, 3),), {"axis": 1, "k": 2}, 9, outputs=2, tag="attribute"),
    Case("TopK", (_TIES, _ints(4)), {}, 11, outputs=2),
    Case("TopK", (_TIES, _ints(4)), {"largest": 0}, 11, outputs=2, tag="smallest"),
    Case("TopK", (_TIES.astype(np.int64), _ints(2)), {"largest": 0, "axis": 0}, 11, outputs=2, tag="integers", batch_is_free=False),
]  # fmt: skip
