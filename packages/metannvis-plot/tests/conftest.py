"""Results as the methods package makes them, by their attributes alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

TRANSLATION = {
    "from": "torch",
    "to": "tensorflow",
    "outputs": 3e-7,
    "gradients": 1.2e-6,
    "layers": 2e-7,
    "passed": True,
}


def make_explanation(values: Any, axes: Any, **fields: Any) -> SimpleNamespace:
    known = {
        "values": values,
        "axes": axes,
        "inputs": None,
        "input_axes": None,
        "method": "integrated_gradients",
        "toolset": "captum",
        "framework": "torch",
        "kind": "primary",
        "layer": None,
        "target": 3,
        "labels": None,
        "translation": dict(TRANSLATION),
        "convergence_delta": None,
        "seconds": 0.25,
        "options": {},
    }
    return SimpleNamespace(**{**known, **fields})


@pytest.fixture
def explanation():
    return make_explanation


@pytest.fixture
def landscape():
    """An RGB image 4 × 6: red at the top left corner, green at the top right, blue at the bottom left."""
    image = np.zeros((4, 6, 3))
    image[0, 0], image[0, -1], image[-1, 0] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    return image


@pytest.fixture
def signed():
    """A map 4 × 6 of distinct values, the largest at the top right, the smallest at the bottom left."""
    values = np.linspace(-1, 1, 24).reshape(4, 6)
    values[0, -1], values[-1, 0] = 5, -7
    return values


@pytest.fixture
def compared(explanation):
    """A comparison of two maps over one batch of two images."""

    def make(first: Any, second: Any, axes: str = "NHW", aligned: bool = True, **fields: Any) -> SimpleNamespace:
        one = explanation(first, axes, **fields)
        two = explanation(second, axes, toolset="tf-keras-vis", translation=None, **fields)
        row = {
            "a": "captum",
            "b": "tf-keras-vis",
            "max_rel": 1e-7,
            "rel_l2": 1e-8,
            "cosine": 1.0,
            "spearman": 0.9,
        }
        return SimpleNamespace(explanations=(one, two), rows=(row,), aligned=aligned, method=one.method)

    return make
