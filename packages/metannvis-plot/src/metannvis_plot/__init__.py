"""Figures and reports from the results of MetaNNvis, or from plain arrays.

Every function returns a :class:`matplotlib.figure.Figure`; none shows a window, imports ``pyplot`` or changes
matplotlib's settings. Importing this package imports neither matplotlib nor NumPy: the first use of a
function does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metannvis_plot.__about__ import __version__

if TYPE_CHECKING:
    from metannvis_plot.channel_grids import channel_grid
    from metannvis_plot.comparisons import comparison
    from metannvis_plot.dispatch import plot
    from metannvis_plot.dissections import dissection, dissection_comparison, dissection_units
    from metannvis_plot.optimizations import optimization
    from metannvis_plot.overlays import overlay, overview
    from metannvis_plot.pictures import heatmap, images
    from metannvis_plot.reports import report
    from metannvis_plot.result_grids import grid
    from metannvis_plot.scores import agreement, evaluation, score_board
    from metannvis_plot.series import bars, curve, tokens
    from metannvis_plot.texts import text
    from metannvis_plot.uncertainties import reliability, spread, uncertain_prediction
    from metannvis_plot.volumes import volume

# No module is named after a function of this table (hence `comparisons`, `reports`): importing a submodule sets an
# attribute of the package, which would hide the function of that name.
_HOME = {
    "agreement": "scores",
    "bars": "series",
    "channel_grid": "channel_grids",
    "comparison": "comparisons",
    "curve": "series",
    "dissection": "dissections",
    "dissection_comparison": "dissections",
    "dissection_units": "dissections",
    "evaluation": "scores",
    "grid": "result_grids",
    "heatmap": "pictures",
    "images": "pictures",
    "optimization": "optimizations",
    "overlay": "overlays",
    "overview": "overlays",
    "plot": "dispatch",
    "reliability": "uncertainties",
    "report": "reports",
    "score_board": "scores",
    "spread": "uncertainties",
    "text": "texts",
    "tokens": "series",
    "uncertain_prediction": "uncertainties",
    "volume": "volumes",
}

__all__ = [
    "__version__",
    "agreement",
    "bars",
    "channel_grid",
    "comparison",
    "curve",
    "dissection",
    "dissection_comparison",
    "dissection_units",
    "evaluation",
    "grid",
    "heatmap",
    "images",
    "optimization",
    "overlay",
    "overview",
    "plot",
    "reliability",
    "report",
    "score_board",
    "spread",
    "text",
    "tokens",
    "uncertain_prediction",
    "volume",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))
