"""Ground-truth models: networks whose attributions are known in closed form.

Each has random weights and biases, two outputs of which the first is explained, and runs in double precision. The formulas
stand beside the networks and use NumPy only; where a path or a set of players is meant, it leads from the baseline to the
input. Integrated Gradients: Sundararajan, Taly, Yan, 2017, arXiv:1703.01365. Shapley values: Lundberg, Lee, 2017,
arXiv:1705.07874.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

__all__ = ["LAYER", "MODELS", "TARGET", "GroundTruth", "additive", "gated", "linear", "planted_patch"]

Array = np.ndarray[Any, Any]
#: The output that is explained.
TARGET = 0
#: Layer of the network with a planted patch whose maps are known.
LAYER = "relu"
FEATURES, SAMPLES, CELL, CELLS = 5, 3, 4, 3
#: Of the gates: hardly open or hardly shut, so that the order counts in which they are opened.
STEEP = 5.0


@dataclass(frozen=True)
class GroundTruth:
    """A network and what is true of it.

    Attributes
    ----------
    name
        ``"linear"``, ``"additive"``, ``"gated"`` or ``"planted patch"``.
    model
        A ``torch.nn.Module`` in double precision.
    inputs
        Shape ``(3, 5)``, for ``gated`` ``(3, 10)``, for ``planted patch`` ``(3, 1, 12, 12)``; float64.
    baselines
        One for all samples, in the shape of one of the inputs; zero for ``planted patch``.
    quantities
        What is known, by name, in the shape of the inputs: ``"gradient"``, ``"integrated gradients"``, ``"shapley"``,
        ``"ablation"`` and so on; of the planted patch also maps of the layer, shape ``(3, 3, 3)``, and of its channels, shape
        ``(3, 2, 3, 3)``. What a model has not is not known of it in closed form.
    mask
        Groups of features that Shapley values are taken of, ``None`` where every feature is one; in the shape of the inputs.
    relevant
        Where what the output comes from was put: true and false in the shape of the inputs; ``None`` where all features count.
    """

    name: str
    model: Any
    inputs: Array
    baselines: Array
    quantities: Mapping[str, Array]
    mask: Array | None = None
    relevant: Array | None = None
    layer: str | None = field(default=None)


def _with_products(known: dict[str, Array], x: Array) -> dict[str, Array]:
    """What follows from the gradient."""
    gradient = known["gradient"]
    return {
        **known,
        "|gradient|": np.abs(gradient),
        "gradient squared": gradient**2,
        "input × gradient": x * gradient,
    }


def _drawn(seed: int, width: int) -> tuple[np.random.Generator, Array, Array]:
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(SAMPLES, width)), rng.normal(scale=0.3, size=(1, width))


def _permuted(values: Array) -> Array:
    """What stands in a sample's place when values are permuted among the samples: the mean over all permutations but none."""
    count = len(values)
    stays = (math.factorial(count - 1) - 1) / (math.factorial(count) - 1)
    moved: Array = stays * values + (1 - stays) * (values.sum(0) - values) / (count - 1)
    return moved


def _dense(weight: Array, bias: Array) -> Any:
    torch: Any = require("torch")
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def linear(seed: int) -> GroundTruth:
    """``f(x) = w·x + b``: gradient w, everything that adds up to a difference ``w (x − x₀)``."""
    torch: Any = require("torch")
    rng, x, x0 = _drawn(seed, FEATURES)
    weight, bias = rng.normal(size=(2, FEATURES)), rng.normal(size=2)
    w, b = weight[TARGET], bias[TARGET]
    score = x @ w + b
    shares = w * (x - x0)
    known = {
        "gradient": np.broadcast_to(w, x.shape),
        "integrated gradients": shares,
        "shapley": shares,
        "ablation": shares,
        "rescale": shares,
        "permutation": w * (x - _permuted(x)),
        "relevance": w * x,
        "taylor": score[:, None] * w**2 / (w @ w),
        "total indices": shares**2 / (shares**2).sum(1, keepdims=True),
    }
    model = torch.nn.Sequential(_dense(weight, bias)).eval()
    return GroundTruth("linear", model, x, x0, _with_products(known, x))


