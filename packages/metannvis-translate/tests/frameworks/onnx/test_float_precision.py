"""Float precision of ONNX graphs: half is translated in single, and doubles are compared with gradients wherever possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import translate, translate_data
from onnx import TensorProto, helper

Array = np.ndarray[Any, Any]
BOTH = pytest.mark.parametrize("to", ["torch", "tensorflow"])
node = helper.make_node


def values(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def model(
    nodes: list[Any], kind: int, shape: list[Any], rank: int, opset: int = 21, **weights: Array
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, [None] * rank)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def convolution(dtype: str) -> list[Any]:
    cast = node("Cast", ["h"], ["c"], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    return [node("Conv", ["x", "w"], ["h"]), cast, node("Relu", ["c"], ["y"])]


@BOTH
def test_half_precision_is_translated_in_single(to: str) -> None:
    weights, x = values(4, 3, 2, 2).astype(np.float16), values(2, 3, 6, 7).astype(np.float16)
    proto = model(convolution("float16"), TensorProto.FLOAT16, ["n", 3, 6, 7], 4, w=weights)
    translation = translate(proto, to, example_inputs=x)
    assert translation.report is not None and translation.report.passed
    assert any("half precision" in note for note in translation.report.notes)
    given = translate_data(x, translation.target_framework, translation)
    with torch.no_grad():
        found = np.asarray(translation.model(given))
    expected = (
        torch.nn.functional.conv2d(torch.from_numpy(x).double(), torch.from_numpy(weights).double()).relu().numpy()
    )
    found = found if to == "torch" else np.moveaxis(found, -1, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_cast_inside_a_model_in_single_precision_rounds() -> None:
    nodes = [node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16), node("Cast", ["h"], ["y"], to=TensorProto.FLOAT)]
    translation = translate(
        model(nodes, TensorProto.FLOAT, ["n", 4], 2), "torch", example_inputs=np.full((2, 4), 1 / 3, np.float32)
    )
    found = translation.model(torch.full((1, 4), 1 / 3))
    np.testing.assert_array_equal(found.numpy(), np.full((1, 4), np.float16(1 / 3), np.float32))


def recurrence(operator: str, gates: int) -> Callable[[], tuple[onnx.ModelProto, Array]]:
    def make() -> tuple[onnx.ModelProto, Array]:
        weights = {"W": values(1, gates * 3, 4), "R": values(1, 3 * gates, 3)}
        nodes = [node(operator, ["x", "W", "R"], ["s"], hidden_size=3), node("Relu", ["s"], ["y"])]
        singles = {name: array.astype(np.float32) for name, array in weights.items()}
        return model(nodes, TensorProto.FLOAT, [5, "n", 4], 4, **singles), values(5, 2, 4).astype(np.float32)

    return make


def filling() -> tuple[onnx.ModelProto, Array]:
    """A causal mask, of which a part is written as a constant of a computed shape."""
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["x", "t"], ["a"]),
        node("Shape", ["a"], ["s"]),
        node("ConstantOfShape", ["s"], ["o"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [-1e9])),
        node("Trilu", ["o", "one"], ["mask"], upper=1),
        node("Add", ["a", "mask"], ["am"]),
        node("Softmax", ["am"], ["p"], axis=-1),
        node("MatMul", ["p", "x"], ["y"]),
    ]
    proto = model(nodes, TensorProto.FLOAT, ["n", 5, 4], 3, one=np.array(1, np.int64))
    return proto, values(2, 5, 4).astype(np.float32)


def resized() -> tuple[onnx.ModelProto, Array]:
    nodes = [node("Resize", ["x", "", "scales"], ["y"], mode="linear")]
    scales = np.array([1, 1, 2, 3], np.float32)
    return model(nodes, TensorProto.FLOAT, ["n", 3, 4, 5], 4, scales=scales), values(2, 3, 4, 5).astype(np.float32)


def normalised() -> tuple[onnx.ModelProto, Array]:
    nodes = [node("EyeLike", ["x"], ["e"]), node("Add", ["e", "x"], ["y"])]
    return model(nodes, TensorProto.FLOAT, ["n", 4], 2), values(2, 4).astype(np.float32)


GRAPHS = {
    "LSTM": recurrence("LSTM", 4),
    "GRU": recurrence("GRU", 3),
    "RNN": recurrence("RNN", 1),
    "ConstantOfShape": filling,
    "Resize": resized,
    "EyeLike": normalised,
}


@BOTH
@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_are_compared(name: str, to: str) -> None:
    proto, x = GRAPHS[name]()
    report = translate(proto, to, example_inputs=x).report
    assert report is not None and report.passed
    assert all(row.compared for row in report.gradients), report


@BOTH
@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrences_of_doubles(operator: str, gates: int, to: str) -> None:
    weights = {"W": values(1, gates * 3, 4), "R": values(1, 3 * gates, 3)}
    proto = model(
        [node(operator, ["x", "W", "R"], ["y"], hidden_size=3)], TensorProto.DOUBLE, [5, "n", 4], 4, **weights
    )
    report = translate(proto, to, example_inputs=values(5, 2, 4)).report
    assert report is not None and report.passed and report.dtype == "float64"


@BOTH
@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("shift", [-1, 0, 2])
def test_triangles_of_free_sizes(shift: int, upper: int, to: str) -> None:
    proto = model(
        [node("Trilu", ["x", "k"], ["y"], upper=upper)], TensorProto.FLOAT, ["n", "h", "w"], 3, k=np.array(shift)
    )
    translation = translate(proto, to, example_inputs=values(2, 3, 5).astype(np.float32))
    x = values(3, 6, 4).astype(np.float32)
    expected = (np.triu if upper else np.tril)(x, shift)
    given = translate_data(x, translation.target_framework, translation)
    np.testing.assert_array_equal(np.asarray(translation.model(given)), expected)
