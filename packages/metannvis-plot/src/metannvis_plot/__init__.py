"""Figures and reports from the results of MetaNNvis, or from plain arrays.

Every function returns a :class:`matplotlib.figure.Figure`; none shows a window, imports ``pyplot`` or changes
matplotlib's settings. Importing this package imports neither matplotlib nor NumPy: the first use of a
function does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .__about__ import __version__

if TYPE_CHECKING:
    from .dispatch import plot
    from .grids import channel_grid
    from .html_page import report
    from .overlays import overlay, overview
    from .pairs import comparison
    from .pictures import heatmap, images
    from .series import bars, curve, tokens

# No module is named after a function of this table: importing a submodule sets an attribute of the package,
# which would hide the function of that name.
_HOME = {
    "bars": "series",
    "channel_grid": "grids",
    "comparison": "pairs",
    "curve": "series",
    "heatmap": "pictures",
    "images": "pictures",
    "overlay": "overlays",
    "overview": "overlays",
    "plot": "dispatch",
    "report": "html_page",
    "tokens": "series",
}

__all__ = [
    "__version__",
    "bars",
    "channel_grid",
    "comparison",
    "curve",
    "heatmap",
    "images",
    "overlay",
    "overview",
    "plot",
    "report",
    "tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))