def additive(seed: int) -> GroundTruth:
    """``f(x) = Σ vᵢ tanh(aᵢ xᵢ + cᵢ) + b``: what adds up to a difference is that of each term, on any path and in any order."""
    torch: Any = require("torch")
    rng, x, x0 = _drawn(seed, FEATURES)
    a, c = rng.uniform(0.5, 1.5, FEATURES), rng.normal(scale=0.5, size=FEATURES)
    weight, bias = rng.normal(size=(2, FEATURES)), rng.normal(size=2)
    v = weight[TARGET]
    term, term0 = (v * np.tanh(a * z + c) for z in (x, x0))
    shares = term - term0
    known = {
        "gradient": v * a * (1 - np.tanh(a * x + c) ** 2),
        "integrated gradients": shares,
        "shapley": shares,
        "ablation": shares,
        "rescale": shares,
        "permutation": term - _permuted(term),
        "relevance": term * a * x / (a * x + c),
    }
    model = torch.nn.Sequential(_dense(np.diag(a), c), torch.nn.Tanh(), _dense(weight, bias)).eval()
    return GroundTruth("additive", model, x, x0, _with_products(known, x))


def gated(seed: int) -> GroundTruth:
    """``f(u, g) = Σ vᵢ uᵢ σ(k gᵢ) + b``, values u in front of their gates g.

    Here Integrated Gradients and Shapley values differ. On the straight path ``u₀ + tΔu, g₀ + tΔg``, ``IG_u = v Δu ∫σ`` with
    ``∫σ = (softplus(kg) − softplus(kg₀)) / kΔg``, and ``IG_g`` is what is left of the difference.
    """
    torch: Any = require("torch")
    rng, x, x0 = _drawn(seed, 2 * FEATURES)
    weight, bias = rng.normal(size=(2, FEATURES)), rng.normal(size=2)
    v = weight[TARGET]
    (u, g), (u0, g0) = (np.split(z, 2, axis=1) for z in (x, x0))
    s, s0 = _sigmoid(STEEP * g), _sigmoid(STEEP * g0)
    mean_gate = (np.logaddexp(0, STEEP * g) - np.logaddexp(0, STEEP * g0)) / (STEEP * (g - g0))
    by_value = v * (u - u0) * mean_gate
    known = {
        "gradient": np.hstack([v * s, STEEP * v * u * s * (1 - s)]),
        "integrated gradients": np.hstack([by_value, v * (u * s - u0 * s0) - by_value]),
        "shapley": np.hstack([v * (u - u0) * (s + s0) / 2, v * (u + u0) / 2 * (s - s0)]),
        "ablation": np.hstack([v * (u - u0) * s, v * u * (s - s0)]),
        "permutation": np.hstack([v * (u - _permuted(u)) * s, v * u * (s - _permuted(s))]),
    }

    class Gated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = torch.nn.Sigmoid()
            self.classes = _dense(weight, bias)

        def forward(self, z: Any) -> Any:
            return self.classes(z[:, :FEATURES] * self.gate(STEEP * z[:, FEATURES:]))

    return GroundTruth("gated", Gated().eval(), x, x0, _with_products(known, x))


def _sigmoid(z: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-z))
    return value


