"""What an exporter hands to the passes and an importer takes: an ONNX graph and where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = [
    "BUFFER",
    "DOMAIN",
    "EXACT",
    "LAYER",
    "OPERATORS",
    "STOP",
    "TIES",
    "TRACE",
    "WEIGHT",
    "HubLayer",
    "HubModel",
    "HubPort",
    "exact_value",
    "exact_values",
    "is_weight",
    "set_exact",
]

#: Domain of operators that only the hub has: a dense layer, an adaptive pool.
DOMAIN = "metannvis"
#: Operator of that domain: its input, through which no gradient goes (PyTorch's ``detach``).
STOP = "StopGradient"
#: Operators of that domain, and how many inputs each has at least and at most.
OPERATORS = {
    "AdaptiveAveragePool": (1, 1), "AdaptiveMaxPool": (1, 1), "GLU": (1, 1), "GroupNormalization": (3, 3), "Linear": (2, 3),
    "Roll": (1, 1), "Softplus": (1, 1), STOP: (1, 1), "Threshold": (1, 1),
}  # fmt: skip
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


@dataclass(frozen=True)
class HubPort:
    """An input or output of the source, and the hub value that is exactly it. ``axes`` as in :class:`LayerInfo`."""

    name: str
    value: str
    shape: tuple[int | None, ...]
    dtype: str
    axes: str = ""


@dataclass(frozen=True)
class HubLayer:
    """A source layer that ran, and the hub value that holds exactly what it put out."""

    info: LayerInfo
    value: str
    object_id: int | None = None


@dataclass
class HubModel:
    """An ONNX graph with provenance.

    Attributes
    ----------
    model
        The graph; every node that came from a source layer carries it under :data:`LAYER`.
    layers
        Source layers in execution order, containers behind what they hold. A layer with several output tensors
        has a row ``name`` for the first and ``name#2`` … for the others.
    inputs, outputs
        In the source's own order.
    source
        Key of the source framework.
    fixed_batch
        The batch size the model is bound to, ``None`` if it is free.
    name
        Name of the source model, or of its class.
    notes
        What a reader of the report should know (exporter used, fallbacks taken).
    """

    model: ir.Model
    layers: tuple[HubLayer, ...]
    inputs: tuple[HubPort, ...]
    outputs: tuple[HubPort, ...]
    source: str
    fixed_batch: int | None = None
    exporter: str = ""
    name: str = "model"
    notes: tuple[str, ...] = ()
    #: What the source itself computes in single precision though its tensors are double, as ``operator: reason``.
    single: tuple[str, ...] = ()
    #: Flat list of output arrays → the source's own structure (tuple, dict, single tensor).
    unflatten: Callable[[list[Any]], Any] | None = field(default=None, repr=False)
    #: How the source puts out its outputs: dicts and lists of places in ``outputs``; ``None`` if that is not known.
    structure: Any = None
    #: Integer tensors computed from free sizes, by value name: arrays of ints and sympy expressions. Filled by the passes.
    symbols: Mapping[str, Any] = field(default_factory=dict, repr=False)


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
