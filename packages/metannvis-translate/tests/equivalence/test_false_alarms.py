"""Right translations of ONNX graphs that the check must not refuse, whatever its own reference can and cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import translate
from onnx import TensorProto, helper
from torch import nn

Array = np.ndarray[Any, Any]


def model(nodes: list[onnx.NodeProto], shape: list[Any], result: list[Any], **weights: Array) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def values(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def error_function() -> tuple[onnx.ModelProto, Array]:
    """ONNX's evaluator has a single-precision error function only, whose rounding is what a difference of it is made of."""
    nodes = [helper.make_node("Gelu", ["x"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    return model(nodes, ["n", 40, 16], ["n", 40, 16], w=values(16, 16)), values(2, 40, 16)


def group_normalization() -> tuple[onnx.ModelProto, Array]:
    """ONNX Runtime computes it in single precision whatever its input is."""
    nodes = [helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)]
    return model(nodes, ["n", 8, 6, 6], ["n", 8, 6, 6], s=values(8), b=values(8)), values(2, 8, 6, 6)


def tiny_derivative() -> tuple[onnx.ModelProto, Array]:
    """A network that hardly depends on its input, as deep ones do before they are trained."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Mul", ["h", "tiny"], ["t"]),
        helper.make_node("Add", ["t", "b"], ["y"]),
    ]
    return (
        model(nodes, ["n", 16], ["n", 5], w=values(16, 5), tiny=np.float32([1e-14]), b=values(5)),
        values(3, 16),
    )


def cancelling_layer() -> tuple[onnx.ModelProto, Array]:
    """The mean of what was normalised: nothing but rounding is left of it."""
    nodes = [
        helper.make_node("LayerNormalization", ["x", "s"], ["h"], axis=-1),
        helper.make_node("ReduceMean", ["h", "axes"], ["mean"], name="cancels"),
        helper.make_node("Add", ["mean", "h"], ["y"]),
    ]
    proto = model(nodes, ["n", 6, 33], ["n", 6, 33], s=np.ones(33, np.float32), axes=np.array([-1]))
    return proto, values(2, 6, 33)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
@pytest.mark.parametrize("make", [error_function, group_normalization, tiny_derivative, cancelling_layer])
def test_a_right_translation_passes(make: Any, to: str) -> None:
    proto, x = make()
    report = translate(proto, to, example_inputs=x).report
    assert report is not None and report.passed
    assert all(row.compared or row.name == "cancels" for row in (*report.outputs, *report.layers))
    assert all(row.compared for row in report.gradients) == (make is not tiny_derivative)


def test_a_derivative_that_differences_cannot_tell_says_so() -> None:
    proto, x = tiny_derivative()
    report = translate(proto, "torch", example_inputs=x).report
    assert report is not None
    assert "too small for differences to tell" in report.gradients[0].reason


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_an_empty_background_under_max_pools_is_no_false_alarm(to: str) -> None:
    """All values of a background are one: beside it they lie so close that a difference crosses kinks of the pools."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 10),
    ).eval()  # fmt: skip
    images = np.zeros((1, 1, 28, 28), np.float32)
    images[..., 9:19, 12:16] = np.random.default_rng(0).random((10, 4))
    graph = translate(net, "onnx", example_inputs=images, verify=False).model
    report = translate(graph, to, example_inputs=images).report
    assert report is not None and report.passed and all(row.compared for row in report.gradients), str(report)
