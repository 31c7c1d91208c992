"""Toolsets for several frameworks or for any, results that are no maps, and what a runner gets and returns."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    Argument,
    Explanation,
    Job,
    MethodCall,
    MethodOutput,
    MethodSpec,
    Outcome,
    Toolset,
    ToolsetError,
    describe_method,
    explain,
    list_methods,
)
from metannvis_methods.errors import MetannvisError
from metannvis_methods.registry.table import Registry
from metannvis_methods.running import prepare
from metannvis_methods.testing import ContractError, check_explanation, check_row, check_toolset

INPUTS = Argument("x", "input", required=True)
TARGET = Argument("k", "target")


class Gradient:
    """Gradient of an output in PyTorch or in TensorFlow."""

    def __init__(self, model: Any, framework: str) -> None:
        self.model, self.framework = model, framework

    def __call__(self, x: Any, k: Any) -> Any:
        if self.framework == "torch":
            import torch

            x = x.clone().requires_grad_()
            return torch.autograd.grad(self.model(x)[:, k].sum(), x)[0]
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
    for place in ("registry.table", "running.request"):
        monkeypatch.setattr(sys.modules[f"metannvis_methods.{place}"], "registry", own)
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


class Squares:
    """A model of a framework that nobody has heard of: y = x² W."""

    weights = np.arange(6.0).reshape(2, 3) - 2

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x**2 @ self.weights)


class SquaresFramework:
    """As much of a framework plug-in as it takes to recognise its models."""

    key, label, suffixes, differentiable = "squares", "Squares", (), False

    def detect(self, model: Any) -> bool:
        return isinstance(model, Squares)

    def is_array(self, value: Any) -> bool:
        return False


def test_so_it_does_in_a_framework_of_a_third_party(open_toolsets: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    frameworks = sys.modules["metannvis_translate.frameworks.registry"]
    known = {**frameworks._plugins(), "squares": SquaresFramework()}
    monkeypatch.setattr(frameworks, "_plugins", lambda: known)
    model, x = Squares(), np.array([[1.0, 2.0], [3.0, 5.0]])
    found = explain(model, "leave_one_out", x, target=2)
    assert (found.framework, found.translation) == ("squares", None)
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
    init = (Argument("power"), Argument("layer", "layer"))
    spec = MethodSpec("slope", "toy", "torch", "primary", Gradient, init, (INPUTS, TARGET))
    call = MethodCall(spec, None, ("x",), "a layer", {"power": 2}, {"more": 3}, 1)
    assert call.init == call.init_arguments == {"power": 2, "layer": "a layer"}
    assert call.call == call.call_arguments == {"more": 3, "x": "x", "k": 1}
    older = Job(spec=spec, model=None, inputs=("x",), layer="a layer", init=call.init, call=call.call, target=1)  # type: ignore[call-arg]
    assert (older.init, older.call) == (call.init, call.call)
    moved = dataclasses.replace(older, inputs=("x", "y"), several=True, target=[4])
    assert moved.call == {"more": 3, "x": ("x", "y"), "k": [4]}
    assert dataclasses.replace(older, call={"other": 1}).call == {"other": 1, "x": "x", "k": 1}  # type: ignore[call-arg]


def test_a_toolset_may_still_answer_by_the_older_name() -> None:
    class Older(Toolset):
        def obstacles(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
            return ("it is shared",)

    assert Older().reasons_to_translate(BothToolset.rows[0], None, None) == ("it is shared",)


def test_a_row_for_any_framework_hooks_on_no_modules() -> None:
    with pytest.raises(ContractError, match="hooks on no modules"):
        check_row(PredictionsToolset(), predictions_row("hooked", needs_canonical=True))
