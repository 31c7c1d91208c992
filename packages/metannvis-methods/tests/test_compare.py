"""Toolkits side by side: with aligned options they agree, with their defaults they do not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from metannvis_methods import compare, list_methods
from metannvis_methods.compare import ALIGNMENTS, _same_shape
from metannvis_methods.errors import InvalidArgumentError, UnknownMethodError
from metannvis_methods.registry.alignments import DIFFERENT
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
    if layer:
        words |= {"layer": layer}
    toolsets = None if layer else ["captum", "zennit", "metannvis"]
    found = compare(model, "layer_lrp" if layer else "lrp", x, toolsets=toolsets, **words)
    others = [] if layer else [("captum", "metannvis"), ("zennit", "metannvis")]
    assert [(row["a"], row["b"]) for row in found.rows] == [("captum", "zennit"), *others]
    assert all(row["max_rel"] <= 1e-5 for row in found.rows)
    assert layer or "metannvis: attn_lrp, epsilon=1e-09" in found.notes
    words.pop("layer", None)
    assert [e.toolset for e in compare(model, "lrp", x, **words).explanations] == ["captum", "zennit"]
    found = compare(model, "lrp", x, align=False, **words)
    (row,) = found.rows
    assert row["max_rel"] > 1e-2
    assert "zennit with composite='epsilon'" in found.notes[0]
    assert (
        found.notes[0].endswith("e-06, zennit with stabilizer=1e-09 4.7e-07") or "nothing known" not in found.notes[0]
    )


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


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_deep_lift_of_two(framework: str, rgb: Any) -> None:
    model, x = given(rgb, framework)
    found = compare(model, "deep_lift", x, target=[1, 0, 3, 2], baselines=0.25, **FLOAT64)
    (row,) = found.rows
    assert (row["a"], row["b"]) == ("captum", "metannvis")
    assert row["max_rel"] <= 1e-9
    assert found.explanations[1].method == "deep_lift_linear"


@pytest.mark.parametrize("method", ["hires_cam", "linear_approximation"])
def test_hires_cam_is_linear_approximation(method: str, twins: Any) -> None:
    found = compare(twins.torch64, method, twins.x, target=1, layer="conv2")
    (row,) = found.rows
    assert row["max_rel"] <= 1e-12
    assert {e.method for e in found.explanations} == {"hires_cam", "linear_approximation"}
    assert "largest channel" not in " ".join(found.notes)


def test_every_method_that_two_toolsets_have_is_aligned_or_known_to_be_another() -> None:
    """A row that comes to share a name has to be looked at."""
    toolsets: dict[str, list[str]] = {}
    for spec in list_methods():
        toolsets.setdefault(spec.key, []).append(spec.toolset)
    aligned = {(known.method, known.toolset) for known in ALIGNMENTS}
    different = {(known.method, *known.toolsets) for known in DIFFERENT}
    shared = {key: names for key, names in toolsets.items() if len(names) > 1}
    assert {"saliency", "lrp", "grad_cam", "layer_cam", "grad_cam++", "score_cam"} <= set(shared)
    for key, names in shared.items():
        for pair in itertools.combinations(names, 2):
            assert {(key, name) for name in pair} <= aligned or (key, *pair) in different, (key, pair)


@pytest.mark.parametrize("known", DIFFERENT, ids=lambda known: known.method)
def test_what_is_not_the_same_quantity_is_refused(known: Any, rgb: Any) -> None:
    words: dict[str, Any] = {"target": 1, "layer": "conv2"}
    if known.method == "activation_maximization":  # of a target or of a layer
        words = {"target": 1, "steps": 2, "seed": 0}
    with pytest.raises(InvalidArgumentError, match=r"is not the same quantity: .*; align=False"):
        compare(rgb.torch64, known.method, rgb.x, **words)
    found = compare(rgb.torch64, known.method, rgb.x, align=False, **words)
    assert all(row["max_rel"] > 1e-2 for row in found.rows)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_what_explains_the_rest_is_told(framework: str, rgb: Any) -> None:
    model, x = given(rgb, framework)
    found = compare(model, "saliency", x, target=1, align=False, **FLOAT64)
    note = found.notes[-1]
    last = note.rpartition("tf-keras-vis with normalize_map=False ")[2]
    assert float(last) < 1e-5  # the scaling is all that is left
    words = {"target": 1, "layer": "conv2", "align": False, **FLOAT64}
    found = compare(model, "grad_cam", x, toolsets=["captum", "tf-keras-vis"], **words)
    note = found.notes[-1]
    assert "captum with relu_attributions=True" in note
    assert float(note.rpartition("tf-keras-vis with normalize_cam=False ")[2]) < 1e-5
    assert not compare(
        model, "grad_cam", x, toolsets=["captum", "grad-cam"], **words
    ).notes  # whose defaults are the same


def test_a_comparison_takes_two() -> None:
    with pytest.raises(InvalidArgumentError, match="captum alone has 'gradient_shap'"):
        compare(None, "gradient_shap", None)
    with pytest.raises(UnknownMethodError):
        compare(None, "deep_lift", None, toolsets=["captum", "tf-keras-vis"])


@pytest.mark.parametrize("alignment", ALIGNMENTS, ids=lambda a: f"{a.toolset}-{a.method}")
def test_alignments_name_options_that_there_are(alignment: Any) -> None:
    (spec,) = find_methods(alignment.row or alignment.method, alignment.toolset)
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
    x, y, axes = _same_shape(np.ones((2, 4, 6)), "NHW", np.ones((2, 8, 6)), "NHW", notes)
    assert x.shape == y.shape == (2, 8, 6)
    assert axes == "NHW"
    assert notes == ["the smaller map was enlarged (linear, corners aligned)"]
