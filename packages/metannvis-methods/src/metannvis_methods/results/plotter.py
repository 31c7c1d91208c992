"""The plotter, found through its entry point."""

from __future__ import annotations

from typing import Any

from metannvis_translate.frameworks import entry_points

from metannvis_methods.errors import MissingFrameworkError

__all__ = ["find_plotter"]

PLOTTERS = "metannvis.plotters"


def find_plotter() -> Any:
    """The installed plotter's function.

    Raises
    ------
    MissingFrameworkError
        There is none.
    """
    found = list(entry_points(group=PLOTTERS))
    if not found:
        raise MissingFrameworkError("plotting needs metannvis-plot, which is not installed: pip install metannvis-plot")
    found.sort(key=lambda entry: entry.name != "default")
    return found[0].load()
