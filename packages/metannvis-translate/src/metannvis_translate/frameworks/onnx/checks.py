"""Graph checks: an ONNX graph is checked whole before a runtime, a pass or a converter sees it.

First what they come to (graphs in graphs, functions that call functions), counted without writing any of it out. Then the
standard's own checker, on a copy without weights. Then rules that the checker lacks and runtimes rely on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import InvalidModelError
from metannvis_translate.frameworks.onnx.size_checks import bits, check_parts
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.graph.model import OPERATORS
from metannvis_translate.process.limits import check_limit

if TYPE_CHECKING:
    import onnx

__all__ = ["check_model", "node_label", "skeleton"]

#: Bytes of a weight or constant up to which the copy for the checker keeps it: shapes and axes are read out of those.
SMALL = 4096
#: Domain in which the checker, which knows nothing of it, lets operators pass.
OLD = "metannvis.deprecated"
#: The largest stride, dilation or size of a window.
LARGEST_WINDOW = 1 << 20
#: The largest size that an adaptive pool makes, window by window.
LARGEST_SIZE = 1 << 12


def check_model(proto: onnx.ModelProto, *, of: str = "the model") -> onnx.ModelProto:
    """Refuse a model that is none by the standard, or that comes to more than the limits; its :func:`skeleton` otherwise.

    Parameters
    ----------
    proto
        Read, not changed. The work is linear in the number of its messages, whatever they state.
    of
        What the messages call it: the file's name.

    Raises
    ------
    InvalidModelError
        The message names the node, where one is at fault.
    LimitError
        Nodes or nesting beyond :class:`~metannvis_translate.Limits`.
    """
    if not proto.HasField("graph"):
        raise InvalidModelError(f"{of} holds no ONNX model: there is no graph in it")
    if not proto.graph.output:
        raise InvalidModelError(f"{of}: the graph has no outputs")
    check_parts(proto, of)
    _check_counts(proto, of)
    bare = skeleton(proto)
    _check_by_standard(bare, of)
    _check_left_out(proto, of)
    for node in _nodes(proto):
        rules = RULES.get(node.op_type, ()) if _domain(node.domain) == "" else (_own,) if node.domain == DOMAIN else ()
        for rule in rules:
            reason = rule(node)
            if reason:
                raise InvalidModelError(f"{of}: {node_label(node)}: {reason}")
    return bare


def node_label(node: onnx.NodeProto) -> str:
    """How messages name a node."""
    name = node.name or next(iter(node.output), "")
    return f"node {name!r} ({node.domain + '::' if node.domain else ''}{node.op_type})"


def skeleton(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without weights: they are inputs of it, by type and shape; large constants keep their type alone.

    What exporters leave out and every reader does without (types of outputs, a newer version of the file format) is filled in.
    """
    import onnx

    bare = onnx.ModelProto(ir_version=min(max(proto.ir_version, 4), onnx.IR_VERSION))
    bare.opset_import.extend(proto.opset_import)
    graph, source = bare.graph, proto.graph
    graph.name = source.name or "graph"
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    graph.value_info.extend(value for value in source.value_info if _has_shape(value))
    graph.sparse_initializer.extend(sparse for sparse in source.sparse_initializer if _is_small(sparse.values))
    declared = {value.name for value in graph.input}
    for tensor in source.initializer:
        if _is_small(tensor):
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for sparse in source.sparse_initializer:
        if not _is_small(sparse.values) and sparse.values.name not in declared:
            graph.input.append(
                onnx.helper.make_tensor_value_info(sparse.values.name, sparse.values.data_type, sparse.dims)
            )
    for node in source.node:
        _append_bare(graph.node, node)
    for function in proto.functions:
        copy = bare.functions.add()
        copy.CopyFrom(function)
    for value in graph.output:
        if not value.HasField("type"):
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        if not _has_shape(value):  # what it comes to is inferred, whatever stands here
            value.type.tensor_type.shape.SetInParent()
    return bare


def _is_small(tensor: onnx.TensorProto) -> bool:
    """By its shape, which was held against its data: to ask for that would copy it."""
    if tensor.data_type == tensor.STRING:
        return tensor.ByteSize() <= SMALL
    return math.prod(tensor.dims) * max(bits(tensor.data_type), 8) // 8 <= SMALL


def _has_shape(value: onnx.ValueInfoProto) -> bool:
    return not value.type.HasField("tensor_type") or value.type.tensor_type.HasField("shape")


