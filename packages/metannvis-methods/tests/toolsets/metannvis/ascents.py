"""Gradient ascent by hand, for the tests of our methods that make images."""

from __future__ import annotations

from typing import Any

import numpy as np
from metannvis_translate.frameworks.requirements import require

torch = require("torch")


def first(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(2).uniform(0.2, 0.8, (2, channels, 8, 8))


def by_hand(model: Any, start: np.ndarray, gain: Any, penalty: Any, steps: int, rate: float = 0.05) -> np.ndarray:
    """Adam of PyTorch's on the pixels, which stay in 0…1."""
    x = torch.nn.Parameter(torch.from_numpy(start))
    optimizer = torch.optim.Adam([x], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        (penalty(x) - gain(model, x)).sum().backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    return x.detach().numpy()
