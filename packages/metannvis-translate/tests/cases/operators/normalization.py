"""Rows of normalisations."""

from __future__ import annotations

import math

import numpy as np

from .arrays import IMAGE, LINE, VOLUME, Array, positive, uniform
from .case import Case
from .formulas import as_float32

__all__ = ["CASES"]


def _lrn(x: Array, size: int, alpha: float = as_float32(1e-4), beta: float = 0.75, bias: float = 1.0) -> Array:
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        low, high = max(0, c - (size - 1) // 2), min(x.shape[1] - 1, c + math.ceil((size - 1) / 2))
        total[:, c] = (x[:, low : high + 1] ** 2).sum(axis=1)
    return x / (bias + alpha / size * total) ** beta


_STATISTICS = (uniform(6), uniform(6, seed=1), uniform(6, seed=2), positive(6))


def _lp_normalized(x: Array, p: int, axis: int) -> Array:
    return x / (np.abs(x) ** p).sum(axis=axis, keepdims=True) ** (1 / p)


def _group_normalized(x: Array, scale: Array, bias: Array, groups: int) -> Array:
    y = x.reshape(x.shape[0], groups, -1)
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + as_float32(1e-5))
    along = (-1, *[1] * (x.ndim - 2))
    return y.reshape(x.shape) * scale.reshape(along) + bias.reshape(along)


CASES: list[Case] = [
    Case("BatchNormalization", (IMAGE, *_STATISTICS), {"epsilon": 1e-3}, 15),
    Case("BatchNormalization", (uniform(3, 6), *_STATISTICS), {}, 15, tag="flat"),
    Case("BatchNormalization", (uniform(2, 6, 5), *_STATISTICS), {}, 9, tag="1d"),
    Case("BatchNormalization", (IMAGE, *_STATISTICS), {"epsilon": 1e-3}, 15, 5, tag="computed"),
    Case("BatchNormalization", (VOLUME, uniform(2), uniform(2, seed=1), uniform(2, seed=2), positive(2)), {}, 15, tag="3d"),
    Case("LayerNormalization", (uniform(2, 4, 6), uniform(6), uniform(6, seed=1)), {}, 17),
    Case("LayerNormalization", (uniform(2, 4, 6), uniform(4, 6)), {"axis": 1, "epsilon": 1e-4}, 17, tag="two-axes"),
    Case("LayerNormalization", (uniform(2, 4, 6), uniform(6), uniform(6, seed=1)), {}, 17, 3, tag="computed"),
    Case("LayerNormalization", (uniform(2, 4, 6), uniform(6)), {}, 17, outputs=3, tag="statistics"),
    Case("LayerNormalization", (uniform(2, 4, 6), uniform(1), uniform(6)), {}, 17, tag="broadcast"),
    Case("InstanceNormalization", (IMAGE, uniform(6), uniform(6, seed=1)), {"epsilon": 1e-4}, 13),
    Case("InstanceNormalization", (IMAGE, uniform(6), uniform(6, seed=1)), {"epsilon": 1e-4}, 13, 3, tag="computed"),
    Case("InstanceNormalization", (LINE, uniform(3), uniform(3, seed=1)), {}, 13, tag="1d"),
    Case(
        "GroupNormalization",
        (IMAGE, uniform(6), uniform(6, seed=1)),
        {"num_groups": 3},
        21,
        formula=lambda x, s, b: _group_normalized(x, s, b, 3),
    ),
    Case(
        "GroupNormalization", (IMAGE, uniform(6), uniform(6, seed=1)), {"num_groups": 2}, 20, domain="metannvis",
        formula=lambda x, s, b: _group_normalized(x, s, b, 2),
    ),
    Case("GroupNormalization", (IMAGE, uniform(3), uniform(3, seed=1)), {"num_groups": 3}, 18, formula=lambda x, s, b: _group_normalized(x, np.repeat(s, 2), np.repeat(b, 2), 3)),
    Case("GroupNormalization", (IMAGE, uniform(6), uniform(6, seed=1)), {"num_groups": 2}, 21, 3, tag="computed", formula=lambda x, s, b: _group_normalized(x, s, b, 2)),
    Case("GroupNormalization", (uniform(2, 6), uniform(6), uniform(6, seed=1)), {"num_groups": 2}, 21, tag="flat", formula=lambda x, s, b: _group_normalized(x, s, b, 2)),
    Case("GroupNormalization", (IMAGE, uniform(3), uniform(3, seed=1)), {"num_groups": 3}, 18, tag="by-group"),
    Case(
        "LRN",
        (IMAGE,),
        {"size": 3, "alpha": 0.2, "bias": 1.5},
        13,
        formula=lambda x: _lrn(x, 3, as_float32(0.2), bias=1.5),
    ),
    Case("LRN", (IMAGE,), {"size": 4}, 13, tag="even", formula=lambda x: _lrn(x, 4)),
    Case(
        "MeanVarianceNormalization",
        (IMAGE,),
        {},
        13,
        batch_is_free=False,
        formula=lambda x: (x - x.mean((0, 2, 3), keepdims=True)) / (x.std((0, 2, 3), keepdims=True) + 1e-9),
    ),
    Case("RMSNormalization", (uniform(2, 4, 6), uniform(6)), {"epsilon": 1e-3}, 23),
    Case("RMSNormalization", (uniform(2, 4, 6), uniform(4, 6)), {"axis": 1}, 23, tag="two-axes"),
    Case("RMSNormalization", (IMAGE, uniform(11)), {}, 23, 2, tag="computed"),
    Case("RMSNormalization", (uniform(2, 4, 6), uniform(6)), {"epsilon": 1e-3}, 23, formula=lambda x, s: x / np.sqrt((x**2).mean(-1, keepdims=True) + float(np.float32(1e-3))) * s),
    Case("LpNormalization", (uniform(2, 5, 3),), {"axis": 1, "p": 1}, 22, tag="1", formula=lambda x: _lp_normalized(x, 1, 1)),
    Case("LpNormalization", (uniform(2, 5, 3),), {}, 22, formula=lambda x: _lp_normalized(x, 2, -1)),
    Case("LpNormalization", (uniform(2, 5),), {"axis": 1}, 9, formula=lambda x: x / np.sqrt((x**2).sum(1, keepdims=True))),
    Case("LpNormalization", (uniform(2, 5, 3),), {"axis": 1, "p": 1}, 9, tag="l1", formula=lambda x: x / np.abs(x).sum(1, keepdims=True)),
]  # fmt: skip
