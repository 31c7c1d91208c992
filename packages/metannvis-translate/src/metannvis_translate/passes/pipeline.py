"""Pass pipeline: constants are computed, shape arithmetic is resolved, nodes that compute nothing are removed.

Nothing is fused across source layers: what a source layer returns stays a value of the graph.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.passes.control_flow import has_control_flow, write_out
from metannvis_translate.passes.eliminate import _drop_expansions, _drop_identities, _drop_unused, _drop_zero_biases
from metannvis_translate.passes.fold_constants import fold
from metannvis_translate.passes.fuse_linear import _join_linear
from metannvis_translate.passes.infer_axes import annotate
from metannvis_translate.passes.infer_shapes import infer_shapes
from metannvis_translate.passes.stop_gradient import drop_idle_stops
from metannvis_translate.passes.unroll_sequences import _unroll_sequences

if TYPE_CHECKING:
    pass

__all__ = ["simplify"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]


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
    hub = _drop_identities(hub)
    infer_shapes(hub.model)
    _drop_expansions(hub)
    _drop_zero_biases(hub)
    _join_linear(hub)
    hub = _drop_unused(hub)
    return annotate(hub)


# --- within one source layer -----------------------------------------------------------------------------------------------
