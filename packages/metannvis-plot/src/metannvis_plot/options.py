"""Options of figures: the words that several kinds share, what each is if it is not given, and what they lead to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, get_args, get_type_hints

from matplotlib.axes import Axes
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot.arrays import Array, Reduction, Sign, plane
from metannvis_plot.canvas import check_path
from metannvis_plot.captions import ends_of
from metannvis_plot.color import CLIP, Scale, scale
from metannvis_plot.panel_grid import MAX_SAMPLES, Cell, choose_cells
from metannvis_plot.subjects import Subject, single, subjects

Function = TypeVar("Function", bound=Callable[..., Any])
Style = Literal["heat", "masked", "contour"]
#: Share of the positions that a masked image or a contour shows.
SHARE = 0.2


class Source(TypedDict, total=False):
    """Which values of a result are drawn, and what its samples are called."""

    axes: str | tuple[str, ...] | None
    input_index: int | None
    sample_names: Sequence[str] | None


class Samples(TypedDict, total=False):
    """Which samples of a batch are drawn."""

    sample: int | Sequence[int] | None
    max_samples: int


class Reducing(TypedDict, total=False):
    """What becomes of the channels, and which values remain."""

    reduce: Reduction
    sign: Sign


class Slicing(TypedDict, total=False):
    """Which slice of a volume is drawn."""

    depth: int | None


class Coloring(TypedDict, total=False):
    """The colours of values, and where they end."""

    cmap: str | None
    clip: float
    limits: tuple[float, float] | None


class Bar(TypedDict, total=False):
    """Whether a colour bar stands beside each panel."""

    colorbar: bool


class Outlining(TypedDict, total=False):
    """Whether the region of the target is outlined."""

    outline: bool


class Writing(TypedDict, total=False):
    """What the figure is called, and where it is written."""

    title: str | None
    path: str | Path | None


class Panel(TypedDict, total=False):
    """The caller's own axes."""

    ax: Axes | None


class Blending(TypedDict, total=False):
    """How a map lies over its image."""

    image_axes: str | None
    style: Style
    share: float
    alpha: float
    fade: bool
    background: Literal["gray", "color"] | None
    interpolation: Literal["bilinear", "nearest"]
    image_range: tuple[float, float] | None


class GridOptions(Source, Samples, Reducing, Slicing, Coloring, Bar, Outlining, Writing, total=False):
    """Of maps that have a figure of their own."""


class HeatmapOptions(GridOptions, Panel, total=False):
    """Of maps, on axes of the caller's as well."""


class OverviewOptions(GridOptions, Blending, total=False):
    """Of maps over images that have a figure of their own."""


class OverlayOptions(OverviewOptions, Panel, total=False):
    """Of maps over images, on axes of the caller's as well."""


class ImagesOptions(Samples, Slicing, Writing, Panel, total=False):
    """Of values that are images."""

    input_index: int | None
    sample_names: Sequence[str] | None


class RowsOptions(Source, Samples, Reducing, Writing, Panel, total=False):
    """Of values that are bars or lines."""


class CurveOptions(RowsOptions, Outlining, total=False):
    """Of signals."""


class TextOptions(Source, Samples, Reducing, Coloring, Bar, Writing, total=False):
    """Of words on colours."""


class VolumeOptions(Source, Reducing, Coloring, Bar, Outlining, Writing, total=False):
    """Of volumes."""


class ChannelsOptions(Source, Slicing, Coloring, Writing, total=False):
    """Of channels."""


class ComparisonOptions(Slicing, Writing, total=False):
    """Of comparisons."""

    axes: str | tuple[str, ...] | None
    input_index: int | None
    sample_names: Sequence[str] | None
    reduce: Reduction
    cmap: str | None
    clip: float


class FigureOptions(Source, Reducing, Slicing, Coloring, Bar, Outlining, Blending, total=False):
    """Of figures of any kind, without which sample, kind, title, axes and file."""

    max_samples: int
    image: Any
    names: Any
    max_features: int
    show_input: bool
    channels: int | Sequence[int] | None
    rank: Literal["mean_abs", "max_abs"]
    shared_scale: bool
    at: tuple[int, int, int] | None
    normalize: bool
    max_pairs: int
    curves: bool


