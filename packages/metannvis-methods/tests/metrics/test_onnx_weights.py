"""Weights of ONNX models that are drawn anew: against a PyTorch twin, and against initialisers that are replaced by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from metannvis_methods import evaluate
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.randomization.weights import fixed_layers, randomized, weighted_layers
from metannvis_translate import translate
from metannvis_translate.frameworks import require
from onnx import TensorProto, helper, numpy_helper

from ..toolsets.metannvis.networks import randomized as in_double

torch = require("torch")
SCHEMES = ("cascading", "independent")


def run(model: Any, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def twins(dtype: str = "float32") -> tuple[Any, Any, np.ndarray]:
    """A network, a graph of it, and inputs. ONNX Runtime has no convolution in double."""
    nn = torch.nn
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)
    )
    x = np.random.default_rng(0).uniform(0, 1, (2, 2, 8, 8)).astype(dtype)
    network = in_double(network).to(getattr(torch, dtype))
    return network, translate(network, "onnx", example_inputs=x, dtype=dtype).model, x


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_graph_is_drawn_as_its_twin_is(scheme: str) -> None:
    """ONNX Runtime on the drawn graph gives what PyTorch gives on the drawn network, at each step of the same seed."""
    network, graph, x = twins()
    before = graph.SerializeToString(deterministic=True)
    steps = 0
    pairs = zip(randomized(network, x, scheme=scheme, seed=5), randomized(graph, x, scheme=scheme, seed=5), strict=True)
    for (_, drawn), (_, copy) in pairs:
        with torch.no_grad():
            expected = drawn(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(run(copy, x), expected, rtol=1e-5, atol=1e-6)
        assert not np.allclose(expected, run(graph, x), rtol=1e-2)
        onnx.checker.check_model(copy, full_check=True)
        steps += 1
    assert steps == len(weighted_layers(graph, x)) == 4
    assert graph.SerializeToString(deterministic=True) == before


def test_initialisers_replaced_by_hand() -> None:
    """By the order of the file, from the output back; one generator a layer, normal numbers of each tensor's mean and spread."""
    _, graph, x = twins()
    by_hand = onnx.ModelProto.FromString(graph.SerializeToString())
    stored = {tensor.name: tensor for tensor in by_hand.graph.initializer}
    nodes = [n for n in by_hand.graph.node if n.op_type in ("Conv", "Gemm", "BatchNormalization")]
    steps = randomized(graph, x, seed=11)
    for place, node in enumerate(reversed(nodes)):
        generator = np.random.default_rng([place, 11])
        for name in node.input[1:3]:
            old = numpy_helper.to_array(stored[name])
            old = old.astype(float)
            new = old.mean() + old.std() * generator.standard_normal(old.shape)
            stored[name].CopyFrom(numpy_helper.from_array(new.astype(np.float32), name))
        name, copy = next(steps)
        assert name == node.name
        np.testing.assert_array_equal(run(copy, x), run(by_hand, x))
    assert next(steps, None) is None


def test_the_metrics_of_a_file(tmp_path: Any) -> None:
    network, graph, x = twins("float64")  # ranks of numbers in single precision depend on the machine
    path = tmp_path / "net.onnx"
    onnx.save_model(graph, path)
    before = path.read_bytes()
    method = {"method": "input_x_gradient", "toolset": "captum"}
    metrics = {"cascading_randomization": {}, "independent_randomization": {"measure": "spearman_absolute"}}
    found = evaluate(path, {"map": method}, x, metrics=metrics, target=1)
    assert not found.errors
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    expected = evaluate(network, {"map": method}, x, metrics=metrics, target=1)
    for key, curve in expected.curves.items():
        np.testing.assert_allclose(found.curves[key], curve, atol=1e-9)
    assert found.steps["map", "cascading_randomization"] == tuple(weighted_layers(graph, x)[::-1])
    assert (found.scores[0, 0] < 0.9).all()
    wanted = {"cascading_randomization": {"layers": [weighted_layers(graph, x)[0]]}}
    first = evaluate(graph, {"map": method}, x, metrics=wanted, target=1)
    assert first.curves["map", "cascading_randomization"].shape == (2, 1)


def array(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def model_of(
    nodes: list[Any],
    stored: dict[str, Any],
    shape: tuple[int, ...],
    kind: int = TensorProto.FLOAT,
    functions: Any = (),
    **more: Any,
) -> Any:
    """A graph from ``x`` to ``y``."""
    tensors = [t if isinstance(t, TensorProto) else numpy_helper.from_array(t, name) for name, t in stored.items()]
    out = TensorProto.FLOAT if kind == TensorProto.INT64 else kind
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, ("N", *shape))],
        [helper.make_tensor_value_info("y", out, None)],
        tensors,
        **more,
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=10)


