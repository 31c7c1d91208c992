"""Shape inference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.graph.metadata import DOMAIN, STOP_GRADIENT
from metannvis_translate.graph.symbolic_shapes import is_made_up
from metannvis_translate.passes.shape_data import LONGEST, longest_vector
from metannvis_translate.passes.stop_gradient import is_stop

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["infer_shapes"]


def infer_shapes(model: ir.Model, *, again: bool = False) -> None:
    """Fill in shapes that the exporter left out, by ONNX's own inference; known ones stay.

    ``again`` infers where every value has a shape already: sizes that had no name may get one.
    """
    import onnx_ir as ir
    from onnx_ir.passes.common import ShapeInferencePass
    from onnx_ir.serde import SerdeError

    values = [value for node in model.graph for value in node.outputs if value is not None]
    if not again and all(value.shape is not None and value.dtype is not None for value in values):
        return
    if again:
        for value in values:
            if value.shape is not None and any(is_made_up(size) for size in value.shape):
                value.shape = ir.Shape([None if is_made_up(size) else size for size in value.shape])
    known = {id(value): value.shape for value in values if value.shape is not None}
    stops = [node for node in model.graph if is_stop(node)]
    for node in stops:  # inference knows the standard's operators only
        node.op_type, node.domain = "Identity", ""
    try:
        follows = _vectors(model.graph) <= LONGEST  # as far as it is known before the shapes are
        if not follows:
            before = [value.shape for value in values]
            ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
            follows = _vectors(model.graph, inferred=True) <= LONGEST
            if follows:  # sizes that got a name now would not be followed
                for value, shape in zip(values, before, strict=True):
                    value.shape = shape
        if follows:
            ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    except SerdeError as error:  # PyTorch's exporter names two values alike where it splits a tensor into one part
        reason = f"the exporter wrote a graph that is not valid ({error.__cause__})"
        raise UnsupportedOperatorError("the graph", reason=reason) from error
    for node in stops:
        node.op_type, node.domain = STOP_GRADIENT, DOMAIN
    for value in values:
        if id(value) not in known:
            continue
        stated = known[id(value)]
        merged = value.shape
        if merged is None or len(merged) != len(stated):
            value.shape = stated
        else:
            value.shape = ir.Shape([s if isinstance(s, int) else m for s, m in zip(stated, merged, strict=True)])


def _vectors(graph: ir.Graph, *, inferred: bool = False) -> int:
    """Elements of shape data that inference would write out, as far as shapes are known."""
    known: dict[str, int] = {}
    values = (*graph.initializers.values(), *graph.inputs, *(value for node in graph for value in node.outputs))
    for value in values:
        if value.shape is not None and all(isinstance(size, int) for size in value.shape):
            known[value.name or ""] = math.prod(value.shape.numpy()) if len(value.shape) == 1 else 1
        elif value.shape is not None and len(value.shape) != 1:
            known[value.name or ""] = 1
    rows = (
        (node.op_type, [v.name or "" for v in node.inputs if v is not None], [v.name or "" for v in node.outputs])
        for node in graph
    )
    return longest_vector(rows, known, inferred=inferred)
