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
    """What counts its samples: a reshape that mixes them."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1, 3 * batch])
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["line"]), helper.make_node("Tanh", ["line"], ["y"])]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)
        for name, sizes in (("x", [batch, 3]), ("y", [1, 3 * batch]))
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [shape])
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
    x = np.ones((2, 3), "float32")
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(ways(one)[way](x), np.tanh(x.reshape(1, 6)), rtol=1e-6)
        with pytest.raises((InvalidArgumentError, tf.errors.InvalidArgumentError), match="exactly 2"):
            ways(one)[way](np.ones((size, 3), "float32"))


def test_it_goes_back_to_onnx() -> None:
    model = translate(file_of(2), "keras").model
    again = translate(model, "onnx", example_inputs=np.ones((2, 3), "float32"))
    assert again.report is not None
    assert again.report.passed