class PlotOptions(FigureOptions, total=False):
    """Of :func:`~metannvis_plot.plot`, without those that its signature names."""

    title: str | None


class ReportOptions(FigureOptions, total=False):
    """Of the figures of a report."""

    kind: str | None
    sample: int | Sequence[int] | None


@dataclass(frozen=True)
class Asked:
    """The options that kinds share, with what each is if it is not given."""

    axes: str | tuple[str, ...] | None = None
    sample: int | Sequence[int] | None = None
    input_index: int | None = None
    image_axes: str | None = None
    reduce: Reduction = "sum"
    sign: Sign = "both"
    depth: int | None = None
    style: Style = "heat"
    share: float = SHARE
    alpha: float = 0.85
    fade: bool = True
    background: Literal["gray", "color"] | None = None
    interpolation: Literal["bilinear", "nearest"] = "bilinear"
    image_range: tuple[float, float] | None = None
    cmap: str | None = None
    clip: float = CLIP
    limits: tuple[float, float] | None = None
    colorbar: bool = True
    outline: bool = True
    title: str | None = None
    sample_names: Sequence[str] | None = None
    max_samples: int = MAX_SAMPLES
    ax: Axes | None = None
    path: str | Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InvalidArgumentError(f"alpha must be from 0 to 1, not {self.alpha}")
        if self.style not in get_args(Style):
            raise InvalidArgumentError(f"style must be 'heat', 'masked' or 'contour', not {self.style!r}")
        if not 0 < self.share < 1:
            raise InvalidArgumentError(f"share must be above 0 and below 1, not {self.share}")
        if self.background not in (None, "gray", "color"):
            raise InvalidArgumentError(f"background must be 'gray' or 'color', not {self.background!r}")
        if self.interpolation not in ("bilinear", "nearest"):
            raise InvalidArgumentError(f"interpolation must be 'bilinear' or 'nearest', not {self.interpolation!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Asked:
        """What was asked for by keyword."""
        return cls(**options)

    @property
    def file(self) -> Path | None:
        """Where the figure is written, checked."""
        return check_path(self.path)

    def subjects(self, values: Any, image: Any = None) -> list[Subject]:
        """What is drawn of a result or an array."""
        words: dict[str, Any] = {"input_index": self.input_index, "sample_names": self.sample_names}
        return subjects(values, self.axes, image=image, image_axes=self.image_axes, **words)

    def single(self, values: Any) -> Subject:
        """The one subject of a figure that takes one."""
        return single(values, self.axes, input_index=self.input_index, sample_names=self.sample_names)

    def cells(self, found: list[Subject]) -> tuple[list[Cell], str]:
        """The samples to draw of every subject, and what has to be said if some are left out."""
        return choose_cells(found, self.sample, self.max_samples, self.ax)

    def plane(self, subject: Subject, index: int) -> tuple[Array, list[str]]:
        """The map of a sample, shape (H, W), and what was done to get it, in words."""
        return plane(subject.values, index, self.reduce, self.depth, self.sign)

    def maps(self, cells: Sequence[Cell]) -> tuple[list[tuple[Array, list[str]]], list[Scale]]:
        """The map of each sample with what was done to get it, and its own colour scale."""
        maps = [self.plane(subject, index) for subject, index in cells]
        return maps, [self.scale(subject, drawn) for (subject, _), (drawn, _) in zip(cells, maps, strict=True)]

    def scale(self, subject: Subject, *values: Array) -> Scale:
        """The colour scale that values of a subject share."""
        return scale(list(values), cmap=self.cmap, clip=self.clip, limits=self.limits, ends=ends_of(subject.result))


def spelled_out(options: type) -> Callable[[Function], Function]:
    """Gives a function that takes `options` by keyword the signature that names them, and refuses others as Python does."""
    defaults = inspect.signature(Asked).parameters

    def spelled(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [item for item in signature.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name].default, annotation=annotation
            )
            for name, annotation in get_type_hints(options).items()
        ]
        whole = signature.replace(parameters=[*own, *more])

        @wraps(function)
        def checked(*args: Any, **given: Any) -> Any:
            try:
                whole.bind(*args, **given)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(*args, **given)

        checked.__signature__ = whole  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return spelled
