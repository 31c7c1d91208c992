"""Metadata: what an exporter writes on a node or a value, and the passes and importers read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.graph.model import HubModel


__all__ = [
    "BUFFER",
    "DOMAIN",
    "EXACT",
    "LAYER",
    "STOP",
    "TIES",
    "TRACE",
    "WEIGHT",
    "exact_value",
    "exact_values",
    "is_weight",
    "set_exact",
]

#: Domain of operators that only the hub has: a dense layer, an adaptive pool.
DOMAIN = "metannvis"


#: Operator of that domain: its input, through which no gradient goes (PyTorch's ``detach``).
STOP = "StopGradient"


#: Node metadata: name of the source layer (with call number) the node came from.
LAYER = "metannvis.layer"


#: Node metadata: JSON object of exact double values, by attribute name. ONNX attributes are float32; what the source
#: really computes with is a double in most frameworks. A ``Constant`` node's own value stands under ``"value"``.
EXACT = "metannvis.exact"


#: Node metadata: where in the user's code a node came from, as the exporter's stack trace.
TRACE = "metannvis.trace"


#: Node metadata: where the derivative goes at a tie. ``"bound"`` on Max and Min: nowhere (PyTorch's ``clamp``);
#: ``"index"`` on ReduceMax and ReduceMin: to the one element that was picked (PyTorch's ``max`` over an axis).
TIES = "metannvis.ties"


#: Value metadata of an initialiser that is no trainable weight of the source (a buffer, a constant).
BUFFER = "metannvis.buffer"


#: Value metadata of an initialiser: the path of the weight in the source (``"encoder.pos_embedding"``).
WEIGHT = "metannvis.weight"


def is_weight(hub: HubModel, value: ir.Value | None) -> bool:
    """Whether a value is a trainable weight of the source.

    An ``.onnx`` file does not tell weights from constants; there a single number is taken for a constant.
    """
    if value is None or value.const_value is None or not value.is_initializer() or BUFFER in value.metadata_props:
        return False
    is_float = value.dtype is not None and value.dtype.is_floating_point()
    return is_float and (hub.source != "onnx" or value.const_value.size > 1)


def set_exact(node: ir.Node, values: Mapping[str, float | Sequence[float]]) -> None:
    """Attach exact doubles (or lists of them) to a node, by attribute name."""
    if values:
        texts = {
            name: [repr(float(v)) for v in value] if isinstance(value, Sequence) else repr(float(value))
            for name, value in values.items()
        }
        node.metadata_props[EXACT] = json.dumps(texts)


def exact_value(node: ir.Node, name: str) -> float | None:
    """The exact double behind an attribute of a node, if the exporter knew it."""
    found = _exact(node, name)
    return None if found is None or isinstance(found, list) else float(found)


def exact_values(node: ir.Node, name: str) -> list[float] | None:
    """The exact doubles behind an attribute that is a list, if the exporter knew them."""
    found = _exact(node, name)
    return [float(v) for v in found] if isinstance(found, list) else None


def _exact(node: ir.Node, name: str) -> str | list[str] | None:
    text = node.metadata_props.get(EXACT)
    values: dict[str, str | list[str]] = json.loads(text) if text else {}
    return values.get(name)
