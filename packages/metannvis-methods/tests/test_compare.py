"""Toolkits side by side: with aligned options they agree, with their defaults they do not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from metannvis_methods import compare
from metannvis_methods.compare import ALIGNMENTS, _same_shape
from metannvis_methods.errors import InvalidArgumentError, UnknownMethodError
from metannvis_methods.registry.table import find_methods, registry


def given(twins: Any, framework: str) -> tuple[Any, np.ndarray]:
    return (twins.torch64, twins.x) if framework == "torch" else (twins.keras64, twins.x_last)


FLOAT64 = {"translation": {"dtype": "float64"}}


#: Toolsets that have a method.
HAVE = {
    "saliency": ("captum", "tf-keras-vis"),
    "grad_cam": ("captum", "grad-cam", "tf-keras-vis"),
    "layer_cam": ("grad-cam", "tf-keras-vis"),
}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("key", HAVE)
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_aligned_options_agree(framework: str, key: str, signed: bool, twins: Any) -> None:
    model, x = given(twins, framework)
    words = {"layer": "conv2"} if "cam" in key else {}
    found = compare(model, key, x, target=[1, 0, 3, 2], signed=signed, **FLOAT64, **words)
    assert [(row["a"], row["b"]) for row in found.rows] == list(itertools.combinations(HAVE[key], 2))
    assert found.aligned
    for row in found.rows:
        assert row["max_rel"] <= 1e-5
        assert row["cosine"] >= 1 - 1e-9
    assert {e.framework for e in found.explanations} == {framework}
    torch_ones = len(HAVE[key]) - 1
    assert sum(e.translation is not None for e in found.explanations) == (1 if framework == "torch" else torch_ones)


@pytest.mark.parametrize("key", HAVE)
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_defaults_do_not(framework: str, key: str, twins: Any) -> None:
    model, x = given(twins, framework)
    words = {"layer": "conv2"} if "cam" in key else {}
    rows = compare(model, key, x, target=[1, 0, 3, 2], align=False, **words).rows
    assert all(row["max_rel"] > 1e-2 for row in rows if row["b"] == "tf-keras-vis")


def test_toolsets_that_are_not_installed_are_left_out(rgb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.toolset("grad-cam"), "packages", ("torch", "no_such_package"))
    found = compare(rgb.torch, "grad_cam", rgb.x, target=1, layer="conv2")
    assert [e.toolset for e in found.explanations] == ["captum", "tf-keras-vis"]
    with pytest.raises(ImportError, match=r"pip install 'metannvis-methods\[grad-cam\]'"):
        compare(rgb.torch, "grad_cam", rgb.x, target=1, layer="conv2", toolsets=["captum", "grad-cam"])


@pytest.mark.parametrize("layer", [None, "conv2"])
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_relevance_of_two(framework: str, layer: str | None, digits: Any) -> None:
    model, x = given(digits, framework)
    words: dict[str, Any] = {"target": [1, 0, 3, 2], **FLOAT64}
    found = compare(model, "layer_lrp" if layer else "lrp", x, **words, **({"layer": layer} if layer else {}))
    (row,) = found.rows
    assert (row["a"], row["b"]) == ("captum", "zennit")
    assert row["max_rel"] <= 1e-5
    (row,) = compare(model, "lrp", x, align=False, **words).rows
    assert row["max_rel"] > 1e-2


def test_a_map_as_large_as_the_input(rgb: Any) -> None:
    found = compare(rgb.torch, "grad_cam", rgb.x, target=1, layer="conv2", expand=True, signed=True)
    assert all(row["max_rel"] <= 1e-5 for row in found.rows)
    assert "enlarged" in " ".join(found.notes)
    assert [e.values.shape for e in found.explanations] == [(4, 1, 8, 12), (4, 8, 12), (4, 20, 28)]


def test_all_explain_the_same_target_and_layer(rgb: Any) -> None:
    found = compare(rgb.torch, "grad_cam", rgb.x)
    a, b, c = found.explanations
    assert a.target == b.target == c.target
    assert a.layer == b.layer == c.layer == "conv2"
    assert "captum − tf-keras-vis" in str(found)


def test_options_a_toolset(rgb: Any) -> None:
    options = {"captum": {"abs": False}, "TF-Keras-Vis": {"gradient_modifier": None}}
    assert compare(rgb.torch, "saliency", rgb.x, target=1, options=options).rows[0]["max_rel"] <= 1e-5
    assert compare(rgb.torch, "saliency", rgb.x, target=1, options={"captum": {"abs": False}}).rows[0]["max_rel"] > 1e-2


def test_a_comparison_takes_two() -> None:
    with pytest.raises(InvalidArgumentError, match="captum alone has 'deep_lift'"):
        compare(None, "deep_lift", None)
    with pytest.raises(UnknownMethodError):
        compare(None, "deep_lift", None, toolsets=["captum", "tf-keras-vis"])


@pytest.mark.parametrize("alignment", ALIGNMENTS, ids=lambda a: f"{a.toolset}-{a.method}")
def test_alignments_name_options_that_there_are(alignment: Any) -> None:
    (spec,) = find_methods(alignment.method, alignment.toolset)
    for name in {**alignment.options, **alignment.signed, **(alignment.expand or {})}:
        assert spec.argument(name) is not None


@pytest.mark.parametrize(("axes", "other"), [("NCHW", (2, 5, 4, 6)), ("NHWC", (2, 4, 6, 5)), ("N?", (2, 3))])
def test_only_space_is_enlarged(axes: str, other: tuple[int, ...]) -> None:
    """Channels of another number are other channels: a figure between them would mean nothing."""
    shapes = {"NCHW": (2, 3, 4, 6), "NHWC": (2, 4, 6, 3), "N?": (2, 4)}
    x, y = np.ones(shapes[axes]), np.ones(other)
    with pytest.raises(InvalidArgumentError, match="cannot be compared"):
        _same_shape(x, axes, y, axes, [])


def test_space_is_enlarged_and_that_is_noted() -> None:
    notes: list[str] = []
    x, y = _same_shape(np.ones((2, 4, 6)), "NHW", np.ones((2, 8, 6)), "NHW", notes)
    assert x.shape == y.shape == (2, 8, 6)
    assert notes == ["the smaller map was enlarged (linear, corners aligned)"]