def node(kind: str, inputs: str, outputs: str = "y", **more: Any) -> Any:
    return helper.make_node(kind, inputs.split(), outputs.split(), **more)


BRANCHES = {
    branch: helper.make_graph(
        [node("MatMul", f"x {weight}", f"y_{branch}", name="product")],
        branch,
        [],
        [helper.make_tensor_value_info(f"y_{branch}", TensorProto.FLOAT, None)],
        initializer=[numpy_helper.from_array(array((4, 3), seed=1), "own")] if weight == "own" else [],
    )
    for branch, weight in (("then", "w"), ("other", "own"))
}
DENSE = helper.make_function(
    "own",
    "Dense",
    ["a", "k", "c"],
    ["r"],
    [node("MatMul", "a k", "m"), node("Add", "m c", "r")],
    [helper.make_opsetid("", 20)],
)
W, B = array((4, 3)), array((3,), seed=1)
INT = np.clip(np.round(W * 100), -128, 127).astype(np.int8)
SCALE = {"s": np.float32(0.01), "z": np.int8(0)}
#: Graphs, with how many weights each layer has, from the input on; inputs are of four numbers, or as the last part says.
FORMS: dict[str, tuple[Any, list[int], Any]] = {
    "product and sum": (model_of([node("MatMul", "x w", "m"), node("Add", "m b")], {"w": W, "b": B}, (4,)), [2], None),
    "sum and product": (model_of([node("MatMul", "x w", "m"), node("Add", "b m")], {"w": W, "b": B}, (4,)), [2], None),
    "transposed": (
        model_of([node("Transpose", "w", "t"), node("MatMul", "x t")], {"w": np.ascontiguousarray(W.T)}, (4,)),
        [1],
        None,
    ),
    "constant": (
        model_of([node("Constant", "", "w", value=numpy_helper.from_array(W)), node("Gemm", "x w")], {}, (4,)),
        [1],
        None,
    ),
    "half precision": (
        model_of([node("Gemm", "x w b")], {"w": W.astype("f2"), "b": B.astype("f2")}, (4,), TensorProto.FLOAT16),
        [2],
        array((2, 4), np.float16),
    ),
    "cast": (model_of([node("Cast", "w", "c", to=1), node("MatMul", "x c")], {"w": W.astype("f2")}, (4,)), [1], None),
    "quantized while it was trained": (
        model_of(
            [node("QuantizeLinear", "w s z", "q"), node("DequantizeLinear", "q s z", "d"), node("MatMul", "x d")],
            {"w": W, **SCALE},
            (4,),
        ),
        [1],
        None,
    ),
    "embedding": (
        model_of(
            [node("Gather", "w x", "e"), node("ReduceMean", "e a", keepdims=0)],
            {"w": array((9, 5)), "a": np.array([1])},
            (4,),
            TensorProto.INT64,
        ),
        [1],
        np.array([[0, 3, 8, 1], [2, 2, 5, 7]]),
    ),
    "recurrent": (
        model_of(
            [node("LSTM", "x w r b", "all y", hidden_size=3)],
            {"w": array((1, 12, 4)), "r": array((1, 12, 3)), "b": array((1, 24))},
            (2, 4),
        ),
        [3],
        array((5, 2, 4)),
    ),
    "normalisation": (
        model_of([node("LayerNormalization", "x w b")], {"w": array((4,)), "b": array((4,), seed=1)}, (4,)),
        [2],
        None,
    ),
    "branches": (
        model_of(
            [
                node("ReduceSum", "x", "total", keepdims=0),
                node("Greater", "total zero", "c"),
                node("If", "c", "y", then_branch=BRANCHES["then"], else_branch=BRANCHES["other"], name="choice"),
            ],
            {"w": W, "zero": np.float32(0)},
            (4,),
        ),
        [1, 1],
        None,
    ),
    "local function": (
        model_of([node("Dense", "x w b", domain="own")], {"w": W, "b": B}, (4,), functions=[DENSE]),
        [2],
        None,
    ),
    "two inputs of a product": (
        model_of([node("MatMul", "x w", "m"), node("MatMul", "m k"), node("Identity", "m", "n")], {"w": W, "k": W.T.copy()}, (4,)),
        [1, 1],
        None,
    ),
    "sum of what is no bias": (
        model_of([node("MatMul", "x w", "m"), node("Add", "m b")], {"w": W, "b": array((2, 3))}, (4,)),
        [1],
        None,
    ),
    "one factor computed": (
        model_of(
            [node("MatMul", "x w", "m"), node("Transpose", "x", "t"), node("MatMul", "t m")], {"w": W}, (4,)
        ),
        [1],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_weights(form: str) -> None:
    model, counts, x = FORMS[form]
    x = array((2, 4), seed=3) if x is None else x
    layers = weighted_layers(model, x)
    before = model.SerializeToString(deterministic=True)
    assert len(layers) == len(counts)
    from metannvis_methods.models.onnx import adapter

    original = run(model, x)
    changed = 0
    for name, copy in randomized(model, x, scheme="independent"):
        known, drawn = adapter.weights(adapter.copied(model)), adapter.weights(copy)
        assert list(known) == list(drawn) == layers
        for layer in layers:
            for old, new in zip(known[layer], drawn[layer], strict=True):
                assert np.array_equal(old.read(), new.read()) is (layer != name)
                assert old.read().shape == new.read().shape
        assert len(known[name]) == counts[layers.index(name)]
        changed += not np.allclose(run(copy, x), original)
    assert changed == (1 if form == "branches" else len(layers))  # one branch runs
    assert model.SerializeToString(deterministic=True) == before
    assert not fixed_layers(model)


def outside() -> Any:
    tensor = numpy_helper.from_array(W, "w")
    onnx.external_data_helper.set_external_data(tensor, "elsewhere.bin")
    tensor.ClearField("raw_data")
    return tensor


DEQUANTIZED = [node("DequantizeLinear", "q s z", "d"), node("MatMul", "x d", name="dense")]
REFUSED = {
    "quantized": (model_of(DEQUANTIZED, {"q": INT, **SCALE}, (4,)), "dense: quantized, int8"),
    "whole numbers": (
        model_of(
            [
                node("DynamicQuantizeLinear", "x", "a sa za"),
                node("MatMulInteger", "a q za z", "i", name="dense"),
                node("Cast", "i", "f", to=1),
                node("Mul", "f sa"),
            ],
            {"q": INT, "z": np.int8(0)},
            (4,),
        ),
        "dense: quantized, int8",
    ),
    "table": (
        model_of(
            [node("DequantizeLinear", "q s z", "d"), node("Gather", "d x", name="table")],
            {"q": INT, **SCALE},
            (4,),
            TensorProto.INT64,
        ),
        "table: quantized, int8",
    ),
    "computed": (
        model_of([node("Mul", "w s", "d"), node("MatMul", "x d", name="dense")], {"w": W, "s": B}, (4,)),
        "dense: computed by Mul",
    ),
    "elsewhere": (
        model_of([node("MatMul", "x w", name="dense")], {"w": outside()}, (4,)),
        "load the model by its path",
    ),
    "none": (model_of([node("Relu", "x")], {}, (4,)), "that could be drawn anew$"),
    "no weights": (
        model_of([node("Transpose", "x", "t"), node("MatMul", "t x", "m"), node("Add", "m s")], {"s": B[:1]}, (4,)),
        "that could be drawn anew$",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_cannot_be_drawn_is_refused_with_the_reason(form: str) -> None:
    model, message = REFUSED[form]
    with pytest.raises(InvalidArgumentError, match=message):
        next(randomized(model, array((2, 4))))


def test_a_part_that_is_quantized_is_told() -> None:
    """The rest is drawn, and every such score says what was not."""
    nodes = [*DEQUANTIZED[:1], node("MatMul", "x d", "h", name="first"), node("MatMul", "h w", name="last")]
    model = model_of(nodes, {"q": INT, **SCALE, "w": array((3, 3), seed=1)}, (4,))
    x = array((2, 4), seed=3)
    assert weighted_layers(model, x) == ["last"]
    method = {"method": "input_x_gradient", "toolset": "captum"}
    found = evaluate(model, {"map": method}, x, metrics="cascading_randomization", target=1)
    assert not found.errors
    told = "cascading_randomization of map: weights that are not drawn anew: first: quantized, int8"
    assert told in found.notes


def test_sparse_weights_are_refused() -> None:
    values = numpy_helper.from_array(np.ones(2, np.float32), "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0, 5]), "at"), [4, 3])
    model = model_of([node("MatMul", "x w", name="dense")], {}, (4,), sparse_initializer=[sparse])
    with pytest.raises(InvalidArgumentError, match="dense: stored as a sparse tensor"):
        weighted_layers(model, array((2, 4)))
