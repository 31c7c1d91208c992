"""Entries whose number depends on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


@tf_node("Where", "Unique", "UniqueV2", "ListDiff")
def selected(n: Node) -> ir.Value:
    n.refuse("the size of its result depends on values")
