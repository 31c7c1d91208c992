"""What a framework computes in single precision though its tensors are double: the table of DESIGN section 2.

A model that holds one of these is held to 1e-6 in double precision instead of 1e-9. Importers compose an operator of other,
exact ones where the target is at fault, so what is left is what a *source* does itself: its framework's kernels, or, in a
PyTorch model that is in double precision, its own code that says ``.float()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.graph.model import HubModel

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.graph.model import HubModel

__all__ = ["LIMIT", "SINGLE", "single_precision"]

#: Limit for models that hold an operator of the table.
LIMIT = 1e-6
#: Source framework → hub operator → what is coarse about it; measured with PyTorch 2.15, Keras 3.15.1, TensorFlow 2.21.
SINGLE: dict[str, dict[str, str]] = {
    "tensorflow": {
        "Gelu": "keras.activations.gelu: its constants are float32 (2.6e-9)",
        "Resize": "keras.ops.image.resize: bilinear weights are float32 (1e-8)",
    },
    "torch": {
        "Celu": "torch.nn.functional.celu: the alpha of its derivative is a float32 (3e-8)",
        "HardSigmoid": "torch.nn.functional.hardsigmoid: the 1/6 of its derivative is a float32 (3e-8)",
    },
}


def single_precision(hub: HubModel) -> tuple[str, ...]:
    """Rows of the table that the source model meets, and what its own code casts down, as ``operator: reason``."""
    rows = SINGLE.get(hub.source, {})
    found = dict.fromkeys(node.op_type for node in hub.model.graph if node.op_type in rows and not _copies(node))
    return (*(f"{operator}: {rows[operator]}" for operator in found), *hub.single)


def _copies(node: ir.Node) -> bool:
    """A resize to the nearest element computes nothing."""
    mode = node.attributes.get("mode")
    return node.op_type == "Resize" and (mode is None or mode.as_string() == "nearest")


def computes_in_half(hub: HubModel) -> bool:
    """Whether a model computes something in half precision."""
    values = (value for node in hub.model.graph for value in node.outputs)
    return any(value.dtype is not None and value.dtype.name in ("FLOAT16", "BFLOAT16") for value in values)


def mixes_floats(hub: HubModel) -> bool:
    """Whether an ONNX graph takes or puts out doubles beside other floats: each value then keeps its own type."""
    kinds = {port.dtype for port in (*hub.inputs, *hub.outputs) if "float" in port.dtype}
    return hub.source == "onnx" and len(kinds) > 1
