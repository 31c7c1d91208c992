"""Names and types of ONNX graphs: layers whose names clash, inputs of both precisions, and numbers behind a sequence's end."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate import list_layers, translate
from onnx import TensorProto, helper

Array = np.ndarray[Any, Any]
X = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
SQUARE = {name: np.random.default_rng(k).standard_normal((4, 4)).astype(np.float32) for k, name in enumerate("wv")}
BOTH = pytest.mark.parametrize("to", ["torch", "tensorflow"])


def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Array]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*row) for row in inputs],
        [helper.make_tensor_value_info(*row) for row in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    return proto


CLASHES = {
    # the name of a node is that of what another one computes, before or behind it
    "behind": (["first", "act", "hidden"], ["hidden", "h", "y"]),
    "in front": (["h", "act", "last"], ["a", "h", "y"]),
    "swapped": (["h", "hidden", "last"], ["hidden", "h", "y"]),
    "an input's": (["fc", "act", "x"], ["hidden", "h", "y"]),
    "all alike": (["fc", "fc", "fc"], ["hidden", "h", "y"]),
    "none": (["", "", ""], ["hidden", "h", "y"]),
}


@BOTH
@pytest.mark.parametrize("clash", CLASHES)
def test_layers_whose_names_clash_are_told_apart(clash: str, to: str) -> None:
    names, values = CLASHES[clash]
    proto = model(
        [
            helper.make_node("MatMul", ["x", "w"], [values[0]], name=names[0]),
            helper.make_node("Tanh", [values[0]], [values[1]], name=names[1]),
            helper.make_node("MatMul", [values[1], "v"], [values[2]], name=names[2]),
        ],
        [("x", TensorProto.FLOAT, ["n", 4])],
        [("y", TensorProto.FLOAT, ["n", 4])],
        SQUARE,
    )
    assert len({layer.name for layer in list_layers(proto, example_inputs=X)}) == 3
    report = translate(proto, to, example_inputs=X).report
    assert report is not None and report.passed
    assert len(report.layers) == 3 and all(row.compared for row in report.layers)


@BOTH
@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "int32", "int16"])
def test_ranges_of_any_type_by_an_input(kind: str, to: str) -> None:
    """The input beside them is of single precision, and a number has no axes."""
    number = getattr(TensorProto, {"float64": "DOUBLE", "float32": "FLOAT"}.get(kind, kind.upper()))
    proto = model(
        [
            helper.make_node("Range", ["start", "limit", "step"], ["r"]),
            helper.make_node("Cast", ["r"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["f"], ["s"], keepdims=0),
            helper.make_node("Mul", ["x", "s"], ["y"]),
        ],
        [("x", TensorProto.FLOAT, ["n", 4]), ("limit", number, [])],
        [("y", TensorProto.FLOAT, ["n", 4])],
        {"start": np.array(1, kind), "step": np.array(2, kind)},
    )
    made = translate(proto, to, example_inputs=[X, np.array(6, kind)])
    assert made.report is not None and made.report.passed


@BOTH
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_what_is_behind_a_sequence_may_be_no_number(operator: str, gates: int, layout: int, to: str) -> None:
    random = np.random.default_rng(3)
    lengths = np.array([5, 2, 0], np.int32)
    x = random.standard_normal((3, 5, 4)).astype(np.float32)
    for row, length in zip(x, lengths, strict=True):
        row[length:] = np.nan
    weights = {
        name: random.standard_normal(shape).astype(np.float32)
        for name, shape in {"W": (1, gates * 6, 4), "R": (1, gates * 6, 6), "B": (1, gates * 12)}.items()
    }
    options = {"linear_before_reset": 1} if operator == "GRU" else {}
    node = helper.make_node(
        operator, ["x", "W", "R", "B", "lengths"], ["y", "h"], hidden_size=6, layout=layout, **options
    )
    x = x if layout else x.transpose(1, 0, 2)
    proto = model(
        [node],
        [("x", TensorProto.FLOAT, list(x.shape)), ("lengths", TensorProto.INT32, [3])],
        [
            ("y", TensorProto.FLOAT, [3, 5, 1, 6] if layout else [5, 1, 3, 6]),
            ("h", TensorProto.FLOAT, [3, 1, 6] if layout else [1, 3, 6]),
        ],
        weights,
    )
    report = translate(proto, to, example_inputs=[x, lengths]).report
    assert report is not None and report.passed
