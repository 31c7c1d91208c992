"""ONNX models with something wrong in them: every operator of the tests' table, and small networks, changed at random places."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["mutant", "structured"]

#: Numbers at the ends of what counts, sizes and axes means.
NUMBERS = (0, 1, -1, 2, 3, 5, 7, -2, -7, 100, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), -float("inf"), 0.5)
NAMES = ("", "x", "batch size", "9**9", "\0", "é" * 20, "a" * 3000, "metannvis", "n*n")
#: The table of the operators' tests lies in a folder whose name has a hyphen.
TABLE = "packages.metannvis-translate.tests.cases.operators"
CASES, model_of = importlib.import_module(f"{TABLE}.table").CASES, importlib.import_module(f"{TABLE}.case").model_of
OPERATORS = tuple(sorted({case.operator for case in CASES})) + ("Loop", "If", "Nonsense", "Identity", "Constant")


@cache
def _bases() -> tuple[bytes, ...]:
    made = []
    for case in CASES:
        try:
            made.append(model_of(case, "float32").SerializeToString())
        except Exception:  # noqa: BLE001  # rows that exist in one precision only
            continue
    return (*made, *(_network(k).SerializeToString() for k in range(40)))


def _network(seed: int) -> onnx.ModelProto:
    """A small network: convolutions, shape arithmetic, a dense end."""
    rng = np.random.default_rng(seed)
    tensor = numpy_helper.from_array
    weights = {
        "w": rng.standard_normal((4, 3, 3, 3)), "b": rng.standard_normal(4), "d": rng.standard_normal((36, 5)),
        "scale": rng.uniform(0.5, 2, 4), "shift": rng.standard_normal(4), "mean": rng.standard_normal(4),
        "var": rng.uniform(0.5, 2, 4),
    }  # fmt: skip
    constants = {"at": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], name="conv"),
        node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"], name="norm"),
        node(("Relu", "Sigmoid", "Tanh", "LeakyRelu")[seed % 4], ["n"], ["r"], name="act"),
        node(("MaxPool", "AveragePool")[seed % 2], ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2], name="pool"),
        node("Shape", ["p"], ["s"]),
        node("Gather", ["s", "at"], ["g"]),
        node("Unsqueeze", ["g", "axes"], ["u"]),
        node("Concat", ["u", "rest"], ["t"], axis=0),
        node("Reshape", ["p", "t"], ["f"]),
        node("MatMul", ["f", "d"], ["m"], name="dense"),
        node(("Softmax", "Neg")[seed % 2], ["m"], ["y"], name="end"),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 6])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])]
    stored = [tensor(np.asarray(value, np.float32), name) for name, value in weights.items()]
    stored += [tensor(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def base(seed: int) -> bytes:
    """One of the honest models."""
    bases = _bases()
    return bases[random.Random(seed).randrange(len(bases))]


def structured(seed: int) -> onnx.ModelProto:
    """The model of this number: one of the bases, with one to three changes."""
    draw = random.Random(seed)
    model = onnx.ModelProto.FromString(base(seed))
    draw.random()
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        draw.choice(CHANGES)(model, draw)
    return model


def mutant(seed: int, mutate: Callable[[bytes, random.Random], bytes]) -> bytes:
    """The bytes of one of the bases, changed."""
    return mutate(base(seed), random.Random(seed))


# --- changes --------------------------------------------------------------------------------------------------------------


def _node(model: onnx.ModelProto, draw: random.Random) -> Any:
    return draw.choice(model.graph.node) if model.graph.node else None


def _names(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    values = [name for node in graph.node for name in (*node.input, *node.output)]
    return [*values, *(t.name for t in graph.initializer), *NAMES]


def _drop_node(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.graph.node:
        del model.graph.node[draw.randrange(len(model.graph.node))]


def _repeat_node(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        model.graph.node.add().CopyFrom(node)


def _move_node(model: onnx.ModelProto, draw: random.Random) -> None:
    nodes = list(model.graph.node)
    draw.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _another_operator(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        node.op_type = draw.choice(OPERATORS)


def _another_domain(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        node.domain = draw.choice(("ai.onnx", "ai.onnx.ml", "local", "metannvis", "com.microsoft"))


def _another_input(model: onnx.ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    if node and node.input:
        node.input[draw.randrange(len(node.input))] = draw.choice(_names(model))


def _more_inputs(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        node.input.extend(draw.choices(_names(model), k=draw.choice((1, 2, 9))))


def _fewer_inputs(model: onnx.ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    if node and node.input:
        del node.input[draw.randrange(len(node.input)) :]


def _swapped_inputs(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        names = list(node.input)
        draw.shuffle(names)
        del node.input[:]
        node.input.extend(names)


def _outputs(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        if draw.random() < 0.5 and node.output:
            node.output[draw.randrange(len(node.output))] = draw.choice(_names(model))
        else:
            node.output.extend(f"more_{k}" for k in range(draw.choice((1, 2, 20))))


def _attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    if not node or not node.attribute:
        return
    attribute = draw.choice(node.attribute)
    kind = draw.choice(("value", "value", "value", "length", "type", "name"))
    if kind == "name":
        attribute.name = draw.choice(("axis", "alpha", "kernel_shape", "mode", "to", "nonsense", "pads"))
    elif kind == "type":
        attribute.type = draw.choice((1, 2, 3, 4, 6, 7, 8, 0))
    elif attribute.type == attribute.INT:
        attribute.i = draw.choice(NUMBERS)
    elif attribute.type == attribute.INTS:
        if kind == "length":
            attribute.ints.extend(draw.choices(NUMBERS, k=draw.choice((1, 3))))
        elif attribute.ints:
            attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(NUMBERS)
    elif attribute.type == attribute.FLOAT:
        attribute.f = draw.choice(FLOATS)
    elif attribute.type == attribute.STRING:
        attribute.s = draw.choice((b"", b"nonsense", b"linear", b"\xff\xfe", b"SAME_UPPER", b"constant"))
    elif attribute.HasField("t"):
        _change_tensor(attribute.t, draw)


def _no_attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    if node and node.attribute:
        del node.attribute[draw.randrange(len(node.attribute))]


def _new_attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        name = draw.choice(
            ("axis", "axes", "keepdims", "alpha", "epsilon", "nonsense", "group", "to", "num_outputs", "mode")
        )
        value: Any = draw.choice((draw.choice(NUMBERS), draw.choice(FLOATS), "text", [1, 2], [0.5]))
        if name not in [attribute.name for attribute in node.attribute]:
            node.attribute.append(helper.make_attribute(name, value))


def _array(tensor: onnx.TensorProto) -> Any:
    """What a tensor holds; None if another change has left it with data that does not fit."""
    try:
        return np.array(numpy_helper.to_array(tensor))
    except (TypeError, ValueError, KeyError):
        return None


def _change_tensor(tensor: onnx.TensorProto, draw: random.Random) -> None:
    kind = draw.choice(("values", "values", "dims", "type", "rank", "data"))
    array = _array(tensor) if kind in ("values", "rank") else None
    if kind == "values" and array is not None and tensor.data_type in (6, 7):
        if array.size:
            limits = np.iinfo(array.dtype)
            array.reshape(-1)[draw.randrange(array.size)] = min(max(draw.choice(NUMBERS), limits.min), limits.max)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    elif kind == "values" and array is not None and tensor.data_type == 1:
        if array.size:
            array.reshape(-1)[draw.randrange(array.size)] = draw.choice(FLOATS)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    elif kind == "dims" and tensor.dims:
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(NUMBERS)
    elif kind == "type":
        tensor.data_type = draw.choice((0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 17, 22, 99))
    elif kind == "rank" and array is not None and tensor.data_type not in (0, 8):
        shape = draw.choice(((*array.shape, 1), (1, *array.shape), (array.size,)))
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array).reshape(shape), tensor.name))
    elif kind == "data" and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[: draw.randrange(len(tensor.raw_data))]


def _weight(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.graph.initializer:
        _change_tensor(draw.choice(model.graph.initializer), draw)


def _no_weight(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.graph.initializer:
        del model.graph.initializer[draw.randrange(len(model.graph.initializer))]


def _declared(model: onnx.ModelProto, draw: random.Random) -> None:
    """The type, rank or a size of an input, an output or a value inside."""
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    if not values:
        return
    kind = draw.choice(values).type.tensor_type
    what = draw.choice(("size", "size", "name", "type", "rank", "nothing"))
    dims = kind.shape.dim
    if what == "size" and dims:
        draw.choice(dims).dim_value = draw.choice(NUMBERS)
    elif what == "name" and dims:
        draw.choice(dims).dim_param = draw.choice(NAMES)
    elif what == "type":
        kind.elem_type = draw.choice((0, 1, 2, 6, 7, 8, 9, 10, 11, 16, 99))
    elif what == "rank":
        dims.add(dim_value=draw.choice((1, 2, 3)))
    elif what == "nothing":
        kind.ClearField("shape")


def _ports(model: onnx.ModelProto, draw: random.Random) -> None:
    ports = draw.choice((model.graph.input, model.graph.output))
    if draw.random() < 0.4 and ports:
        draw.choice(ports).name = draw.choice(_names(model))
    elif draw.random() < 0.5 and ports:
        del ports[draw.randrange(len(ports))]
    else:
        ports.add().CopyFrom(helper.make_tensor_value_info(draw.choice(_names(model)), 1, ["n", 2]))


def _opset(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.opset_import:
        model.opset_import[0].version = draw.choice((0, 1, 6, 7, 9, 11, 13, 17, 18, 21, 22, 99, -1, 2**40))
    if draw.random() < 0.2:
        model.ir_version = draw.choice((0, 1, 3, 8, 99))


def _metadata(model: onnx.ModelProto, draw: random.Random) -> None:
    if node := _node(model, draw):
        key = draw.choice(("metannvis.exact", "metannvis.layer", "metannvis.ties", "metannvis.trace"))
        node.metadata_props.add(
            key=key, value=draw.choice(("", "{", '{"alpha": "5"}', '{"alpha": [1]}', "index", "[]", "\0"))
        )


def _constant(model: onnx.ModelProto, draw: random.Random) -> None:
    """A weight becomes a Constant node."""
    if model.graph.initializer:
        tensor = model.graph.initializer.pop(draw.randrange(len(model.graph.initializer)))
        node = helper.make_node("Constant", [], [tensor.name], value=tensor)
        model.graph.node.insert(0, node)


CHANGES: tuple[Callable[[onnx.ModelProto, random.Random], None], ...] = (
    _drop_node, _repeat_node, _move_node, _another_operator, _another_operator, _another_domain, _another_input,
    _another_input, _more_inputs, _fewer_inputs, _swapped_inputs, _outputs, _attribute, _attribute, _attribute, _attribute,
    _no_attribute, _new_attribute, _weight, _weight, _weight, _no_weight, _declared, _declared, _declared, _ports, _opset,
    _metadata, _constant,
)  # fmt: skip
