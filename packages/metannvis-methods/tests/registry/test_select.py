"""The choice of a row: steps 1 and 3 of the selection, without any framework."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metannvis_methods import MethodSpec, describe_method, find_methods, list_methods
from metannvis_methods.errors import (
    InvalidArgumentError,
    MetannvisError,
    MethodChoiceWarning,
    UnknownMethodError,
    UnknownToolsetError,
)
from metannvis_methods.registry.select import candidates, choose
from metannvis_methods.registry.spec import Argument
from metannvis_methods.registry.table import Registry, registry
from metannvis_methods.registry.toolset import Toolset

ROWS = list_methods()
ATTRIBUTION = ("primary", "layer", "neuron")


def keys(rows: tuple[MethodSpec, ...]) -> set[tuple[str, str]]:
    return {(row.toolset, row.key) for row in rows}


@pytest.mark.parametrize("key", ["grad_cam", "Grad-CAM", "GRAD_CAM", "gradcam", "grad cam"])
def test_case_and_dashes_do_not_count(key: str) -> None:
    assert keys(candidates(key, ROWS)) == {(toolset, "grad_cam") for toolset in ("captum", "grad-cam", "tf-keras-vis")}
    assert keys(candidates(key, ROWS, toolset="captum")) == {("captum", "grad_cam")}


@pytest.mark.parametrize(
    ("key", "wants", "expected"),
    [
        ("integrated_gradients", None, "integrated_gradients"),
        ("integrated_gradients", "layer", "layer_integrated_gradients"),
        ("integrated_gradients", "neuron", "neuron_integrated_gradients"),
        ("layer_integrated_gradients", "layer", "layer_integrated_gradients"),
        ("conductance", "layer", "layer_conductance"),
        ("conductance", "neuron", "neuron_conductance"),
        ("grad_cam", "layer", "grad_cam"),
        ("saliency", "layer", "saliency"),  # there is no variant: the arguments refuse the layer
    ],
)
def test_a_layer_or_neuron_selects_the_variant(key: str, wants: object, expected: str) -> None:
    found = candidates(key, ROWS, toolset="captum", wants=wants)  # type: ignore[arg-type]
    assert [row.key for row in found] == [expected]


def test_a_method_of_a_layer_is_no_variant_of_another() -> None:
    assert keys(candidates("cam", ROWS, wants="layer")) == {("metannvis", "cam")}


def test_an_unknown_method_lists_near_misses_first() -> None:
    with pytest.raises(UnknownMethodError, match=r"no method 'grad_camm'\. Close: grad_cam, .*Others: ") as caught:
        candidates("grad_camm", ROWS)
    assert isinstance(caught.value, LookupError)
    assert "activation_maximization" in str(caught.value)


def test_a_toolset_without_the_method_is_never_replaced() -> None:
    with pytest.raises(UnknownMethodError, match=r"in toolset 'tf-keras-vis'.*Toolset 'captum' has it"):
        find_methods("deep_lift", "tf-keras-vis")


def test_a_method_of_another_kind_says_which_function_runs_it() -> None:
    with pytest.raises(UnknownMethodError, match=r"feature visualization method.*perform_feature_visualization"):
        candidates("activation_maximization", ROWS, kinds=ATTRIBUTION)
    with pytest.raises(UnknownMethodError, match="perform_attribution"):
        candidates("saliency", ROWS, kinds=("feature_visualization",))


def test_an_unknown_toolset_lists_those_there_are() -> None:
    with pytest.raises(
        UnknownToolsetError, match=r"unknown toolset 'tf-keras-viz'. Did you mean 'tf-keras-vis'.*captum"
    ):
        list_methods(toolset="tf-keras-viz")
    assert {spec.toolset for spec in list_methods(toolset="TF_Keras_Vis")} == {"tf-keras-vis"}


@given(st.text(max_size=12))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    known = {row.key.replace("_", "") for row in ROWS}
    folded = text.casefold().replace("_", "").replace("-", "").replace(" ", "")
    if folded in known:
        return
    with pytest.raises(UnknownMethodError):
        candidates(text, ROWS)


def row(toolset: str, framework: str | tuple[str, ...] | None) -> MethodSpec:
    return MethodSpec("saliency", toolset, framework, "primary", "a:B", call=(Argument("x", "input"),))


ALL = (row("zeta", "torch"), row("tf-keras-vis", "tensorflow"), row("alpha", "torch"), row("captum", "torch"))


@pytest.mark.parametrize(
    ("framework", "missing", "expected"),
    [
        ("torch", (), "captum"),
        ("tensorflow", (), "tf-keras-vis"),
        ("onnx", (), "captum"),
        ("torch", ("captum",), "alpha"),
        ("onnx", ("captum",), "tf-keras-vis"),
        ("tensorflow", ("tf-keras-vis",), "tf-keras-vis"),  # no translation comes before installed
    ],
)
def test_the_choice_among_several(framework: str, missing: tuple[str, ...], expected: str) -> None:
    with pytest.warns(MethodChoiceWarning, match=f"took 'saliency' of '{expected}'") as caught:
        chosen = choose(ALL, framework, lambda spec: spec.toolset not in missing)
    assert chosen.toolset == expected
    others = {spec.toolset for spec in ALL} - {expected}
    assert all(f"of {name!r}" in str(caught[0].message) for name in others)


@pytest.mark.parametrize(
    ("framework", "expected", "why"),
    [
        ("torch", "captum", "needs no translation"),
        ("tensorflow", "both", "needs no translation"),
        ("onnx", "predictions", "needs no translation"),
    ],
)
def test_a_row_for_several_frameworks_or_any_needs_no_translation_there(
    framework: str, expected: str, why: str
) -> None:
    rows = (row("captum", "torch"), row("predictions", None), row("both", ("torch", "tensorflow")))
    with pytest.warns(MethodChoiceWarning, match=f"of '{expected}' .it {why}"):
        assert choose(rows, framework, lambda spec: True).toolset == expected


def test_a_single_row_is_taken_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose(ALL[:1], "onnx", lambda spec: False) is ALL[0]


def test_lists_can_be_narrowed() -> None:
    assert {spec.kind for spec in list_methods(kind="neuron")} == {"neuron"}
    assert {spec.framework for spec in list_methods(framework="tensorflow")} == {"tensorflow", None}
    assert {spec.family for spec in list_methods(family="cam")} == {"cam"}
    with pytest.raises(InvalidArgumentError, match="unknown kind"):
        list_methods(kind="nerve")


def test_describe_tells_of_every_toolset_that_has_it() -> None:
    text = describe_method("grad-cam")
    assert "captum" in text
    assert "tf-keras-vis" in text
    assert "penultimate_layer" in describe_method("grad-cam", "tf-keras-vis")


class Toy(Toolset):
    key, framework = "toy", "torch"
    rows = (row("toy", "torch"),)


def test_a_duplicate_is_refused_and_names_both_owners() -> None:
    own = Registry(group=None)
    own.add_toolset(Toy(), owner="package-a")
    with pytest.raises(MetannvisError, match="toolset 'toy': package-a and package-b"):
        own.add_toolset(Toy(), owner="package-b")
    with pytest.raises(MetannvisError, match="'saliency' twice, by package-a and package-c"):
        own.add_method(row("toy", "torch"), owner="package-c")


def test_a_row_of_another_framework_than_its_toolsets_is_refused() -> None:
    own = Registry(group=None)
    own.add_toolset(Toy(), owner="package-a")
    other = MethodSpec("other", "toy", "tensorflow", "primary", "a:B")
    with pytest.raises(InvalidArgumentError, match="runs models of 'torch', not 'tensorflow'"):
        own.add_method(other, owner="package-b")


def test_rows_name_frameworks_of_their_toolset() -> None:
    class Several(Toolset):
        key, framework = "several", ("torch", "tensorflow")
        rows = (row("several", "torch"),)

    class Any(Toolset):
        key, framework = "any", None
        rows = (row("any", None),)

    own = Registry(group=None)
    own.add_toolset(Several(), owner="a")
    own.add_toolset(Any(), owner="a")
    for key, names in (("several", ("tensorflow", "torch")), ("any", "torch"), ("any", ("onnx", "toy"))):
        own.add_method(MethodSpec(f"m{len(own.methods())}", key, names, "primary", "a:B"), owner="b")
    with pytest.raises(InvalidArgumentError, match="runs models of 'torch' or 'tensorflow', not of any framework"):
        own.add_method(MethodSpec("other", "several", None, "primary", "a:B"), owner="b")
    with pytest.raises(InvalidArgumentError, match="runs models of 'torch' or 'tensorflow', not 'torch' or 'onnx'"):
        own.add_method(MethodSpec("other", "several", ("torch", "onnx"), "primary", "a:B"), owner="b")


def test_a_toolset_is_named_by_a_string() -> None:
    with pytest.raises(InvalidArgumentError, match="named by a string, not int"):
        registry.toolset(3)  # type: ignore[arg-type]
