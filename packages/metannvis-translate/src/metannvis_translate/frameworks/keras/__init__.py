"""TensorFlow and Keras: the plug-in, its exporter and its importer, and what other packages need of them.

Importing this imports no framework.
"""

from __future__ import annotations

from metannvis_translate.frameworks.keras.copy import flatten_model
from metannvis_translate.frameworks.keras.plugin import framework

__all__ = ["flatten_model", "framework"]
