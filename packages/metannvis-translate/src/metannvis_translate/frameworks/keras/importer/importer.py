"""The driver of the importer: every converter loaded, and a Keras model built of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from metannvis_translate.frameworks.keras.importer import operators  # noqa: F401  # registers the converters
from metannvis_translate.frameworks.keras.importer.context import KerasImporter

if TYPE_CHECKING:
    from metannvis_translate.frameworks.protocol import BuiltModel, Progress
    from metannvis_translate.graph.model import ExportedGraph

__all__ = ["KerasImporter", "build"]


def build(hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
    """ONNX to a Keras model, see :meth:`~metannvis_translate.frameworks.Framework.build`.

    Its layers have the channels last, whatever Keras is set to; a layer keeps what it was made with.
    """
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        return KerasImporter(hub, dtype=dtype, progress=progress).run()
    finally:
        keras.config.set_image_data_format(before)
