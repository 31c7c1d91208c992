"""``.onnx`` as a source: every opset from 7, external data, old files, files of PyTorch, TensorFlow and scikit-learn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import list_layers, load_model, translate
from metannvis_translate.errors import (
    DamagedFileError,
    InvalidArgumentError,
    InvalidModelError,
    UnsupportedOperatorError,
)
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.frameworks.requirements import require
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ...networks.torch import randomize

tf = require("tensorflow")
require("keras")

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.standard_normal((2, 3, 12, 10)).astype(np.float32)
WEIGHTS = {
    "kernel": RANDOM.standard_normal((4, 3, 3, 3)),
    "bias": RANDOM.standard_normal(4),
    "scale": RANDOM.uniform(0.5, 1.5, 4),
    "shift": RANDOM.standard_normal(4),
    "mean": RANDOM.standard_normal(4),
    "variance": RANDOM.uniform(0.5, 1.5, 4),
    "matrix": RANDOM.standard_normal((120, 5)),
    "offset": RANDOM.standard_normal(5),
}


def classifier(opset: int, *, as_inputs: bool = False) -> onnx.ModelProto:
    """A network of operators that every opset from 7 has, written by hand."""
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["c"], "convolution", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"], "norm"),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "matrix", "offset"], ["g"], "dense"),
        helper.make_node("Softmax", ["g"], ["y"], "probabilities", axis=1),
    ]
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in WEIGHTS.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 12, 10])]
    if as_inputs:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs, tensors)
    version = 3 if as_inputs else helper.find_min_ir_version_for([helper.make_opsetid("", opset)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=max(version, 3))


def assert_agrees(translation: Any, proto: onnx.ModelProto, batches: tuple[int, ...] = (1, 2, 5)) -> None:
    """On fresh inputs, against ONNX Runtime (ONNX's own evaluator takes the batch's statistics in opsets 9 to 13)."""
    runtime = get_framework("onnx")
    for batch in batches:
        shapes = [tuple(batch if k == 0 else d for k, d in enumerate(p.source_shape)) for p in translation.inputs]
        inputs = [np.random.default_rng(batch).standard_normal(shape).astype(np.float32) for shape in shapes]
        expected = runtime.run(proto, inputs).outputs
        given = [translation.to_target(x, index=k) for k, x in enumerate(inputs)]
        found = translation.model(given[0] if len(given) == 1 else given)
        found = found if isinstance(found, (list, tuple)) else [found]
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            ours = np.asarray(translation.to_source(ours, role="output", index=k))
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() <= 1e-5 * max(np.abs(theirs).max(), 1e-30)


@pytest.mark.parametrize("opset", range(7, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(opset: int) -> None:
    proto = classifier(opset)
    translation = translate(proto, "keras", verify=False)
    assert_agrees(translation, proto)
    kinds = {layer.name: type(layer).__name__ for layer in translation.model.layers}
    assert {"Conv2D", "BatchNormalization", "MaxPooling2D", "Dense"} <= set(kinds.values())
    assert kinds["convolution"] == "Conv2D" and kinds["dense"] == "Dense"


def test_an_old_graph_that_trains_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="opset 6.*is_test is 0.*opset 7 or newer"):
        translate(classifier(6), "keras")


def test_initializers_listed_as_inputs() -> None:
    proto = classifier(8, as_inputs=True)
    translation = translate(proto, "keras")
    assert [port.name for port in translation.inputs] == ["x"]
    assert_agrees(translation, classifier(8))


def test_layers_by_node_or_value_name() -> None:
    proto = classifier(17)
    translation = translate(proto, "keras")
    assert translation.layers.to_target("convolution").target.name == "convolution"
    assert translation.layers.to_target("r").source.kind == "Relu"  # a node without a name goes by its first output
    assert {info.name for info in list_layers(proto)} == set(translation.layers.names)
    _, layer = translation.attach("pool")
    assert type(layer).__name__ == "MaxPooling2D"


# --- files -----------------------------------------------------------------------------------------------------------------


def saved(folder: Path, proto: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    onnx.save_model(proto, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_external_data(tmp_path: Path) -> None:
    path = saved(tmp_path, classifier(17))
    assert_agrees(translate(path, "keras"), classifier(17))


def test_external_data_that_is_short_or_gone(tmp_path: Path) -> None:
    path = saved(tmp_path, classifier(17))
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(DamagedFileError, match="is said to be .* bytes .*which has 100"):
        load_model(path)
    weights.unlink()
    with pytest.raises(DamagedFileError, match="is not there: weights.bin"):
        load_model(path)


def entry(tensor: onnx.TensorProto, key: str, value: str) -> None:
    next(item for item in tensor.external_data if item.key == key).value = value


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname"])
def test_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    path = saved(tmp_path, classifier(17))
    proto = onnx.load_model(str(path), load_external_data=False)
    entry(proto.graph.initializer[0], "location", location)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InvalidModelError, match="outside the model's folder"):
        load_model(path)


@pytest.mark.parametrize("dims", [(1 << 40, 1 << 20), (4, 3, 3, -3)])
def test_a_shape_beyond_the_data_takes_no_memory(tmp_path: Path, dims: tuple[int, ...]) -> None:
    proto = classifier(17)
    del proto.graph.initializer[0].dims[:]
    proto.graph.initializer[0].dims.extend(dims)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InvalidModelError, match="'kernel' (states|has) the shape"):
        load_model(path)


# --- who made it -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamo", [True, False])
def test_made_by_pytorch(tmp_path: Path, dynamo: bool) -> None:
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Hardswish(), nn.MaxPool2d(2), nn.Flatten()]
    model = randomize(nn.Sequential(*layers, nn.Linear(120, 5)))
    path = tmp_path / "net.onnx"
    batch = {0: torch.export.Dim("batch")}
    how = {"dynamic_shapes": (batch,)} if dynamo else {"dynamic_axes": {"x": {0: "batch"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.from_numpy(IMAGE),), str(path), dynamo=dynamo, input_names=["x"], verbose=False, **how
        )
    assert_agrees(translate(path, "keras"), onnx.load_model(str(path)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_made_by_tensorflow() -> None:
    tf2onnx = require("tf2onnx.convert")
    kernel = tf.Variable(RANDOM.standard_normal((3, 3, 3, 4)), dtype=tf.float32)
    matrix = tf.Variable(RANDOM.standard_normal((4, 5)), dtype=tf.float32)

    def network(x: Any) -> Any:
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME") + 0.5)
        return tf.nn.softmax(tf.reduce_mean(x, [1, 2]) @ matrix)

    spec = tf.TensorSpec((None, 12, 10, 3), tf.float32, name="x")
    proto, _ = tf2onnx.from_function(tf.function(network), [spec], opset=17)
    translation = translate(proto, "keras")
    assert_agrees(translation, proto)


def perceptron(kind: str) -> onnx.ModelProto:
    """What skl2onnx 1.20 makes of ``MLPClassifier`` and ``MLPRegressor``, node for node."""
    text = TensorProto.STRING if kind == "text" else TensorProto.INT64
    classes = np.array(["cat", "dog", "fox"], object) if kind == "text" else np.array([3, 5, 8])
    nodes = [
        helper.make_node("Cast", ["X"], ["cast_input"], "Cast", to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["cast_input", "coefficient"], ["mul_result"], "MatMul"),
        helper.make_node("Add", ["mul_result", "intercepts"], ["add_result"], "Add"),
        helper.make_node("Tanh" if kind == "regressor" else "Relu", ["add_result"], ["next_activations"], "Relu"),
        helper.make_node("MatMul", ["next_activations", "coefficient1"], ["mul_result1"], "MatMul1"),
        helper.make_node("Add", ["mul_result1", "intercepts1"], ["add_result1"], "Add1"),
    ]
    table = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 3])
    if kind == "regressor":
        nodes.append(helper.make_node("Reshape", ["add_result1", "shape_tensor"], ["variable"], "Reshape"))
        outputs = [helper.make_tensor_value_info("variable", TensorProto.FLOAT, [None, 1])]
    else:
        nodes += [
            helper.make_node("Softmax", ["add_result1"], ["probabilities"], "Softmax"),
            helper.make_node("ArgMax", ["probabilities"], ["argmax_output"], "ArgMax", axis=1),
            helper.make_node(
                "ArrayFeatureExtractor", ["classes", "argmax_output"], ["picked"], "Picked", domain="ai.onnx.ml"
            ),
            helper.make_node("Reshape", ["picked", "shape_tensor"], ["label"], "Reshape"),
        ]
        outputs = [helper.make_tensor_value_info("label", text, [None]), table]
        if kind == "tables":
            zipmap = helper.make_node(
                "ZipMap", ["probabilities"], ["output_probability"], "ZipMap", domain="ai.onnx.ml"
            )
            zipmap.attribute.append(helper.make_attribute("classlabels_int64s", classes))
            nodes.append(zipmap)
            kinds = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
            outputs[1] = helper.make_value_info("output_probability", helper.make_sequence_type_proto(kinds))
    random = np.random.default_rng(3)
    width = 1 if kind == "regressor" else 3
    arrays = {
        "coefficient": random.standard_normal((4, 5)).astype(np.float32),
        "intercepts": random.standard_normal((1, 5)).astype(np.float32),
        "coefficient1": random.standard_normal((5, width)).astype(np.float32),
        "intercepts1": random.standard_normal((1, width)).astype(np.float32),
        "shape_tensor": np.array([-1, 1] if kind == "regressor" else [-1]),
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    tensors.append(
        helper.make_tensor("classes", text, [3], [c.encode() for c in classes] if kind == "text" else classes)
    )
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])]
    graph = helper.make_graph(nodes, "ONNX(MLP)", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize("kind", ["regressor", "labels", "tables"])
def test_made_by_scikit_learn(kind: str) -> None:
    proto = perceptron(kind)
    translation = translate(proto, "keras")
    assert_agrees(translation, proto)
    assert translation.layers.to_target("MatMul1").source.kind == "MatMul"
    notes = " ".join(translation.notes)
    assert ("'output_probability' is a tensor, one column a label: 3, 5, 8" in notes) == (kind == "tables")


def test_labels_of_text_are_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="'label' holds text.*numbers for labels"):
        translate(perceptron("text"), "keras")


@pytest.mark.parametrize("target", ["torch", "keras", "onnx"])
def test_an_output_that_is_a_constant(target: str) -> None:
    """Nothing else is left of such a graph."""
    held = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xw"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:], [held])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    translation = translate(proto, target, verify=False)
    x = np.ones((2, 3), np.float32)
    (found,) = get_framework(translation.target_framework).run(translation.model, [x]).outputs
    np.testing.assert_array_equal(found, np.arange(6).reshape(2, 3))


# --- inputs that are really constants ---------------------------------------------------------------------------------------

SHAPE = np.array([-1, 2, 3])
VALUES = np.random.default_rng(0).standard_normal((2, 6)).astype("float32")


@pytest.mark.parametrize("target", ["torch", "keras"])
@pytest.mark.parametrize(
    "given",
    [[VALUES, SHAPE], {"s": SHAPE, "x": VALUES}, [VALUES], VALUES, {"x": VALUES}, None],
    ids=["all", "all-by-name", "the-others", "the-other", "the-other-by-name", "none"],
)
@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
def test_inputs_bound_to_constants(target: str, given: Any, first: bool) -> None:
    """Example inputs may hold them or not; the check runs the source with them, and the translation takes the others."""
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6]),
        helper.make_tensor_value_info("s", TensorProto.INT64, [3]),
    ]
    if first:
        ports.reverse()
        given = [SHAPE, VALUES] if isinstance(given, list) and len(given) == 2 else given
    nodes = [helper.make_node("Reshape", ["x", "s"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    graph = helper.make_graph(nodes, "g", ports, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    translation = translate(model, target, example_inputs=given, bind={"s": SHAPE})
    assert [port.name for port in translation.inputs] == ["x"]
    assert translation.report.passed
    assert translation.report.gradients[0].compared
    found = translation.to_source(translation.model(translation.to_target(VALUES)), role="output")
    np.testing.assert_allclose(found, np.maximum(VALUES, 0).reshape(-1, 2, 3))
    with pytest.raises(InvalidArgumentError, match=r"bind= names \['t'\], but the inputs are"):
        translate(model, target, example_inputs=VALUES, bind={"t": SHAPE})
