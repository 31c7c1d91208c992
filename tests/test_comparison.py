"""The comparison of the original report: one method of both toolkits, on a PyTorch and on a Keras network.

With aligned options both compute the same; with their defaults they do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import Comparison, compare
from metannvis_translate.frameworks.requirements import require

require("torch")
require("tensorflow")
from .twins import SOURCES, Twins  # noqa: E402

METHODS = ("saliency", "grad_cam")
SAME, APART = 1e-5, 1e-2


def compared(twins: Twins, method: str, dtype: str, **options: Any) -> Comparison:
    layer = {"layer": next(iter(twins.layers))} if method == "grad_cam" else {}
    model = twins.double if dtype == "float64" else twins.model
    both = ("captum", "tf-keras-vis")
    return compare(model, method, twins.images, target=list(twins.classes), toolsets=both, **layer, **options)


def worst(found: Comparison) -> float:
    """max|a − b| / max|b| of the worst sample, measured here on what both toolkits gave."""
    a, b = (np.asarray(e.values, "float64").reshape(5, -1) for e in found.explanations)
    assert a.shape == b.shape
    scale = np.abs(b).max(axis=1)
    assert (scale > 0).sum() >= 3, "results that are all zero show nothing"
    return float((np.abs(a - b).max(axis=1) / np.where(scale > 0, scale, 1)).max())


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SOURCES)
def test_aligned_options_agree(name: str, method: str, signed: bool, network: Any) -> None:
    twins = network(name)
    found = compared(twins, method, "float64", signed=signed)
    (row,) = found.rows
    assert {row["a"], row["b"]} == {"captum", "tf-keras-vis"}
    assert found.aligned
    assert row["max_rel"] <= SAME
    assert worst(found) <= SAME
    assert [e.translation is None for e in found.explanations] == [
        twins.framework == "torch",
        twins.framework == "tensorflow",
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SOURCES)
def test_networks_in_single_precision_agree(name: str, method: str, network: Any) -> None:
    assert compared(network(name), method, "float32").rows[0]["max_rel"] <= SAME


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SOURCES)
def test_defaults_do_not_agree(name: str, method: str, network: Any) -> None:
    found = compared(network(name), method, "float32", align=False)
    assert not found.aligned
    assert found.rows[0]["max_rel"] > APART
