"""A toolset and a method as a third party writes them, without touching ours."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    Argument,
    Explanation,
    Job,
    MethodCall,
    MethodChoiceWarning,
    MethodOutput,
    MethodSpec,
    Outcome,
    Toolset,
    ToolsetError,
    describe_method,
    explain,
    find_methods,
    list_methods,
    register_method,
    unregister_method,
)
from metannvis_methods.errors import MetannvisError, UnknownToolsetError
from metannvis_methods.registry import table as module
from metannvis_methods.registry.table import Registry
from metannvis_methods.running import prepare
from metannvis_methods.testing import ContractError, check_explanation, check_row, check_toolset

INPUTS = Argument("x", "input", required=True)
TARGET = Argument("k", "target")


class Slope:
    """Gradient of one output, or of a layer's sum."""

    def __init__(self, model: Any, power: int = 1) -> None:
        self.model, self.power = model, power

    def __call__(self, x: Any, k: Any = None) -> Any:
        import torch

        x = x.clone().requires_grad_()
        output = self.model(x)
        picked = output[range(len(x)), k] if isinstance(k, list) else output[:, k]
        (gradient,) = torch.autograd.grad(picked.sum(), x)
        return gradient**self.power


SLOPE = MethodSpec(
    key="slope",
    toolset="toy",
    framework="torch",
    kind="primary",
    cls=Slope,
    init=(Argument("power"),),
    call=(INPUTS, TARGET),
    summary="a gradient",
)


class ToyToolset(Toolset):
    key = "toy"
    framework = "torch"
    packages = ("torch",)
    rows = (SLOPE, MethodSpec("saliency", "toy", "torch", "primary", Slope, call=(INPUTS, TARGET)))

    def run(self, job: Job) -> Outcome:
        return Outcome(job.spec.cls(job.model, **job.init)(**job.call))


class Distribution:
    name = "third-party"


class Entry:
    """An entry point of another package."""

    name, value, dist = "toy", "third_party:toolset", Distribution

    def load(self) -> Toolset:
        return ToyToolset()


class Broken(Entry):
    name = "broken"

    def load(self) -> Toolset:
        raise ImportError("its library is not installed")


