"""Symbolic shapes: arithmetic on sizes that are free, in ints and sympy expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.size_expressions import parse_size, quotient

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["dims", "evaluate_symbols", "is_made_up", "name_count", "name_sizes", "settle_shape", "symbolic"]

Array = np.ndarray[Any, Any]
#: Elements of an integer tensor that is followed, and parts of an expression in it.
MOST_ELEMENTS, MOST_PARTS = 1 << 16, 400


def dims(value: ir.Value | None) -> Array | None:
    """Shape of a value as ints and sympy symbols; ``None`` if a size has no name."""
    if value is None or value.shape is None:
        return None
    sizes: list[Any] = []
    for dim in value.shape:
        if isinstance(dim, int):
            sizes.append(dim)
        elif not dim.value:  # two sizes without a name are not the same one
            return None
        else:
            sizes.append(parse_size(dim.value))
    return _objects(sizes)


def _objects(items: list[Any]) -> Array:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _floor_div(a: Any, b: Any) -> Any:
    return a // b


def _mod(a: Any, b: Any) -> Any:
    return a - a // b * b


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": np.frompyfunc(_floor_div, 2, 1),
    "Mod": np.frompyfunc(_mod, 2, 1),
    "Neg": lambda a: -a,
}


def symbolic(node: ir.Node, symbols: Mapping[str, Array]) -> Array | None:
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
    if operator == "Cast" and (node.outputs[0].dtype is None or not node.outputs[0].dtype.is_integer()):
        return None
    values: list[Array] = []
    for value in node.inputs:
        if value is None:
            return None
        known = symbols.get(value.name or "")
        if known is None:
            array = constant_of(value)
            kinds = "b" if operator == "Where" and value is node.inputs[0] else "iu"
            if array is None or array.dtype.kind not in kinds:
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
    if sum(value.size for value in values) > MOST_ELEMENTS or (
        node.op_type in _ARITHMETIC and math.prod(np.broadcast_shapes(*(v.shape for v in values))) > MOST_ELEMENTS
    ):
        return None
    match node.op_type:
        case "Identity" | "Cast":
            return x
        case "Equal":
            alike = [_is_same(a, b) for a, b in np.broadcast(*values)]
            sizes = np.broadcast_shapes(*(value.shape for value in values))
            return None if None in alike else _objects(alike).reshape(sizes)
        case "Where" if all(isinstance(element, (bool, np.bool_)) for element in x.ravel()):
            return np.asarray(np.where(x.astype(bool), *values[1:]), dtype=object)
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
            result = np.asarray(_ARITHMETIC[operator](*values), dtype=object)
            return None if any(_is_long(element) for element in result.ravel()) else result
    return None


def _is_same(a: Any, b: Any) -> bool | None:
    """Whether two sizes are one number, ``None`` where that depends on what they are."""
    difference = a - b
    if isinstance(difference, (int, np.integer)):
        return bool(difference == 0)
    zero = difference.is_zero
    return None if zero is None else bool(zero)


def _is_long(element: Any) -> bool:
    """Whether a size is an expression of more parts than any exporter's, which may double at each step."""
    waiting, seen = [element], 0
    while waiting:
        seen += 1
        if seen > MOST_PARTS:
            return True
        waiting.extend(getattr(waiting.pop(), "args", ()))
    return False


def settle_shape(node: ir.Node, symbols: Mapping[str, Array]) -> None:
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


def name_sizes(node: ir.Node, symbols: Mapping[str, Array]) -> None:
    """Write the sizes of a reshaped or expanded tensor on it, where inference did not follow them."""
    import onnx_ir as ir

    output, shape = node.outputs[0], node.inputs[1]
    if output.shape is not None and all(isinstance(size, int) or not is_made_up(size) for size in output.shape):
        return
    have = dims(node.inputs[0])
    known = symbols.get(shape.name or "") if shape is not None else None
    wanted = known if known is not None else constant_of(shape)
    if have is None or wanted is None or wanted.ndim != 1:
        return
    if node.op_type == "Reshape":
        zero = "allowzero" in node.attributes and node.attributes["allowzero"].value
        sizes = [
            have[k] if isinstance(size, (int, np.integer)) and size == 0 and not zero and k < len(have) else size
            for k, size in enumerate(wanted.tolist())
        ]
        if -1 in [size for size in sizes if isinstance(size, (int, np.integer))]:
            rest = quotient(math.prod(have.tolist()), math.prod(size for size in sizes if size != -1))
            if rest is None or not rest.is_integer:
                return
            sizes = [rest if size == -1 else size for size in sizes]
    else:
        rank = max(len(have), len(wanted))
        rows = zip([1] * (rank - len(have)) + have.tolist(), [1] * (rank - len(wanted)) + wanted.tolist(), strict=True)
        sizes = [new if old == 1 else old for old, new in rows]
    texts = [int(size) if isinstance(size, (int, np.integer)) or size.is_Integer else str(size) for size in sizes]
    if all(
        not isinstance(text, str) or ("unk__" not in text and parse_size(text) == size)
        for text, size in zip(texts, sizes, strict=True)
    ):
        output.shape = ir.Shape(texts)


def name_count(node: ir.Node, symbols: Mapping[str, Array]) -> None:
    """Write the sizes of the elements that a ``TopK`` picks on them, where their number is a free size."""
    import onnx_ir as ir

    have, count = dims(node.inputs[0]), node.inputs[1]
    known = symbols.get(count.name or "") if count is not None else None
    if have is None or known is None or known.size != 1:
        return
    sizes = have.tolist()
    axis = node.attributes["axis"].value if "axis" in node.attributes else -1
    sizes[axis] = known.ravel()[0]
    texts = [int(size) if isinstance(size, (int, np.integer)) else str(size) for size in sizes]
    before = [output.shape[axis] for output in node.outputs if output.shape]
    made_up = {str(size) for size in before if is_made_up(size) and getattr(size, "value", None)}
    for value in (value for other in node.graph or () for value in other.outputs):
        if value.shape is not None and any(str(size) in made_up for size in value.shape):  # what follows from it
            value.shape = ir.Shape([texts[axis] if str(size) in made_up else size for size in value.shape])
    for output in node.outputs:
        output.shape = ir.Shape(texts)


def is_made_up(size: Any) -> bool:
    """Whether a size has no name, or one that inference gave it, which stands for nothing."""
    name = getattr(size, "value", None)
    return not isinstance(size, int) and (name is None or "unk__" in str(name))


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
    unknown = [index for index, element in enumerate(wanted.tolist()) if element == -1]
    if len(unknown) != 1:
        return wanted
    others = math.prod(element for element in wanted.tolist() if element != -1)
    rest = quotient(math.prod(have.tolist()), others)
    if rest is None or not rest.is_Integer:
        return wanted
    settled = wanted.copy()
    settled[unknown[0]] = int(rest)
    return settled


def _same_from_end(have: Array, wanted: Array, index: int) -> bool:
    position = index - len(wanted) + len(have)
    return position >= 0 and bool(have[position] == wanted[index])