def _append_bare(nodes: Any, node: onnx.NodeProto) -> None:
    import onnx

    large = [a.name for a in node.attribute if a.HasField("t") and not _is_small(a.t)]
    copy = nodes.add()
    if not large:
        copy.CopyFrom(node)
        return
    for field, value in node.ListFields():
        if field.name != "attribute":
            getattr(copy, field.name).extend(value) if hasattr(value, "append") else setattr(copy, field.name, value)
    for attribute in node.attribute:
        if attribute.name not in large:
            copy.attribute.add().CopyFrom(attribute)
            continue
        empty = onnx.TensorProto(data_type=attribute.t.data_type, dims=[0], name=attribute.t.name)
        copy.attribute.add(name=attribute.name, type=onnx.AttributeProto.TENSOR).t.CopyFrom(empty)


# --- what it comes to ------------------------------------------------------------------------------------------------------


def _check_counts(proto: onnx.ModelProto, of: str) -> None:
    """Hold nodes and nesting against the limits, every function counted as often as it is called."""
    functions: dict[tuple[str, str], Any] = {}
    for function in proto.functions:
        key = (_domain(function.domain), function.name)
        if key in functions:
            raise InvalidModelError(f"{of}: there are two functions {function.name!r} in the domain {key[0]!r}")
        functions[key] = function
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    # functions are counted behind those that they call; a stack of our own, because they may call each other in a row
    for start in functions:
        path: list[tuple[tuple[str, str], list[tuple[str, str]]]] = [(start, _called(functions[start], functions))]
        active = {start}
        while path:
            key, left = path[-1]
            if left:
                other = left.pop()
                if other in active:
                    raise InvalidModelError(f"{of}: the function {other[1]!r} calls itself")
                if other not in counted:
                    path.append((other, _called(functions[other], functions)))
                    active.add(other)
                continue
            counted[key] = _size(functions[key].node, counted, of)
            active.discard(key)
            path.pop()
    nodes, depth = _size(proto.graph.node, counted, of)
    check_limit("nodes", nodes, f"{of}: the operators of the graph, functions written out, come to")
    check_limit("depth", depth, f"{of}: graphs in graphs and functions in functions come to a depth of")


def _domain(text: str) -> str:
    return "" if text == "ai.onnx" else text


def _called(function: Any, functions: dict[tuple[str, str], Any]) -> list[tuple[str, str]]:
    keys = ((_domain(node.domain), node.op_type) for node, _ in _walk(function.node))
    return [key for key in dict.fromkeys(keys) if key in functions]


def _size(nodes: Sequence[Any], counted: dict[tuple[str, str], tuple[int, int]], of: str) -> tuple[int, int]:
    """Number of operators and depth, with what the functions called come to."""
    total, deepest = 0, 1
    for node, depth in _walk(nodes):
        many, deep = counted.get((_domain(node.domain), node.op_type), (1, 0))
        total, deepest = total + many, max(deepest, depth + deep)
    return total, deepest


def _walk(nodes: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    """Every node with its depth, those of graphs inside too."""
    waiting = [(nodes, 1)]
    while waiting:
        level, depth = waiting.pop()
        for node in level:
            yield node, depth
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append((attribute.g.node, depth + 1))
                waiting += [(graph.node, depth + 1) for graph in attribute.graphs]


def _nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for body in (proto.graph, *proto.functions):
        yield from (node for node, _ in _walk(body.node))


# --- by the standard, and beyond -------------------------------------------------------------------------------------------


def _check_by_standard(bare: onnx.ModelProto, of: str) -> None:
    import onnx

    known: dict[str, int] = {}
    for entry in bare.opset_import:
        if known.setdefault(entry.domain or "ai.onnx", entry.version) != entry.version:
            raise InvalidModelError(f"{of}: it asks for two versions of the domain {entry.domain!r}")
    for value in (*bare.graph.input, *bare.graph.output, *bare.graph.value_info):
        kind = value.type.tensor_type
        if value.type.HasField("tensor_type") and not _is_type(kind.elem_type):
            raise InvalidModelError(f"{of}: the value {value.name!r} has the type {kind.elem_type}, which there is not")
        if any(size.HasField("dim_value") and size.dim_value < 0 for size in kind.shape.dim):
            raise InvalidModelError(f"{of}: the value {value.name!r} has a negative size")
    newest = onnx.defs.onnx_opset_version()
    if any(version < 1 for version in known.values()) or known.get("ai.onnx", 1) > newest:
        raise InvalidModelError(
            f"{of}: it asks for versions of operators that there are not ({known}); the newest of the standard is {newest}"
        )
    old = _deprecated(bare, known)
    for node in old:  # converters know them, the checker does not let them pass
        node.domain = OLD
    if old:
        bare.opset_import.add(domain=OLD, version=1)
    shapeless = [value.type.tensor_type for value in bare.graph.input if not _has_shape(value)]
    for kind in shapeless:  # allowed by every reader, not by the checker
        kind.shape.SetInParent()
    try:
        onnx.checker.check_model(bare)
    except onnx.checker.ValidationError as error:
        where = _culprit(bare)
        raise InvalidModelError(f"{of} is no valid ONNX model: {where}{_first_lines(str(error))}") from error
    except (UnicodeDecodeError, ValueError) as error:  # texts that are none, a message beyond what protobuf can count
        raise InvalidModelError(f"{of} is no valid ONNX model: {error}") from error
    for kind in shapeless:
        kind.ClearField("shape")
    for node in old:
        node.domain = ""
    if old:
        del bare.opset_import[-1]


def _deprecated(bare: onnx.ModelProto, known: dict[str, int]) -> list[Any]:
    """Nodes of the standard whose operators a newer version of it took away."""
    import onnx

    version = known.get("ai.onnx", 1)
    names = {node.op_type for node in bare.graph.node if _domain(node.domain) == ""}
    gone = {
        name
        for name in names
        if onnx.defs.has(name, version, "") and onnx.defs.get_schema(name, version, "").deprecated
    }
    return [node for node in bare.graph.node if gone and node.op_type in gone and _domain(node.domain) == ""]


def _culprit(bare: onnx.ModelProto) -> str:
    """The first node that is invalid by itself."""
    import onnx

    context = onnx.checker.C.CheckerContext()
    context.ir_version = bare.ir_version
    context.opset_imports = {entry.domain: entry.version for entry in bare.opset_import}
    for node in bare.graph.node:
        try:
            onnx.checker.check_node(node, context)
        except onnx.checker.ValidationError:
            return f"{node_label(node)}: "
    return ""


def _is_type(number: int) -> bool:
    import onnx

    return number in onnx.TensorProto.DataType.values() and number != onnx.TensorProto.UNDEFINED


def _first_lines(text: str) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines() if line.strip())[:500]


