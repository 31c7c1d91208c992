"""Models whose batch is fixed: Keras takes any number of samples for one that declares two, a translation refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from metannvis_translate import InvalidArgumentError, translate
from onnx import TensorProto, helper


def file_of(batch: int) -> onnx.ModelProto:
    """What counts its samples: a sum over them, divided by their number."""
    count = helper.make_tensor("count", TensorProto.FLOAT, [], [float(batch)])
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["y"]),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [0])
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, 3]) for name, size in (("x", batch), ("y", 1))
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [count, axes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def ways(model: Any) -> dict[str, Any]:
    return {
        "called": model,
        "predict": lambda x: model.predict(x, verbose=0, batch_size=len(x)),
        "function": tf.function(model, input_signature=[tf.TensorSpec((None, 3))]),
    }


@pytest.mark.parametrize("way", ["called", "predict", "function"])
@pytest.mark.parametrize("size", [1, 3])
def test_another_batch_is_refused(way: str, size: int, tmp_path: Path) -> None:
    model = translate(file_of(2), "keras").model
    x = np.arange(6, dtype="float32").reshape(2, 3)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(ways(one)[way](x), x.mean(0, keepdims=True), rtol=1e-6)
        with pytest.raises((InvalidArgumentError, tf.errors.InvalidArgumentError), match="exactly 2"):
            ways(one)[way](np.ones((size, 3), "float32"))


def test_it_goes_back_to_onnx() -> None:
    model = translate(file_of(2), "keras").model
    again = translate(model, "onnx", example_inputs=np.ones((2, 3), "float32"))
    assert again.report is not None
    assert again.report.passed
