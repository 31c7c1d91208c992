"""Tracing by TensorFlow: what an operation or a layer computes as a graph of TensorFlow's operators, each of them converted.

The way of everything that has no converter of its own: every function of ``keras.ops`` is made of TensorFlow's operators in the
end, and so is a ``call`` that asks more of its tensors than a symbolic tensor of Keras has. Sizes that the model leaves free
stay free; what depends on numbers alone is computed here; variables stay weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.exporter.layers import HINT
from metannvis_translate.frameworks.keras.exporter.layers.registry import operation_name
from metannvis_translate.frameworks.keras.exporter.tf_nodes import (
    Complex,
    Node,
    TensorList,
    Variable,
    find_node_converter,
)
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import are_alike, depends_on_sizes
from metannvis_translate.frameworks.keras.exporter.tf_nodes.signal import product
from metannvis_translate.frameworks.keras.trace import is_layer, no_symbols_left
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process.patches import patched

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

__all__ = ["converted"]

#: Operators that change a variable or act on the world outside: what a translation would leave out.
ACTS = ("Assign", "ResourceScatter", "ResourceApply", "PyFunc", "EagerPyFunc", "Print", "Write", "Save")
#: Turns of a loop that are written one after the other.
TURNS = 1000
#: Operators of which a complex tensor's parts are those of its parts.
BY_PARTS = frozenset(
    [
        "Add", "AddN", "AddV2", "BroadcastTo", "ConcatV2", "ExpandDims", "GatherV2", "Identity", "MatrixDiagPartV3", "Mean",
        "Neg", "Pack", "Pad", "Reshape", "ReverseV2", "Roll", "SelectV2", "Slice", "Snapshot", "Split", "SplitV", "Squeeze",
        "StopGradient", "StridedSlice", "Sub", "Sum", "Tile", "Transpose", "Unpack",
    ]
)  # fmt: skip


def converted(e: KerasEmitter, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation or layer returns, by way of the graph that TensorFlow makes of it.

    Raises
    ------
    UnsupportedOperatorError
        TensorFlow cannot trace it, or an operator of its graph has no converter.
    """
    import onnx_ir as ir

    keras, tf = require("keras"), require("tensorflow")
    flat = keras.tree.flatten((tuple(args), dict(kwargs)))
    values = list({id(x): x for x in flat if isinstance(x, ir.Value)}.values())
    specs = [tf.TensorSpec(e.shape(x), e.spec(x)[1]) for x in values]
    structure: list[Any] = []

    def compute(*tensors: Any) -> list[Any]:
        by_value = {id(x): tensor for x, tensor in zip(values, tensors, strict=True)}
        own, named = keras.tree.map_structure(lambda x: by_value.get(id(x), x), (tuple(args), dict(kwargs)))
        if getattr(operation, "_call_has_training_arg", False):
            named = {**named, "training": False}
        with _maps_at_once():
            result = operation(*own, **named)
        structure[:] = [result]
        return [tf.convert_to_tensor(x) for x in keras.tree.flatten(result)]

    first = len(e.nodes)
    try:
        with keras.StatelessScope() as scope, no_symbols_left(operation) if is_layer(operation) else nullcontext():
            graph = tf.function(compute, autograph=False).get_concrete_function(*specs).graph
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise _refusal(e, operation, f"TensorFlow cannot trace it where sizes are free ({why})") from error
    if scope.state_mapping:
        raise _refusal(e, operation, "it changes its variables")
    for node in graph.get_operations():
        if node.type.startswith(ACTS):
            raise _refusal(e, operation, f"it acts beyond what it returns ({node.type})")
    variables = {id(v.value): v for v in getattr(operation, "variables", ()) if is_layer(operation)}
    handles = {id(v.handle): variables.get(id(v), v) for v in graph.variables}
    env: dict[Any, Any] = {}
    for tensor, value in zip(graph.inputs, values, strict=False):
        env[tensor.ref()] = value
    for outer, inner in graph.captures:
        if outer.dtype == tf.resource:
            if id(outer) not in handles:
                raise _refusal(e, operation, "it reads a table or another resource")
            env[inner.ref()] = Variable(handles[id(outer)], operation if is_layer(operation) else None)
        else:
            env[inner.ref()] = np.asarray(outer)
    outputs = [_value(e, operation, x) for x in _Conversion(e, operation).run(graph, env, graph.outputs)]
    e.drop_unused(first, outputs)
    casts = [(node.inputs[0], node.outputs[0]) for node in e.nodes[first:] if node.op_type == "Cast"]
    if any(x is not None and x.dtype == ir.DataType.DOUBLE and y.dtype == ir.DataType.FLOAT for x, y in casts):
        e.single.append(f"{operation_name(operation)}: TensorFlow computes a part of it in float32")
    return keras.tree.pack_sequence_as(structure[0], outputs)


