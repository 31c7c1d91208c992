"""Exported graph: an ONNX graph and where it came from, as an exporter hands it to the passes and an importer takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metannvis_translate.graph.conventions import STANDARD, Conventions
from metannvis_translate.graph.metadata import STOP_GRADIENT, WHOLE_SEQUENCE
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["OPERATORS", "ExportedGraph", "HubLayer", "HubPort"]

#: Operators of that domain, and how many inputs each has at least and at most.
OPERATORS = {
    "AdaptiveAveragePool": (1, 1), "AdaptiveMaxPool": (1, 1), "GLU": (1, 1), "GroupNormalization": (3, 3), "Linear": (2, 3),
    "Roll": (1, 1), "Softplus": (1, 1), STOP_GRADIENT: (1, 1), "Threshold": (1, 1),
    WHOLE_SEQUENCE: (2, 2),
}  # fmt: skip


@dataclass(frozen=True)
class HubPort:
    """An input or output of the source, and the hub value that is exactly it. ``axes`` as in :class:`LayerInfo`.

    ``least_batch`` is the least size of a free first axis that the graph is right for, and ``batch_reason`` says why the first
    axis is not free, or why that is the least. ``fixed`` are axes behind it that the source leaves free, the graph does not.
    """

    name: str
    value: str
    shape: tuple[int | None, ...]
    dtype: str
    axes: str = ""
    least_batch: int = 1
    batch_reason: str = ""
    fixed: tuple[int, ...] = ()


@dataclass(frozen=True)
class HubLayer:
    """A source layer that ran, and the hub value that holds exactly what it returned."""

    info: LayerInfo
    value: str
    object_id: int | None = None


@dataclass
class ExportedGraph:
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
    conventions
        What the exporter states of the graph as a whole; the standard's meaning if it states nothing.
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
    conventions: Conventions = STANDARD
    #: What the source itself computes in single precision though its tensors are double, as ``operator: reason``.
    single: tuple[str, ...] = ()
    #: Flat list of output arrays → the source's own structure (tuple, dict, single tensor).
    unflatten: Callable[[list[Any]], Any] | None = field(default=None, repr=False)
    #: How the source returns its outputs: dicts and lists of places in ``outputs``; ``None`` if that is not known.
    structure: Any = None
    #: Integer tensors computed from free sizes, by value name: arrays of ints and sympy expressions. Filled by the passes.
    symbols: Mapping[str, Any] = field(default_factory=dict, repr=False)
