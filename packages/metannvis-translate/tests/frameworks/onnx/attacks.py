"""ONNX models whose sizes, names and bytes would run code: one for every slot where a size can stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Make = Callable[[str, Path], onnx.ModelProto]


@dataclass(frozen=True)
class Attack:
    """One model, and what the refusal says; ``None`` where it is translated, the text being a name."""

    name: str
    make: Make
    refused: str | None = None


def touch(canary: str) -> str:
    return f"__import__('pathlib').Path({canary!r}).touch() or 3"


def info(name: str, *dims: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))


def model(graph: onnx.GraphProto, **more: Any) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, **more)


def flattening(size: str, *, inside: str | None = None, out: str | None = None) -> onnx.GraphProto:
    """A graph that computes a shape from the size of its input: everything after the batch in one axis."""
    rest = numpy_helper.from_array(np.array([-1], np.int64), "rest")
    at = numpy_helper.from_array(np.array(0, np.int64), "at")
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Shape", ["a"], ["shape"]),
        helper.make_node("Gather", ["shape", "at"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["a", "wanted"], ["y"]),
    ]
    values = [] if inside is None else [info("a", inside, 4, 3)]
    output = info("y", size if out is None else out, 12)
    return helper.make_graph(nodes, "g", [info("x", size, 4, 3)], [output], [rest, at, axes], value_info=values)


def size_of_input(text: str) -> Make:
    return lambda canary, folder: model(flattening(text.replace("CODE", touch(canary))))


def size_of_output(canary: str, folder: Path) -> onnx.ModelProto:
    return model(flattening("n", out=touch(canary)))


def size_inside(canary: str, folder: Path) -> onnx.ModelProto:
    return model(flattening("n", inside=touch(canary)))


def function_of(size: str) -> onnx.ModelProto:
    """The same graph as a function, with sizes inside."""
    body = flattening(size, inside=size)
    constants = [helper.make_node("Constant", [], [c.name], value=c) for c in body.initializer]
    imports = [helper.make_opsetid("", 20)]
    nodes = [*constants, *body.node]
    function = helper.make_function("local", "Flat", ["x"], ["y"], nodes, imports, value_info=[info("a", size, 4, 3)])
    call = helper.make_node("Flat", ["x"], ["y"], domain="local")
    return model(helper.make_graph([call], "g", [info("x", "n", 4, 3)], [info("y", "n", 12)]), functions=[function])


def unregistered() -> onnx.ModelProto:
    """An operator without a converter, for which other packages are asked."""
    node = helper.make_node("Bernoulli", ["x"], ["y"])
    return model(helper.make_graph([node], "g", [info("x", "n", 4, 3)], [info("y", "n", 4, 3)]))


def size_in_function(canary: str, folder: Path) -> onnx.ModelProto:
    return function_of(touch(canary))


def size_in_branch(canary: str, folder: Path) -> onnx.ModelProto:
    def branch(name: str) -> onnx.GraphProto:
        nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Neg", ["r"], [name])]
        return helper.make_graph(
            nodes, name, [], [info(name, touch(canary), 4, 3)], value_info=[info("r", touch(canary), 4, 3)]
        )

    sure = numpy_helper.from_array(np.array(True), "sure")
    node = helper.make_node("If", ["sure"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    return model(helper.make_graph([node], "g", [info("x", "n", 4, 3)], [info("y", "n", 4, 3)], [sure]))


def metadata(canary: str, folder: Path) -> onnx.ModelProto:
    made = model(flattening("n"))
    for key in ("metannvis.exact", "metannvis.layer", "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.fx_node"):
        made.metadata_props.add(key=key, value=touch(canary))
        for node in made.graph.node:
            node.metadata_props.add(key=key, value=touch(canary) if key != "metannvis.exact" else "{}")
    return made


def external(location: str, where: str) -> Make:
    """A weight whose bytes are another file's."""

    def make(canary: str, folder: Path) -> onnx.ModelProto:
        (folder / "secret").write_bytes(b"\0" * 48)
        inner = folder / "inner"
        inner.mkdir(exist_ok=True)
        link = inner / "link"
        if not link.is_symlink():
            link.symlink_to(folder / "secret")
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3], data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value=location.replace("FOLDER", str(folder)))
        graph = helper.make_graph(
            [helper.make_node("Add", ["x", "w"], ["y"])], "g", [info("x", "n", 4, 3)], [info("y", "n", 4, 3)]
        )
        functions = []
        if where == "initializer":
            graph.initializer.append(weight)
        elif where == "sparse":
            sparse = graph.sparse_initializer.add(dims=[4, 3])
            sparse.values.CopyFrom(weight)
            sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(12, dtype=np.int64), "i"))
        else:
            nodes = [helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("Add", ["x", "w"], ["y"])]
            functions.append(helper.make_function("local", "F", ["x"], ["y"], nodes, [helper.make_opsetid("", 20)]))
            graph.node[0].CopyFrom(helper.make_node("F", ["x"], ["y"], domain="local"))
        return model(graph, functions=functions)

    return make


