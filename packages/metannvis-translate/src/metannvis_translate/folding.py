"""Constants are computed, and shape arithmetic is resolved to what it comes to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.hub import LAYER, WEIGHT, HubModel, exact_value, is_weight, set_exact

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["MOVES", "NEVER_FOLD", "constant_array", "constant_of", "dims", "evaluate", "evaluate_symbols", "fold"]

Array = np.ndarray[Any, Any]

#: A folded constant larger than this many elements is kept as the computation that makes it.
LARGEST_FOLD = 1 << 24
#: Operators that only move a weight's elements: their result is still a weight.
MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast"}
#: Operators whose result is not the same at each call, or is no tensor.
NEVER_FOLD = {
    "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout",
    "Loop", "If", "Scan", "Constant", "SequenceEmpty", "Optional",
}  # fmt: skip


def constant_of(value: ir.Value | None) -> Array | None:
    """The array of a value that a Constant node or an initialiser gives, else ``None``."""
    if value is None:
        return None
    if value.const_value is not None and value.producer() is None:
        return value.const_value.numpy()
    node = value.producer()
    if node is None or node.op_type != "Constant":
        return None
    return constant_array(node)


def constant_array(node: ir.Node) -> Array:
    """The array that a Constant node holds, whatever attribute it is written in."""
    (attribute,) = [a for a in node.attributes.values() if a.name.startswith("value") or a.name == "sparse_value"][:1]
    if attribute.name == "value":
        return np.asarray(attribute.value.numpy())  # as_tensor() looks through a protocol each time
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if attribute.name not in kinds:
        return np.asarray(attribute.value, dtype=object)
    return np.asarray(attribute.value, dtype=kinds[attribute.name])


def fold(hub: HubModel) -> HubModel:
    """Replace every node whose inputs are known by its result, and shape arithmetic by what it comes to.

    Integer tensors that depend on a free size are followed symbolically: ``hub.symbols`` holds their elements as ints and
    sympy expressions. What is computed from trainable weights is left to the importer, unless it only moves their elements.
    """
    graph = hub.model.graph
    symbols: dict[str, Array] = {}
    moved: dict[Any, ir.Value] = {}
    for node in list(graph):
        if node.domain not in ("", "ai.onnx") or node.op_type in NEVER_FOLD or not node.outputs:
            continue
        if node.op_type in ("Shape", "Size") and node.outputs[0].is_graph_output():
            continue  # what the caller asks for is taken from the tensor
        arrays = [constant_of(value) for value in node.inputs]
        present = [value for value in node.inputs if value is not None]
        read = present[:1] if node.op_type == "CastLike" else present  # its second input is only asked for its type
        if node.op_type not in (*MOVES, "Shape", "Size") and any(is_weight(hub, value) for value in read):
            continue
        if node.op_type == "CastLike" and arrays[0] is not None and present[1].dtype is not None:
            _cast(hub, node, arrays[0], present[1].dtype)
            continue
        if all(a is not None for v, a in zip(node.inputs, arrays, strict=True) if v is not None) and present:
            _fold_constant(hub, node, arrays, moved)
            continue
        if node.op_type in ("Shape", "Size") and not node.outputs[0].uses():
            continue  # an output of the model: computed when it runs
        elements = _symbolic(node, symbols)
        if elements is None:
            if node.op_type in ("Reshape", "Expand"):
                _settle_shape(node, symbols)
            continue
        if all(isinstance(e, (int, np.integer)) for e in elements.ravel()):
            dtype = node.outputs[0].dtype
            array = elements.astype(dtype.numpy() if dtype is not None else np.int64)
            _replace_by_constant(hub, node, array)
        else:
            symbols[node.outputs[0].name or ""] = elements
    return dataclasses.replace(hub, symbols=symbols)


def _cast(hub: HubModel, node: ir.Node, array: Array, dtype: ir.DataType) -> None:
    producer = node.inputs[0].producer() if node.inputs[0] is not None else None
    exact = exact_value(producer, "value") if producer is not None else None
    result = array.astype(dtype.numpy()) if exact is None else np.full(array.shape, exact, dtype.numpy())
    _replace_by_constant(hub, node, result, exact=exact)


def _fold_constant(hub: HubModel, node: ir.Node, arrays: list[Array | None], moved: dict[Any, ir.Value]) -> None:
    """Replace a node of known inputs; ``moved`` holds the weights that were moved so far, by what was done to which."""
    import onnx_ir as ir

    graph = hub.model.graph
    size = _size(node.outputs[0])
    if size is not None and size > LARGEST_FOLD and node.op_type not in MOVES:
        return
    try:
        results = evaluate(node, arrays, hub.model.graph.opset_imports.get("", 1))
    except NotImplementedError:
        return  # the reference evaluator lacks it; the importer may have it
    first = node.inputs[0]
    still_weight = node.op_type in MOVES and is_weight(hub, first) and results[0].dtype.kind == "f"
    if len(results) > 1 and any(out.uses() for out in node.outputs[1:]):
        return
    exact = None
    producer = first.producer() if first is not None else None
    if node.op_type in MOVES and producer is not None and results[0].size == 1:
        exact = exact_value(producer, "value")
        if exact is not None:
            results = [np.full(results[0].shape, exact, dtype=results[0].dtype)]
    if not still_weight:
        _replace_by_constant(hub, node, results[0], exact=exact)
        return
    others = [None if array is None else array.tobytes() for array in arrays[1:]]
    attributes = sorted((a.name, repr(a.value)) for a in node.attributes.values())
    key = (first, node.op_type, *others, *attributes)
    if key not in moved:
        moved[key] = _moved_weight(hub, node, results[0])
    # a module that is called again has the weight that it had the first time
    ir.convenience.replace_all_uses_with(node.outputs[0], moved[key], replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _moved_weight(hub: HubModel, node: ir.Node, array: Array) -> ir.Value:
    """A weight of the source whose elements a node moves, as a weight."""
    import onnx_ir as ir

    initializers, weight = hub.model.graph.initializers, node.inputs[0]
    if weight is None:
        raise AssertionError
    name, number = f"{weight.name}", 1
    while name in initializers:
        number += 1
        name = f"{weight.name}.{number}"
    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
    path = weight.metadata_props.get(WEIGHT)
    if path:
        value.metadata_props[WEIGHT] = path + name.removeprefix(f"{weight.name}")
    initializers[name] = value
    return value


def evaluate(node: ir.Node, arrays: list[Array | None], opset: int) -> list[Array]:
    """Results of a node on known inputs, by ONNX's reference evaluator.

    Raises
    ------
    NotImplementedError
        The evaluator cannot run it.
    """
    import onnx
    import onnx_ir as ir
    from onnx.reference import ReferenceEvaluator

    names = [f"x{i}" if array is not None else "" for i, array in enumerate(arrays)]
    outputs = [f"y{i}" for i in range(len(node.outputs))]
    attributes = [ir.serde.serialize_attribute(a) for a in node.attributes.values()]
    proto = onnx.helper.make_node(node.op_type, names, outputs)
    proto.attribute.extend(attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, arrays, strict=True)
        if a is not None
    ]
    results = [onnx.helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = onnx.helper.make_graph([proto], "fold", inputs, results)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
    try:
        evaluator = ReferenceEvaluator(model)
        for attribute in node.attributes.values():
            exact = exact_value(node, attribute.name)
            if exact is not None and attribute.type.name == "FLOAT":
                setattr(evaluator.rt_nodes_[0], attribute.name, exact)  # where it has put the float32
        feeds = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
        return [np.asarray(result) for result in evaluator.run(None, feeds)]
    except Exception as error:
        # The evaluator raises whatever NumPy does on an operator or type that it lacks; the node then stays as it is.
        raise NotImplementedError(f"{node.op_type}: {error}") from error


def _replace_by_constant(hub: HubModel, node: ir.Node, array: Array, *, exact: float | None = None) -> None:
    import onnx_ir as ir

    graph = hub.model.graph
    old = node.outputs[0]
    name = old.name
    constant = ir.node("Constant", [], attributes={"value": ir.tensor(np.asarray(array, order="C"))})
    if LAYER in node.metadata_props:
        constant.metadata_props[LAYER] = node.metadata_props[LAYER]
    if exact is not None:
        set_exact(constant, {"value": exact})
    new = constant.outputs[0]
    graph.insert_before(node, constant)
    new.shape, new.dtype = ir.Shape(array.shape), constant.attributes["value"].as_tensor().dtype
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    new.name = name


def _size(value: ir.Value) -> int | None:
    if value.shape is None or not all(isinstance(d, int) for d in value.shape):
        return None
    return math.prod(value.shape.numpy())


# --- shapes that depend on a free size -------------------------------------------------------------------------------------


def dims(value: ir.Value | None) -> Array | None:
    """Shape of a value as ints and sympy symbols; ``None`` if a size has no name."""
    import sympy

    if value is None or value.shape is None:
        return None
    sizes: list[Any] = []
    for dim in value.shape:
        if isinstance(dim, int):
            sizes.append(dim)
        elif dim.value is None:
            return None
        else:
            sizes.append(sympy.sympify(str(dim.value), locals=_Symbols()))
    return _objects(sizes)


class _Symbols(dict[str, Any]):
    """Every name is a positive integer symbol, so that sympy never takes ``N`` or ``S`` for something of its own."""

    def __missing__(self, name: str) -> Any:
        import sympy

        if not name.isidentifier() or name in ("Integer", "Float", "Symbol", "Rational"):
            raise KeyError(name)
        return sympy.Symbol(name, integer=True, positive=True)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.isidentifier() and name not in ("Integer", "Float", "Symbol", "Rational")


def _objects(items: list[Any]) -> Array:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _floor_div(a: Any, b: Any) -> Any:
    return a // b


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": np.frompyfunc(_floor_div, 2, 1),
    "Neg": lambda a: -a,
}


def _symbolic(node: ir.Node, symbols: Mapping[str, Array]) -> Array | None:
    """Elements of an integer tensor that the node computes from shapes, or ``None`` if it computes something else."""
    operator = node.op_type
    if operator in ("Shape", "Size"):
        shape = dims(node.inputs[0])
        if shape is None:
            return None
        if operator == "Size":
            return np.array(math.prod(shape.tolist()), dtype=object)
        start = node.attributes["start"].value if "start" in node.attributes else 0
        end = node.attributes["end"].value if "end" in node.attributes else None
        return shape[start:end]
    values: list[Array] = []
    for value in node.inputs:
        if value is None:
            return None
        known = symbols.get(value.name or "")
        if known is None:
            array = constant_of(value)
            if array is None or array.dtype.kind not in "iu":
                return None
            known = array.astype(object)
        values.append(known)
    if not values or not any(value is not None and (value.name or "") in symbols for value in node.inputs):
        return None
    return evaluate_symbols(node, values)


def evaluate_symbols(node: ir.Node, values: list[Array]) -> Array | None:
    """Result of shape arithmetic on arrays of ints and symbols (or anything that adds and multiplies)."""

    def attribute(name: str, default: Any) -> Any:
        return node.attributes[name].value if name in node.attributes else default

    x = values[0]
    match node.op_type:
        case "Identity" | "Cast":
            return x
        case "Concat":
            return np.concatenate([np.atleast_1d(v) for v in values], axis=attribute("axis", 0))
        case "Gather" if attribute("axis", 0) == 0 and x.ndim == 1:
            return np.asarray(x[values[1].astype(np.int64)], dtype=object)
        case "Unsqueeze":
            return np.atleast_1d(x) if x.ndim == 0 else None
        case "Squeeze":
            return np.asarray(x.reshape(()), dtype=object) if x.size == 1 else None
        case "Reshape":
            shape = [int(d) for d in values[1].ravel()]
            return x.reshape(shape)
        case "Slice" if x.ndim == 1:
            starts, ends = (int(v.ravel()[0]) for v in values[1:3])
            step = int(values[4].ravel()[0]) if len(values) > 4 else 1
            return x[starts : min(ends, len(x)) : step] if step > 0 else None
        case "ReduceProd" if len(values) == 1 or x.ndim == 1:
            result = np.array(math.prod(x.ravel().tolist()), dtype=object)
            return result.reshape(1) if attribute("keepdims", 1) else result
        case operator if operator in _ARITHMETIC:
            return np.asarray(_ARITHMETIC[operator](*values), dtype=object)
    return None


def _settle_shape(node: ir.Node, symbols: Mapping[str, Array]) -> None:
    """Write a target shape that depends on free sizes as a constant, with 0 (copy) and one -1 (the rest)."""
    import onnx_ir as ir

    shape = node.inputs[1]
    wanted = symbols.get(shape.name or "") if shape is not None else None
    if wanted is None:
        return
    have = dims(node.inputs[0])
    if node.op_type == "Reshape":
        wanted = _as_declared(wanted, node.outputs[0])
        wanted = wanted if have is None else _without_rest(wanted, have)
    settled: list[int] = []
    free = -1 if -1 not in [e for e in wanted if isinstance(e, (int, np.integer))] else None
    for index, element in enumerate(wanted.tolist()):
        if isinstance(element, (int, np.integer)):
            settled.append(int(element))
        elif have is not None and node.op_type == "Expand" and _same_from_end(have, wanted, index):
            settled.append(1)  # already that long
        elif node.op_type == "Expand":
            return
        elif have is not None and index < len(have) and element == have[index]:
            settled.append(0)
        elif free is not None:
            settled.append(-1)
            free = None
        else:
            return
    constant = ir.node("Constant", [], attributes={"value": ir.tensor(np.array(settled, dtype=np.int64))})
    node.graph.insert_before(node, constant)  # type: ignore[union-attr]
    node.replace_input_with(1, constant.outputs[0])
    constant.outputs[0].name = f"{node.outputs[0].name}_shape"
    if 0 in settled and node.op_type == "Reshape":
        node.attributes.pop("allowzero", None)


def _as_declared(wanted: Array, output: ir.Value) -> Array:
    """A target shape with the sizes that the exporter noted for the result, where it knows them as numbers."""
    declared = output.shape
    if declared is None or len(declared) != len(wanted):
        return wanted
    sizes = [
        size if isinstance(size, int) else element for element, size in zip(wanted.tolist(), declared, strict=True)
    ]
    return _objects(sizes)


def _without_rest(wanted: Array, have: Array) -> Array:
    """A target shape whose -1 is written as the number that it comes to, if it comes to one (free sizes cancel)."""
    import sympy

    unknown = [index for index, element in enumerate(wanted.tolist()) if element == -1]
    if len(unknown) != 1:
        return wanted
    others = math.prod(element for element in wanted.tolist() if element != -1)
    rest = sympy.cancel(math.prod(have.tolist()) / sympy.sympify(others)) if others != 0 else None
    if rest is None or not rest.is_Integer:
        return wanted
    settled = wanted.copy()
    settled[unknown[0]] = int(rest)
    return settled


def _same_from_end(have: Array, wanted: Array, index: int) -> bool:
    position = index - len(wanted) + len(have)
    return position >= 0 and bool(have[position] == wanted[index])
