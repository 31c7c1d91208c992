"""Module names in an ONNX graph: the layers of the model that a file was exported from, as far as the file still says.

PyTorch's exporter writes the scope of each operator into its metadata (``pkg.torch.onnx.name_scopes``), the one by TorchScript
into its name (``/layers/layers.0/conv/Conv``), and tf2onnx keeps TensorFlow's names of values (``model/conv2d/BiasAdd:0``),
also where it joins operators. What a module returned is the one value that leaves its operators; of a module from which several
do, no file says which is which.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["ModuleValue", "module_values", "node_names"]

SCOPES, CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
#: Names that TensorFlow puts in front of those of layers.
CALLS = re.compile(r"^((Stateful)?PartitionedCall(_\d+)?[:/]*)+")
#: How tf2onnx names the values that it adds, mostly of layouts: after whatever they stand beside, with a number.
MADE = re.compile(r"__\d+(:\d+)?$")
#: A text longer than this is no list of scopes.
LONGEST = 4096
#: Operators whose results, and what is computed of them alone, are no tensor of a model; exporters share them among modules.
CONSTANTS = ("Constant", "Shape", "Size", "ConstantOfShape")


def node_names(nodes: Sequence[tuple[str, Sequence[str]]], taken: Sequence[str] = ()) -> list[str]:
    """What each node is called as a layer, from its name and those of its outputs: no two nodes alike.

    A node without a name, or whose name is another node's too, or that of an input (``taken``) or of a value which another
    node computes, is called after its first output: the standard holds values apart, not nodes.
    """
    counts = Counter(name for name, _ in nodes)
    makers = dict.fromkeys(taken, -1) | {
        value: place for place, (_, outputs) in enumerate(nodes) for value in outputs if value
    }
    return [
        name if name and counts[name] == 1 and makers.get(name, place) == place else next(iter(outputs), "")
        for place, (name, outputs) in enumerate(nodes)
    ]


@dataclass(frozen=True)
class ModuleValue:
    """What one call of a module returned.

    Attributes
    ----------
    name
        The module's path; the second call is ``name:2``.
    value
        Name of the value in the graph.
    kind
        Operator of the node that computes it; the module's class, where that is known, for one that holds others.
    parent
        It holds other modules.
    """

    name: str
    value: str
    kind: str
    parent: bool


@dataclass
class _Node:
    scopes: tuple[str, ...]
    classes: tuple[str, ...]
    call: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    aside: bool  # a constant, or arithmetic of shapes


def module_values(proto: onnx.ModelProto) -> list[ModuleValue]:
    """What the modules returned, in the order in which they ended; empty if the file says nothing of modules."""
    nodes = list(_rows(proto))
    if not any(node.scopes for node in nodes):
        return []
    readers: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        for name in node.inputs:
            readers.setdefault(name, []).append(place)
    for value in proto.graph.output:
        readers.setdefault(value.name, []).append(len(nodes))
    holders = {outer for node in nodes for outer in node.scopes[:-1]}
    found: list[tuple[int, int, ModuleValue]] = []
    counts: dict[str, int] = {}
    for scope, start, end in _calls(nodes):
        counts[scope] = counts.get(scope, 0) + 1
        leaving = [
            (place, name)
            for place in range(start, end)
            if scope in nodes[place].scopes and not nodes[place].aside
            for name in nodes[place].outputs
            if any(not start <= reader < end for reader in readers.get(name, ()))
        ]
        if len(leaving) != 1:
            continue
        ((place, value),) = leaving
        depth = nodes[place].scopes.index(scope)
        kind = nodes[place].operator
        if scope in holders and depth < len(nodes[place].classes):
            kind = nodes[place].classes[depth]
        name = scope if counts[scope] == 1 else f"{scope}:{counts[scope]}"
        found.append((place, -depth, ModuleValue(name, value, kind, scope in holders)))
    # nodes and values are found by their own names, too
    others = {name for node in proto.graph.node for name in (node.name, *node.output)}
    rows = [row for _, _, row in sorted(found, key=lambda entry: entry[:2])]
    return [row for row in rows if row.name == row.value or row.name not in others]


def _calls(nodes: Sequence[_Node]) -> Iterator[tuple[str, int, int]]:
    """Scope, first node and the one behind the last, of each call of each module, in order."""
    runs: dict[str, list[list[int]]] = {}
    for place, node in enumerate(nodes):
        if node.aside:  # put anywhere by an exporter that shares them
            continue
        for scope in node.scopes:
            run = runs.setdefault(scope, [])
            if run and _follows(nodes, run[-1][1], place, scope):
                run[-1][1] = place + 1
            else:
                run.append([place, place + 1])
    for scope, run in runs.items():
        for start, end in run:
            for first, last in _by_call(nodes, scope, start, end):
                yield scope, first, last


def _follows(nodes: Sequence[_Node], end: int, place: int, scope: str) -> bool:
    return all(scope in node.scopes or node.aside for node in nodes[end:place])


def _by_call(nodes: Sequence[_Node], scope: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A run of one operation of PyTorch several times is as many calls of a layer, which has one operation."""
    inside = [place for place in range(start, end) if nodes[place].scopes[-1:] == (scope,) and nodes[place].call]
    operations = {nodes[place].classes[-1:] for place in inside}
    names = list(dict.fromkeys(nodes[place].call for place in inside))
    if len(inside) != end - start or len(operations) != 1 or len(names) < 2:
        yield start, end
        return
    for name in names:
        places = [place for place in inside if nodes[place].call == name]
        yield places[0], places[-1] + 1