def _integer(node: onnx.NodeProto, name: str) -> int | None:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), None)


def _check_left_out(proto: onnx.ModelProto, of: str) -> None:
    """Inputs without a name are left out, which only optional ones may be: runtimes read the others without looking."""
    import onnx

    version = next((entry.version for entry in proto.opset_import if _domain(entry.domain) == ""), 1)
    allowed: dict[str, list[bool]] = {}
    for node in _nodes(proto):
        if _domain(node.domain) != "" or "" not in node.input:
            continue
        if node.op_type not in allowed:
            known = onnx.defs.has(node.op_type, version, "")
            formal = onnx.defs.get_schema(node.op_type, version, "").inputs if known else []
            allowed[node.op_type] = [row.option == onnx.defs.OpSchema.FormalParameterOption.Optional for row in formal]
        optional = allowed[node.op_type]
        for place, name in enumerate(node.input):
            if not name and optional and not optional[min(place, len(optional) - 1)]:
                raise InvalidModelError(
                    f"{of}: {node_label(node)}: its input {place + 1} is left out, and is not optional"
                )


def _windows(node: onnx.NodeProto) -> str:
    """Kernels of runtimes run through a stride step by step, or leave their memory."""
    for attribute in node.attribute:
        if attribute.name in ("strides", "dilations", "kernel_shape"):
            wrong = next((size for size in attribute.ints if not 0 < size <= LARGEST_WINDOW), None)
            if wrong is not None:
                return f"its {attribute.name} {list(attribute.ints)[:8]} are not all from 1 to {LARGEST_WINDOW:,}"
        elif attribute.name == "pads" and any(abs(size) > LARGEST_WINDOW for size in attribute.ints):
            return f"its pads {list(attribute.ints)[:8]} are beyond {LARGEST_WINDOW:,}"
    return ""


def _split_outputs(node: onnx.NodeProto) -> str:
    count = _integer(node, "num_outputs")
    if count is None or count == len(node.output):
        return ""
    return f"it says that it has {count} outputs, and has {len(node.output)}"


def _own(node: onnx.NodeProto) -> str:
    """Operators of the hub, which the standard's checker does not know."""
    least, most = OPERATORS.get(node.op_type, (0, len(node.input)))
    given = sum(bool(name) for name in node.input)
    if not least <= given <= len(node.input) <= most:
        return f"it has {given} inputs, and takes {least}{f' to {most}' if most > least else ''}"
    sizes = [size for attribute in node.attribute if attribute.name == "output_size" for size in attribute.ints]
    if any(not 0 < size <= LARGEST_SIZE for size in sizes):
        return f"its output_size {sizes[:8]} is not from 1 to {LARGEST_SIZE:,}"
    return ""


#: Rules for an operator, each of which gives the reason why a node of it is invalid, or nothing.
RULES = {
    "Split": (_split_outputs,),
    **dict.fromkeys(
        (
            "Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "DeformConv", "AveragePool", "MaxPool", "LpPool",
            "MaxUnpool", "Col2Im",
        ),
        (_windows,),
    ),
}  # fmt: skip
