"""Lookup of model adapters: by a framework's plug-in, or by the entry-point group ``metannvis.models``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from metannvis_translate.frameworks import entry_points, frameworks, require

from metannvis_methods.errors import MetannvisError
from metannvis_methods.models.base import ModelAdapter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from metannvis_translate.frameworks import Framework

__all__ = ["ENTRY_POINTS", "adapter_for"]

ENTRY_POINTS = "metannvis.models"


def adapter_for(framework: str) -> ModelAdapter:
    """The adapter of a framework, by its key; imports the framework.

    The plug-in's own if it has one, else the one that a package registered, else a :class:`ModelAdapter` that knows nothing.

    Raises
    ------
    MissingFrameworkError
        The framework is not installed.
    """
    plugin = next((known for known in frameworks() if known.key == framework), None)
    if plugin is None:
        return ModelAdapter()
    known = _found.get(framework)
    if known is None or known[0] is not plugin:
        known = _found[framework] = plugin, _adapter_of(plugin)
    return known[1]


#: By the framework's key, its plug-in and the adapter.
_found: dict[str, tuple[Framework, ModelAdapter]] = {}


def _adapter_of(plugin: Framework) -> ModelAdapter:
    for package in plugin.packages:
        require(package)
    own: ModelAdapter | None = plugin.model_adapter()
    if own is not None:
        return own
    registered = _registered().get(plugin.key)
    return ModelAdapter() if registered is None else registered.load()


@cache
def _registered() -> dict[str, EntryPoint]:
    """Entry points by the framework's key; two packages cannot both serve a framework."""
    found: dict[str, tuple[str, EntryPoint]] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        owner = entry.dist.name if entry.dist else entry.value
        if entry.name in found and found[entry.name][0] != owner:
            raise MetannvisError(
                f"two packages register the model adapter of {entry.name!r}: {found[entry.name][0]} and {owner}. Uninstall one."
            )
        found[entry.name] = (owner, entry)
    return {key: entry for key, (_, entry) in found.items()}