@contextmanager
def _maps_at_once() -> Iterator[None]:
    """Inside, ``keras.ops.map`` over an axis of free size is computed for all its entries at once instead of one by one."""
    from keras.src.backend.tensorflow import core

    tf = require("tensorflow")

    def at_once(function: Any, xs: Any) -> Any:
        xs = tf.nest.map_structure(tf.convert_to_tensor, xs)
        if all(x.shape.rank and x.shape[0] is not None for x in tf.nest.flatten(xs)):
            return one_by_one(function, xs)
        return tf.vectorized_map(function, xs, fallback_to_while_loop=False)

    one_by_one = core.map
    with patched(core, "map", at_once):
        yield


def _value(e: KerasEmitter, operation: Any, x: Any) -> ir.Value:
    """What flows along an edge as a value of the graph."""
    if isinstance(x, Complex):
        raise _refusal(e, operation, "it returns complex numbers, which no tensor of the graph holds")
    if x is None or isinstance(x, (Variable, TensorList)):
        raise _refusal(e, operation, "it returns what is no tensor")
    return Node(e, None, (), operation, {}).as_value(x)


def _refusal(e: KerasEmitter, operation: Any, reason: str) -> UnsupportedOperatorError:
    hint = HINT if is_layer(operation) else HINT.replace("keras_layer(YourLayer)", 'keras_op("Name")')
    return UnsupportedOperatorError(operation_name(operation), layer=e.layer or None, reason=reason, hint=hint)


class _Conversion:
    """Conversion of one graph and of those that it calls."""

    def __init__(self, e: KerasEmitter, operation: Any) -> None:
        self.e = e
        self.operation = operation
        self.origin: dict[int, Any] = {}
        self.flow: dict[str, Callable[..., Any]] = {
            "PartitionedCall": self.called,
            "StatefulPartitionedCall": self.called,
            "If": self.branch,
            "StatelessIf": self.branch,
            "Case": self.case,
            "StatelessCase": self.case,
            "While": self.loop,
            "StatelessWhile": self.loop,
        }

    def run(self, graph: Any, env: dict[Any, Any], outputs: Sequence[Any]) -> list[Any]:
        """Values of some tensors of a graph, given those of its inputs."""
        needed = _needed(outputs)
        for node in graph.get_operations():
            if node not in needed or all(x.ref() in env for x in node.outputs):
                continue
            # A failure is none before its value is asked for: many sizes are computed that are known in the end.
            try:
                results = self.node(graph, node, [env.get(x.ref()) for x in node.inputs])
            except UnsupportedOperatorError as error:
                results = [error] * len(node.outputs)
            for tensor, value in zip(node.outputs, results, strict=True):
                env[tensor.ref()] = value
        found = [env[x.ref()] for x in outputs]
        for value in found:
            if isinstance(value, UnsupportedOperatorError):
                raise value
        return found

    def node(self, graph: Any, node: Any, operands: list[Any]) -> list[Any]:
        if node.type == "Const":
            return [np.asarray(require("tensorflow").make_ndarray(node.get_attr("value")))]
        for operand in operands:
            if isinstance(operand, UnsupportedOperatorError):
                raise operand
        if node.type in self.flow:
            return list(self.flow[node.type](graph, node, operands))
        if operands and all(isinstance(x, np.ndarray) for x in operands) and _computes(node):
            return _computed(node, operands)
        row = find_node_converter(node.type)
        if row is None:
            raise _refusal(self.e, self.operation, f"TensorFlow's {node.type}, of which it is made, has no converter")
        results = self.of(row, node, operands)
        for tensor, value in zip(node.outputs, results, strict=False):
            _settle(self.e, tensor, value)
        return results

    def of(self, row: Callable[[Node], Any], node: Any, operands: list[Any]) -> list[Any]:
        """What a converter makes of an operator; of complex operands where it knows only real ones."""
        operands = [
            Complex(x.real, x.imag) if isinstance(x, np.ndarray) and x.dtype.kind == "c" else x for x in operands
        ]
        is_complex = any(isinstance(x, Complex) for x in operands)
        if is_complex and node.type == "Mul":
            return [product(Node(self.e, node, operands, self.operation, self.origin))]
        if not is_complex or node.type not in BY_PARTS:
            results = row(Node(self.e, node, operands, self.operation, self.origin))
            return list(results) if isinstance(results, (list, tuple)) else [results]
        parts = []
        for name in ("real", "imaginary"):
            own = [getattr(x, name) if isinstance(x, Complex) else x for x in operands]
            results = row(Node(self.e, node, own, self.operation, self.origin))
            parts.append(list(results) if isinstance(results, (list, tuple)) else [results])
        return [Complex(one, other) for one, other in zip(*parts, strict=True)]

    # --- functions and control flow -----------------------------------------------------------------------------------

    def function(self, graph: Any, name: str, operands: Sequence[Any]) -> list[Any]:
        from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

        found = graph
        while True:
            known = found._get_function(name)
            if known is not None or getattr(found, "outer_graph", None) is None:
                break
            found = found.outer_graph
        inner = getattr(known, "graph", None)
        if inner is None:
            with graph.as_default():
                inner = function_def_to_graph(known.cached_definition)
        return self.run(inner, {x.ref(): v for x, v in zip(inner.inputs, operands, strict=True)}, inner.outputs)

    def called(self, graph: Any, node: Any, operands: list[Any]) -> list[Any]:
        return self.function(graph, node.get_attr("f").name, operands)

    def branch(self, graph: Any, node: Any, operands: list[Any]) -> list[Any]:
        condition, *rest = operands
        if isinstance(condition, np.ndarray):
            return self.function(graph, node.get_attr("then_branch" if condition else "else_branch").name, rest)
        ways = [self.function(graph, node.get_attr(f"{name}_branch").name, rest) for name in ("then", "else")]
        e = self.e
        results = []
        for tensor, one, other in zip(node.outputs, *ways, strict=True):
            if isinstance(one, TensorList) or isinstance(other, TensorList):
                raise _refusal(e, self.operation, "a list of tensors depends on a condition on values")
            one, other = (_value(e, self.operation, x) for x in (one, other))
            if depends_on_sizes(condition) and not are_alike(one, other):
                raise _refusal(e, self.operation, "which of two shapes comes out depends on a size that is free")
            results.append(
                e.emit(
                    "Where",
                    e.cast(condition, "bool"),
                    one,
                    other,
                    shape=tuple(tensor.shape) if tensor.shape.rank is not None else None,
                    dtype=tensor.dtype.name,
                )
            )
        return results

    def case(self, graph: Any, node: Any, operands: list[Any]) -> list[Any]:
        index, *rest = operands
        if not isinstance(index, np.ndarray):
            raise _refusal(self.e, self.operation, "which branch is taken depends on values")
        branches = node.get_attr("branches")
        number = int(index) if 0 <= int(index) < len(branches) else len(branches) - 1
        return self.function(graph, branches[number].name, rest)

    def loop(self, graph: Any, node: Any, operands: list[Any]) -> list[Any]:
        condition, body = node.get_attr("cond").name, node.get_attr("body").name
        for _ in range(TURNS):
            (more,) = self.function(graph, condition, operands)
            if not isinstance(more, np.ndarray):
                raise _refusal(self.e, self.operation, "how often a loop turns depends on values or on a free size")
            if not more:
                return operands
            operands = self.function(graph, body, operands)
        raise _refusal(self.e, self.operation, f"a loop turns more than {TURNS} times")