def planted_patch(seed: int) -> GroundTruth:
    """An image of 3×3 cells, one of which holds the pattern of the first class, one that of the second, on a dark ground.

    A convolution with a filter for each pattern, which takes cell by cell, a ReLU, the mean over the cells and a dense layer:
    ``f = 9 · mean of relu(T·x_cell)``. The patterns share no pixel, and all else is below zero: every set of pixels of a cell
    keeps the sign of the whole, so the ReLU of the planted cell is the identity and the others are shut, whatever is left out.
    The second pattern is twice as bright as the first: what looks at brightness alone finds the wrong one.
    """
    torch: Any = require("torch")
    rng = np.random.default_rng(seed)
    shape = np.zeros((CELL, CELL), bool)
    shape[1:3, :] = shape[:, 1:3] = True
    shape[1:3, 1:3] = False  # a cross without its centre, and the second pattern is the rest
    filters = rng.uniform(0.5, 1.5, (2, CELL, CELL)) * np.stack([shape, ~shape])
    x = -rng.uniform(0.05, 0.3, (SAMPLES, CELLS * CELL, CELLS * CELL))
    first, second = (np.zeros(x.shape, bool) for _ in range(2))
    for sample in range(SAMPLES):
        for k, (cell, where) in enumerate(zip(rng.permutation(CELLS**2)[:2], (first, second), strict=True)):
            rows, columns = (slice(CELL * i, CELL * i + CELL) for i in divmod(int(cell), CELLS))
            pattern = filters[k] > 0
            where[sample, rows, columns] = True
            x[sample, rows, columns][pattern] = (k + 1) * rng.uniform(0.5, 1.5, int(pattern.sum()))
    tiled = np.tile(filters[TARGET], (CELLS, CELLS))
    scores = np.stack([_cells(np.tile(f, (CELLS, CELLS)) * x) for f in filters], 1).clip(0)
    gradient = np.where(first, tiled, 0.0)
    shares = gradient * x
    own = scores[:, TARGET]  # what the first class comes from, cell by cell
    total = own.sum((1, 2))[:, None, None]
    channels = np.stack([own, np.zeros_like(own)], 1)
    known = {
        "gradient": gradient,
        "integrated gradients": shares,
        "shapley": _spread(_groups(shares, first, second)),
        "rescale": shares,
        "relevance": shares,
        "ablation of pixels": shares,
        "ablation of cells": _spread(_cells(shares)),
        "total indices": _spread((own > 0).astype(float)),
        "taylor": gradient**2 / (gradient**2).sum((1, 2), keepdims=True) * total,
        "winner": shares / total,
        "gradient through every ReLU": np.broadcast_to(tiled, x.shape).copy(),
        "gradient × map": gradient * np.kron(own, np.ones((CELL, CELL))),
    }
    known = {name: value[:, None] for name, value in _with_products(known, x).items()}
    known |= {
        "map": own,
        "map ÷ maximum": own / own.max((1, 2), keepdims=True),
        "map by grad_cam++": own * 9 / (2 + total),
        "9 × map": 9 * own,
        "map − other map": own - scores[:, 1],
        "channels": channels,
        "channel winner": channels / total[:, None],
        "channel gradient": np.stack([np.ones_like(own), np.zeros_like(own)], 1),
        "activation": scores,
    }

    class Planted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = torch.nn.Conv2d(1, 2, CELL, stride=CELL, bias=False, dtype=torch.float64)
            self.relu = torch.nn.ReLU()
            self.pool = torch.nn.AdaptiveAvgPool2d(1)
            self.classes = _dense(np.eye(2) * CELLS**2, np.zeros(2))
            with torch.no_grad():
                self.cells.weight.copy_(torch.from_numpy(filters[:, None]))

        def forward(self, image: Any) -> Any:
            return self.classes(torch.flatten(self.pool(self.relu(self.cells(image))), 1))

    mask = np.where(
        first, 0, np.where(second, 1, 2 + np.broadcast_to(np.indices(x.shape)[1] >= x.shape[1] // 2, x.shape))
    )
    return GroundTruth(
        "planted patch",
        Planted().eval(),
        x[:, None],
        np.zeros_like(x[:1, None]),
        known,
        mask=mask[:, None],
        relevant=first[:, None],
        layer=LAYER,
    )


def _cells(image: Array) -> Array:
    """Sums of cells: ``(N, 12, 12)`` to ``(N, 3, 3)``."""
    sums: Array = image.reshape(len(image), CELLS, CELL, CELLS, CELL).sum((2, 4))
    return sums


def _spread(cells: Array) -> Array:
    """A number a cell at each of its pixels: ``(N, 3, 3)`` to ``(N, 12, 12)``."""
    spread: Array = np.kron(cells, np.ones((CELL, CELL)))
    return spread


def _groups(shares: Array, first: Array, second: Array) -> Array:
    """Shapley values of the groups (planted cell, second cell, two halves of the ground), by cells: all in the planted one."""
    assert not shares[second].any()
    return _cells(np.where(first, shares, 0.0))


#: By name, what makes a model of a seed.
MODELS: Mapping[str, Callable[[int], GroundTruth]] = {
    "linear": linear,
    "additive": additive,
    "gated": gated,
    "planted patch": planted_patch,
}