def install(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    for place in ("registry.table", "running.request", "compare"):  # the function hides the module of the same name
        monkeypatch.setattr(sys.modules[f"metannvis_methods.{place}"], "registry", registry)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toolset:
    """The registry as it is when a third party's package is installed as well."""
    original = module.entry_points
    monkeypatch.setattr(module, "entry_points", lambda group: [*original(group=group), Entry(), Broken()])
    fresh = Registry()
    install(monkeypatch, fresh)
    return fresh.toolset("toy")


def test_a_toolset_holds_to_the_contract(toy: Toolset) -> None:
    check_toolset(toy)
    check_row(toy, SLOPE, call="__call__")
    assert {spec.toolset for spec in list_methods()} == {"captum", "tf-keras-vis", "toy"}


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_method_of_a_third_party_runs_on_models_of_any_framework(framework: str, toy: Toolset, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if framework == "torch" else (rgb.keras, rgb.x_last)
    expected = explain(model, "saliency", x, target=2, toolset="captum", abs=False)
    found = check_explanation(model, SLOPE, x, expected=expected.values, target=2)
    assert found.axes == ("NCHW" if framework == "torch" else "NHWC")
    cubed = explain(model, "slope", x, target=[2] * 4, power=3, batch_size=3)
    assert np.allclose(cubed.values, expected.values**3, rtol=1e-3, atol=1e-9)


def test_it_takes_part_in_the_choice(toy: Toolset, digits: Any) -> None:
    with pytest.warns(MethodChoiceWarning, match="took 'saliency' of 'captum'.*'toy'"):
        explain(digits.torch, "saliency", digits.x, target=1)


def test_a_toolset_that_cannot_be_loaded_does_not_stop_the_others(
    toy: Toolset, caplog: pytest.LogCaptureFixture
) -> None:
    assert list_methods(toolset="captum")
    with pytest.raises(UnknownToolsetError):
        list_methods(toolset="broken")


@pytest.fixture
def cubed() -> Iterator[MethodSpec]:
    """One method, added to Captum's by a notebook."""

    class Cubed:
        def __init__(self, model: Any) -> None:
            self.model = model

        def attribute(self, x: Any, k: Any = None) -> Any:
            return Slope(self.model, 3)(x, k)

    spec = MethodSpec("cubed", "captum", "torch", "primary", Cubed, call=(INPUTS, TARGET))
    yield register_method(spec)
    unregister_method(spec)


def test_a_single_method(cubed: MethodSpec, rgb: Any) -> None:
    assert find_methods("Cubed") == (cubed,)
    expected = explain(rgb.torch, "saliency", rgb.x, target=1, toolset="captum", abs=False)
    found = explain(rgb.keras, "cubed", rgb.x_last, target=1)
    assert np.allclose(found.values.transpose(0, 3, 1, 2), expected.values**3, rtol=1e-2, atol=1e-8)


def test_a_name_that_is_taken_is_refused_and_names_both_owners(cubed: MethodSpec) -> None:
    taken = MethodSpec("Saliency", "captum", "torch", "primary", "third_party:Saliency")
    with pytest.raises(MetannvisError, match=r"'Saliency' twice, by metannvis-methods and third_party:Saliency"):
        register_method(taken)
    with pytest.raises(UnknownToolsetError):
        register_method(MethodSpec("a", "nowhere", "torch", "primary", "b:C"))


class NoRows(ToyToolset):
    rows = (MethodSpec("slope", "other", "torch", "primary", Slope),)


def test_the_contract_finds_what_is_wrong() -> None:
    with pytest.raises(ContractError, match="its toolset is 'toy'"):
        check_toolset(NoRows())
    toolset = ToyToolset()
    for changes, message in (
        ({"init": ()}, r"leaves out \['power'\]"),
        ({"init": (Argument("power"), Argument("base"))}, r"has no \['base'\]"),
        ({"call": (INPUTS, Argument("k", "target", required=True))}, r"differ on whether \['k'\]"),
        ({"kind": "layer"}, "an argument for the layer"),
    ):
        fields = {**vars(SLOPE), **changes}
        with pytest.raises(ContractError, match=message):
            check_row(toolset, MethodSpec(**fields), call="__call__")


class ToyModel:
    """A model of a framework that nobody has heard of: y = x² W."""

    def __init__(self) -> None:
        self.weights = np.arange(6.0).reshape(2, 3) - 2

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x**2 @ self.weights)


class ToyFramework:
    """As much of a framework plug-in as it takes to recognise its models."""

    key, label, suffixes = "toy", "Toy", ()

    def detect(self, model: Any) -> bool:
        return isinstance(model, ToyModel)

    def is_array(self, value: Any) -> bool:
        return False


class ToyFrameworkToolset(Toolset):
    key, framework = "toy-tools", "toy"
    rows = (MethodSpec("slope", "toy-tools", "toy", "primary", ToyModel, call=(INPUTS, TARGET)),)

    def run(self, job: Job) -> Outcome:
        columns = (
            job.model.weights[:, job.target].T if isinstance(job.target, list) else job.model.weights[:, job.target]
        )
        return Outcome(2 * job.call["x"] * columns)


@pytest.fixture
def toy_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    frameworks = sys.modules["metannvis_translate.frameworks.registry"]
    known = {**frameworks._plugins(), "toy": ToyFramework()}
    monkeypatch.setattr(frameworks, "_plugins", lambda: known)


@pytest.mark.usefixtures("toy_framework")
def test_a_toolset_for_a_framework_of_a_third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Registry(group=None)
    own.add_toolset(ToyFrameworkToolset(), owner="third-party")
    install(monkeypatch, own)
    model, x = ToyModel(), np.array([[1.0, 2.0], [3.0, 5.0]])
    found = explain(model, "slope", x)
    assert (found.framework, found.axes, found.target) == ("toy", "N?", [2, 2])
    assert np.array_equal(found.values, 2 * x * model.weights[:, 2])
    assert np.array_equal(explain(model, "slope", x, target=0, batch_size=1).values, 2 * x * model.weights[:, 0])


class Gradient:
    """Gradient of an output in PyTorch or in TensorFlow."""

    def __init__(self, model: Any, framework: str) -> None:
        self.model, self.framework = model, framework

    def __call__(self, x: Any, k: Any) -> Any:
        if self.framework == "torch":
            return Slope(self.model)(x, k)
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            picked = tf.gather(self.model(x), k, axis=1)
        return tape.gradient(picked, x)


class BothToolset(Toolset):
    """Methods that are written for two frameworks."""

    key, framework = "both", ("torch", "tensorflow")
    rows = (MethodSpec("slope", "both", ("torch", "tensorflow"), "primary", Gradient, call=(INPUTS, TARGET)),)

    def run(self, call: MethodCall) -> MethodOutput:
        return MethodOutput(call.spec.cls(call.model, call.framework)(**call.call_arguments))


class LeaveOneOut:
    """By how much an output falls when one number of the input is zero, the same in every sample."""

    def __init__(self, predict: Any) -> None:
        self.predict = predict

    def __call__(self, x: np.ndarray, k: Any) -> np.ndarray:
        def score(x: np.ndarray) -> np.ndarray:
            outputs = self.predict(x)
            return np.asarray(outputs[range(len(x)), k] if isinstance(k, list) else outputs[:, k])

        whole, values = score(x), np.zeros_like(x)
        for place in np.ndindex(x.shape[1:]):
            less = x.copy()
            less[(slice(None), *place)] = 0
            values[(slice(None), *place)] = whole - score(less)
        return values


def predictions_row(key: str, **fields: Any) -> MethodSpec:
    fields = {"call": (INPUTS, TARGET), "family": "perturbation", **fields}
    return MethodSpec(key, "predictions", None, "primary", LeaveOneOut, **fields)


class PredictionsToolset(Toolset):
    """Methods that need predictions only, and some whose results are no maps."""

    key, framework = "predictions", None
    rows = (
        predictions_row("leave_one_out"),
        predictions_row("table", call=(INPUTS,), batchable=False),
        predictions_row("parts", call=(INPUTS,)),
        predictions_row("scores", call=(INPUTS,)),
        predictions_row("number", call=(INPUTS,), batchable=False),
        predictions_row("pair", call=(INPUTS,), batchable=False),
        predictions_row("wrong", call=(INPUTS,)),
    )

    def run(self, call: MethodCall) -> MethodOutput:
        x = np.asarray(call.inputs[0])
        if call.spec.key == "leave_one_out":
            return MethodOutput(call.spec.cls(call.predict)(x, call.target))
        outputs = call.predict(x)
        if call.spec.key == "scores":
            return MethodOutput(outputs.T, kind="scores", axes="KN")
        if call.spec.key == "number":
            return MethodOutput(outputs.max(), kind="scores", axes="")
        table = outputs.T @ outputs
        if call.spec.key == "pair":
            return MethodOutput((table, outputs), kind="table", axes=("UC", "NU"))
        return MethodOutput(table, kind="table", axes="UCX" if call.spec.key == "wrong" else "UC")


@pytest.fixture
def open_toolsets(monkeypatch: pytest.MonkeyPatch) -> Registry:
    own = Registry(group=None)
    for toolset in (BothToolset(), PredictionsToolset()):
        check_toolset(toolset)
        own.add_toolset(toolset, owner="third-party")
    install(monkeypatch, own)
    return own


def in_onnx(twins: Any) -> Any:
    from metannvis_translate import translate

    return translate(twins.torch, "onnx", example_inputs=twins.x.astype("float32")).model


def test_a_row_for_two_frameworks_runs_in_either(
    open_toolsets: Registry, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_torch = check_explanation(digits.torch, BothToolset.rows[0], digits.x, target=3)
    in_keras = check_explanation(digits.keras, BothToolset.rows[0], digits.x_last, target=3)
    assert in_torch.translation is in_keras.translation is None
    assert np.allclose(in_keras.values.transpose(0, 3, 1, 2), in_torch.values, atol=1e-5)
    model = in_onnx(digits)
    for missing, to in (("none", "torch"), ("torch", "tensorflow")):
        monkeypatch.setattr(prepare, "is_installed", lambda key, missing=missing: key != missing)
        found = explain(model, "slope", digits.x, target=3)
        assert found.translation is not None
        assert (found.framework, found.translation["to"]) == ("onnx", to)
        assert np.allclose(found.values, in_torch.values, atol=1e-5)


def test_a_finished_translation_is_used_where_the_row_does_not_take_the_model(
    open_toolsets: Registry, digits: Any
) -> None:
    from metannvis_translate import translate

    translation = translate(in_onnx(digits), "tensorflow")
    found = explain(translation, "slope", digits.x, target=3)
    assert found.translation is not None
    assert found.translation["to"] == "tensorflow"


def test_a_method_that_needs_predictions_only_runs_in_the_models_own_framework(
    open_toolsets: Registry, digits: Any
) -> None:
    expected = LeaveOneOut(lambda x: digits.torch64(torch_tensor(x)).detach().numpy())(digits.x, 3)
    for model, x, framework in (
        (digits.torch, digits.x, "torch"),
        (digits.keras, digits.x_last, "tensorflow"),
        (in_onnx(digits), digits.x, "onnx"),
    ):
        found = check_explanation(model, PredictionsToolset.rows[0], x, target=3)
        assert (found.framework, found.translation) == (framework, None)
        values = found.values.transpose(0, 3, 1, 2) if framework == "tensorflow" else found.values
        assert np.allclose(values, expected, atol=1e-5)
        assert np.array_equal(explain(model, "leave_one_out", x, target=[3] * 4, batch_size=4).values, found.values)
    assert "any framework" in describe_method("leave_one_out")
    for framework in ("torch", "tensorflow", "onnx"):
        keys = {spec.key for spec in list_methods(framework=framework)}
        assert "leave_one_out" in keys
        assert ("slope" in keys) == (framework != "onnx")


def torch_tensor(x: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(x)


@pytest.mark.usefixtures("toy_framework")
def test_so_it_does_in_a_framework_of_a_third_party(open_toolsets: Registry) -> None:
    model, x = ToyModel(), np.array([[1.0, 2.0], [3.0, 5.0]])
    found = explain(model, "leave_one_out", x, target=2)
    assert (found.framework, found.translation) == ("toy", None)
    assert np.allclose(found.values, x**2 * model.weights[:, 2])


def test_an_onnx_model_is_refused_what_it_does_not_take(open_toolsets: Registry, digits: Any) -> None:
    with pytest.raises(MetannvisError, match=r"has shape .*, not \(4, 8, 8, 1\)"):
        explain(in_onnx(digits), "leave_one_out", digits.x_last, target=2)


def test_results_that_are_no_maps(open_toolsets: Registry, digits: Any, tmp_path: Path) -> None:
    outputs = np.asarray(digits.torch(torch_tensor(digits.x.astype("float32"))).detach())
    rows = {spec.key: spec for spec in PredictionsToolset.rows}
    for key, kind, axes, expected in (
        ("table", "table", "UC", outputs.T @ outputs),
        ("scores", "scores", "KN", outputs.T),
        ("number", "scores", "", outputs.max()),
    ):
        found = check_explanation(digits.torch, rows[key], digits.x)
        assert (found.kind, found.axes) == (kind, axes)
        assert np.allclose(found.values, expected, atol=1e-5)
        back = Explanation.load(found.save(tmp_path / f"{key}.npz"))
        assert (back.kind, back.axes) == (kind, axes)
        assert np.array_equal(back.values, found.values)
        assert str(np.shape(expected)) in str(back)
        assert str(np.shape(expected)) in back._repr_html_()
    pair = explain(digits.keras, "pair", digits.x_last)
    assert (pair.axes, [v.shape for v in pair.values]) == (("UC", "NU"), [(10, 10), (4, 10)])
    assert Explanation.load(pair.save(tmp_path / "pair.npz")).axes == ("UC", "NU")


def test_results_that_are_no_maps_are_joined_by_their_samples(open_toolsets: Registry, digits: Any) -> None:
    whole = explain(digits.torch, "scores", digits.x)
    assert np.allclose(explain(digits.torch, "scores", digits.x, batch_size=3).values, whole.values, atol=1e-6)
    with pytest.raises(ToolsetError, match="its row has to say batchable=False"):
        explain(digits.torch, "parts", digits.x, batch_size=3)
    assert explain(digits.torch, "table", digits.x, batch_size=3).values.shape == (10, 10)


def test_axes_that_a_result_does_not_have(open_toolsets: Registry, digits: Any) -> None:
    with pytest.raises(ToolsetError, match=r"wrong of predictions returned shape \(10, 10\) and names the axes 'UCX'"):
        explain(digits.torch, "wrong", digits.x)


def test_calls_and_outputs_have_their_older_names() -> None:
    assert Job is MethodCall
    assert Outcome is MethodOutput
    spec = dataclasses.replace(SLOPE, init=(Argument("power"), Argument("layer", "layer")))
    call = MethodCall(spec, None, ("x",), "a layer", {"power": 2}, {"more": 3}, 1)
    assert call.init == call.init_arguments == {"power": 2, "layer": "a layer"}
    assert call.call == call.call_arguments == {"more": 3, "x": "x", "k": 1}
    older = Job(spec=spec, model=None, inputs=("x",), layer="a layer", init=call.init, call=call.call, target=1)  # type: ignore[call-arg]
    assert (older.init, older.call) == (call.init, call.call)
    moved = dataclasses.replace(older, inputs=("x", "y"), several=True, target=[4])
    assert moved.call == {"more": 3, "x": ("x", "y"), "k": [4]}
    assert dataclasses.replace(older, call={"other": 1}).call == {"other": 1, "x": "x", "k": 1}  # type: ignore[call-arg]


def test_a_toolset_may_still_answer_by_the_older_name() -> None:
    class Older(ToyToolset):
        def obstacles(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
            return ("it is shared",)

    assert Older().reasons_to_translate(SLOPE, None, None) == ("it is shared",)