def postscript(constant: bool) -> Make:
    """An image that is PostScript: Pillow starts Ghostscript for it."""

    def make(canary: str, folder: Path) -> onnx.ModelProto:
        text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n%%EndComments\n(x) (w) file\nshowpage\n%%EOF\n"
        data = numpy_helper.from_array(np.frombuffer(text, np.uint8), "data")
        nodes = [
            helper.make_node("ImageDecoder", ["data"], ["image"]),
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0),
            helper.make_node("Add", ["x", "mean"], ["y"]),
        ]
        graph = helper.make_graph(nodes, "g", [info("x", "n", 4, 3)], [info("y", "n", 4, 3)], [data])
        if constant:
            del graph.initializer[:]
            graph.node.insert(0, helper.make_node("Constant", [], ["data"], value=data))
        return model(graph)

    return make


#: Names as people write them, and texts that only look like arithmetic: sizes about which nothing is known.
NAMES = (
    "batch size", "input.1_dim_0", "lambda", "1x", "N", "S", "E", "seq-len", "2*batch", "9**9**9", "batch//0", "Max(1, n",
    "n.__class__", "(" * 400 + "n" + ")" * 400, "9" * 400, "Größe", "批", "exp(9)", "Symbol('n')", "unk__1", "?",
)  # fmt: skip
ATTACKS = (
    Attack("input_size", size_of_input("CODE")),
    Attack("input_size_called", size_of_input("max(1, CODE)")),
    Attack("output_size", size_of_output),
    Attack("value_size", size_inside),
    Attack("function_size", size_in_function),
    Attack("branch_size", size_in_branch),
    Attack("metadata", metadata),
    Attack("external_absolute", external("FOLDER/secret", "initializer"), "outside"),
    Attack("external_above", external("../secret", "initializer"), "outside"),
    Attack("external_link", external("link", "initializer"), "outside"),
    Attack("external_function", external("../secret", "function"), "outside"),
    Attack("external_function_inside", external("plain", "function"), "not there|in another file"),
    Attack("external_sparse", external("../secret", "sparse"), "outside"),
    Attack("postscript", postscript(False), "ImageDecoder"),
    Attack("postscript_constant", postscript(True), "ImageDecoder"),
    *(Attack(f"name_{k}", size_of_input(text)) for k, text in enumerate(NAMES)),
)


def write(attack: Attack, folder: Path) -> Path:
    """The attack's file, in a folder of its own; its canary is ``canary-<name>`` in the folder above."""
    inner = folder / "inner"
    inner.mkdir(exist_ok=True)
    path = inner / f"{attack.name}.onnx"
    path.write_bytes(attack.make(str(folder / f"canary-{attack.name}"), folder).SerializeToString())
    return path
