"""Axis inference: what each axis of each value means (batch, channels, space, features, tokens).

Operators that work on images say so (``Conv`` takes N, C and space); transpositions, elementwise operators and the like
carry it on, in both directions. The letters are those of :class:`~metannvis_translate.LayerInfo`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from metannvis_translate.graph.axes import image_axes
from metannvis_translate.graph.model import ExportedGraph, HubPort
from metannvis_translate.graph.node_errors import interpreting

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["annotate", "infer_axes"]


#: Operators whose first input and output are (N, C, *space).
IMAGE = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool",
    "BatchNormalization", "InstanceNormalization", "LRN", "DepthToSpace", "SpaceToDepth", "GridSample", "MaxUnpool",
    "AdaptiveAveragePool", "AdaptiveMaxPool",
}  # fmt: skip
#: Operators that return axes of the same meaning as those of their inputs of the same rank.
SAME = {
    "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus", "Softsign",
    "Gelu", "Mish", "ThresholdedRelu", "Clip", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round",
    "Reciprocal", "Cast", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "Where", "Concat", "Slice",
    "Pad", "Softmax", "LogSoftmax", "Dropout", "Identity", "Resize", "Upsample", "Split", "Swish", "Sin", "Cos",
    "GroupNormalization", "LayerNormalization", "RMSNormalization", "CumSum", "Shrink", "Roll", "Threshold",
    "GLU",
}  # fmt: skip
REDUCE = {
    f"Reduce{name}" for name in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
}


def infer_axes(graph: ir.Graph, given: dict[str, str] | None = None) -> dict[str, str]:
    """Axes letters by value name, as far as the operators tell them."""
    found = dict(given or {})

    def learn(value: ir.Value | None, letters: str | None) -> bool:
        if value is None or not letters or not value.name or value.name in found or _rank(value) != len(letters):
            return False
        found[value.name] = letters
        return True

    def of(value: ir.Value | None) -> str | None:
        return found.get(value.name or "") if value is not None else None

    nodes = list(graph)
    changed = True
    while changed:
        changed = False
        for sequence in (nodes, reversed(nodes)):
            for node in sequence:
                with interpreting(node):
                    changed |= _rule(node, of, learn)
    return found


def _rank(value: ir.Value) -> int:
    return len(value.shape) if value.shape is not None else -1


def _rule(node: ir.Node, of: Callable[..., str | None], learn: Callable[..., bool]) -> bool:
    """Apply what a node says about its inputs and outputs; whether anything was learnt."""
    operator, output = node.op_type, node.outputs[0]
    source = node.inputs[0] if node.inputs else None
    changed = False
    if operator in IMAGE:
        for value in (source, output):
            changed |= learn(value, image_axes(_rank(value)) if value is not None else "")
        return changed
    if operator == "Gemm" or (operator in ("MatMul", "Linear") and _rank(output) == 2):
        return learn(source, "NF") | learn(output, "NF")
    if operator == "Linear":  # a dense layer over the last axis; the others keep what they are
        before, after = of(source), of(output)
        changed |= learn(output, before[:-1] + ("C" if "C" in before[-1:] else "F") if before else None)
        return changed | learn(source, after)
    if operator == "Transpose":
        perm = node.attributes["perm"].value if "perm" in node.attributes else tuple(reversed(range(_rank(output))))
        before, after = of(source), of(output)
        if before:
            changed |= learn(output, "".join(before[axis] for axis in perm))
        if after:
            back = [""] * len(after)
            for k, axis in enumerate(perm):
                back[axis] = after[k]
            changed |= learn(source, "".join(back))
        return changed
    if operator in SAME:
        values = [
            value for value in (*node.inputs, *node.outputs) if value is not None and _rank(value) == _rank(output)
        ]
        values = [value for value in values if value.const_value is None]
        known = next((letters for letters in map(of, values) if letters), None)
        for value in values:
            changed |= learn(value, known)
        return changed
    if operator in REDUCE and _rank(output) == _rank(source) if source is not None else False:
        return learn(output, of(source)) | learn(source, of(output))
    if operator in ("Flatten", "Reshape") and _rank(output) == 2:
        return learn(output, "NF")
    return changed


def annotate(hub: ExportedGraph) -> ExportedGraph:
    """The hub with axes letters on its ports and layers.

    An input of four or five float axes that no operator explains is taken for an image, if the exporter says how the source
    lays images out; one of three for a sequence.
    """
    graph = hub.model.graph
    found = infer_axes(graph)
    for port in hub.inputs:
        if port.value not in found and (default := _default_axes(port, hub.conventions.channels_last)):
            found = infer_axes(graph, found | {port.value: default})

    def letters(name: str, shape: tuple[int | None, ...]) -> str:
        known = found.get(name, "")
        if len(known) == len(shape):
            return known
        return ("N" + "?" * (len(shape) - 1)) if shape else ""

    return dataclasses.replace(
        hub,
        inputs=tuple(dataclasses.replace(p, axes=letters(p.value, p.shape)) for p in hub.inputs),
        outputs=tuple(dataclasses.replace(p, axes=letters(p.value, p.shape)) for p in hub.outputs),
        layers=tuple(
            dataclasses.replace(row, info=dataclasses.replace(row.info, axes=letters(row.value, row.info.shape)))
            for row in hub.layers
        ),
    )


def _default_axes(port: HubPort, channels_last: bool | None) -> str:
    rank = len(port.shape)
    if rank == 2:
        return "NF"
    if rank == 3:
        return "NTF"
    if rank in (4, 5) and "float" in port.dtype.lower() and channels_last is not None:
        return image_axes(rank, channels_last=channels_last)
    return ""
