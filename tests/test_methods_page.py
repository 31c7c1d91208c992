"""The page of methods: what is checked in is what the rows say, and every class of both toolkits is on it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from metannvis_methods import list_methods
from metannvis_methods.registry.table import registry
from metannvis_methods.toolsets.load import import_quietly
from metannvis_translate.frameworks.requirements import require

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("methods_page", ROOT / "tools" / "methods_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator: ModuleType) -> None:
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), "run python tools/methods_page.py"
    assert generator.CHOICE.read_text(encoding="utf-8") == generator.choice(), "run python tools/methods_page.py"


def test_the_readme_counts_them() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {
        "captum": "Captum",
        "grad-cam": "pytorch-grad-cam",
        "metannvis": "our own",
        "tf-keras-vis": "tf-keras-vis",
        "zennit": "zennit",
    }
    assert f"[{len(list_methods())} methods]" in text
    for toolset, name in names.items():
        assert re.search(rf"\b{len(list_methods(toolset=toolset))} of\s{name}", text), toolset


def test_a_sanity_check_has_a_source_and_is_of_what_was_studied() -> None:
    """The papers are about maps over the input: a layer's class activation map is one, a neuron's map is of no output."""
    rows = list_methods()
    assert all(re.search(r"\(.+ (\d{4}), arXiv:\d{4}\.\d{5}", row.sanity) for row in rows if row.sanity)
    assert {row.kind for row in rows if row.sanity and row.family != "cam"} == {"primary"}
    found = {(row.toolset, row.key): row.sanity.partition(" ")[0].rstrip(",") for row in rows}
    assert found["tf-keras-vis", "smooth_grad"] == "partly:"  # among "the other cases" of Adebayo et al.
    assert found["captum", "deep_lift"] == found["tf-keras-vis", "score_cam"] == "passes"
    assert found["captum", "guided_backprop"] == found["captum", "deconvolution"] == "fails"


def test_no_row_is_silent() -> None:
    for row in list_methods():
        if row.toolset in ("captum", "metannvis", "tf-keras-vis"):
            facts = (row.summary, row.purpose, row.passes, row.support, row.caveats)
            assert all(facts), row.key
            assert row.reference or row.key == "layer_activation"


def test_every_attributing_class_has_a_row_or_a_reason() -> None:
    require("torch")
    captum = require("captum.attr")
    bases = {"Attribution", "GradientAttribution", "PerturbationAttribution", "LayerAttribution", "NeuronAttribution"}
    classes = {
        name
        for name in captum.__all__
        if isinstance(getattr(captum, name), type)
        and name not in bases
        and (issubclass(getattr(captum, name), captum.Attribution) or name.endswith("Attribution"))
    }
    rows = {str(row.cls).partition(":")[2] for row in list_methods(toolset="captum")}
    excluded = set(registry.toolset("captum").excluded)
    assert rows | excluded == classes
    assert not rows & excluded
    assert (len(rows), len(excluded)) == (39, 5)


def test_every_visualization_of_tf_keras_vis_has_a_row() -> None:
    base = import_quietly("tf_keras_vis").ModelVisualization
    modules = ("activation_maximization", "gradcam", "gradcam_plus_plus", "layercam", "saliency", "scorecam")
    classes = {
        name
        for module in modules
        for name, value in vars(import_quietly(f"tf_keras_vis.{module}")).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value is not base
        and name != "ScoreCAM"  # a deprecated name
    }
    assert {str(row.cls).partition(":")[2] for row in list_methods(toolset="tf-keras-vis")} == classes
