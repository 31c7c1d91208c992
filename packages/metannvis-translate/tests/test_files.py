"""Files of each framework: what is written is standard, what cannot be read says so, what is read declares its inputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from metannvis_translate import DamagedFileError, InvalidModelError, load_model, save_model, translate
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.frameworks.requirements import require


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_dense_layer_becomes_standard_onnx(tmp_path, use_bias):
    keras = require("keras")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(3, use_bias=use_bias), keras.layers.Dense(2, use_bias=use_bias)]
    translation = translate(keras.Sequential(layers), "onnx")
    assert {node.domain for node in translation.model.graph.node} <= {"", "ai.onnx"}
    onnx.checker.check_model(translation.model, full_check=True)
    translation.save(tmp_path / "net.onnx")
    assert translate(tmp_path / "net.onnx", "keras").report.passed


def test_a_file_that_is_no_onnx_model_says_so(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"nothing of use")
    with pytest.raises((DamagedFileError, InvalidModelError), match=r"net\.onnx"):
        load_model(tmp_path / "net.onnx")


def test_a_program_from_a_file_declares_its_inputs(tmp_path):
    torch = require("torch")
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 3)
    ).eval()  # its argument is called input, which a loaded one renames
    save_model(module, tmp_path / "net.pt2", example_inputs=np.zeros((2, 4), np.float32))
    program = load_model(tmp_path / "net.pt2")
    (array,) = get_framework("torch").example_inputs(program, 5, 0)
    assert array.shape == (5, 4)


@pytest.mark.parametrize("place", ["weight", "constant"])
@pytest.mark.parametrize("location", ["../secret.bin", "absent.bin", "link.bin"])
def test_data_of_onnx_files_stays_in_their_folder(tmp_path, place, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(np.arange(8, dtype="f4").tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.zeros((4, 2), "f4"), "w")
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    if place == "constant":
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weight))
    ports = [[helper.make_tensor_value_info(name, single, ["n", size])] for name, size in (("x", 4), ("y", 2))]
    graph = helper.make_graph(nodes, "g", *ports, [weight] if place == "weight" else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises((DamagedFileError, InvalidModelError), match=r"net\.onnx"):
        load_model(folder / "net.onnx")
