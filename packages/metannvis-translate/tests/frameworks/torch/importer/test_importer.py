"""What the ONNX → PyTorch importer builds: modules, names, layout, weights, subgradients."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras import conventions as keras_conventions
from metannvis_translate.frameworks.protocol import BuiltModel
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch import conventions as torch_conventions
from metannvis_translate.frameworks.torch.plugin import framework
from metannvis_translate.graph.metadata import LAYER, TIE_GRADIENT
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort
from metannvis_translate.layers import LayerInfo
from metannvis_translate.passes import pipeline
from onnx import TensorProto, helper, numpy_helper

torch = require("torch")
Array = np.ndarray[Any, Any]
Node = tuple[Any, ...]


def weight(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed + sum(shape)).uniform(-1, 1, shape).astype(np.float32)


#: Who states what a source framework means by its nodes.
CONVENTIONS: dict[str, Any] = {"tensorflow": keras_conventions, "torch": torch_conventions}


def hub_of(
    nodes: list[Node],
    inputs: dict[str, tuple[int | None, ...]],
    outputs: list[str],
    weights: dict[str, Array],
    *,
    layers: dict[str, str] | None = None,
    source: str = "tensorflow",
    axes: dict[str, str] | None = None,
    opset: int = 20,
    types: dict[str, int] | None = None,
) -> ExportedGraph:
    """A hub graph by hand: a node is (operator, inputs, output, layer, attributes); ``layers`` maps layers to values."""
    protos = []
    for operator, given, output, layer, *attributes in nodes:
        proto = helper.make_node(operator, given.split(), output.split(), **(attributes[0] if attributes else {}))
        if layer:
            proto.metadata_props.add(key=LAYER, value=layer)
        protos.append(proto)
    infos = [
        helper.make_tensor_value_info(
            n, (types or {}).get(n, TensorProto.FLOAT), ["batch" if d is None else d for d in shape]
        )
        for n, shape in inputs.items()
    ]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(protos, "g", infos, results, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model)
    graph_model = ir.from_proto(model)
    of = CONVENTIONS[source]
    of.state_conventions(graph_model.graph)
    hub = ExportedGraph(
        model=graph_model,
        layers=tuple(HubLayer(LayerInfo(name, "Layer"), value) for name, value in (layers or {}).items()),
        inputs=tuple(HubPort(n, n, shape, "float32", (axes or {}).get(n, "")) for n, shape in inputs.items()),
        outputs=tuple(HubPort(n, n, (), "float32") for n in outputs),
        source=source,
        conventions=of.CONVENTIONS,
    )
    return pipeline.simplify(hub)


def build(hub: ExportedGraph, dtype: str | None = None) -> BuiltModel:
    return framework.build(hub, dtype=dtype, progress=lambda *a: None)


def nodes_of(model: Any, *targets: str) -> list[str]:
    return [
        str(getattr(n.target, "__name__", n.target))
        for n in model.graph.nodes
        if n.op in ("call_function", "call_method")
    ]


CHANNELS_FIRST, CHANNELS_LAST = {"perm": [0, 3, 1, 2]}, {"perm": [0, 2, 3, 1]}


def keras_stack(**options: Any) -> ExportedGraph:
    """Two convolutions of a Keras model as its exporter writes them, with everything that keeps the layout between."""
    nodes: list[Node] = [
        ("Transpose", "x", "a", "block/conv1", CHANNELS_FIRST),
        ("Conv", "a w1 b1", "b", "block/conv1", {"pads": [1, 0, 1, 1]}),
        ("Relu", "b", "c", "block/conv1"),
        ("Transpose", "c", "d", "block/conv1", CHANNELS_LAST),
        ("Transpose", "d", "e", "block/bn", CHANNELS_FIRST),
        ("BatchNormalization", "e s o m v", "f", "block/bn", {"epsilon": 1e-3, "momentum": 0.99}),
        ("Transpose", "f", "g", "block/bn", CHANNELS_LAST),
        ("Mul", "g k", "h", "scale"),
        ("Transpose", "h", "i", "pool", CHANNELS_FIRST),
        ("MaxPool", "i", "j", "pool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", "j", "k2", "pool", CHANNELS_LAST),
        ("Add", "k2 k2", "l", "add"),
        ("Concat", "l k2", "n", "concat", {"axis": -1}),
        ("Transpose", "n", "p", "conv2", CHANNELS_FIRST),
        ("Conv", "p w2", "q", "conv2"),
        ("Transpose", "q", "r", "conv2", CHANNELS_LAST),
        ("Softmax", "r", "y", "softmax", {"axis": -1}),
    ]
    weights = {
        "w1": weight(4, 3, 3, 3), "b1": weight(4), "s": weight(4, seed=1), "o": weight(4, seed=2), "m": weight(4, seed=3),
        "v": np.abs(weight(4, seed=4)) + 0.1, "k": weight(4, seed=5), "w2": weight(5, 8, 1, 1),
    }  # fmt: skip
    layers = {
        "block/conv1": "d",
        "block/bn": "g",
        "scale": "h",
        "pool": "k2",
        "add": "l",
        "concat": "n",
        "conv2": "r",
        "softmax": "y",
    }
    return hub_of(nodes, {"x": (None, 9, 11, 3)}, ["y"], weights, layers=layers, axes={"x": "NHWC"}, **options)


def reference(hub: ExportedGraph, *arrays: Array) -> list[Array]:
    from onnx.reference import ReferenceEvaluator

    model = ir.to_proto(hub.model)
    feeds = dict(zip([v.name for v in model.graph.input], arrays, strict=True))
    return [np.asarray(a) for a in ReferenceEvaluator(model).run(None, feeds)]


def test_layout_is_absorbed() -> None:
    built = build(keras_stack())
    names = nodes_of(built.model)
    assert "permute" not in names
    assert built.inputs[0].order == (0, 3, 1, 2)
    assert built.inputs[0].axes == "NCHW"
    assert built.inputs[0].shape == (None, 3, 9, 11)
    assert built.outputs[0].order == (0, 3, 1, 2)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch(batch: int) -> None:
    built = build(keras_stack())
    x = weight(batch, 9, 11, 3)
    (expected,) = reference(keras_stack(), x)
    y = built.model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_names_are_the_layers_paths() -> None:
    built = build(keras_stack())
    modules = {path: type(module).__name__ for path, module in built.model.named_modules() if path}
    assert modules == {
        "block": "Module", "block.conv1": "Conv2d", "block.conv1_relu": "ReLU", "block.bn": "BatchNorm2d",
        "pool": "MaxPool2d", "add": "Add", "conv2": "Conv2d", "softmax": "Softmax",
    }  # fmt: skip
    found = {name: built.values[value].info.name for name, value in {"conv1": "d", "bn": "g", "concat": "n"}.items()}
    assert found == {"conv1": "block.conv1_relu", "bn": "block.bn", "concat": "concat"}
    assert all(order == (0, 3, 1, 2) for order in (value.order for value in built.values.values()))
    names = built.object_names
    assert names[id(built.model.block.conv1)] == "block.conv1"


def test_free_constants_are_parameters() -> None:
    model = build(keras_stack()).model
    assert "scale_k" in dict(model.named_parameters())
    assert model.block.bn.momentum == pytest.approx(0.01)
    assert model.block.bn.eps == np.float32(1e-3)
    assert all(p.requires_grad for p in model.parameters())


def test_survives() -> None:
    model = build(keras_stack()).model
    x = torch.from_numpy(weight(2, 3, 9, 11))
    y = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(x), y, rtol=0, atol=0)
    fresh = build(keras_stack()).model
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(fresh(x), y, rtol=0, atol=0)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.testing.assert_close(exported.module()(x), y)
    torch.testing.assert_close(copy.deepcopy(model).double()(x.double()), y.double(), rtol=1e-5, atol=1e-6)


def test_trains() -> None:
    model = build(keras_stack()).model.train()
    before = model.block.bn.running_mean.clone()
    model(torch.from_numpy(weight(4, 3, 9, 11))).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert not torch.equal(model.block.bn.running_mean, before)


def test_float64() -> None:
    built = build(keras_stack(), "float64")
    assert {p.dtype for p in built.model.parameters()} == {torch.float64}
    assert built.inputs[0].dtype == "float64"
    assert built.model(torch.zeros(1, 3, 9, 11, dtype=torch.float64)).dtype == torch.float64


def test_flatten_moves_only_what_moves() -> None:
    def flattened(height: int) -> list[str]:
        nodes: list[Node] = [
            ("Transpose", "x", "a", "conv", CHANNELS_FIRST),
            ("Conv", "a w", "b", "conv"),
            ("Transpose", "b", "c", "conv", CHANNELS_LAST),
            ("Reshape", "c shape", "y", "flatten"),
        ]
        weights = {"w": weight(4, 3, 3, 3), "shape": np.array([0, -1])}
        hub = hub_of(nodes, {"x": (None, height, 3, 3)}, ["y"], weights, axes={"x": "NHWC"})
        x = weight(2, height, 3, 3)
        (expected,) = reference(hub, x)
        model = build(hub).model
        np.testing.assert_allclose(
            model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach(), expected, rtol=1e-5, atol=1e-6
        )
        return nodes_of(model)

    assert flattened(3) == ["flatten"]
    assert flattened(5) == ["permute", "flatten"]


def test_shared_weights_are_shared() -> None:
    nodes: list[Node] = [
        ("Conv", "x w", "a", "conv"),
        ("Relu", "a", "b", "relu"),
        ("Conv", "b w", "c", "conv"),
        ("Relu", "c", "y", "relu"),
    ]
    layers = {"conv": "a", "relu": "b", "conv:2": "c", "relu:2": "y"}
    model = build(hub_of(nodes, {"x": (None, 3, 8, 8)}, ["y"], {"w": weight(3, 3, 3, 3)}, layers=layers)).model
    assert [path for path, _ in model.named_modules() if path] == ["conv", "relu", "conv_2", "relu_2"]
    assert model.conv.weight is model.conv_2.weight
    assert len(list(model.parameters())) == 1
    assert copy.deepcopy(model).conv.weight is not model.conv.weight
    twin = copy.deepcopy(model)
    assert twin.conv.weight is twin.conv_2.weight


def test_tied_embedding() -> None:
    nodes: list[Node] = [("Gather", "table ids", "a", "embedding"), ("MatMul", "a w", "y", "head")]
    table = weight(7, 4)
    hub = hub_of(
        nodes, {"ids": (None, 5)}, ["y"], {"table": table, "w": weight(4, 7)}, types={"ids": TensorProto.INT64}
    )
    built = build(hub)
    assert type(built.model.embedding).__name__ == "Embedding"
    ids = np.array([[0, 3, 6, 1, 1]])
    np.testing.assert_allclose(built.model(torch.from_numpy(ids)).detach(), table[ids] @ weight(4, 7), rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_sizes_that_depend_on_the_batch(batch: int) -> None:
    nodes: list[Node] = [
        ("Shape", "x", "shape", "tokens"),
        ("Gather", "shape zero", "n", "tokens", {"axis": 0}),
        ("Concat", "n rest", "sizes", "tokens", {"axis": 0}),
        ("Expand", "token sizes", "t", "tokens"),
        ("Concat", "t x", "y", "tokens", {"axis": 1}),
    ]
    weights = {"zero": np.array([0]), "rest": np.array([1, 4]), "token": weight(1, 1, 4)}
    hub = hub_of(nodes, {"x": (None, 3, 4)}, ["y"], weights)
    x = weight(batch, 3, 4)
    (expected,) = reference(hub, x)
    np.testing.assert_array_equal(build(hub).model(torch.from_numpy(x)).detach(), expected)


def test_containers_are_never_modules() -> None:
    """A layer that computes and holds layers gives its path to the container."""
    nodes: list[Node] = [
        ("Relu", "x", "a", "block"),
        ("Sigmoid", "a", "b", "block/inner"),
        ("Add", "b x", "y", "block"),
    ]
    hub = hub_of(nodes, {"x": (None, 4)}, ["y"], {}, layers={"block/inner": "b", "block": "y"})
    modules = {path: type(m).__name__ for path, m in build(hub).model.named_modules() if path}
    assert modules == {"block": "Module", "block.relu": "ReLU", "block.inner": "Sigmoid", "block.add": "Add"}


@pytest.mark.parametrize("name", ["forward", "training", "class", "graph", "1", "weird name-1", "relu"])
def test_awkward_names(name: str) -> None:
    nodes: list[Node] = [("Relu", "x", "a", name), ("Relu", "a", "b", ""), ("Relu", "b", "y", f"{name}/{name}")]
    hub = hub_of(nodes, {"x": (None, 4)}, ["y"], {}, layers={name: "a", f"{name}/{name}": "y"})
    model = build(hub).model
    x = torch.linspace(-1, 1, 4)[None]
    assert torch.equal(model(x), x.relu())
    assert torch.equal(copy.deepcopy(model)(x), x.relu())


@pytest.mark.parametrize(
    ("nodes", "kind"),
    [
        ([("Sigmoid", "x", "a", "l"), ("Mul", "a x", "y", "l")], "SiLU"),
        ([("Softplus", "x", "a", "l"), ("Tanh", "a", "b", "l"), ("Mul", "x b", "y", "l")], "Mish"),
        ([("Sigmoid", "x", "a", "l"), ("Log", "a", "y", "l")], "LogSigmoid"),
        ([("Tanh", "x", "a", "l"), ("Sub", "x a", "y", "l")], "Tanhshrink"),
        ([("Abs", "x", "a", "l"), ("Add", "a one", "b", "l"), ("Div", "x b", "y", "l")], "Softsign"),
    ],
)
def test_activations_are_put_together(nodes: list[Node], kind: str) -> None:
    weights = {"one": np.float32(1.0)}
    hub = hub_of(nodes, {"x": (None, 4)}, ["y"], weights, layers={"l": "y"})
    x = weight(3, 4)
    (expected,) = reference(hub, x)
    model = build(hub).model
    assert {path: type(m).__name__ for path, m in model.named_modules() if path} == {"l": kind}
    np.testing.assert_allclose(model(torch.from_numpy(x)), expected, rtol=1e-6, atol=1e-7)


def test_activations_of_different_layers_stay_apart() -> None:
    nodes: list[Node] = [("Sigmoid", "x", "a", "gate"), ("Mul", "a x", "y", "multiply")]
    model = build(hub_of(nodes, {"x": (None, 4)}, ["y"], {}, layers={"gate": "a", "multiply": "y"})).model
    assert [type(m).__name__ for path, m in model.named_modules() if path] == ["Sigmoid"]


KINKS = np.array([[-3.0, -1.0, 0.0, 0.0, 1.0, 2.0, 6.0, 7.0]], np.float32)
TF = {"Max": 1.0, "Min": 1.0, "Selu": 1.0507009873554805, "Clip": 1.0, "PRelu": 0.0, "Celu": 2.0, "Relu6": 0.0}
TORCH = {"Max": 0.5, "Min": 0.5, "Selu": 1.7580993408473766, "Clip": 0.0, "PRelu": 0.25, "Celu": 1.0, "Relu6": 0.0}


@pytest.mark.parametrize("source", ["tensorflow", "torch"])
@pytest.mark.parametrize("operator", list(TF))
def test_subgradient_at_zero(operator: str, source: str) -> None:
    """Measured with TensorFlow 2.21 and PyTorch 2.15: the derivative at a tie or bound at 0, by either convention."""
    given = {
        "Max": "x zeros", "Min": "x zeros", "Clip": "x zero two", "PRelu": "x slope", "Relu6": "x zero six",
    }.get(operator, "x")  # fmt: skip
    weights = {
        "zeros": np.zeros(8, np.float32), "zero": np.float32(0), "two": np.float32(2), "six": np.float32(6),
        "slope": np.array([0.25], np.float32),
    }  # fmt: skip
    nodes: list[Node] = [("Clip" if operator == "Relu6" else operator, given, "y", "l")]
    model = build(hub_of(nodes, {"x": (None, 8)}, ["y"], weights, source=source), "float64").model
    x = torch.from_numpy(KINKS).double().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    expected = (TF if source == "tensorflow" else TORCH)[operator]
    np.testing.assert_allclose(gradient[0, 2:4], expected, rtol=1e-9)


TIES_AT = {
    "bound": (("Max", "x zero", {}), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
    "index": (("ReduceMax", "x axis", {"keepdims": 0}), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
    "": (("ReduceMax", "x axis", {"keepdims": 0}), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]),
}


@pytest.mark.parametrize("ties", list(TIES_AT))
def test_ties_that_the_exporter_names(ties: str) -> None:
    (operator, given, attributes), expected = TIES_AT[ties]
    weights = {"zero": np.float32(0), "axis": np.array([1])}
    hub = hub_of([(operator, given, "y", "l", attributes)], {"x": (None, 8)}, ["y"], weights, source="torch")
    for node in hub.model.graph:
        node.metadata_props[TIE_GRADIENT] = ties
    x = torch.tensor([[-3.0, -1.0, 0.0, 0.0, 1.0, 2.0, 7.0, 7.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(build(hub).model(x).sum(), x)
    assert gradient.tolist() == [expected]


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_put_together(approximate: str) -> None:
    if approximate == "none":
        tree: list[Node] = [("Div", "x root", "a", "l"), ("Erf", "a", "t", "l")]
    else:
        tree = [
            ("Mul", "x x", "a", "l"), ("Mul", "x a", "b", "l"), ("Mul", "b cube", "c", "l"), ("Add", "x c", "d", "l"),
            ("Mul", "d scale", "e", "l"), ("Tanh", "e", "t", "l"),
        ]  # fmt: skip
    tree += [("Add", "t one", "f", "l"), ("Mul", "x f", "g", "l"), ("Mul", "g half", "y", "l")]
    weights = {"root": np.sqrt(2), "cube": 0.044715, "scale": np.sqrt(2 / np.pi), "one": 1.0, "half": 0.5}
    hub = hub_of(tree, {"x": (None, 4)}, ["y"], {k: np.float32(v) for k, v in weights.items()}, layers={"l": "y"})
    model = build(hub).model
    assert type(model.l).__name__ == "GELU"
    assert model.l.approximate == approximate


def test_unknown_operator_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"(?s)ImageDecoder.*image.*Register"):
        build(hub_of([("ImageDecoder", "x", "y", "image")], {"x": (2, 4, 4)}, ["y"], {}))


def test_an_operator_without_a_converter_is_converted_by_onnx2torch() -> None:
    from metannvis_translate.frameworks.torch.importer.registry import converter, registry

    hub = hub_of([("EyeLike", "x", "y", "eye", {"k": 1})], {"x": (3, 4)}, ["y"], {})
    ours = registry.find("EyeLike", 9)
    assert ours is not None
    registry.remove("EyeLike", since=9)
    try:
        model = build(hub).model
    finally:
        converter("EyeLike", since=9)(ours.function)
    assert any(type(module).__module__.startswith("onnx2torch") for module in model.modules())
    assert torch.equal(model(torch.zeros(3, 4)), torch.eye(3, 4).roll(1, 1).triu(1))


def test_registry_names_both_owners() -> None:
    require("torch")
    from metannvis_translate.errors import MetannvisError
    from metannvis_translate.frameworks.torch.importer.registry import converter

    with pytest.raises(MetannvisError, match="registered twice"):
        converter("Relu")(lambda ctx, X: X)
