"""The reference in double precision: no operator of an ONNX graph is computed in single precision there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate.frameworks.registry import get_framework
from onnx import helper

Array = np.ndarray[Any, Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def _norm(x: Array) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 2.0**-17)


#: Operator, attributes and what it computes.
OPERATORS: dict[str, tuple[str, dict[str, Any], Callable[[Array], Array]]] = {
    "Erf": ("Erf", {}, _erf),
    "Gelu": ("Gelu", {}, lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2),
    "Mish": ("Mish", {}, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "Softplus": ("Softplus", {}, lambda x: np.log1p(np.exp(x))),
    "LayerNormalization": ("LayerNormalization", {"epsilon": 2.0**-17}, _norm),
    "Softmax": ("Softmax", {}, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "LogSoftmax": ("LogSoftmax", {}, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
    "Elu": ("Elu", {}, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "ReduceLogSumExp": ("ReduceLogSumExp", {"keepdims": 1}, lambda x: np.log(np.exp(x).sum(keepdims=True))),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_doubles_are_exact(name: str) -> None:
    operator, attributes, formula = OPERATORS[name]
    x = np.random.default_rng(0).standard_normal((2, 5))
    names = ["x", "scale"] if operator == "LayerNormalization" else ["x"]
    scale = helper.make_tensor("scale", onnx.TensorProto.FLOAT, [5], [1.0] * 5)
    node = helper.make_node(operator, names, ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        name,
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 5])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        initializer=[scale] if len(names) > 1 else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    framework = get_framework("onnx")
    (found,) = framework.run(framework.as_float64(model), [x]).outputs
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, formula(x), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("opset", [16, 20])
@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_bicubic_samples_are_those_of_pytorch(padding: str, corners: int, opset: int) -> None:
    """In double precision, for which ONNX Runtime has no kernel, by the names of before opset 20 too."""
    import torch

    random = np.random.default_rng(0)
    image, grid = random.standard_normal((2, 3, 5, 6)), random.uniform(-2.5, 2.5, (2, 7, 4, 2))
    mode = "bicubic" if opset < 20 else "cubic"
    node = helper.make_node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=padding, align_corners=corners)
    inputs = [helper.make_tensor_value_info(n, 11, a.shape) for n, a in (("x", image), ("g", grid))]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", 11, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (found,) = get_framework("onnx").run(model, [image, grid]).outputs
    expected = torch.nn.functional.grid_sample(
        torch.tensor(image), torch.tensor(grid), "bicubic", padding, bool(corners)
    )
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-11, atol=1e-12)


def test_transforms_of_doubles_are_exact() -> None:
    x = np.random.default_rng(0).standard_normal((2, 10, 2))
    node = helper.make_node("DFT", ["x"], ["y"], inverse=1)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", 11, x.shape)], [helper.make_tensor_value_info("y", 11, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (found,) = get_framework("onnx").run(model, [x]).outputs
    expected = np.fft.ifft(x[..., 0] + 1j * x[..., 1], axis=1)
    np.testing.assert_allclose(found, np.stack([expected.real, expected.imag], -1), rtol=0, atol=1e-15)
