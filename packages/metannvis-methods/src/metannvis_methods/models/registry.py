"""The table of model adapters, one a framework."""

from __future__ import annotations

import importlib

from metannvis_methods.models.base import Native

__all__ = ["get_native"]

MODULES = {
    "torch": "metannvis_methods.models.torch",
    "tensorflow": "metannvis_methods.models.keras",
    "onnx": "metannvis_methods.models.onnx",
}


def get_native(framework: str) -> Native:
    """The functions for a framework's models; imports the framework."""
    if framework not in MODULES:
        return Native()
    from metannvis_translate.frameworks.requirements import require

    require(framework)
    native: Native = importlib.import_module(MODULES[framework]).native
    return native
