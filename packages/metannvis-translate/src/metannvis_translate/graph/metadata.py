"""Metadata: what an exporter writes on a node or a value, and the passes and importers read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.graph.model import ExportedGraph


__all__ = [
    "BORDER",
    "BUFFER",
    "CORNERS",
    "DOMAIN",
    "EXACT_VALUES",
    "FROZEN",
    "FUNCTIONS",
    "KINK",
    "LAYER",
    "LINEAR_ABOVE",
    "NUMBERS",
    "OWN",
    "ROUNDING",
    "SINGLE",
    "STOP_GRADIENT",
    "TIE_GRADIENT",
    "TRACE",
    "WEIGHT",
    "WHOLE_SEQUENCE",
    "exact_value",
    "exact_values",
    "is_frozen",
    "is_weight",
    "set_exact",
]

#: Domain of operators that only the hub has: a dense layer, an adaptive pool.
DOMAIN = "metannvis"


#: Operator of that domain: its input, through which no gradient goes (PyTorch's ``detach``).
STOP_GRADIENT = "StopGradient"
#: An operator that returns padded sequences as they are, of which at least one has to be as long as there are steps.
WHOLE_SEQUENCE = "WholeSequence"


#: Operators of that domain that ONNX lacks: functions of one element or two, each exact where a composition of the
#: standard's operators loses digits or has another derivative.
FUNCTIONS = frozenset(["Atan2", "BesselI0", "Erfc", "Erfinv", "Expm1", "Gcd", "Lcm", "Log1p"])


#: All operators of that domain that a converter of Keras emits.
OWN = FUNCTIONS | {STOP_GRADIENT, WHOLE_SEQUENCE, "Argsort", "Roll"}


#: Node metadata: name of the source layer (with call number) the node came from.
LAYER = "metannvis.layer"


#: Node metadata: JSON object of exact double values, by attribute name. ONNX attributes are float32; what the source
#: really computes with is a double in most frameworks. A ``Constant`` node's own value stands under ``"value"``.
EXACT_VALUES = "metannvis.exact"


#: Node metadata: where in the user's code a node came from, as the exporter's stack trace.
TRACE = "metannvis.trace"


#: Node metadata: which of equal elements counts, and where the derivative goes at such a tie. On Max and Min: ``"bound"``
#: nowhere (PyTorch's ``clamp``), ``"shared"`` to both in equal parts (PyTorch), ``"first"`` to the first (TensorFlow). On
#: ReduceMax and ReduceMin: ``"index"`` to the one element that was picked (PyTorch's ``max`` over an axis). On GlobalMaxPool:
#: ``"shared"`` to all in equal parts (TensorFlow). On TopK: ``"any"``, whichever the kernel finds (PyTorch's
#: ``topk``), ``"first"`` that of the least place.
TIE_GRADIENT = "metannvis.ties"


#: Node metadata: the derivative where two pieces of an activation meet. On Clip, at its bounds: ``"none"`` (PyTorch),
#: ``"inside"`` that between them (TensorFlow). At zero: on Selu ``"below"`` (PyTorch) or ``"above"`` (TensorFlow) that of the
#: piece on that side, on Celu ``"both"`` the sum of the two, on PRelu ``"none"`` (TensorFlow). The target's own without it.
KINK = "metannvis.kink"


#: Node metadata of ArgMax and ArgMin: the place of what is no number is never the answer. ``"signed"`` if a negative zero
#: is less than zero besides (Keras), ``"plain"`` if not (TensorFlow).
NUMBERS = "metannvis.numbers"


#: Node metadata: what the source computes in single precision there though its tensors are double, as a reason to read.
SINGLE = "metannvis.single"


#: Node metadata of Softplus: the number above which the source takes it for the identity.
LINEAR_ABOVE = "metannvis.linear_above"


#: Node metadata of Softmax and DFT: ``"kernel"`` if the source rounds as its kernel happens to, which any other kernel may
#: stand for, and not each step of the standard's function.
ROUNDING = "metannvis.rounding"


#: Node metadata of Resize with aligned corners: ``"rounded"`` if they are aligned for the new length in whole elements. The
#: standard's evaluator and its runtimes disagree on that.
CORNERS = "metannvis.corners"


#: Node metadata of GridSample: ``"place"`` if a place beyond the image is brought to its border before the nearest element is
#: looked for, and for bicubic weights each element instead of the place (PyTorch).
BORDER = "metannvis.border"


#: Value metadata of an initialiser that is no trainable weight of the source (a buffer, a constant).
BUFFER = "metannvis.buffer"


#: Value metadata of an initialiser that is a weight which the source does not train.
FROZEN = "metannvis.frozen"


#: Value metadata of an initialiser: the path of the weight in the source (``"encoder.pos_embedding"``).
WEIGHT = "metannvis.weight"


def is_weight(hub: ExportedGraph, value: ir.Value | None) -> bool:
    """Whether a value is a trainable weight of the source.

    Where the exporter does not tell weights from constants, as an ``.onnx`` file does not, a single number is taken for a
    constant.
    """
    if value is None or value.const_value is None or not value.is_initializer() or BUFFER in value.metadata_props:
        return False
    is_float = value.dtype is not None and value.dtype.is_floating_point()
    return is_float and (hub.conventions.scalar_weights or value.const_value.size > 1)


def is_frozen(value: ir.Value | None) -> bool:
    """Whether a value is a weight that the source does not train."""
    return value is not None and FROZEN in value.metadata_props


def set_exact(node: ir.Node, values: Mapping[str, float | Sequence[float]]) -> None:
    """Attach exact doubles (or lists of them) to a node, by attribute name."""
    if values:
        texts = {
            name: [repr(float(v)) for v in value] if isinstance(value, Sequence) else repr(float(value))
            for name, value in values.items()
        }
        node.metadata_props[EXACT_VALUES] = json.dumps(texts)


def exact_value(node: ir.Node, name: str) -> float | None:
    """The exact double behind an attribute of a node, if the exporter knew it."""
    found = _exact(node, name)
    return None if found is None or isinstance(found, list) else float(found)


def exact_values(node: ir.Node, name: str) -> list[float] | None:
    """The exact doubles behind an attribute that is a list, if the exporter knew them."""
    found = _exact(node, name)
    return [float(v) for v in found] if isinstance(found, list) else None


def _exact(node: ir.Node, name: str) -> str | list[str] | None:
    text = node.metadata_props.get(EXACT_VALUES)
    values: dict[str, str | list[str]] = json.loads(text) if text else {}
    return values.get(name)
