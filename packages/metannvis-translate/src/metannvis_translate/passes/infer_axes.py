"""Axis inference: what each axis of each value means (batch, channels, space, features, tokens).

Operators that work on images say so (``Conv`` takes N, C and space); transpositions, elementwise operators and the like
carry it on, in both directions. The letters are those of :class:`~metannvis_translate.LayerInfo`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from metannvis_translate.graph.axes import image_axes
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort
from metannvis_translate.graph.node_errors import interpreting
from metannvis_translate.layers import ROLES as ORDER
from metannvis_translate.layers import first_role

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
#: Operators over time, whose first input is (T, N, F) or (N, T, F).
RECURRENT = {"LSTM", "GRU", "RNN"}
#: Operators over the features of tokens: three axes that nothing else explains are tokens where these pass.
OVER_FEATURES = {"LayerNormalization", "RMSNormalization", "Attention", "Linear", "MatMul"}
#: Operators that tell what a layer is for.
ROLES = {
    "convolution": ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"),
    "recurrent": tuple(RECURRENT),
    "attention": ("Attention", "LinearAttention"),
    "embedding": (),  # which is a Gather, told by what it reads
    "normalization": (
        "LayerNormalization", "RMSNormalization", "GroupNormalization", "BatchNormalization", "InstanceNormalization",
    ),
    "dense": ("Gemm", "Linear"),
}  # fmt: skip
#: Operators that only move elements: what they return is still what the operator in front put out.
MOVING = {"Transpose", "Reshape", "Squeeze", "Identity", "Slice", "Concat"}
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
    if operator in RECURRENT:
        return _recurrent(node, learn)
    if is_embedding(node):
        indices = node.inputs[1]
        letters = of(indices) or {1: "N", 2: "NT"}.get(_rank(indices) if indices is not None else 0)
        features = f"{letters}F" if letters and "F" not in letters else None
        return learn(indices, letters) | learn(output, features)
    if operator in ("Squeeze", "Reshape") and source is not None and (before := of(source)):
        changed = learn(output, _joined(before, _sizes(source), _sizes(output)))
    if operator == "Gemm" or (operator in ("MatMul", "Linear") and _rank(output) == 2):
        return learn(source, "NF") | learn(output, "NF")
    if operator == "Linear" or (
        operator == "MatMul" and _is_over_features(node)
    ):  # a dense layer over the last axis; the others keep what they are
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
        return changed | learn(output, "NF")
    return changed


def is_embedding(node: ir.Node) -> bool:
    """Whether a node looks rows up in a table of weights."""
    if node.op_type != "Gather" or len(node.inputs) < 2 or node.inputs[0] is None or node.inputs[1] is None:
        return False
    table, indices = node.inputs[0], node.inputs[1]
    axis = node.attributes["axis"].value if "axis" in node.attributes else 0
    is_table = table.is_initializer() and table.dtype is not None and table.dtype.is_floating_point()
    return bool(is_table and axis == 0 and _rank(table) == 2 and _rank(indices) > 0 and indices.const_value is None)


def _is_over_features(node: ir.Node) -> bool:
    """Whether a node computes along the last axis of its first input, by weights of its own."""
    if node.op_type not in OVER_FEATURES or node.inputs[0].const_value is not None:  # type: ignore[union-attr]
        return False
    others = [value for value in node.inputs[1:] if value is not None]
    return node.op_type == "Attention" or all(
        value.is_initializer() or value.const_value is not None for value in others
    )


def _recurrent(node: ir.Node, learn: Callable[..., bool]) -> bool:
    is_batch_first = bool(node.attributes["layout"].value) if "layout" in node.attributes else False
    letters = ("NTF", "NT?F", "N?F") if is_batch_first else ("TNF", "T?NF", "?NF")
    given, whole, state = letters
    changed = learn(node.inputs[0], given) | learn(node.outputs[0], whole)
    for value in node.outputs[1:]:
        changed |= learn(value, state)
    return changed


def _sizes(value: ir.Value) -> tuple[int | None, ...] | None:
    return None if value.shape is None else tuple(d if isinstance(d, int) else None for d in value.shape)


def _joined(letters: str, before: tuple[int | None, ...] | None, after: tuple[int | None, ...] | None) -> str | None:
    """Letters where an axis of no meaning is gone, dropped or joined with the one behind it; ``None`` if it is not so simple.

    Two directions of a recurrent layer lie on such an axis.
    """
    if before is None or after is None or len(after) != len(before) - 1 or letters.count("?") != 1:
        return None
    place = letters.index("?")
    kept, size = (*before[:place], *before[place + 1 :]), before[place]
    if size is None:
        return None
    if place < len(kept):
        behind = kept[place]
        joined = (*kept[:place], None if behind is None else behind * size, *kept[place + 1 :])
    else:
        joined = kept
    fits = all(None in (a, b) or a == b for a, b in zip(joined, after, strict=True))
    return letters.replace("?", "") if fits else None


def _roles(hub: ExportedGraph) -> list[str]:
    """What each layer does, by the operators that came from it.

    Operators that only move elements carry on what a recurrent layer returns, whose axes are turned behind it.
    """
    of_layers: dict[str, set[str]] = {}
    of_values: dict[str, str] = {}
    for node in hub.model.graph:
        role = "embedding" if is_embedding(node) else first_role(ROLES, [node.op_type])
        source = node.inputs[0] if node.inputs else None
        if (
            not role
            and node.op_type in MOVING
            and source is not None
            and of_values.get(source.name or "") == "recurrent"
        ):
            role = "recurrent"
        of_layers.setdefault(node.metadata_props.get(LAYER, ""), set()).add(role)
        of_values.update({value.name or "": role for value in node.outputs})

    def role_of(layer: HubLayer) -> str:
        info = layer.info
        if info.parent or "#" in info.name:
            return info.role
        roles = of_layers.get(info.layer, set()) | {of_values.get(layer.value, ""), info.role}
        return next((role for role in ORDER if role in roles), "")

    return [role_of(layer) for layer in hub.layers]


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
    for node in graph:
        source = node.inputs[0] if node.inputs else None
        if (
            source is not None
            and source.name
            and source.name not in found
            and _rank(source) == 3
            and _is_over_features(node)
        ):
            found = infer_axes(graph, found | {source.name: "NTF"})

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
            dataclasses.replace(
                row, info=dataclasses.replace(row.info, axes=letters(row.value, row.info.shape), role=role)
            )
            for row, role in zip(hub.layers, _roles(hub), strict=True)
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
