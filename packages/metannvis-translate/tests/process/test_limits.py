"""What comes to too much is refused by the name of a limit, before it is computed; a caller can raise the limit."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from metannvis_translate import (
    InvalidArgumentError,
    InvalidModelError,
    LimitError,
    Limits,
    check_equivalence,
    limits,
    list_layers,
    load_model,
    save_model,
    translate,
)
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.passes.shape_data import longest_vector
from metannvis_translate.process.limits import current_limits
from metannvis_translate.reading.array_files import read_npz
from onnx import TensorProto, helper

from ..frameworks.onnx.graph_bombs import BOMBS, IMPORTS, Bomb, info, model, node, relus

X = np.ones((2, 4), np.float32)


@pytest.mark.parametrize("target", ["torch", "keras"])
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_graph_that_comes_to_too_much(bomb: Bomb, target: str) -> None:
    require("torch"), require("tensorflow")
    with pytest.raises(bomb.error, match=bomb.says):
        translate(bomb.make(), target, example_inputs=None if bomb.name == "input" else X)


def test_the_other_entries_look_first_as_well(tmp_path: Path) -> None:
    bad = next(bomb for bomb in BOMBS if bomb.name == "split").make()
    onnx.save(bad, tmp_path / "bad.onnx")
    for call in (
        lambda: load_model(tmp_path / "bad.onnx"),
        lambda: list_layers(bad),
        lambda: check_equivalence(bad, bad, X),
        lambda: check_equivalence(relus(2)(), bad, X),
    ):
        with pytest.raises(ValueError, match="it has 3 outputs"):
            call()


def test_a_caller_raises_a_limit() -> None:
    made = relus(30)()
    with (
        limits(nodes=20),
        pytest.raises(LimitError, match=r"come to 30, and the limit nodes is 20.*limits\(nodes=") as caught,
    ):
        translate(made, "torch", example_inputs=X)
    assert (caught.value.limit, caught.value.figure, caught.value.bound) == ("nodes", 30, 20)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with limits(nodes=20), limits(nodes=30, depth=7) as inner:
        assert inner == current_limits() == Limits(nodes=30, depth=7)
        assert translate(made, "torch", example_inputs=X).report.passed
    assert current_limits() == Limits()


@pytest.mark.parametrize("figures", [{"node": 3}, {"nodes": 0}, {"nodes": 1.5}, {"nodes": True}])
def test_what_is_no_limit(figures) -> None:
    with pytest.raises(InvalidArgumentError, match="limit"):
        limits(**figures)


def test_constants_are_folded_up_to_a_budget() -> None:
    from metannvis_translate.frameworks.registry import get_framework
    from metannvis_translate.graph import evaluation_budget
    from metannvis_translate.passes.pipeline import simplify

    steps = [node("Expand", ["one", "d"], [f"e{k}"]) for k in range(8)]
    joined = node("Concat", [f"e{k}" for k in range(8)], ["v"], axis=0)
    last = [node("ReduceSum", ["v"], ["s"], keepdims=0), node("Add", ["x", "s"], ["y"])]
    made = model([*steps, joined, *last], one=np.ones(1, np.float32), d=[1 << 24])
    hub = get_framework("onnx").export(made, [X], dtype=None, engine="onnx", progress=lambda *_: None)
    folded = [n for n in simplify(hub).model.graph if n.op_type == "Constant"]
    assert sum(n.attributes["value"].value.size for n in folded) <= evaluation_budget.LARGEST_SUM


def test_lengths_of_shape_data_are_counted() -> None:
    rows = [("Concat", ["a", "a"], ["b"]), ("Neg", ["b"], ["c"]), ("Concat", ["c", "c", ""], ["d"])]
    assert longest_vector(rows, {"a": 3}) == 6 + 6 + 12
    assert longest_vector(rows, {"a": 3, "b": 1}) == 2  # b is a matrix
    assert longest_vector([("Tile", ["a", "n"], ["b"])], {}) > 1 << 17
    assert longest_vector([("Concat", [f"v{k}"] * 2, [f"v{k + 1}"]) for k in range(200)], {"v0": 2}) > 1 << 60


# --- files ----------------------------------------------------------------------------------------------------------------


def test_an_archive_that_unpacks_to_a_great_deal(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(50_000))
    assert (tmp_path / "a.npz").stat().st_size < 2000
    with limits(unpacked_bytes=100_000), pytest.raises(LimitError, match=r"a\.npz unpacks to bytes: 400,1"):
        read_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", a=np.zeros(50_000))
    with limits(unpacked_bytes=100_000):  # as large as it unpacks to
        assert read_npz(tmp_path / "b.npz")["a"].shape == (50_000,)


def _keras(folder: Path) -> Path:
    keras = require("keras")
    require("tensorflow")
    path = folder / "net.keras"
    save_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="wide")]), path)
    return path


def _changed(path: Path, to: Path, change) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return to


def test_a_layer_of_a_terabyte(tmp_path: Path) -> None:
    bad = _changed(
        _keras(tmp_path),
        tmp_path / "bad.keras",
        lambda name, data: data.replace(b'"units": 3', b'"units": 1000000000000'),
    )
    with pytest.raises(LimitError, match=r"bad\.keras: the weights up to the layer 'wide'.*limit weight_bytes"):
        load_model(bad)


def test_data_sets_that_nobody_wrote(tmp_path: Path) -> None:
    h5py = require("h5py")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_dataset("d", (10**6, 10**6), "f4", chunks=(1000, 1000))
    with pytest.raises(LimitError, match=r"empty\.h5 unpacks to bytes: 4,000,000,000,000"):
        load_model(tmp_path / "empty.h5")
    weights = (tmp_path / "empty.h5").read_bytes()
    bad = _changed(
        _keras(tmp_path), tmp_path / "bad.keras", lambda name, data: weights if name.endswith(".h5") else data
    )
    with pytest.raises(LimitError, match="model.weights.h5 in bad.keras unpacks"):
        load_model(bad)


def test_a_compressed_state_dict(tmp_path: Path) -> None:
    torch = require("torch")
    torch.save({"w": torch.zeros(100_000)}, tmp_path / "w.pt")
    bad = _changed(tmp_path / "w.pt", tmp_path / "bad.pt", lambda name, data: data)
    with limits(unpacked_bytes=100_000), pytest.raises(LimitError, match=r"bad\.pt unpacks"):
        load_model(bad, architecture="torch.nn:Identity")


def test_a_sparse_tensor_of_a_terabyte() -> None:
    made = model([node("Add", ["x", "w"], ["y"])])
    sparse = made.graph.sparse_initializer.add(dims=[10**6, 10**6])
    sparse.values.CopyFrom(onnx.numpy_helper.from_array(np.ones(1, np.float32), "w"))
    sparse.indices.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    with pytest.raises(LimitError, match="sparse tensor 'w'"):
        translate(made, "torch", example_inputs=X)


def test_ordinary_values_are_far_below() -> None:
    made = model([node("Relu", ["x"], ["y"])])
    made.graph.input[0].CopyFrom(info("x", "n", 3, 1024, 1024))
    made.graph.output[0].CopyFrom(info("y", "n", 3, 1024, 1024))
    assert translate(made, "torch", example_inputs=np.ones((1, 3, 1024, 1024), np.float32), verify=False).report is None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda proto: proto.graph.ClearField("output"), "no outputs"),
        (lambda proto: proto.opset_import.add(domain="ai.onnx", version=2**40), "two versions"),
    ],
    ids=["no outputs", "two versions of the standard"],
)
@pytest.mark.parametrize("target", ["torch", "keras"])
def test_graphs_that_are_none(spoil: Callable[[onnx.ModelProto], object], says: str, target: str) -> None:
    proto = relus(2)()
    spoil(proto)
    with pytest.raises(InvalidModelError, match=says):
        translate(proto, target, example_inputs=X)


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("type", [TensorProto.FLOAT, TensorProto.INT64, TensorProto.COMPLEX128, TensorProto.BFLOAT16])
def test_typed_data_of_another_length(type: int, count: int) -> None:
    made = relus(2)()
    made.graph.initializer.append(helper.make_tensor("w", type, [4], [1] * 4))
    assert translate(made, "torch", example_inputs=X).report.passed
    made.graph.initializer[0].dims[0] = count
    with pytest.raises(InvalidModelError, match=f"'w' states the shape .{count}., which takes"):
        translate(made, "torch", example_inputs=X)


#: Every place of a file in which a text stands, as a text of four letters that stands there once.
TEXTS = (
    "node", "elm1", "elm2", "attr", "docA", "grph", "docB", "init", "docC", "dimX", "shar", "docD", "dom1", "meta", "valu",
    "nmet", "prod", "func", "fdom", "farg", "Func", "inGr", "metk", "vers",
)  # fmt: skip


def full_of_texts() -> onnx.ModelProto:
    inner = helper.make_graph([node("Relu", ["x"], ["elm2"])], "inGr", [], [info("elm2", "n", 4)])
    steps = [
        node("If", ["init"], ["y"], name="node", doc_string="docA", then_branch=inner, else_branch=inner),
        node("Relu", ["x"], ["elm1"]),
        node("Func", ["x"], ["shar"], domain="fdom"),
    ]
    function = helper.make_function("fdom", "Func", ["farg"], ["func"], [node("Relu", ["farg"], ["func"])], IMPORTS)
    made = model(steps, [function], init=np.array(True))
    made.opset_import.add(domain="fdom", version=1)
    made.opset_import.add(domain="dom1", version=1)
    made.graph.name, made.graph.doc_string, made.doc_string = "grph", "docB", "docD"
    made.graph.initializer[0].doc_string = "docC"
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "dimX"
    made.graph.node[0].attribute.add(name="attr", type=onnx.AttributeProto.STRING, s=b"x")
    made.graph.node[1].metadata_props.add(key="nmet", value="valu")
    made.metadata_props.add(key="meta", value="metk")
    made.producer_name, made.producer_version = "prod", "vers"
    return made


@pytest.mark.parametrize("text", TEXTS)
def test_a_name_that_is_no_text(text: str, tmp_path: Path) -> None:
    content = full_of_texts().SerializeToString()
    assert text.encode() in content
    damaged = content.replace(text.encode(), b"\xff" + text[1:].encode())
    with pytest.raises(InvalidModelError, match="no text"):
        translate(onnx.ModelProto.FromString(damaged), "torch", example_inputs=X)
    (tmp_path / "bad.onnx").write_bytes(damaged)
    with pytest.raises(InvalidModelError, match="no text"):
        load_model(tmp_path / "bad.onnx")


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_an_operator_whose_name_is_no_text(target: str) -> None:
    content = relus(2)().SerializeToString()
    proto = onnx.ModelProto.FromString(content.replace(b"Relu", b"Re\xcdu", 1))
    with pytest.raises(InvalidModelError, match="no text"):
        translate(proto, target, example_inputs=X)
