"""Leading operations of ONNX graphs: what becomes of an input before the first convolution or matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.models.base import Array

__all__ = ["leading_values"]

#: Operators that end what leads: they mix places or channels by weights, or hold graphs of their own.
ENDS = (
    "Conv",
    "ConvInteger",
    "QLinearConv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "MatMulInteger",
    "QLinearMatMul",
    "Einsum",
)
GRAPHS = ("If", "Loop", "Scan")
#: Operators that are looked at, at most.
MOST = 40


def leading_values(model: Any, inputs: Sequence[Array], place: int) -> list[tuple[Array, Array | None]]:
    """What goes into and comes out of each operator on an input, by ONNX' reference implementation."""
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    names = [port.name for port in model.graph.input if port.name not in weights]
    known: dict[str, Array] = dict(zip(names, inputs, strict=False))
    led = {names[place]}
    steps: list[tuple[Array, Array | None]] = []
    for node in model.graph.node:
        given = [name for name in node.input if name in led]
        known.update({name: numpy_helper.to_array(weights[name]) for name in node.input if name in weights})
        possible = all(name in known for name in node.input if name)
        if given and (not possible or node.op_type in (*ENDS, *GRAPHS) or len(steps) >= MOST):
            steps.append((known[given[0]], None))
            return steps
        if not possible or node.op_type in GRAPHS or (not given and node.op_type in ENDS):
            continue
        made = _evaluated(model, node, known)
        if given:
            steps.append((known[given[0]], np.asarray(made[0])))
            led.update(node.output)
        known.update(zip(node.output, made, strict=False))
    return steps


def _evaluated(model: Any, node: Any, known: dict[str, Array]) -> list[Array]:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    free = [
        helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in dict.fromkeys(node.input) if name
    ]
    made = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output if name]
    graph = helper.make_graph([node], "operator", free, made)
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return list(ReferenceEvaluator(alone).run(None, {port.name: known[port.name] for port in free}))
