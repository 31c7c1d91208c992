"""Module names of ``.onnx`` files: what each names is what the module returned, natively."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate import list_layers, translate
from metannvis_translate.frameworks import get_framework


def torch_network() -> Any:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.bn = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.bn(self.conv(x))) + x

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv2, self.act = nn.Conv2d(3, 4, 3), nn.Tanh()
            self.layers = nn.Sequential(Block(), nn.Sequential(Block(), nn.Sigmoid()))
            self.heads = nn.ModuleList([nn.Linear(4, 5)])
            self.recurrent = nn.GRU(5, 6, batch_first=True)

        def forward(self, x: Any) -> Any:
            x = self.act(self.act(self.conv2(x)))
            x = self.act(self.layers(x))
            x = self.heads[0](x.flatten(2).transpose(1, 2))
            return self.recurrent(x)[0]

    torch.manual_seed(0)
    network = Network()
    for _ in range(3):  # statistics that are not those of a new layer
        network(torch.randn(8, 3, 8, 8) * 3 + 1)
    return network.eval()


@pytest.fixture(scope="module", params=["dynamo", "torchscript"])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any, dict[str, Any], str]:
    """A file, the inputs, and what each module returned at its first call."""
    import torch

    network, x = torch_network(), torch.randn(2, 3, 8, 8)
    native: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, given: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                native.setdefault(name, output.detach().numpy())

        return hook

    for name, module in network.named_modules():
        if name:
            module.register_forward_hook(keep(name))
    network(x)
    path = tmp_path_factory.mktemp("files") / "network.onnx"
    options: dict[str, Any] = {"external_data": False, "verbose": False} if request.param == "dynamo" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter by TorchScript, which is old; files of it are not
        torch.onnx.export(torch_network(), (x,), str(path), dynamo=request.param == "dynamo", **options)
    return path, x.numpy(), native, request.param


def test_a_module_is_found_by_its_name(written: tuple[Path, Any, dict[str, Any], str]) -> None:
    path, x, native, exporter = written
    names = [info.name for info in list_layers(path)]
    assert {"conv2", "act", "layers", "layers.0", "layers.1", "layers.1.0", "layers.1.1", "heads.0"} <= set(names)
    nodes = {node.name for node in onnx.load(path).graph.node}
    assert nodes & set(names), "nodes keep their names"
    run = get_framework("onnx").run(onnx.load(path), [x], layers=names)
    compared = [name for name in names if name in native]
    for name in compared:
        np.testing.assert_allclose(run.layers[name], native[name], rtol=1e-4, atol=1e-5, err_msg=name)
    # a batch normalisation is folded into the convolution in front of it, which no longer returns what the module did
    assert "layers.0.conv" not in names
    assert ("layers.0.bn" in names) == (exporter == "dynamo")


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
def test_a_module_is_found_in_the_translation(written: tuple[Path, Any, dict[str, Any], str], to: str) -> None:
    path, x, _, _ = written
    translation = translate(path, to, example_inputs=x)
    row = translation.layers.to_target("conv2")
    by_node = next(other for other in translation.layers if other.value == row.value and other is not row)
    assert row.target == by_node.target
    report = translation.report
    assert report is not None and all(r.passed for r in report.layers if r.name in ("conv2", "layers.1", "heads.0"))


def test_a_layer_of_a_tensorflow_graph() -> None:
    """tf2onnx folds the batch normalisation; the value then is the normalisation's."""
    import keras
    import tensorflow as tf
    import tf2onnx
    from metannvis_translate.frameworks.onnx.module_names import module_values

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, name="first"),
            keras.layers.BatchNormalization(name="norm", moving_mean_initializer="random_normal"),
            keras.layers.Activation("tanh", name="bend"),
            keras.layers.Conv2D(5, 3, name="second"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(3, name="head"),
        ]
    )
    function = tf.function(lambda x: model(x), input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, "x")])
    proto, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=15)
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    names = [row.name for row in module_values(proto)]
    assert {"bend_1", "second_1"} <= set(names)  # TensorFlow numbers the calls of a layer
    run = get_framework("onnx").run(proto, [x], layers=names)
    value = x
    for layer in model.layers:
        value = np.asarray(layer(value))
        if f"{layer.name}_1" in names:
            found = run.layers[f"{layer.name}_1"]
            laid = found.transpose(0, 2, 3, 1) if found.ndim == 4 and found.shape != value.shape else found
            np.testing.assert_allclose(laid, value, rtol=1e-4, atol=1e-5, err_msg=layer.name)
