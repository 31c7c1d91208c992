"""Evaluation budget: what constant folding may cost, worked out before an array is made."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["LARGEST_FOLD", "Budget", "inferred_elements"]

Array = np.ndarray[Any, Any]
#: A folded constant larger than this many elements is kept as the computation that makes it.
LARGEST_FOLD = 1 << 24
#: Elements of all folded constants together; what comes after stays a computation.
LARGEST_SUM = 1 << 26
#: Elements from which the small model for inference states shapes only: data longer than that is no shape.
SHAPE_DATA = 1 << 12
#: Operators that ONNX's evaluator computes in loops of Python, and the elements up to which they are folded.
SLOW = {
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "AveragePool", "MaxPool", "LpPool", "MaxUnpool",
    "RNN", "LSTM", "GRU", "Resize", "Upsample", "RoiAlign", "NonMaxSuppression", "GridSample", "AffineGrid", "TfIdfVectorizer",
    "ScatterElements", "ScatterND", "Scatter", "GatherElements", "GatherND", "Col2Im", "STFT", "DFT", "CenterCropPad",
    "Einsum", "LRN", "Unique", "StringNormalizer", "RegexFullMatch", "StringSplit", "Attention",
}  # fmt: skip
SLOW_ELEMENTS = 1 << 18


class Budget:
    """How much one graph has folded so far."""

    def __init__(self) -> None:
        self.left = LARGEST_SUM

    def allows(self, node: ir.Node, arrays: Sequence[Array | None], opset: int) -> bool:
        """Whether a node of known inputs may be computed; it then counts."""
        size = _declared(node.outputs[0])
        before = sum(array.size for array in arrays if array is not None)
        if size is None:
            size = inferred_elements(node, arrays, opset)
        size = before if size is None else size
        most = SLOW_ELEMENTS if node.op_type in SLOW else LARGEST_FOLD
        if max(size, before if node.op_type in SLOW else 0) > most or size > self.left:
            return False
        self.left -= size
        return True


def _declared(value: ir.Value) -> int | None:
    if value.shape is None or not all(isinstance(d, int) for d in value.shape):
        return None
    return math.prod(value.shape.numpy())


def inferred_elements(node: ir.Node, arrays: Sequence[Array | None], opset: int) -> int | None:
    """Elements of the largest output of a node on known inputs, by ONNX's inference; ``None`` if it does not know."""
    import onnx

    model = _single(node, arrays, opset)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # noqa: BLE001  # of C++, which has no class of its own for it
        logging.getLogger(__name__).info("the size of %s cannot be inferred: %s", node.op_type, error)
        return None
    found = []
    for value in inferred.graph.output:
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(size.HasField("dim_value") for size in kind.shape.dim):
            found.append(math.prod(size.dim_value for size in kind.shape.dim))
    return max(found) if found else None


def _single(node: ir.Node, arrays: Sequence[Array | None], opset: int) -> onnx.ModelProto:
    """A model of this node alone; its inputs are known where they could be shapes."""
    import onnx
    import onnx_ir as ir

    names = [f"x{i}" if array is not None else "" for i, array in enumerate(arrays)]
    proto = onnx.helper.make_node(node.op_type, names, [f"y{i}" for i in range(len(node.outputs))])
    proto.attribute.extend(ir.serde.serialize_attribute(a) for a in node.attributes.values())
    inputs, known = [], []
    for name, array in zip(names, arrays, strict=True):
        if array is None:
            continue
        elem_type = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        if array.size <= SHAPE_DATA and array.dtype.kind in "iufb":
            known.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        else:
            inputs.append(onnx.helper.make_tensor_value_info(name, elem_type, array.shape))
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in proto.output]
    graph = onnx.helper.make_graph([proto], "size", inputs, outputs, known)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
