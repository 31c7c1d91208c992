"""Neither PyTorch nor TensorFlow installed. For `tox -e plot`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from metannvis_methods import explain, list_methods
from metannvis_methods.examples import digits
from metannvis_methods.inputs import input_specs, read_inputs
from metannvis_plot import plot
from metannvis_translate import MissingFrameworkError, detect_framework, list_layers, translate
from onnx import TensorProto, helper


@pytest.fixture
def net() -> onnx.ModelProto:
    """A relu, then the sum over the features."""
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["positive"], name="relu"),
            helper.make_node("ReduceSum", ["positive", "axes"], ["y"], name="sum", keepdims=1),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def values() -> np.ndarray:
    return np.ones((2, 4), np.float32)


def test_this_is_that_environment():
    for name in ("torch", "tensorflow", "keras", "captum", "tf_keras_vis", "sklearn"):
        assert find_spec(name) is None


def test_models_are_recognised_and_listed(net):
    assert detect_framework(net) == "onnx"
    assert {"relu", "sum"} <= {layer.name for layer in list_layers(net)}


def test_all_methods_are_listed():
    assert {row.toolset for row in list_methods()} >= {"captum", "tf-keras-vis"}


def test_inputs_are_read_for_a_model(net, values, tmp_path):
    np.save(tmp_path / "x.npy", values)
    specs = input_specs(net, "onnx")
    np.testing.assert_array_equal(read_inputs([str(tmp_path / "x.npy")], specs), values)


def test_the_digits_say_what_to_install():
    with pytest.raises(MissingFrameworkError, match=r"pip install .?metannvis-methods\[examples\]"):
        digits.load(0)


@pytest.mark.parametrize(("name", "extra"), [("torch", "torch"), ("keras", "tensorflow")])
def test_the_example_networks_say_what_to_install(name, extra):
    with pytest.raises(MissingFrameworkError, match=rf"pip install .?metannvis-translate\[{extra}\]"):
        import_module(f"metannvis_methods.examples.{name}_network")


def test_arrays_are_drawn(tmp_path):
    plot(np.eye(4), path=tmp_path / "eye.png")
    assert (tmp_path / "eye.png").stat().st_size > 0


@pytest.mark.parametrize(("to", "extra"), [("torch", "torch"), ("keras", "tensorflow")])
def test_translating_says_what_to_install(net, values, to, extra):
    with pytest.raises(MissingFrameworkError, match=rf"pip install .?metannvis-translate\[{extra}\]") as caught:
        translate(net, to, example_inputs=values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_explaining_says_what_to_install(net, values, toolset):
    with pytest.raises(MissingFrameworkError, match=rf"pip install .?metannvis-methods\[{toolset}\]") as caught:
        explain(net, "saliency", values, target=0, toolset=toolset)
    assert "\n" not in str(caught.value)
