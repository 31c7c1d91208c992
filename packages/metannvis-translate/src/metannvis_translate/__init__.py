"""Translate neural networks between PyTorch, TensorFlow/Keras and ONNX, with proof that the two agree.

Importing this package imports no framework; each is imported when a model of it is met.
"""

from __future__ import annotations

from metannvis_translate.__about__ import __version__
from metannvis_translate.equivalence.check import check_equivalence
from metannvis_translate.equivalence.report import EquivalenceReport, EquivalenceRow, Tolerance
from metannvis_translate.errors import (
    DamagedFileError,
    EquivalenceError,
    InvalidArgumentError,
    InvalidModelError,
    LimitError,
    MetannvisError,
    MissingArgumentError,
    MissingFrameworkError,
    UnknownFrameworkError,
    UnknownLayerError,
    UnsupportedOperatorError,
    UntrustedModelError,
)
from metannvis_translate.files import load_model, save_model
from metannvis_translate.frameworks.registry import detect_framework
from metannvis_translate.layers import LayerInfo, LayerMap, LayerRow, ModelDescription
from metannvis_translate.process.limits import Limits, limits
from metannvis_translate.translate import list_layers, translate, translate_data, translate_model
from metannvis_translate.translation import Port, Translation

__all__ = [
    "DamagedFileError",
    "EquivalenceError",
    "EquivalenceReport",
    "EquivalenceRow",
    "InvalidArgumentError",
    "InvalidModelError",
    "LayerInfo",
    "LayerMap",
    "LayerRow",
    "LimitError",
    "Limits",
    "MetannvisError",
    "MissingArgumentError",
    "MissingFrameworkError",
    "ModelDescription",
    "Port",
    "Tolerance",
    "Translation",
    "UnknownFrameworkError",
    "UnknownLayerError",
    "UnsupportedOperatorError",
    "UntrustedModelError",
    "__version__",
    "check_equivalence",
    "detect_framework",
    "limits",
    "list_layers",
    "load_model",
    "save_model",
    "translate",
    "translate_data",
    "translate_model",
]
