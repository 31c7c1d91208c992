"""Pass pipeline: constants are computed, shape arithmetic is resolved, nodes that compute nothing are removed.

Nothing is fused across source layers: what a source layer returns stays a value of the graph.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from metannvis_translate.graph.constants import constant_of
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.graph.symbolic_shapes import is_made_up
from metannvis_translate.passes.control_flow import has_control_flow, write_out
from metannvis_translate.passes.eliminate import _drop_expansions, _drop_identities, _drop_unused, _drop_zero_biases
from metannvis_translate.passes.fold_constants import fold
from metannvis_translate.passes.fuse_linear import _join_linear
from metannvis_translate.passes.infer_axes import annotate
from metannvis_translate.passes.infer_shapes import infer_shapes
from metannvis_translate.passes.stop_gradient import drop_idle_stops
from metannvis_translate.passes.unroll_sequences import _unroll_sequences

__all__ = ["simplify"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
#: Operators whose further inputs say what shape their result has.
SHAPED = {"Reshape", "Expand", "Slice", "Tile", "Pad", "Split", "Resize"}


def simplify(hub: ExportedGraph) -> ExportedGraph:
    """Run every pass; the graph is changed in place, the returned hub has the values' new names and axes."""
    hub = _drop_identities(hub)
    _unroll_sequences(hub)
    infer_shapes(hub.model)
    drop_idle_stops(hub)
    hub = fold(hub)
    while has_control_flow(hub) and write_out(hub):
        # what is inside may be control flow again, whose condition is known once constants are folded
        hub = _drop_identities(hub)
        infer_shapes(hub.model)
        hub = fold(hub)
    hub = _settled(hub)
    hub = _drop_identities(hub)
    infer_shapes(hub.model)
    _drop_expansions(hub)
    _drop_zero_biases(hub)
    _join_linear(hub)
    hub = _drop_unused(hub)
    return annotate(hub)


#: Rounds of inference and folding, each of which settles shapes that the one before was computed from.
MOST_ROUNDS = 12


def _settled(hub: ExportedGraph) -> ExportedGraph:
    """Infer and fold again as long as that settles shapes: a size gets its name from the shape in front, once that is known."""
    before = _unsettled(hub)
    for _ in range(MOST_ROUNDS):
        if not before[0]:
            break
        infer_shapes(hub.model, again=True)
        hub = fold(hub)
        left = _unsettled(hub)
        if left[0] >= before[0] and left[1] >= before[1]:
            break
        before = left
    return hub


def _unsettled(hub: ExportedGraph) -> tuple[int, int]:
    """How many nodes read a shape, or a place, that is not known; and how many sizes have no name."""
    readers = sum(
        any(value is not None and constant_of(value) is None for value in node.inputs[1:])
        for node in hub.model.graph
        if node.op_type in SHAPED and node.domain in ("", "ai.onnx")
    )
    if not readers:
        return 0, 0
    shapes = [value.shape for node in hub.model.graph for value in node.outputs if value.shape is not None]
    return readers, sum(is_made_up(size) for shape in shapes for size in shape)


# --- within one source layer -----------------------------------------------------------------------------------------------
