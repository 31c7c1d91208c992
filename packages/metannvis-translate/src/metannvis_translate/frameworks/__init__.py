"""Framework plug-ins, and the one place that imports a framework.

A framework is found through the entry-point group ``metannvis.frameworks``; ours register the same way a third
party does. Loading a plug-in imports no framework; only its work does, through :func:`require`.
"""

from __future__ import annotations

from metannvis_translate.frameworks.library_messages import LIBRARY_MESSAGES
from metannvis_translate.frameworks.protocol import (
    BuiltModel,
    BuiltPort,
    BuiltValue,
    DeclaredInput,
    EngineDeclinedError,
    Framework,
    FrameworkBase,
    Importer,
    Progress,
    Run,
)
from metannvis_translate.frameworks.registry import (
    detect_framework,
    framework_key,
    framework_keys,
    framework_of_file,
    frameworks,
    get_framework,
)
from metannvis_translate.frameworks.requirements import entry_points, is_installed, require
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort

__all__ = [
    "LIBRARY_MESSAGES",
    "Built",
    "BuiltModel",
    "BuiltPort",
    "BuiltValue",
    "DeclaredInput",
    "DeclinedError",
    "EngineDeclinedError",
    "ExportedGraph",
    "Framework",
    "FrameworkBase",
    "HubLayer",
    "HubPort",
    "Importer",
    "Progress",
    "Run",
    "detect_framework",
    "entry_points",
    "framework_key",
    "framework_keys",
    "framework_of_file",
    "frameworks",
    "get_framework",
    "is_installed",
    "require",
]

#: Former names.
Built, DeclinedError = BuiltModel, EngineDeclinedError