def _needed(outputs: Sequence[Any]) -> set[Any]:
    """The operators that some tensors depend on."""
    found: set[Any] = set()
    stack = [x.op for x in outputs]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(x.op for x in node.inputs)
    return found


def _settle(e: KerasEmitter, tensor: Any, value: Any) -> None:
    """Give a value the shape and dtype that TensorFlow knows it by, where the converter has said less."""
    import onnx_ir as ir

    if not isinstance(value, ir.Value):
        return
    if value.producer() is not None and tensor.dtype.is_numpy_compatible:
        value.dtype = e.dtype_of(tensor.dtype.as_numpy_dtype)
    if tensor.shape.rank is None:
        return
    shape = tuple(tensor.shape)
    own = e.shape(value) if value.shape is not None else (None,) * len(shape)
    if len(own) == len(shape):
        e.set_shape(value, [s if o is None else o for o, s in zip(own, shape, strict=True)])


def _computes(node: Any) -> bool:
    """Whether an operator does nothing but compute numbers."""
    return not node.op_def.is_stateful and all(x.dtype.is_numpy_compatible for x in node.outputs)


def _computed(node: Any, operands: Sequence[Any]) -> list[Any]:
    """Results of an operator all of whose operands are numbers."""
    tf = require("tensorflow")
    given: dict[str, Any] = {}
    left = [tf.constant(x, input_.dtype) for x, input_ in zip(operands, node.inputs, strict=True)]
    types: set[str] = set()
    for argument in node.op_def.input_arg:
        if argument.number_attr or argument.type_list_attr:
            count = node.get_attr(argument.number_attr) if argument.number_attr else len(left)
            given[argument.name], left = left[:count], left[count:]
        else:
            given[argument.name] = left.pop(0)
        types.update((argument.type_attr, argument.number_attr, argument.type_list_attr))
    for attribute in node.op_def.attr:
        if attribute.name not in types:
            given[attribute.name] = node.get_attr(attribute.name)
    function = getattr(tf.raw_ops, node.type)
    # Python's names of some arguments are others than the operator's own
    free = [name for name in inspect.signature(function).parameters if name not in given and name != "name"]
    for name in [name for name in given if name not in inspect.signature(function).parameters]:
        given[free.pop(0)] = given.pop(name)
    with tf.init_scope():
        results = function(**given)
    results = results if isinstance(results, (list, tuple)) else [results]
    return [np.asarray(x) for x in results]
