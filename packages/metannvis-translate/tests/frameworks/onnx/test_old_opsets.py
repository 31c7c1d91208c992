"""Graphs of opsets before 7: what stood in attributes then, against formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate import UnsupportedOperatorError, translate
from onnx import helper

Array = np.ndarray[Any, Any]


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


X, ROW, CHANNELS, ALL = draw(2, 3, 4, 5), draw(5, seed=1), draw(3, seed=2), draw(3, 4, seed=3)


@dataclass
class Row:
    """A node of an old opset, what it reads beside its first input, and what it computes."""

    operator: str
    opset: int
    formula: Callable[..., Array]
    weights: tuple[Array, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    x: Array = field(default_factory=lambda: X)
    tag: str = ""


def normalized(x: Array, *weights: Array) -> Array:
    scale, bias, mean, variance = (w.reshape(-1, 1, 1) for w in weights)
    return (x - mean) / np.sqrt(variance + 1e-3) * scale + bias


STATISTICS = (CHANNELS, draw(3, seed=4), draw(3, seed=5), np.abs(draw(3, seed=6)) + 0.5)
ROWS = [
    Row("Add", 6, np.add, (ROW,), {"broadcast": 1}),
    Row("Add", 6, lambda x, w: x + w[:, None, None], (CHANNELS,), {"broadcast": 1, "axis": 1}, tag="channels"),
    Row("Mul", 1, lambda x, w: x * w[..., None], (ALL,), {"broadcast": 1, "axis": 1}, tag="two-axes"),
    Row("Sub", 6, lambda x, w: x - w[:, None, None], (CHANNELS,), {"broadcast": 1, "axis": -3}, tag="negative"),
    Row("Div", 6, np.divide, (np.abs(X) + 1,), {}, tag="no-broadcast"),
    Row("Pow", 1, lambda x, w: x**w, (np.float32(2),), {"broadcast": 1}),
    Row("Greater", 1, lambda x, w: x > w[:, None, None], (CHANNELS,), {"broadcast": 1, "axis": 1}),
    Row("Relu", 1, lambda x: np.maximum(x, 0), attributes={"consumed_inputs": [0]}),
    Row("Selu", 1, lambda x: 1.0507 * np.where(x > 0, x, 1.6732 * np.expm1(x))),
    Row("Selu", 6, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)), tag="6"),
    Row("Clip", 1, lambda x: np.clip(x, -0.5, 0.5), attributes={"min": -0.5, "max": 0.5, "consumed_inputs": [0]}),
    Row("Gemm", 6, lambda x, w, b: x @ w + b, (draw(5, 2), draw(2)), {"broadcast": 1}, draw(3, 5)),
    Row("BatchNormalization", 6, normalized, STATISTICS, {"is_test": 1, "epsilon": 1e-3}),
    Row("BatchNormalization", 1, normalized, STATISTICS, {"is_test": 1, "epsilon": 1e-3, "consumed_inputs": [0, 0, 0, 1, 1]}),
    Row("Dropout", 6, lambda x: x, attributes={"is_test": 1, "ratio": 0.3}),
    Row("PRelu", 6, lambda x, w: np.where(x < 0, x * w[:, None, None], x), (CHANNELS,)),
    Row("PRelu", 1, lambda x, w: np.where(x < 0, x * w, x), (np.float32([0.3]),), tag="one"),
    Row("Reshape", 1, lambda x: x.reshape(2, 12, 5), attributes={"shape": [0, -1, 5]}),
    Row("Cast", 1, lambda x: x.astype(np.int32), attributes={"to": "INT32"}, x=10 * X),
    Row("Concat", 1, lambda x, w: np.concatenate([x, w], 1), (X,), {}),
    Row("Pad", 1, lambda x: np.pad(x, [(0, 0), (0, 0), (1, 2), (0, 1)]), attributes={"paddings": [0, 0, 1, 0, 0, 0, 2, 1]}),
    Row("Tile", 1, lambda x, n, k: np.tile(x, (1, 1, 3, 1)), (np.float32(3), np.float32(2)), {}),
    Row("GlobalLpPool", 1, lambda x: np.sqrt((x**2).sum((2, 3), keepdims=True)), attributes={"p": 2.0}),
    Row("Slice", 1, lambda x: x[:, 1:], attributes={"axes": [1], "starts": [1], "ends": [9]}),
    Row("Not", 1, np.logical_not, x=X > 0),
    Row("Softmax", 1, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True), x=draw(2, 7)),
]  # fmt: skip


def model_of(row: Row) -> onnx.ModelProto:
    names = [f"w{k}" for k in range(len(row.weights))]
    node = helper.make_node(row.operator, ["x", *names], ["y"], name="node", **row.attributes)
    kind = helper.np_dtype_to_tensor_dtype(row.x.dtype)
    made = {"Cast": np.int32, "Greater": np.bool_, "Not": np.bool_}.get(row.operator, np.float32)
    graph = helper.make_graph(
        [node],
        "old",
        [
            helper.make_tensor_value_info("x", kind, row.x.shape),
            *(
                helper.make_tensor_value_info(n, 1, np.shape(w)) for n, w in zip(names, row.weights, strict=True)
            ),  # as they had to be listed then
        ],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(made)), None)],
        [onnx.numpy_helper.from_array(np.asarray(w), n) for n, w in zip(names, row.weights, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", row.opset)], ir_version=3)


@pytest.mark.parametrize("to", ["torch", "keras"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.operator}-{row.opset}-{row.tag}")
def test_old_operator(row: Row, to: str) -> None:
    translation = translate(model_of(row), to, example_inputs=row.x)
    if translation.report is not None:
        assert translation.report.passed
    values = translation.to_target(row.x)
    found = np.asarray(translation.to_source(translation.model(values), role="output"))
    expected = row.formula(row.x, *row.weights)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("operator", ["BatchNormalization", "Dropout"])
def test_training_is_refused(operator: str) -> None:
    row = Row(operator, 6, lambda x: x, STATISTICS if operator == "BatchNormalization" else ())
    with pytest.raises(UnsupportedOperatorError, match="is_test is 0"):
        translate(model_of(row), "torch", example_inputs=row.x)


@pytest.mark.parametrize("to", ["torch", "keras"])
@pytest.mark.parametrize("opset", [3, 6])
def test_old_network(opset: int, to: str) -> None:
    """As PyTorch and Caffe2 wrote them: a free batch, weights among the inputs, a bias along the channels."""
    old = {"consumed_inputs": [0, 0, 0, 1, 1]} if opset < 6 else {}
    weights = {
        "w": draw(4, 3, 3, 3), "scale": np.abs(draw(4)) + 0.5, "shift": draw(4, seed=1), "mean": draw(4, seed=2),
        "variance": np.abs(draw(4, seed=3)) + 0.5, "bias": draw(4, seed=4), "v": draw(5, 4, seed=5), "b": draw(5, seed=6),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["n"], is_test=1, epsilon=1e-3, **old),
        helper.make_node("Add", ["n", "bias"], ["m"], broadcast=1, axis=1),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Dropout", ["g"], ["d", "mask"], is_test=1, ratio=0.5),
        helper.make_node("Flatten", ["d"], ["f"]),
        helper.make_node("Gemm", ["f", "v", "b"], ["y"], broadcast=1, transB=1),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "old",
        [
            helper.make_tensor_value_info("x", 1, ["n_samples", 3, 4, 5]),
            *(helper.make_tensor_value_info(name, 1, array.shape) for name, array in weights.items()),
        ],
        [helper.make_tensor_value_info("y", 1, ["n_samples", 5])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    translation = translate(proto, to, example_inputs=X)
    assert translation.report is not None and translation.report.passed
    import torch

    with torch.no_grad():
        convolved = torch.nn.functional.conv2d(torch.tensor(X), torch.tensor(weights["w"]), padding=1).numpy()
    normed = normalized(convolved, *(weights[name] for name in ("scale", "shift", "mean", "variance")))
    pooled = np.maximum(normed + weights["bias"][:, None, None], 0).mean((2, 3))
    found = np.asarray(translation.to_source(translation.model(translation.to_target(X)), role="output"))
    np.testing.assert_allclose(found, pooled @ weights["v"].T + weights["b"], rtol=1e-4, atol=1e-5)
