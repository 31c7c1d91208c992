"""Classifier outputs: what scikit-learn's exporter puts around a network, labels by index and tables of probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["as_array", "lower_ml", "without_maps"]

DOMAIN = "ai.onnx.ml"


def without_maps(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the declared types of its tables, which onnx-ir cannot read; a copy if there are any."""
    import onnx

    if not any(node.op_type == "ZipMap" for node in proto.graph.node):
        return proto
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for value in (*copy.graph.output, *copy.graph.value_info):
        if value.type.HasField("sequence_type"):
            value.ClearField("type")
    return copy


def lower_ml(graph: ir.Graph) -> tuple[str, ...]:
    """Replace operators of the machine-learning domain that only arrange tensors; returns notes for the report.

    Raises
    ------
    UnsupportedOperatorError
        Labels are strings, which are no tensors of any framework.
    """
    import onnx_ir as ir

    notes = []
    for node in [node for node in graph if node.domain == DOMAIN]:
        name = node.name or node.outputs[0].name or ""
        if node.op_type == "ZipMap":
            labels = node.attributes.get("classlabels_int64s") or node.attributes.get("classlabels_strings")
            columns = ", ".join(map(str, labels.value)) if labels is not None else ""
            notes.append(f"the output {node.outputs[0].name!r} is a tensor, one column a label: {columns}")
            made = [ir.node("Identity", [node.inputs[0]], name=name)]
            source = node.inputs[0]
            result = made[0].outputs[0]
            if source is not None:
                result.shape, result.type = source.shape, source.type
        elif node.op_type == "ArrayFeatureExtractor":
            made = _picked(node, name)
            result = made[-1].outputs[0]
            result.type = node.outputs[0].type
        else:
            continue
        old = node.outputs[0]
        graph.insert_before(node, made)
        ir.convenience.replace_all_uses_with(old, result, replace_graph_outputs=True)
        graph.remove(node, safe=True)
        result.name = old.name
    strings = [v.name for v in (*graph.inputs, *graph.outputs) if v.dtype is not None and v.dtype.name == "STRING"]
    if strings:
        raise UnsupportedOperatorError(
            "a value of strings",
            reason=f"{', '.join(map(repr, strings))} holds text, and no framework computes with that",
            hint="Train the classifier with numbers for labels, or take that output out of the graph.",
        )
    return tuple(notes)


def _picked(node: ir.Node, name: str) -> list[ir.Node]:
    """``ArrayFeatureExtractor``: elements of the last axis by index; of a vector, as a matrix of one row."""
    import onnx_ir as ir

    data, index = node.inputs
    shape = data.shape if data is not None else None
    if shape is None:
        raise UnsupportedOperatorError("ArrayFeatureExtractor", layer=name, reason="the shape of its data is not known")

    def constant(values: list[int], part: str) -> ir.Node:
        made = ir.node("Constant", [], attributes={"value": ir.tensor(np.array(values, dtype=np.int64))})
        made.outputs[0].name = f"{name}_{part}"
        return made

    flat = constant([-1], "flat")
    places = ir.node("Reshape", [index, flat.outputs[0]], name=f"{name}_places")
    picked = ir.node(
        "Gather", [data, places.outputs[0]], {"axis": len(shape) - 1}, name=name if len(shape) > 1 else f"{name}_picked"
    )
    nodes = [flat, places, picked]
    if len(shape) == 1:
        row = constant([1, -1], "row")
        nodes += [row, ir.node("Reshape", [picked.outputs[0], row.outputs[0]], name=name)]
    for k, made in enumerate(nodes):
        made.outputs[0].name = made.outputs[0].name or f"{name}_{k}"
    return nodes


def as_array(result: Any) -> np.ndarray[Any, Any]:
    """An output of a run; what ``ZipMap`` gives, a list of tables, as a matrix."""
    if isinstance(result, list) and result and isinstance(result[0], dict):
        return np.array([list(row.values()) for row in result], dtype=np.float32)
    return np.asarray(result)
