"""Weights of ONNX graphs: floating initialisers and constants that operators of weights are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metannvis_translate.frameworks.onnx import inlined, node_names

from metannvis_methods.models.weights import Weight

__all__ = ["fixed_weights", "weights_of"]

Array = np.ndarray[Any, Any]
#: By operator, which of its inputs are weights, the kernel first; statistics of batch normalisation are none.
OPERATORS: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvInteger": (1,),
    "ConvTranspose": (1, 2),
    "DeformConv": (1, 3),
    "Einsum": (0, 1, 2, 3),
    "GRU": (1, 2, 3),
    "Gather": (0,),
    "Gemm": (1, 0, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3, 7),
    "LayerNormalization": (1, 2),
    "MatMul": (1, 0),
    "MatMulInteger": (1, 0),
    "PRelu": (1,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (3, 0),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3),
}
#: Operators without a bias of their own, for which exporters write an addition.
ADDED_TO = ("Conv", "ConvTranspose", "Einsum", "MatMul")
#: Operators through which a stored tensor is still that tensor, in another form.
PASSING = (
    "Cast",
    "CastLike",
    "DequantizeLinear",
    "Flatten",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
STANDARD = ("", "ai.onnx")


@dataclass
class _Scope:
    """What is known of the values that nodes of a graph may read, those of the graphs around it included."""

    tensors: dict[str, Any] = field(default_factory=dict)  # stored ones, as the proto holds them
    makers: dict[str, Any] = field(default_factory=dict)  # nodes
    constant: set[str] = field(default_factory=set)  # whatever does not depend on the inputs


@dataclass(frozen=True)
class _Layer:
    """An operator of weights: tensors that can be drawn anew, or why none can."""

    name: str
    tensors: list[Any]
    reason: str = ""


def weights_of(model: Any) -> Mapping[str, list[Weight]]:
    """Floating weights of each operator, by the name that it has as a layer, in the order of the graph.

    A bias that is added to what a matrix product returns is one of the product's.
    """
    return {layer.name: [_weight(tensor) for tensor in layer.tensors] for layer in _layers(model) if layer.tensors}


def fixed_weights(model: Any) -> Mapping[str, str]:
    """Operators whose weights cannot be drawn anew, and why."""
    return {layer.name: layer.reason for layer in _layers(model) if layer.reason}


def _layers(model: Any) -> Iterator[_Layer]:
    yield from _within(inlined(model).graph, _Scope(), "")


def _within(graph: Any, outer: _Scope, path: str) -> Iterator[_Layer]:
    scope = _scope(graph, outer)
    rows = [(node.name, node.output) for node in graph.node]
    names = node_names(rows, [port.name for port in graph.input])
    unbiased: dict[str, list[Any]] = {}
    found: list[_Layer] = []
    for node, name in zip(graph.node, names, strict=True):
        for attribute in node.attribute:
            inner = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
            for body in inner:
                found += _within(body, scope, f"{path}{name}/{attribute.name}/")
        if node.domain not in STANDARD:
            continue
        if node.op_type == "Add":
            _take_bias(node, scope, unbiased)
        layer = _layer(node, f"{path}{name}", scope)
        if layer is not None:
            found.append(layer)
            if node.op_type in ADDED_TO and len(layer.tensors) == 1:
                unbiased[node.output[0]] = layer.tensors
    yield from found


def _scope(graph: Any, outer: _Scope) -> _Scope:
    tensors, makers, constant = dict(outer.tensors), dict(outer.makers), set(outer.constant)
    for port in graph.input:  # of a body, hides what is called alike outside
        tensors.pop(port.name, None)
        constant.discard(port.name)
    tensors |= {tensor.name: tensor for tensor in graph.initializer}
    constant |= {*tensors, *(tensor.values.name for tensor in graph.sparse_initializer)}
    for node in graph.node:
        makers |= dict.fromkeys(node.output, node)
        stored = [attribute.t for attribute in node.attribute if attribute.name == "value"]
        if node.op_type == "Constant" and stored:
            tensors[node.output[0]] = stored[0]
        if node.op_type == "Constant" or (node.input and constant.issuperset(name for name in node.input if name)):
            constant |= set(node.output)
    return _Scope(tensors, makers, constant)


def _layer(node: Any, name: str, scope: _Scope) -> _Layer | None:
    """``None`` of a node that has no weights: no such operator, or both factors are computed from the inputs."""
    places = OPERATORS.get(node.op_type, ())
    given = [node.input[place] for place in places if place < len(node.input) and node.input[place]]
    if node.op_type == "Gather" and not _embeds(given, scope):
        return None
    stored = [_stored(value, scope) for value in given if value in scope.constant]
    if not stored:
        return None
    if isinstance(stored[0], str):  # the kernel; a bias alone would leave the layer what it was
        return _Layer(name, [], stored[0])
    return _Layer(name, [tensor for tensor in stored if not isinstance(tensor, str)])


def _stored(value: str, scope: _Scope) -> Any:
    """The tensor that a constant value is made of, or why there is none that can be drawn."""
    from onnx import TensorProto

    while value not in scope.tensors:
        node = scope.makers.get(value)
        if node is None:
            return "stored as a sparse tensor"
        if node.op_type not in PASSING:
            return f"computed by {node.op_type}"
        value = node.input[0]
    tensor = scope.tensors[value]
    if tensor.data_location == TensorProto.EXTERNAL:
        return "its data lies in another file: load the model by its path"
    kind = TensorProto.DataType.Name(tensor.data_type)
    return tensor if kind in FLOATS else f"quantized, {kind.lower()}"


def _embeds(given: list[str], scope: _Scope) -> bool:
    """Whether what is gathered from is a table of vectors, and no list of sizes or indices."""
    table = _stored(given[0], scope) if given and given[0] in scope.constant else None
    if isinstance(table, str):
        maker = scope.makers.get(given[0])
        return maker is not None and maker.op_type == "DequantizeLinear"
    return table is not None and len(table.dims) > 1


def _take_bias(node: Any, scope: _Scope, unbiased: dict[str, list[Any]]) -> None:
    """An addition's constant is the bias of the operator whose result it is added to, if it has one number a channel."""
    for value, other in (tuple(node.input), tuple(node.input)[::-1]):
        if value in unbiased and other in scope.constant:
            tensor = _stored(other, scope)
            if not isinstance(tensor, str) and sum(size > 1 for size in tensor.dims) <= 1:
                unbiased.pop(value).append(tensor)
                return


def _weight(tensor: Any) -> Weight:
    from onnx import numpy_helper

    def assign(array: Array) -> None:
        dtype = numpy_helper.to_array(tensor).dtype
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array.astype(dtype)), tensor.name))

    return Weight(lambda: np.array(numpy_helper.to_array(tensor), np.float64), assign)
