"""Conventions of Keras and TensorFlow, which their exporters state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.graph.conventions import Conventions, mark_nodes
from metannvis_translate.graph.metadata import CORNERS, KINK, ROUNDING, SINGLE, TIE_GRADIENT, set_exact

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["CONVENTIONS", "SELU", "state_conventions"]

CONVENTIONS = Conventions(
    channels_last=True, states_types=False, scalar_weights=True, runs_by_depth=True, half_in_double=True
)

#: Operator → metadata of its nodes; measured with Keras 3.15.1 and TensorFlow 2.21.
NODES = {
    "Celu": {KINK: "both"},
    "Clip": {KINK: "inside"},
    "DFT": {ROUNDING: "kernel"},
    "Gelu": {SINGLE: "keras.activations.gelu: its constants are float32 (2.6e-9)"},
    "GlobalMaxPool": {TIE_GRADIENT: "shared"},
    "Max": {TIE_GRADIENT: "first"},
    "Min": {TIE_GRADIENT: "first"},
    "PRelu": {KINK: "none"},
    "Resize": {CORNERS: "rounded", SINGLE: "keras.ops.image.resize: bilinear weights are float32 (1e-8)"},
    "Selu": {KINK: "above"},
    "Softmax": {ROUNDING: "kernel"},
}
#: What TensorFlow computes Selu with; the standard's defaults are these in single precision.
SELU = {"alpha": 1.6732632423543772848170429916717, "gamma": 1.0507009873554804934193349852946}


def state_conventions(graph: ir.Graph) -> None:
    """Write on the nodes what Keras and TensorFlow mean by them."""
    mark_nodes(graph, NODES)
    for node in graph:
        if node.op_type == "Selu" and not node.attributes:
            set_exact(node, SELU)
