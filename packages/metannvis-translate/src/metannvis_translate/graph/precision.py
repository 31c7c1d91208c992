"""Precision: what a framework computes in single precision though its tensors are double.

A model that holds one of these is held to 1e-6 in double precision instead of 1e-9. Importers compose an operator of other,
exact ones where the target is at fault, so what is left is what a *source* does itself: its framework's kernels, or, in a
PyTorch model that is in double precision, its own code that says ``.float()``. The exporter writes it on the nodes
(:data:`~metannvis_translate.graph.metadata.SINGLE`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.graph.metadata import SINGLE

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.graph.model import ExportedGraph

__all__ = ["LIMIT", "computes_in_half", "mixes_floats", "single_precision"]

#: Limit for models that compute something in single precision.
LIMIT = 1e-6


def single_precision(hub: ExportedGraph) -> tuple[str, ...]:
    """What the source's operators, and its own code, compute in single precision, as ``operator: reason``."""
    nodes = (node for node in hub.model.graph if SINGLE in node.metadata_props and not _copies(node))
    return (*dict.fromkeys(f"{node.op_type}: {node.metadata_props[SINGLE]}" for node in nodes), *hub.single)


def _copies(node: ir.Node) -> bool:
    """A resize to the nearest element computes nothing."""
    mode = node.attributes.get("mode")
    return node.op_type == "Resize" and (mode is None or mode.as_string() == "nearest")


def computes_in_half(hub: ExportedGraph) -> bool:
    """Whether a model computes something in half precision."""
    values = (value for node in hub.model.graph for value in node.outputs)
    return any(value.dtype is not None and value.dtype.name in ("FLOAT16", "BFLOAT16") for value in values)


def mixes_floats(hub: ExportedGraph) -> bool:
    """Whether a graph that states types takes or returns doubles beside other floats: each value then keeps its own."""
    kinds = {port.dtype for port in (*hub.inputs, *hub.outputs) if "float" in port.dtype}
    return hub.conventions.states_types and len(kinds) > 1
