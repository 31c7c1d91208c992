"""Sequences unrolled into the tensors that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.graph.node_errors import interpreting

if TYPE_CHECKING:
    import onnx_ir as ir


def _unroll_sequences(hub: ExportedGraph) -> None:
    """A tensor split into a sequence that is only read at known places is an ordinary split."""
    graph = hub.model.graph
    for node in list(graph):
        if node.op_type == "SplitToSequence" and not node.outputs[0].is_graph_output():
            with interpreting(node):
                _unroll(graph, node)


def _unroll(graph: ir.Graph, node: ir.Node) -> None:
    import onnx_ir as ir

    readers = list(node.outputs[0].consumers())
    places = [constant_of(reader.inputs[1]) if reader.op_type == "SequenceAt" else None for reader in readers]
    sizes = constant_of(node.inputs[1]) if len(node.inputs) > 1 else None
    axis = node.attributes["axis"].value if "axis" in node.attributes else 0
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    length = shape[axis] if shape is not None else None
    keeps = "keepdims" not in node.attributes or bool(node.attributes["keepdims"].value) or sizes is not None
    if (
        node.outputs[0].is_graph_output()
        or any(place is None for place in places)
        or not isinstance(length, int)
        or not keeps
    ):
        return
    if sizes is None or sizes.ndim == 0:
        each = 1 if sizes is None else int(sizes)
        sizes = np.array([min(each, length - k) for k in range(0, length, each)])
    constant = ir.node("Constant", [], attributes={"value": ir.tensor(sizes.astype(np.int64))})
    split = ir.node("Split", [node.inputs[0], constant.outputs[0]], {"axis": axis}, num_outputs=len(sizes))
    split.metadata_props.update(node.metadata_props)
    base = node.outputs[0].name
    constant.outputs[0].name = f"{base}_sizes"
    graph.insert_before(node, [constant, split])
    for k, output in enumerate(split.outputs):
        output.name = f"{base}_{k}"
    for reader, place in zip(readers, places, strict=True):
        part = split.outputs[int(place)]  # type: ignore[arg-type]
        old = reader.outputs[0]
        part.shape, part.type = old.shape, old.type
        graph.insert_before(reader, copy := ir.node("Identity", [part]))
        new = copy.outputs[0]
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        name = old.name
        graph.remove(reader, safe=True)
        new.name = name
    graph.remove(node, safe=True)
