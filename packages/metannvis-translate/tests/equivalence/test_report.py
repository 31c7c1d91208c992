"""The gate: what it passes, what it refuses, and what its report says."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import (
    EquivalenceError,
    InvalidArgumentError,
    Tolerance,
    check_equivalence,
    translate,
)
from metannvis_translate.equivalence.report import compare_arrays
from metannvis_translate.frameworks import get_framework
from metannvis_translate.graph.layout import LaidOut
from onnx import TensorProto, helper, numpy_helper
from torch import nn


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 2 * 3, 3)
    ).eval()


X = np.random.default_rng(0).standard_normal((2, 2, 6, 7)).astype("float32")


def test_relative_error_is_by_sample() -> None:
    source = np.array([[1.0, 100.0], [1.0, 2.0]])
    ours = source + [[0.0, 1.0], [0.0, 0.02]]
    row = compare_arrays("x", ours, source, limit=1.01e-2)
    assert row.max_rel == pytest.approx(0.01) and row.max_abs == pytest.approx(1.0) and row.passed
    assert not compare_arrays("x", ours, source, limit=0.0099).passed


@pytest.mark.parametrize("by_l2", [False, True])
@pytest.mark.parametrize("sample", range(3))
def test_one_sample_that_is_wrong_is_enough(sample: int, by_l2: bool) -> None:
    source = np.random.default_rng(0).standard_normal((3, 4))
    ours = source.copy()
    ours[sample, 2] += 0.1
    assert not compare_arrays("x", ours, source, limit=1e-3, by_l2=by_l2).passed


def test_what_is_not_finite_has_to_stand_at_the_same_place() -> None:
    source = np.array([[1.0, np.inf, np.nan]])
    assert compare_arrays("x", source.copy(), source, limit=1e-9).passed
    assert not compare_arrays("x", np.array([[1.0, 2.0, np.nan]]), source, limit=1e9).passed
    assert not compare_arrays("x", np.array([[np.nan, np.inf, np.nan]]), source, limit=1e9).passed


def test_zero_against_zero_agrees_and_against_something_does_not() -> None:
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    assert compare_arrays("x", zero, zero, limit=1e-9).passed
    assert not compare_arrays("x", one, zero, limit=1e3).passed
    assert not compare_arrays("x", np.zeros((1, 3)), zero, limit=1e9).passed


@pytest.fixture
def wrong_tanh():
    """A converter with a mistake in it, in the place of ours."""
    from metannvis_translate.frameworks.torch.importer.importer import TorchImporter

    registry = TorchImporter.registry
    right = registry.find("Tanh", 20)
    registry.remove("Tanh", since=right.since)

    @registry.converter("Tanh", since=right.since)
    def Tanh(ctx, input):
        value = right.function(ctx, input)
        return LaidOut(ctx.graph.call_function(torch.mul, (value.tensor, 1.01)), value.order)

    yield
    registry.remove("Tanh", since=right.since)
    registry.converter("Tanh", since=right.since)(right.function)


def test_a_wrong_model_never_comes_back(wrong_tanh) -> None:
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(EquivalenceError) as caught:
        translate(model, "torch", example_inputs=X)
    first = str(caught.value).splitlines()[0]
    assert "'3'" in first and "first layer that disagrees" in first
    assert caught.value.report.first_divergence == "3"
    assert not caught.value.report.passed
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    unchecked = translate(model, "torch", example_inputs=X, verify=False)
    assert unchecked.report is None
    assert not check_equivalence(model, unchecked, X).passed
    assert translate(model, "torch", example_inputs=X, tolerance=Tolerance(0.1, 0.1, 0.1)).report.passed


def test_double_precision_tells_what_single_cannot() -> None:
    """Two models that differ in the seventh digit pass in single precision and fail in double."""
    model, other = network(), network()
    with torch.no_grad():
        other[0].weight.mul_(1 + 3e-7)
    assert check_equivalence(model, other, X).passed
    assert not check_equivalence(model, other, X, dtype="float64").passed
    assert next(model.parameters()).dtype == torch.float32


def test_report_for_people_and_for_machines() -> None:
    report = check_equivalence(network(), network(), X, gradients=False)
    assert report.passed and report.worst("outputs") == 0.0
    assert not any(row.compared for row in report.gradients)
    assert "not compared: gradients were not asked for" in str(report)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["passed"] is True and data["outputs"][0]["max_rel"] == 0.0 and data["gradients"][0]["max_rel"] is None


def test_unrelated_models_of_two_frameworks() -> None:
    from metannvis_translate.frameworks.requirements import require

    require("tensorflow")
    model = nn.Conv2d(2, 3, 3)
    keras = translate(model, "keras", example_inputs=X).model
    assert check_equivalence(model, keras, X).passed
    same = {"inputs": [(0, 2, 3, 1)], "outputs": [(0, 2, 3, 1)]}
    assert check_equivalence(model, keras, X, permutations=same).passed
    with pytest.raises(InvalidArgumentError, match="2 entries for 1 outputs"):
        check_equivalence(model, keras, X, permutations={"outputs": [(0, 1, 2, 3)] * 2})


def test_tolerances_are_positive() -> None:
    with pytest.raises(InvalidArgumentError, match="outputs=0"):
        Tolerance(outputs=0)


# --- outputs that do not have the samples on axis 0 -------------------------------------------------------------------------


def reduced(*nodes: onnx.NodeProto, **weights: Any) -> onnx.ModelProto:
    """A model from x of shape (n, 3) to y of any shape."""
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    port = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(list(nodes), "g", [port], [onnx.ValueInfoProto(name="y")], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


OUTPUTS = {
    "scalar": lambda: reduced(helper.make_node("ReduceLogSumExp", ["x"], ["y"], keepdims=0)),
    "transposed": lambda: reduced(
        helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Transpose", ["e"], ["y"], perm=[1, 0])
    ),
    "merged": lambda: reduced(
        helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Reshape", ["e", "s"], ["y"]), s=[-1]
    ),
    "one_row": lambda: reduced(helper.make_node("ReduceL2", ["x", "axes"], ["y"], keepdims=1), axes=[0]),
}


@pytest.mark.parametrize("target", ["torch", "keras", "onnx"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_gradients_of_outputs_without_samples(name: str, target: str) -> None:
    """The side without gradients takes differences of the whole, where axis 0 does not count the samples."""
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    report = translate(OUTPUTS[name](), target, example_inputs=x).report
    assert report is not None
    assert report.passed
    if target != "onnx":
        assert report.gradients[0].compared


def test_a_gradient_of_outputs_without_samples_that_is_wrong() -> None:
    """The difference is seen: a weight of its derivative alone."""
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")

    class Stopped(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            e = x.exp()
            return (2 * e.detach() - e).reshape(-1)

    report = check_equivalence(OUTPUTS["merged"](), Stopped(), x)
    assert report.outputs[0].passed
    assert report.gradients[0].passed is False


# --- empty and large values -------------------------------------------------------------------------------------------------


def test_an_output_that_is_empty_is_no_difference() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.exp(), x[:, :0]

    class Empty(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :0]

    x = np.ones((2, 3), np.float32)
    report = check_equivalence(Two(), Two(), x)
    assert report.passed
    assert [row.compared for row in report.outputs] == [True, False]
    assert not check_equivalence(Empty(), Empty(), x).passed
    with pytest.raises(EquivalenceError, match="cannot be checked: on these inputs every output is empty"):
        translate(Empty(), "keras", example_inputs=x)


def test_large_values_are_compared_piece_by_piece() -> None:
    """In no more memory than a few pieces, and with the figures of the whole."""
    random = np.random.default_rng(0)
    b = random.standard_normal((2, 6_000_000))
    a = b + 1e-6 * random.standard_normal(b.shape)
    tracemalloc.start()
    row = compare_arrays("x", a, b, limit=1e-4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < b.nbytes
    assert row.max_abs == np.abs(a - b).max()
    assert row.max_rel == (np.abs(a - b).max(1) / np.abs(b).max(1)).max()
    norms = np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(row.rel_l2, norms.max(), rtol=1e-12)
    a[1, 5_999_999] = np.nan
    assert compare_arrays("x", a, b, limit=1e-4).passed is False
    b[1, 5_999_999] = np.nan
    assert compare_arrays("x", a, b, limit=1e-4).passed


SHORTAGE = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: 1 TB"


@pytest.mark.parametrize(("key", "gradients_only"), [("tensorflow", False), ("torch", True)])
def test_a_lack_of_memory_is_told_as_one(monkeypatch: pytest.MonkeyPatch, key: str, gradients_only: bool) -> None:
    """In the target, whose translation is not wrong for it, and in the source's gradients, which it does have."""
    framework = type(get_framework(key))
    original = framework.run

    def run(*args: Any, cotangents: Any = None, **kwargs: Any) -> Any:
        if gradients_only and cotangents is None:
            return original(*args, cotangents=cotangents, **kwargs)
        raise RuntimeError(SHORTAGE)

    monkeypatch.setattr(framework, "run", run)
    with pytest.raises(MemoryError, match=r"not enough memory for the check.*1 TB.*verify=False"):
        translate(network(), "keras", example_inputs=X)


