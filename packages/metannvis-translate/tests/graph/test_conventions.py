"""Exporters state what is special about their framework, on nodes that the passes carry on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import onnx_ir as ir
import pytest
import tensorflow as tf
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.graph.conventions import STANDARD, mark_nodes
from metannvis_translate.graph.metadata import KINK, LINEAR_ABOVE, ROUNDING, SINGLE, TIE_GRADIENT, exact_value
from metannvis_translate.passes.pipeline import simplify
from torch import nn

X = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")


def exported(key: str, model: Any, engine: str) -> tuple[Any, dict[str, ir.Node]]:
    """The graph behind the passes, and a node of each of its operators."""
    hub = get_framework(key).export(model, [X], dtype=None, engine=engine, progress=lambda *_: None)
    hub = simplify(hub)
    return hub, {node.op_type: node for node in hub.model.graph}


@pytest.mark.parametrize("engine", ["trace", "dynamo", "torchscript"])
def test_pytorch(engine: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Hardsigmoid(), nn.ReLU6(), nn.Softmax(-1)).eval()
    hub, nodes = exported("torch", model, engine)
    assert "hardsigmoid" in nodes["HardSigmoid"].metadata_props[SINGLE]
    assert nodes["Clip"].metadata_props[KINK] == "none"
    assert nodes["Softmax"].metadata_props[ROUNDING] == "kernel"
    assert hub.conventions.channels_last is False and hub.conventions.fixed_buffers


@pytest.mark.parametrize("engine", ["dynamo", "torchscript"])
def test_pytorch_in_what_only_the_slow_exporters_take(engine: str) -> None:
    class Tied(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.functional.selu(x.maximum(x * 2)).topk(2).values

    _, nodes = exported("torch", Tied(), engine)
    assert [nodes[name].metadata_props[TIE_GRADIENT] for name in ("Max", "TopK")] == ["shared", "any"]
    assert nodes["Selu"].metadata_props[KINK] == "below"
    _, nodes = exported("torch", nn.Sequential(nn.Softplus()), "torchscript")
    assert nodes["Softplus"].metadata_props[LINEAR_ABOVE] == "20.0"


def test_keras() -> None:
    x = keras.Input((4,))
    y = keras.layers.Maximum()([keras.layers.Activation("selu")(x), keras.layers.PReLU()(x)])
    hub, nodes = exported("tensorflow", keras.Model(x, keras.layers.Activation("relu6")(y)), "keras")
    assert nodes["Max"].metadata_props[TIE_GRADIENT] == "first"
    assert [nodes[name].metadata_props[KINK] for name in ("Selu", "PRelu", "Clip")] == ["above", "none", "inside"]
    assert hub.conventions.channels_last is True and hub.conventions.half_in_double


def test_tensorflow() -> None:
    class Graph(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def __call__(self, x: Any) -> Any:
            return tf.nn.selu(tf.maximum(x, x * 2))

    hub, nodes = exported("tensorflow", Graph(), "keras")
    assert hub.exporter == "tf2onnx" and hub.conventions.runs_by_depth
    assert nodes["Max"].metadata_props[TIE_GRADIENT] == "first" and nodes["Selu"].metadata_props[KINK] == "above"
    assert exact_value(nodes["Selu"], "alpha") == 1.6732632423543772


def test_onnx_states_nothing() -> None:
    from metannvis_translate import translate

    model = nn.Sequential(nn.Linear(4, 4), nn.Hardsigmoid(), nn.Softmax(-1)).eval()
    proto = translate(model, "onnx", example_inputs=X).model
    hub, nodes = exported("onnx", proto, "onnx")
    assert hub.conventions == STANDARD
    assert SINGLE not in nodes["HardSigmoid"].metadata_props and ROUNDING not in nodes["Softmax"].metadata_props


def test_what_a_call_has_stated_stays() -> None:
    x = ir.Value(name="x")
    nodes = [
        ir.node("Max", [x, x], metadata_props={TIE_GRADIENT: "bound"}),
        ir.node("Max", [x, x]),
        ir.node("Max", [x, x], domain="other"),
    ]
    graph = ir.Graph([x], [], nodes=nodes, opset_imports={"": 20, "other": 1})
    mark_nodes(graph, {"Max": {TIE_GRADIENT: "shared"}})
    assert [node.metadata_props.get(TIE_GRADIENT) for node in graph] == ["bound", "shared", None]
