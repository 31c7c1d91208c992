"""Conventions: what holds of a whole graph, and of every node of an operator, because of the framework it came from.

A framework's exporter states its conventions; a graph of which nobody states any (an ``.onnx`` file, a framework that says
nothing) is read as the ONNX standard has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["STANDARD", "Conventions", "mark_nodes"]


@dataclass(frozen=True)
class Conventions:
    """What an exporter states of a graph as a whole; the defaults are the standard's meaning.

    Attributes
    ----------
    channels_last
        Whether images have their channels last; ``None`` if an input of four or five axes need not be an image.
    states_types
        Whether each value has the type and rank that the graph says, so that a graph may mix single and double precision.
        Without it a model computes in one precision, and what the graph says of a value inside is the exporter's guess.
    scalar_weights
        Whether an initialiser of a single number can be a trainable weight.
    fixed_buffers
        Whether what is no weight stays as it is in training: a layer that holds nothing but buffers is then not trained.
    runs_by_depth
        Whether nodes stand in the order of their depth, the deeper branch first, and not in that of the source's code.
    half_in_double
        Whether the framework rounds half precision in an order of its own, so that a model that computes in it can only be
        told right from wrong in double precision.
    """

    channels_last: bool | None = None
    states_types: bool = True
    scalar_weights: bool = False
    fixed_buffers: bool = False
    runs_by_depth: bool = False
    half_in_double: bool = False


#: What holds of a graph whose exporter states nothing.
STANDARD = Conventions()


def mark_nodes(graph: ir.Graph, marks: Mapping[str, Mapping[str, str]]) -> None:
    """Write metadata on every node of some of the standard's operators; what a node carries already stays.

    Parameters
    ----------
    marks
        Operator → metadata, with the keys of :mod:`~metannvis_translate.graph.metadata`.
    """
    import onnx_ir as ir

    for node in ir.traversal.RecursiveGraphIterator(graph):
        if node.domain in ("", "ai.onnx"):
            for key, text in marks.get(node.op_type, {}).items():
                node.metadata_props.setdefault(key, text)