def test_gradients_of_samples_that_act_on_each_other() -> None:
    """By samples, a difference is what all of them do to one, and a gradient what one does to all."""
    nodes = helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Add", ["x", "s"], ["y"])
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    report = translate(reduced(*nodes), "torch", example_inputs=x).report
    assert report is not None
    assert report.passed
    assert report.gradients[0].compared


# --- gradients that cannot be had -------------------------------------------------------------------------------------------


def test_a_source_without_gradients_is_not_compared() -> None:
    class Divided(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return NoBackward.apply(x)

    class NoBackward(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("this function has no derivative")

    class Doubled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    report = check_equivalence(Divided(), Doubled(), X)
    assert report.passed
    assert not report.gradients[0].compared
    assert "has no derivative" in report.gradients[0].reason
    with pytest.raises(
        EquivalenceError, match="PyTorch cannot run it on inputs on which the source runs.*no derivative"
    ):
        check_equivalence(Doubled(), Divided(), X)


# --- kinks ------------------------------------------------------------------------------------------------------------------


def test_gradients_beside_kinks_are_decided_in_double_precision() -> None:
    """Outputs agree to the last digits; on which side of the kink they lie is a matter of rounding."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("ReduceSum", ["a", "axes"], ["y"], keepdims=1),
    ]
    x = np.random.default_rng(1).standard_normal((3, 6)).astype("float32")
    x[:, :3] = 0  # at the kink itself, where differences are half of either side
    axes = numpy_helper.from_array(np.array([1]), "axes")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (("x", 6), ("y", 1))]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    report = translate(model, "torch", example_inputs=x).report
    assert report is not None
    assert report.passed
    assert report.gradients[0].rel_l2 < 1e-4
    assert "in double precision, beside the inputs" in report.notes[-1]


def test_a_wrong_gradient_is_wrong_in_double_precision_too() -> None:
    class Through(nn.Module):
        """A ReLU whose derivative is one everywhere."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + (torch.relu(x) - x).detach()

    x = np.random.default_rng(1).standard_normal((3, 6)).astype("float32")
    x[:, :3] = 0
    report = check_equivalence(nn.ReLU(), Through(), x)
    assert not report.passed
    assert [row.passed for row in report.outputs] == [True]
    assert "double precision" not in "".join(report.notes)
