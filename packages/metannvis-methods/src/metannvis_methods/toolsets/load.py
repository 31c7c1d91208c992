"""Toolkit imports: a method's class is imported when it runs, in an order that is safe."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any

from metannvis_methods.errors import MissingFrameworkError
from metannvis_methods.extras import about_opencv
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec

__all__ = ["import_quietly", "load_class"]


def load_class(spec: MethodSpec) -> Any:
    """The class that a row names.

    The framework is imported before the toolkit is, if the row names one; a class for models of several frameworks must not
    import one by itself.

    Raises
    ------
    MissingFrameworkError
        Its module cannot be imported; the cause is chained.
    """
    if not isinstance(spec.cls, str):
        return spec.cls
    if isinstance(spec.framework, str):
        adapter_for(spec.framework)
    module, _, name = spec.cls.partition(":")
    try:
        return getattr(import_quietly(module), name)
    except ImportError as error:
        raise MissingFrameworkError(
            f"{spec.key} of {spec.toolset} needs {module}, which cannot be imported: {error}{about_opencv(error)}"
        ) from error


def import_quietly(module: str) -> ModuleType:
    """Import a toolkit's module without its complaints about its own dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(module)
