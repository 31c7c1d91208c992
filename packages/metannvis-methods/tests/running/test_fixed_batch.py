"""ONNX files of one sample at a time, as PyTorch writes them by default: explained as the same network is with a free batch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_methods import FixedBatchWarning, explain
from metannvis_methods.errors import InvalidArgumentError
from onnx import TensorProto, helper, numpy_helper


def network(batch: int | str) -> onnx.ModelProto:
    """A convolution, an activation and a dense layer; a file of one sample says so in its reshape, too."""
    random = np.random.default_rng(0)
    arrays = {
        "kernel": random.standard_normal((4, 2, 3, 3)),
        "weight": random.standard_normal((5, 4 * 4 * 4)),
        "bias": random.standard_normal(5),
    }
    weights = [numpy_helper.from_array(array.astype("float32"), name) for name, array in arrays.items()]
    shape = [batch if isinstance(batch, int) else 0, 4 * 4 * 4]
    weights.append(numpy_helper.from_array(np.array(shape), "shape"))
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["c"], name="conv"),
        helper.make_node("Tanh", ["c"], ["t"], name="tanh"),
        helper.make_node("Reshape", ["t", "shape"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "weight", "bias"], ["y"], name="dense", transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 2, 6, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 5])
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


IMAGES = np.random.default_rng(1).standard_normal((3, 2, 6, 6)).astype("float32")
#: Rows: method, toolset, what else it is told.
ROWS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gradients": ("saliency", "captum", {}),
    "steps": ("integrated_gradients", "captum", {"n_steps": 7}),
    "references at random": ("gradient_shap", "captum", {"baselines": np.zeros((2, 2, 6, 6), "float32"), "seed": 0}),
    "windows": ("occlusion", "captum", {"sliding_window_shapes": (2, 3, 3), "strides": (2, 3, 3)}),
    "a layer": ("grad_cam", "captum", {"layer": "conv"}),
    "steps at a layer": ("layer_integrated_gradients", "captum", {"layer": "conv", "n_steps": 5}),
    "Keras": ("saliency", "tf-keras-vis", {}),
    "a layer in Keras": ("grad_cam", "tf-keras-vis", {"layer": "conv"}),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("count", [1, 3])
def test_samples_and_steps_pass_one_by_one(row: str, count: int) -> None:
    method, toolset, options = ROWS[row]
    given = dict(inputs=IMAGES[:count], target=2, toolset=toolset, **options)
    expected = explain(network("n"), method, **given)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", FixedBatchWarning)
        found = explain(network(1), method, **given)
    assert count == 1 or any("exactly 1" in str(warning.message) for warning in said)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5)


def test_the_class_of_each_sample_is_its_own() -> None:
    with pytest.warns(FixedBatchWarning):
        found = explain(network(1), "saliency", IMAGES, toolset="captum")
    assert found.target == explain(network("n"), "saliency", IMAGES, toolset="captum").target


def test_samples_that_are_no_multiple_are_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        explain(network(2), "saliency", IMAGES, target=0, toolset="captum")
