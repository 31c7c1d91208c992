"""Networks translated to ONNX are valid graphs, agree with their source, and come back to it in double precision."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from metannvis_translate import check_equivalence, save_model, translate
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.graph.metadata import EXACT_VALUES, LINEAR_ABOVE, SINGLE, TIE_GRADIENT
from onnx import TensorProto, helper
from torch import nn

from ..networks.torch import ZOO, randomize


@pytest.mark.core("norms", "adaptive", "activations", "kinks", "indexing")
@pytest.mark.parametrize("name", ZOO)
def test_valid_and_the_same(name: str) -> None:
    row = ZOO[name]
    model = randomize(row.make())
    given = [row.given(batch, np.random.default_rng(batch), "float32") for batch in (2, 3)]
    translation = translate(model, "onnx", example_inputs=given[0])
    onnx.checker.check_model(translation.model)
    for arrays in given:
        report = check_equivalence(model, translation, arrays, gradients=False)
        assert report.passed, str(report)


def test_values_that_are_named_as_steps_would_be() -> None:
    """PyTorch's exporter counts its calls in the same way: ``group_norm``, ``group_norm_1``."""
    model = randomize(nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.GroupNorm(4, 4)))
    image = np.random.default_rng(0).standard_normal((2, 2, 6, 7)).astype("float32")
    for engine in ("auto", "dynamo"):
        proto = translate(model, "onnx", example_inputs=image, engine=engine).model
        onnx.checker.check_model(proto)
        names = [name for node in proto.graph.node for name in node.output]
        assert len(names) == len(set(names))


# --- exact doubles in the metadata of a file --------------------------------------------------------------------------------


def elu(stated: Any, **attributes: Any) -> onnx.ModelProto:
    """An ELU whose metadata states another alpha."""
    node = helper.make_node("Elu", ["x"], ["y"], name="elu", **attributes)
    node.metadata_props.add(key=EXACT_VALUES, value=stated if isinstance(stated, str) else json.dumps(stated))
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    return helper.make_model(
        helper.make_graph([node], "g", ports[:1], ports[1:]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )


FALSE = (
    {"alpha": "7.0"},
    {"alpha": ["0.3"]},
    {"alpha": 0.3},
    {"alpha": "nan"},
    {"alpha": "x"},
    ["alpha"],
    "{",
    "[" * 9999,
    {"beta": "1.0"},
)


@pytest.mark.parametrize("stated", FALSE, ids=lambda stated: str(stated)[:20])
@pytest.mark.parametrize("target", ["torch", "keras"])
def test_what_is_stated_falsely_is_not_believed(target: str, stated: Any) -> None:
    x = np.array([[-3.0, -0.5, 1.0]], "float32")
    for attributes in ({"alpha": 0.3}, {}):
        translation = translate(elu(stated, **attributes), target, example_inputs=x, verify=False)
        found = get_framework(translation.target_framework).run(translation.model, [x]).outputs[0]
        alpha = attributes.get("alpha", 1.0)
        np.testing.assert_allclose(found, np.where(x < 0, alpha * np.expm1(x), x), rtol=1e-6)


def test_what_is_stated_truly_is(tmp_path: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ELU(0.1), nn.Hardtanh(-0.3, 0.7)).eval()
    x = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
    save_model(translate(model, "onnx", example_inputs=x).model, tmp_path / "model.onnx")
    back = translate(tmp_path / "model.onnx", "torch", dtype="float64", verify=False)
    assert check_equivalence(model, back.model, x.astype("float64"), dtype="float64").passed


# --- what only the exporter of a framework may state ------------------------------------------------------------------------


def test_a_file_means_what_the_standard_says() -> None:
    """What a file states of the framework that it may have come from would change results, or how they are looked at."""
    nodes = [
        helper.make_node("Softplus", ["x"], ["a"], name="softplus"),
        helper.make_node("HardSigmoid", ["a"], ["b"], name="gate", alpha=1 / 6),
        helper.make_node("Max", ["b", "x"], ["y"], name="largest"),
    ]
    for node, key, text in zip(nodes, (LINEAR_ABOVE, SINGLE, TIE_GRADIENT), ("-9", "all of it", "first"), strict=True):
        node.metadata_props.add(key=key, value=text)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    x = np.array([[-3.0, -0.5, 1.0]], "float32")
    hub = get_framework("onnx").export(model, None, dtype=None, engine="onnx", progress=lambda *_: None)
    assert all(not {LINEAR_ABOVE, SINGLE, TIE_GRADIENT} & set(node.metadata_props) for node in hub.model.graph)
    translation = translate(model, "torch", example_inputs=x)
    assert translation.report is not None and translation.report.passed and translation.single_precision == ()


@pytest.mark.parametrize("source", ["torch", "keras"])
def test_a_translation_that_was_a_file_is_one_of_the_standards(source: str, tmp_path: Any) -> None:
    """Its exporter stated how PyTorch or Keras compute; the file keeps what they compute."""
    x = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    if source == "torch":
        model: Any = nn.Sequential(nn.Linear(4, 4), nn.Softplus(), nn.SELU(), nn.Hardsigmoid(), nn.CELU(0.7))
    else:
        model = keras.Sequential(
            [keras.Input((4,)), *(keras.layers.Activation(name) for name in ("softplus", "selu", "gelu", "celu"))]
        )
    there = translate(model, "onnx", example_inputs=x, verify=False)
    save_model(there.model, tmp_path / "model.onnx")
    back = translate(tmp_path / "model.onnx", "torch", example_inputs=x, verify=False)
    assert back.single_precision == () and check_equivalence(model, back.model, x, gradients=False).passed
