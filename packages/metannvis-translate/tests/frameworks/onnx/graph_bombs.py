"""Small ONNX graphs that come to a great deal, or that a runtime trusts in vain: what each is refused for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from metannvis_translate import InvalidModelError, LimitError, UnsupportedOperatorError
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node
IMPORTS = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]


@dataclass(frozen=True)
class Bomb:
    """One graph; the errors that refuse it, in words and by class."""

    name: str
    make: Callable[[], onnx.ModelProto]
    error: type[Exception] | tuple[type[Exception], ...]
    says: str


def info(name: str, *dims: Any, type: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, type, list(dims))


def model(nodes: Sequence[onnx.NodeProto], functions: Sequence[Any] = (), **weights: Any) -> onnx.ModelProto:
    """A model from x of shape (n, 4) to y of the same."""
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(list(nodes), "g", [info("x", "n", 4)], [info("y", "n", 4)], stored)
    return helper.make_model(graph, opset_imports=IMPORTS, ir_version=10, functions=list(functions))


def added(value: str) -> list[onnx.NodeProto]:
    """The sum of a value, added to x."""
    return [node("ReduceSum", [value], ["sum"], keepdims=0), node("Add", ["x", "sum"], ["y"])]


def doubled(first: str, times: int = 50) -> list[onnx.NodeProto]:
    names = [first, *(f"v{k}" for k in range(1, times + 1))]
    return [node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]


def large(*nodes: onnx.NodeProto, **weights: Any) -> Callable[[], onnx.ModelProto]:
    return lambda: model([*nodes, *added("v")], **weights)


def relus(count: int) -> Callable[[], onnx.ModelProto]:
    names = ["x", *(f"v{k}" for k in range(count - 1)), "y"]
    return lambda: model([node("Relu", [a], [b]) for a, b in pairwise(names)])


def functions(depth: int) -> onnx.ModelProto:
    """Each calls the one before it twice."""
    made = [helper.make_function("local", "f0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], IMPORTS)]
    for k in range(1, depth):
        body = [node(f"f{k - 1}", ["a"], ["c"], domain="local"), node(f"f{k - 1}", ["c"], ["b"], domain="local")]
        made.append(helper.make_function("local", f"f{k}", ["a"], ["b"], body, IMPORTS))
    return model([node(f"f{depth - 1}", ["x"], ["y"], domain="local")], made)


def calls_itself() -> onnx.ModelProto:
    body = [node("f", ["a"], ["b"], domain="local")]
    return model(
        [node("f", ["x"], ["y"], domain="local")], [helper.make_function("local", "f", ["a"], ["b"], body, IMPORTS)]
    )


def squared_size() -> onnx.ModelProto:
    steps = [node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "at"], ["g0"])]
    for k in range(40):
        steps += [node("Mul", [f"g{k}", f"g{k}"], [f"m{k}"]), node("Add", [f"m{k}", f"g{k}"], [f"g{k + 1}"])]
    steps += [node("Cast", ["g40"], ["f"], to=TensorProto.FLOAT), node("Add", ["x", "f"], ["y"])]
    return model(steps, at=np.array(0))


def nested(depth: int) -> onnx.ModelProto:
    """If in If in If, each of which depends on the input: one whose condition is known is one of its branches."""
    asked = [node("ReduceMax", ["x"], ["most"], keepdims=0), node("Cast", ["most"], ["sure"], to=TensorProto.BOOL)]
    inner = [node("Relu", ["x"], ["y0"])]
    for k in range(depth):
        branch = helper.make_graph(inner, f"b{k}", [], [info(f"y{k}", "n", 4)])
        inner = [node("If", ["sure"], [f"y{k + 1}"], then_branch=branch, else_branch=branch)]
    return model([*asked, *inner, node("Relu", [f"y{depth}"], ["y"])])


def with_input(*shape: int) -> onnx.ModelProto:
    made = model([node("Relu", ["x"], ["y"])])
    made.graph.input[0].CopyFrom(info("x", *shape))
    made.graph.output[0].CopyFrom(info("y", *shape))
    return made


def window(operator: str, **attributes: Any) -> onnx.ModelProto:
    """A pool over the second axis."""
    pool = node(operator, ["a"], ["b"], kernel_shape=[1], **attributes)
    return model([node("Reshape", ["x", "s"], ["a"]), pool, node("Reshape", ["b", "t"], ["y"])], s=[0, 1, 4], t=[-1, 4])


def own(operator: str, inputs: Sequence[str], **attributes: Any) -> onnx.ModelProto:
    """An operator of our own domain."""
    made = model([node(operator, inputs, ["y"], domain="metannvis", **attributes)])
    made.opset_import.add(domain="metannvis", version=1)
    return made


SMALL = np.ones(2, np.float32)
BOMBS = (
    Bomb("relus", relus(60_000), LimitError, "limit nodes is 50,000"),
    Bomb("functions", lambda: functions(30), LimitError, "come to 536,870,912, and the limit nodes"),
    Bomb("function_of_itself", calls_itself, InvalidModelError, "the function 'f' calls itself"),
    Bomb("nested_graphs", lambda: nested(9), (LimitError, UnsupportedOperatorError), "If|nodes"),
    Bomb("concat_constant", lambda: model([*doubled("w"), *added("v50")], w=SMALL), LimitError, "limit value_bytes"),
    Bomb("concat_matrix", lambda: model([*doubled("x"), *added("v50")]), LimitError, "limit value_bytes"),
    Bomb(
        "concat_shape",
        lambda: model([node("Shape", ["x"], ["s"]), *doubled("s"), node("Cast", ["v50"], ["v"], to=1), *added("v")]),
        LimitError,
        "limit value_bytes",
    ),
    Bomb("constant_of_shape", large(node("ConstantOfShape", ["d"], ["v"]), d=[10**6, 10**6]), LimitError, "'v': 4,0"),
    Bomb("expand", large(node("Expand", ["x", "d"], ["v"]), d=[10**11, 1, 4]), LimitError, "value_bytes"),
    Bomb("tile", large(node("Tile", ["x", "d"], ["v"]), d=[10**6, 10**6]), LimitError, "value_bytes"),
    Bomb(
        "range",
        large(node("Range", ["a", "b", "c"], ["v"]), a=np.float32(0), b=np.float32(1e12), c=np.float32(1)),
        LimitError,
        "value_bytes",
    ),
    Bomb("resize", large(node("Resize", ["x", "", "d"], ["v"]), d=np.full(2, 1e6, "f4")), LimitError, "value_bytes"),
    Bomb(
        "one_hot",
        large(node("Cast", ["x"], ["i"], to=7), node("OneHot", ["i", "d", "w"], ["v"]), d=np.array(10**12), w=SMALL),
        LimitError,
        "value_bytes",
    ),
    Bomb(
        "outer_sum",
        large(node("Reshape", ["w", "c"], ["a"]), node("Add", ["a", "w"], ["v"]), w=np.ones(300_000, "f4"), c=[-1, 1]),
        LimitError,
        "value_bytes",
    ),
    Bomb("input", lambda: with_input(10**6, 10**6), LimitError, "value_bytes"),
    Bomb("squared_size", squared_size, UnsupportedOperatorError, "size"),
    # what a runtime trusts in vain
    Bomb(
        "split",
        lambda: model(
            [node("Split", ["x"], ["a", "b"], axis=1, num_outputs=3), node("Concat", ["a", "b"], ["y"], axis=1)]
        ),
        InvalidModelError,
        "node 'a' .Split.: it says that it has 3 outputs, and has 2",
    ),
    Bomb("stride", lambda: window("MaxPool", strides=[1 << 31]), InvalidModelError, "strides .2147483648. are not all"),
    Bomb("dilation", lambda: window("MaxPool", dilations=[0]), InvalidModelError, "dilations .0. are not all from 1"),
    Bomb("pads", lambda: window("AveragePool", pads=[0, 1 << 40]), InvalidModelError, "pads .* beyond 1,048,576"),
    Bomb("own", lambda: own("StopGradient", []), InvalidModelError, "StopGradient.: it has 0 inputs, and takes 1"),
    Bomb("own_many", lambda: own("Linear", ["x"] * 4), InvalidModelError, "it has 4 inputs, and takes 2 to 3"),
    Bomb(
        "adaptive",
        lambda: own("AdaptiveMaxPool", ["x"], output_size=[1 << 31]),
        InvalidModelError,
        "output_size .2147483648. is not from 1 to 4,096",
    ),
    Bomb("left_out", lambda: model([node("Sum", ["x", ""], ["y"])]), InvalidModelError, "input 2 is left out"),
    Bomb(
        "two_inputs", lambda: model([node("Relu", ["x", "x"], ["y"], name="twice")]), InvalidModelError, "node 'twice'"
    ),
    Bomb("axis", lambda: model([node("Gather", ["x", "i"], ["y"], axis=7)], i=[1]), InvalidModelError, "axis"),
    Bomb("shape", lambda: model([node("Reshape", ["x", "i"], ["y"])], i=[-1, 7]), InvalidModelError, "Reshape"),
    Bomb("nowhere", lambda: model([node("Relu", ["z"], ["y"])]), InvalidModelError, "valid ONNX model.*z"),
)
