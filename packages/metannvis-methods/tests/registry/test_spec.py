"""Rows say of each class what the class says of itself."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from metannvis_methods import Argument, MethodCall, MethodSpec, Toolset, list_methods
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.spec import UNIFORM, fold
from metannvis_methods.registry.table import registry
from metannvis_methods.registry.toolset import reasons_of
from metannvis_methods.testing import check_row, check_toolset

CALLS = {"captum": "attribute", "grad-cam": None, "metannvis": "attribute", "tf-keras-vis": "__call__", "zennit": None}
OURS = [spec for spec in list_methods() if spec.toolset in CALLS]


@pytest.mark.parametrize("key", CALLS)
def test_toolsets_hold_to_the_contract(key: str) -> None:
    check_toolset(registry.toolset(key))


@pytest.mark.parametrize("spec", OURS, ids=lambda spec: f"{spec.toolset}-{spec.key}")
def test_rows_agree_with_the_toolkits_signatures(spec: MethodSpec) -> None:
    check_row(registry.toolset(spec.toolset), spec, call=CALLS[spec.toolset])


@pytest.mark.parametrize("spec", OURS, ids=lambda spec: f"{spec.toolset}-{spec.key}")
def test_rows_are_described(spec: MethodSpec) -> None:
    assert json.loads(json.dumps(spec.to_dict()))["key"] == spec.key
    assert spec.summary
    assert spec.reference or spec.family == "activation"
    text = str(spec)
    assert text.startswith(f"{spec.key} ({spec.toolset}")
    for argument in spec.arguments:
        assert argument.name in text


def test_every_method_that_the_2022_tool_had_is_there() -> None:
    primary = "integrated_gradients deep_lift gradient_shap feature_ablation"
    captum = primary.split() + [f"{kind}_{key}" for kind in ("layer", "neuron") for key in primary.split()]
    captum += ["saliency", "input_x_gradient", "deconvolution", "neuron_deconvolution", "feature_permutation"]
    captum += ["layer_gradient_x_activation", "layer_conductance", "neuron_conductance", "layer_activation"]
    captum += ["grad_cam", "neuron_gradient"]
    visual = ["activation_maximization", "saliency", "smooth_grad", "grad_cam", "grad_cam++", "score_cam", "layer_cam"]
    assert {(s.toolset, s.key) for s in OURS} >= {("captum", k) for k in captum} | {("tf-keras-vis", k) for k in visual}


def test_folding() -> None:
    assert fold("Grad-CAM") == fold("grad_cam") == fold("gradcam")
    assert fold("grad_cam") != fold("grad_cam++") == fold("GradCamPlusPlus") == fold("grad_cam_plus_plus")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "third"}, "unknown kind"),
        ({"cls": "captum.attr.Saliency"}, "package.module:Class"),
        ({"call": (Argument("x"), Argument("x"))}, "listed twice"),
        ({"key": ""}, "key has to be a name"),
        ({"framework": ""}, "framework has to be a name, several names, or None"),
        ({"framework": ("torch", 3)}, "framework has to be a name"),
    ],
)
def test_a_row_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"key": "a", "toolset": "b", "framework": "torch", "kind": "primary", "cls": "c:D"}
    with pytest.raises(InvalidArgumentError, match=message):
        MethodSpec(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("named", "frameworks", "shown"),
    [
        ("torch", ("torch",), "torch"),
        (("torch",), ("torch",), "torch"),
        (("torch", "tensorflow"), ("torch", "tensorflow"), "torch or tensorflow"),
        (None, (), "any framework"),
        ((), (), "any framework"),
    ],
)
def test_a_row_names_one_framework_or_several_or_none(named: object, frameworks: tuple[str, ...], shown: str) -> None:
    spec = MethodSpec("a", "b", named, "primary", "c:D")  # type: ignore[arg-type]
    assert spec.frameworks == frameworks
    assert spec.framework == {1: "torch", 2: ("torch", "tensorflow"), 0: None}[len(frameworks)]
    assert [spec.runs_on(key) for key in ("torch", "tensorflow", "onnx")] == [
        key in frameworks or not frameworks for key in ("torch", "tensorflow", "onnx")
    ]
    assert str(spec).startswith(f"a (b, {shown}; primary")
    assert spec.to_dict()["frameworks"] == list(frameworks)
    assert spec.to_dict()["framework"] == ("torch" if len(frameworks) == 1 else None)
    assert dataclasses.replace(spec) == spec


def test_fields_are_set_and_read_by_their_older_names() -> None:
    new = MethodSpec("a", "b", "torch", "primary", "c:D", needs_canonical=True, batchable=False)
    old = MethodSpec("a", "b", "torch", "primary", "c:D", hooks=True, independent=False)  # type: ignore[call-arg]
    by_place = MethodSpec("a", "b", "torch", "primary", "c:D", (), (), "gradient", "", "", (), True, False, False)
    assert old == new == by_place
    assert (new.hooks, new.independent) == (True, False)
    assert dataclasses.replace(new, summary="s").needs_canonical
    assert not dataclasses.replace(new, hooks=False).needs_canonical  # type: ignore[call-arg]
    assert new.speaks("inputs") is new.argument_for("inputs") is None


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown role"):
        Argument("x", "picture")  # type: ignore[arg-type]


def test_words_of_the_uniform_vocabulary_find_the_toolkits_arguments() -> None:
    (cam,) = (spec for spec in OURS if spec.key == "grad_cam" and spec.toolset == "tf-keras-vis")
    names = {word: argument.name for word in UNIFORM if (argument := cam.argument_for(word)) is not None}
    assert names == {"inputs": "seed_input", "target": "score", "layer": "penultimate_layer"}


def test_a_toolset_is_asked_by_the_name_that_its_class_has() -> None:
    """``obstacles`` is the older name: of a class of its own, of one below one of ours, and of one that is no subclass."""

    class Newer(Toolset):
        def reasons_to_translate(self, spec: Any, model: Any, inputs: Any) -> tuple[str, ...]:
            return ("newer",)

    class Below(Newer):
        def obstacles(self, spec: Any, model: Any, inputs: Any) -> tuple[str, ...]:
            return (*super().obstacles(spec, model, inputs), "mine")

    class Duck:
        def obstacles(self, spec: Any, model: Any, inputs: Any) -> tuple[str, ...]:
            return ("duck",)

    row = MethodSpec("m", "t", "torch", "primary", "captum.attr:Saliency")
    asked = [reasons_of(toolset, row, None, None) for toolset in (Toolset(), Newer(), Below(), Duck())]
    assert asked == [(), ("newer",), ("newer", "mine"), ("duck",)]
    assert Newer().obstacles(row, None, None) == ("newer",)


def test_arguments_under_their_older_name_are_complete() -> None:
    row = MethodSpec(
        "m", "t", "torch", "primary", "captum.attr:Saliency",
        call=(Argument("inputs", "input", required=True), Argument("target", "target")),
    )  # fmt: skip
    call = MethodCall(row, None, inputs=(1.0,), target=3)
    assert call.call == {"inputs": 1.0, "target": 3}
    assert dataclasses.replace(call, call={**call.call, "target": 1}).call_arguments == {"inputs": 1.0, "target": 1}