# --- what files say --------------------------------------------------------------------------------------------------------


def _rows(proto: onnx.ModelProto) -> Iterator[_Node]:
    first = _shared_start(proto) if proto.producer_name == "tf2onnx" else None
    weights = {tensor.name for tensor in proto.graph.initializer}
    known = set(weights)
    for node in proto.graph.node:
        scopes: tuple[str, ...] = ()
        classes: tuple[str, ...] = ()
        call = ""
        texts = {entry.key: entry.value for entry in node.metadata_props if entry.key in (SCOPES, CLASSES)}
        if SCOPES in texts:
            *outer, call = _listed(texts[SCOPES]) or ("",)
            # the model itself has no name; its class and the operation's stay beside the modules'
            kinds = _listed(texts.get(CLASSES, ""))
            kept = [(name, kind) for name, kind in zip(outer, [*kinds, *[""] * len(outer)], strict=False) if name]
            scopes = tuple(name for name, _ in kept)
            classes = (*(kind.rsplit(".", 1)[-1] for _, kind in kept), *kinds[-1:])
        elif node.name.startswith("/"):
            scopes = _torchscript(node.name.split("/")[1:-1])
            if node.op_type in ("Conv", "ConvTranspose") and scopes and _is_folded(node, scopes[-1], weights):
                scopes = scopes[:-1]
        elif (
            first is not None
            and node.output
            and "/" in node.output[0]
            and not MADE.search(node.output[0])
            and node.op_type != "Transpose"
        ):
            scopes = _tensorflow(node.output[0], first)
        inputs = tuple(name for name in node.input if name)
        aside = node.op_type in CONSTANTS or (bool(inputs) and known.issuperset(inputs))
        if aside:
            known.update(node.output)
        yield _Node(scopes, classes, call, node.op_type, inputs, tuple(name for name in node.output if name), aside)


def _listed(text: str) -> tuple[str, ...]:
    """A list of texts as Python writes it; empty if it is none."""
    if len(text) > LONGEST:
        return ()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    return tuple(found) if isinstance(found, (list, tuple)) and all(isinstance(part, str) for part in found) else ()


def _torchscript(parts: Sequence[str]) -> tuple[str, ...]:
    """Paths of nested modules; a part says where it is in a container with the container's own name: ``conv/conv.0``."""
    paths: list[str] = []
    for part in parts:
        outer = paths[-1] if paths else ""
        last = re.search(r"[^.]*[^.\d][^.]*(\.\d+)*$", outer)
        if last is not None and part.startswith(f"{last[0]}."):
            paths.append(outer[: last.start()] + part)
        else:
            paths.append(f"{outer}.{part}" if outer else part)
    return tuple(paths)


def _is_folded(node: onnx.NodeProto, scope: str, weights: set[str]) -> bool:
    """Whether a convolution's weights are no longer those of its module: a batch normalisation was folded into them."""
    return any(name in weights and not name.startswith(f"{scope}.") for name in node.input[1:])


def _tensorflow(name: str, first: str) -> tuple[str, ...]:
    *parts, _ = CALLS.sub("", name).split("/")
    parts = parts[1:] if parts and parts[0] == first else parts
    return tuple("/".join(parts[: k + 1]) for k in range(len(parts)))


def _shared_start(proto: onnx.ModelProto) -> str:
    """The model's own name, in front of those of all its layers."""
    names = [CALLS.sub("", name) for node in proto.graph.node for name in node.output[:1] if name[:1] != "/"]
    starts = {name.split("/")[0] for name in names if "/" in name}
    return next(iter(starts)) if len(starts) == 1 else ""
