"""Conventions of PyTorch, which its exporter states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.graph.conventions import Conventions, mark_nodes
from metannvis_translate.graph.metadata import BORDER, CORNERS, KINK, LINEAR_ABOVE, ROUNDING, SINGLE, TIE_GRADIENT

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["CONVENTIONS", "state_conventions"]

CONVENTIONS = Conventions(channels_last=False, states_types=False, scalar_weights=True, fixed_buffers=True)

#: Operator → metadata of its nodes; measured with PyTorch 2.15.
NODES = {
    "Celu": {SINGLE: "torch.nn.functional.celu: the alpha of its derivative is a float32 (3e-8)"},
    "Clip": {KINK: "none"},
    "DFT": {ROUNDING: "kernel"},
    "GridSample": {BORDER: "place"},
    "HardSigmoid": {SINGLE: "torch.nn.functional.hardsigmoid: the 1/6 of its derivative is a float32 (3e-8)"},
    "Max": {TIE_GRADIENT: "shared"},
    "Min": {TIE_GRADIENT: "shared"},
    "Resize": {CORNERS: "rounded"},
    "Selu": {KINK: "below"},
    "Softmax": {ROUNDING: "kernel"},
    "Softplus": {LINEAR_ABOVE: "20.0"},
    "TopK": {TIE_GRADIENT: "any"},
}


def state_conventions(graph: ir.Graph) -> None:
    """Write on the nodes what PyTorch means by them."""
    mark_nodes(graph, NODES)
