"""Evaluation: one node computed by ONNX's reference implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.evaluation_budget import LARGEST_FOLD, inferred_elements
from metannvis_translate.graph.metadata import exact_value
from metannvis_translate.graph.reference_operators import reference_evaluator

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["MOVES", "NEVER_FOLD", "evaluate"]

Array = np.ndarray[Any, Any]
#: Operators that only move a weight's elements: their result is still a weight.
MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast"}


#: Operators whose result is not the same at each call, or is no tensor.
NEVER_FOLD = {
    "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout",
    "Loop", "If", "Scan", "Constant", "SequenceEmpty", "Optional",
}  # fmt: skip


def evaluate(node: ir.Node, arrays: list[Array | None], opset: int) -> list[Array]:
    """Results of a node on known inputs, by ONNX's reference evaluator.

    Raises
    ------
    NotImplementedError
        The evaluator cannot run it.
    """
    import onnx
    import onnx_ir as ir

    if node.op_type in GROWING and (inferred_elements(node, arrays, opset) or 0) > LARGEST_FOLD:
        raise NotImplementedError(f"{node.op_type}: its result is too large to be computed beforehand")
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
        evaluator = reference_evaluator(model)
        for attribute in node.attributes.values():
            exact = exact_value(node, attribute.name)
            if exact is not None and attribute.type.name == "FLOAT":
                setattr(evaluator.rt_nodes_[0], attribute.name, exact)  # where it has put the float32
        feeds = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
        with np.errstate(all="ignore"):  # what is infinite or not a number is so in the model too, whose user knows it
            return [np.asarray(result) for result in evaluator.run(None, feeds)]
    except Exception as error:
        # The evaluator raises whatever NumPy does on an operator or type that it lacks; the node then stays as it is.
        raise NotImplementedError(f"{node.op_type}: {error}") from error


#: Operators whose result can be far larger than their inputs.
GROWING = {
    "ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "Upsample", "OneHot", "Gather", "GatherND", "EyeLike",
    "BlackmanWindow", "HannWindow", "HammingWindow", "MelWeightMatrix", "CenterCropPad", "Col2Im",
}  # fmt: skip
