"""Rows of loss functions."""

from __future__ import annotations

import numpy as np

from .arrays import Array, positive, uniform
from .case import Case

__all__ = ["CASES"]


def _log_softmax(x: Array) -> Array:
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def _nll(x: Array, target: Array, weight: Array, ignored: int = -1) -> tuple[Array, Array]:
    picked = -np.take_along_axis(x, np.clip(target, 0, None)[:, None], axis=1)[:, 0]
    shares = np.where(target == ignored, 0, weight[np.clip(target, 0, None)])
    return picked * shares, shares


_LABELS = np.array([[0, 2, 1], [2, -1, 2]])

CASES: list[Case] = [
    Case("NegativeLogLikelihoodLoss", (uniform(2, 3, 3), np.abs(_LABELS), positive(3)), {}, 13, 2, formula=lambda x, t, w: np.divide(*(part.sum() for part in _nll(x, t, w)))),
    Case("NegativeLogLikelihoodLoss", (uniform(2, 3, 3), np.abs(_LABELS)), {"reduction": "sum"}, 13, 2, tag="sum", formula=lambda x, t: _nll(x, t, np.ones(3))[0].sum()),
    Case("SoftmaxCrossEntropyLoss", (uniform(2, 3, 3), _LABELS, positive(3)), {"ignore_index": -1}, 13, 2, 2, formula=lambda x, t, w: (np.divide(*(part.sum() for part in _nll(_log_softmax(x), t, w))), _log_softmax(x))),
    Case("SoftmaxCrossEntropyLoss", (uniform(2, 3, 3), _LABELS), {"ignore_index": -1, "reduction": "none"}, 13, 2, tag="none", formula=lambda x, t: _nll(_log_softmax(x), t, np.ones(3))[0]),
]  # fmt: skip
