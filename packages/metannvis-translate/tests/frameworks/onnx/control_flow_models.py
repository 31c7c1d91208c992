"""Models with control flow or functions of their own, as exporters write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

Array = np.ndarray[Any, Any]
Made = tuple[onnx.ModelProto, list[Array]]
F, INT, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
info, node = helper.make_tensor_value_info, helper.make_node


def tensor(name: str, array: Any, dtype: str = "float32") -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.asarray(array, dtype), name)


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: list[onnx.TensorProto],
    **more: Any,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", more.pop("opset", 17)), *more.pop("opsets", [])]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=9, **more)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def values(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def branch(*, nested: bool = False) -> Made:
    """Whether an image has one channel, which its shape says: as scripted preprocessing does."""
    gray = helper.make_graph([node("Tile", ["x", "three"], ["gray_y"])], "gray", [], [info("gray_y", F, None)])
    color = helper.make_graph([node("Relu", ["x"], ["color_y"])], "color", [], [info("color_y", F, None)])
    if nested:
        inner = node("If", ["yes"], ["inner_y"], then_branch=color, else_branch=gray)
        color = helper.make_graph([inner], "outer", [], [info("inner_y", F, None)])
    nodes = [
        node("Shape", ["x"], ["sizes"]),
        node("Gather", ["sizes", "axis"], ["channels"]),
        node("Equal", ["channels", "one"], ["is_gray"]),
        node("If", ["is_gray"], ["z"], then_branch=gray, else_branch=color, name="colors"),
        node("Conv", ["z", "w"], ["y"], name="conv"),
    ]
    weights = [
        tensor("three", [1, 3, 1, 1], "int64"),
        tensor("axis", 1, "int64"),
        tensor("one", 1, "int64"),
        tensor("w", values(2, 3, 3, 3)),
        tensor("yes", True, "bool"),
    ]
    return model(nodes, [info("x", F, ["n", 3, 8, 8])], [info("y", F, ["n", 2, 6, 6])], weights), [values(2, 3, 8, 8)]


def loop(*, until: bool = False, gathers: bool = True) -> Made:
    """A step is ``state = tanh(state · w) + number``; ``until``: it stops by its own count, before the last step."""
    body = [
        node("MatMul", ["state", "w"], ["product"]),
        node("Tanh", ["product"], ["bent"]),
        node(
            "Cast",
            [
                "number",
            ],
            ["float"],
            to=F,
        ),
        node("Add", ["bent", "float"], ["next"]),
        node("Less", ["number", "last"], ["on"]) if until else node("Identity", ["goes"], ["on"]),
        node("Identity", ["next"], ["row"]),
    ]
    states = [info("number", INT, []), info("goes", B, []), info("state", F, ["n", 4])]
    results = [info("on", B, []), info("next", F, ["n", 4]), *([info("row", F, ["n", 4])] if gathers else [])]
    outs = ["last_state", "rows"] if gathers else ["last_state"]
    nodes = [
        node(
            "Loop",
            ["steps", "" if not until else "true", "x"],
            outs,
            body=helper.make_graph(body, "body", states, results),
            name="loop",
        ),
        *([node("Transpose", ["rows"], ["z"], perm=[1, 0, 2])] if gathers else []),
    ]
    weights = [
        tensor("steps", 5, "int64"),
        tensor("w", values(4, 4)),
        tensor("last", 2, "int64"),
        tensor("true", True, "bool"),
    ]
    outputs = [info("last_state", F, ["n", 4]), *([info("z", F, ["n", None, 4])] if gathers else [])]
    return model(nodes, [info("x", F, ["n", 4])], outputs, weights), [values(3, 4)]


def loop_with_branch() -> Made:
    """A branch on the number of the step inside a loop."""
    even = helper.make_graph([node("Relu", ["state"], ["even_y"])], "even", [], [info("even_y", F, None)])
    odd = helper.make_graph([node("MatMul", ["state", "w"], ["odd_y"])], "odd", [], [info("odd_y", F, None)])
    body = [
        node("Mod", ["number", "two"], ["rest"]),
        node("Equal", ["rest", "zero"], ["is_even"]),
        node("If", ["is_even"], ["next"], then_branch=even, else_branch=odd),
        node("Identity", ["goes"], ["on"]),
    ]
    states = [info("number", INT, []), info("goes", B, []), info("state", F, None)]
    results = [info("on", B, []), info("next", F, None)]
    nodes = [
        node("Loop", ["steps", "", "x"], ["y"], body=helper.make_graph(body, "body", states, results), name="loop")
    ]
    weights = [
        tensor("steps", 4, "int64"),
        tensor("w", values(4, 4)),
        tensor("two", 2, "int64"),
        tensor("zero", 0, "int64"),
    ]
    return model(nodes, [info("x", F, ["n", 4])], [info("y", F, ["n", 4])], weights), [values(3, 4)]


def scan(*, backward: int = 0) -> Made:
    """A recurrent cell over the second axis of its input."""
    body = [
        node("MatMul", ["part", "w"], ["a"]),
        node("Add", ["a", "state"], ["b"]),
        node("Tanh", ["b"], ["next"]),
        node("Identity", ["next"], ["row"]),
    ]
    inside = helper.make_graph(
        body,
        "body",
        [info("state", F, [2, 4]), info("part", F, [2, 4])],
        [info("next", F, [2, 4]), info("row", F, [2, 4])],
    )
    nodes = [
        node(
            "Scan", ["h", "x"], ["last", "rows"], body=inside, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1],
            scan_input_directions=[backward], scan_output_directions=[backward], name="scan",
        )
    ]  # fmt: skip
    weights = [tensor("h", np.zeros((2, 4))), tensor("w", values(4, 4))]
    return model(nodes, [info("x", F, [2, 6, 4])], [info("last", F, [2, 4]), info("rows", F, [2, 6, 4])], weights), [
        values(2, 6, 4)
    ]


def scan_of_samples() -> Made:
    """The same as opset 8 had it: sample by sample, the steps along the second axis."""
    body = [node("MatMul", ["part", "w"], ["a"]), node("Add", ["a", "state"], ["b"]), node("Tanh", ["b"], ["next"])]
    body.append(node("Identity", ["next"], ["row"]))
    inside = helper.make_graph(
        body, "body", [info("state", F, [4]), info("part", F, [4])], [info("next", F, [4]), info("row", F, [4])]
    )
    nodes = [
        node("Scan", ["", "h", "x"], ["last", "rows"], body=inside, num_scan_inputs=1, directions=[1], name="scan")
    ]
    weights = [tensor("h", values(2, 4)), tensor("w", values(4, 4))]
    outputs = [info("last", F, [2, 4]), info("rows", F, [2, 6, 4])]
    return model(nodes, [info("x", F, [2, 6, 4])], outputs, weights, opset=8), [values(2, 6, 4)]


def branch_of_one_shape() -> Made:
    """The mean of an image decides between branches whose results are of one shape, which the file states."""
    nodes = [
        node("ReduceMean", ["x"], ["mean"], keepdims=0),
        node("Greater", ["mean", "zero"], ["light"]),
        node(
            "If", ["light"], ["y", "z"], name="choice",
            then_branch=helper.make_graph(
                [node("Relu", ["x"], ["a"]), node("MatMul", ["x", "w"], ["c"])], "a", [],
                [info("a", F, [3, 4]), info("c", F, [3, 4])],
            ),
            else_branch=helper.make_graph(
                [node("Neg", ["x"], ["b"]), node("Tanh", ["b"], ["d"])], "b", [],
                [info("b", F, [3, 4]), info("d", F, [3, 4])],
            ),
        ),
    ]  # fmt: skip
    outputs = [info("y", F, [3, 4]), info("z", F, [3, 4])]
    weights = [tensor("zero", 0.0), tensor("w", values(4, 4))]
    return model(nodes, [info("x", F, [3, 4])], outputs, weights), [values(3, 4)]


def function() -> Made:
    """Functions that call each other, one with an attribute, as PyTorch's and Keras' exporters write them."""
    bend = helper.make_function(
        "own", "Bend", ["a"], ["b"],
        [helper.make_node("Relu", ["a"], ["r"]), node("Add", ["r", "a"], ["b"])], [helper.make_opsetid("", 17)],
    )  # fmt: skip
    leak = node("LeakyRelu", ["b"], ["c"])
    leak.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
    block = helper.make_function(
        "own", "Block", ["a", "w"], ["c"], [node("Conv", ["a", "w"], ["d"]), node("Bend", ["d"], ["b"], domain="own"), leak],
        [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)], ["slope"],
    )  # fmt: skip
    nodes = [
        node("Block", ["x", "w"], ["h"], domain="own", name="first", slope=0.25),
        node("Block", ["h", "v"], ["y"], domain="own", name="second", slope=0.5),
    ]
    weights = [tensor("w", values(3, 3, 3, 3)), tensor("v", values(2, 3, 3, 3))]
    proto = model(
        nodes, [info("x", F, ["n", 3, 9, 9])], [info("y", F, ["n", 2, 5, 5])], weights, functions=[bend, block],
        opsets=[helper.make_opsetid("own", 1)],
    )  # fmt: skip
    return proto, [values(2, 3, 9, 9)]


def endless() -> Made:
    """A loop that its own condition never ends."""
    body = [node("Relu", ["state"], ["next"]), node("Identity", ["goes"], ["on"])]
    states = [info("number", INT, []), info("goes", B, []), info("state", F, None)]
    results = [info("on", B, []), info("next", F, None)]
    nodes = [node("Loop", ["", "true", "x"], ["y"], body=helper.make_graph(body, "body", states, results), name="loop")]
    return model(nodes, [info("x", F, ["n", 4])], [info("y", F, ["n", 4])], [tensor("true", True, "bool")]), [
        values(3, 4)
    ]


def branch_on_data() -> Made:
    """The mean of an image decides."""
    nodes = [
        node("ReduceMean", ["x"], ["mean"], keepdims=0),
        node("Greater", ["mean", "zero"], ["light"]),
        node(
            "If", ["light"], ["y"], name="light",
            then_branch=helper.make_graph([node("Relu", ["x"], ["a"])], "a", [], [info("a", F, None)]),
            else_branch=helper.make_graph([node("Neg", ["x"], ["b"])], "b", [], [info("b", F, None)]),
        ),
    ]  # fmt: skip
    return model(nodes, [info("x", F, ["n", 4])], [info("y", F, ["n", 4])], [tensor("zero", 0.0)]), [values(3, 4)]


def loop_on_data() -> Made:
    """It goes on while the sum is small."""
    body = [
        node("Add", ["state", "state"], ["next"]),
        node("ReduceSum", ["next"], ["sum"], keepdims=0),
        node("Less", ["sum", "large"], ["on"]),
    ]
    states = [info("number", INT, []), info("goes", B, []), info("state", F, None)]
    results = [info("on", B, []), info("next", F, None)]
    nodes = [
        node("Loop", ["steps", "", "x"], ["y"], body=helper.make_graph(body, "body", states, results), name="loop")
    ]
    weights = [tensor("large", 100.0), tensor("steps", 5, "int64")]
    return model(nodes, [info("x", F, ["n", 4])], [info("y", F, ["n", 4])], weights), [values(3, 4)]


MODELS: dict[str, Callable[[], Made]] = {
    "branch": branch,
    "branch_nested": lambda: branch(nested=True),
    "loop": loop,
    "loop_of_states": lambda: loop(gathers=False),
    "loop_until": lambda: loop(until=True),
    "loop_with_branch": loop_with_branch,
    "scan": scan,
    "scan_of_samples": scan_of_samples,
    "branch_of_one_shape": branch_of_one_shape,
    "scan_backward": lambda: scan(backward=1),
    "function": function,
}
UNKNOWN: dict[str, Callable[[], Made]] = {"branch": branch_on_data, "loop": loop_on_data}
