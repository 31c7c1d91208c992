"""A pending explanation: a call that waits for its layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metannvis_translate import LayerRow


__all__ = ["PendingExplanation"]


@dataclass(frozen=True)
class PendingExplanation:
    """A run that waits for the caller to name a layer; :func:`finish_execution_with_layer` goes on from it.

    Attributes
    ----------
    model
        The model that will run: the translated one, or the caller's.
    layers
        One row a layer: ``row.source`` (name, kind, shape in the caller's model) and ``row.target`` (in
        ``model``).
    method, toolset, framework
        What will run, and the framework of the caller's model.
    request, prepared
        The call, and the model as it was prepared for it.
    """

    model: Any = field(repr=False)
    layers: tuple[LayerRow, ...]
    method: str
    toolset: str
    framework: str
    request: Any = field(repr=False, default=None, compare=False)
    prepared: Any = field(repr=False, default=None, compare=False)

    def __str__(self) -> str:
        rows = [(row.source.name, row.source.kind, str(row.source.shape), row.target.name) for row in self.layers]
        rows.insert(0, ("layer", "kind", "shape", f"in the model that runs ({self.toolset})"))
        widths = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
        ]
        return "\n".join([f"{self.method} needs a layer: finish_execution_with_layer(pending, layer)", *lines])
