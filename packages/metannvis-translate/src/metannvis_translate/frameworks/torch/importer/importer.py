"""The driver of the importer: every converter loaded, and a PyTorch model built of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.frameworks.torch.importer import operators  # noqa: F401  # registers the converters
from metannvis_translate.frameworks.torch.importer.context import TorchImporter

if TYPE_CHECKING:
    from metannvis_translate.frameworks.protocol import BuiltModel, Progress
    from metannvis_translate.graph.model import ExportedGraph

__all__ = ["TorchImporter", "build"]


def build(hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
    """ONNX to a PyTorch model, see :meth:`~metannvis_translate.frameworks.Framework.build`."""
    return TorchImporter(hub, dtype=dtype, progress=progress).run()
