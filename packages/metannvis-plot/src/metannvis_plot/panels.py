"""Panels, of which every figure is made: an image, a map of values, a colour bar, a caption.

Origin, aspect, interpolation and font sizes are always given, so that no setting of the caller's turns a
picture upside down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot.arrays import Array, Labelled, one, take_slice
from metannvis_plot.canvas import NOTE_SIZE, TITLE_SIZE, characters, inches
from metannvis_plot.captions import number, wrap
from metannvis_plot.color import Scale, note_ink

#: Inches of a colour bar, twice its shorter half, below which it has no room for words, and none for a tick in its middle.
WORDS, LOW = 0.75, 0.4
#: Points of a tick of a colour bar, between it and its label, and from the end of the bar to the line next to that label.
TICK, PAD, LINE = 2.0, 3.5, 1.25 * NOTE_SIZE
#: Inches that the shorter side of a picture has at least: one of a single row is drawn with pixels that are no squares.
THIN = 0.25


def displayable(
    image: Labelled,
    sample: int = 0,
    *,
    value_range: tuple[float, float] | None = None,
    depth: int | None = None,
    gray: bool = False,
) -> tuple[Array, list[str]]:
    """One image for display, and what was done to it, in words.

    Unsigned bytes and values within 0 to 1 are shown as they are. Any other range is stretched to black and
    white by one minimum and maximum for all channels, which keeps the hues of an image with a mean taken off
    only roughly; `value_range` says better. One channel is grey, three are red, green and blue, any other
    number is averaged.

    Parameters
    ----------
    image : Labelled
        Axes N, H, W and possibly C and D.
    sample : int
    value_range : (float, float), optional
        What is shown black and white.
    depth : int, optional
        Slice of a volume.
    gray : bool
        Whether colours are left out, as beneath an overlay.

    Returns
    -------
    ndarray of float64, shape (H, W) or (H, W, 3), values 0 to 1
    list of str
    """
    if image.family != "image":
        raise InvalidArgumentError(f"an image needs axes H and W, these are {image.axes!r}")
    flat, _, slice_note = take_slice(one(image, sample), depth)
    notes = [slice_note] if slice_note else []
    is_bytes = flat.data.dtype == np.uint8
    data = flat.data[0].astype(np.float64)
    data = np.moveaxis(data, 0, -1) if "C" in flat.axes else data[..., np.newaxis]
    if data.shape[-1] not in (1, 3):
        notes.append(f"mean of {data.shape[-1]} channels")
        data = data.mean(axis=-1, keepdims=True)
    low, high = float(data.min()), float(data.max())
    if value_range is not None:
        low, high = (float(end) for end in value_range)
        if not (np.isfinite([low, high]).all() and low < high):
            raise InvalidArgumentError(f"image_range must be two ascending finite numbers, not {value_range!r}")
        notes.append(f"shown from {number(low)} to {number(high)}")
    elif is_bytes:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    else:
        notes.append(f"rescaled from {number(low)} … {number(high)}")
    spread = high - low
    data = np.clip((data - low) / spread, 0, 1) if spread > 0 else np.full_like(data, 0.5)
    if data.shape[-1] == 1:
        return data[..., 0], notes
    if gray:
        # Luma of ITU-R BT.601, what "greyscale" means in most software.
        return data @ np.array([0.299, 0.587, 0.114]), notes
    return data, notes


def draw_image(ax: Axes, picture: Array) -> AxesImage:
    """An image of values 0 to 1, shape (H, W) or (H, W, 3), row 0 at the top."""
    aspect = _aspect(ax, picture.shape[0], picture.shape[1])
    drawn = ax.imshow(picture, cmap="gray", vmin=0, vmax=1, origin="upper", aspect=aspect, interpolation="antialiased")
    _bare(ax)
    return drawn


def draw_map(
    ax: Axes,
    values: Array,
    colors: Scale,
    *,
    size: tuple[int, int] | None = None,
    alpha: float | Array | None = None,
    interpolation: str = "antialiased",
) -> AxesImage:
    """A map of values, shape (H, W), row 0 at the top.

    Parameters
    ----------
    ax : Axes
    values : ndarray, shape (H, W)
    colors : Scale
    size : (int, int), optional
        Height and width in pixels of the image beneath: the map covers the same area, edge to edge.
    alpha : float or ndarray, optional
        Opacity, one or one a value.
    interpolation : str
    """
    height, width = size or values.shape
    drawn = ax.imshow(
        values,
        cmap=colors.cmap,
        norm=Normalize(colors.low, colors.high),
        origin="upper",
        aspect=_aspect(ax, height, width),
        interpolation=interpolation,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        alpha=alpha,
    )
    _bare(ax)
    return drawn


def colorbar(ax: Axes, colors: Scale) -> Axes:
    """A colour bar as high as the picture, whatever its aspect; it takes no room from `ax` itself."""
    width, height = inches(ax)
    rows, columns = _data_size(ax)
    rows *= _aspect(ax, rows, columns)
    tall = min(height, width * rows / columns)  # of the picture
    width = max(0.3, min(width, height * columns / rows))
    bar = ax.inset_axes((1 + 0.08 / width, 0.0, 0.11 / width, 1.0))
    ax.figure.colorbar(ScalarMappable(Normalize(colors.low, colors.high), colors.cmap), cax=bar)
    room = tall * colors.evenness
    step = 2 if room < LOW else 1  # both ends alone
    bar.set_yticks(colors.ticks[::step], colors.tick_labels[::step])
    lower, *_, upper = bar.get_yticklabels()  # beside the bar, where no note is; outside it where they would meet
    lower.set_verticalalignment("top" if tall < LOW / 2 else "bottom")
    upper.set_verticalalignment("bottom" if tall < LOW / 2 else "top")
    bar.minorticks_off()
    bar.tick_params(labelsize=NOTE_SIZE, length=TICK, pad=PAD)
    # In the column of the labels, each in the line next to its end: however wide a number is, they do not meet.
    for word, at, line, side in zip(
        (colors.ends or ()) if room >= WORDS else (), (0, 1), (LINE, -LINE), ("bottom", "top"), strict=False
    ):
        bar.annotate(
            word,
            (1, at),
            (TICK + PAD, line),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="left",
            va=side,
            fontsize=NOTE_SIZE,
            color=note_ink(),
            parse_math=False,
        )
    return bar


def describe(ax: Axes, lines: Sequence[str], notes: Sequence[str] = (), width: float | None = None) -> None:
    """The caption above a panel and, small beneath it, what was done to the values.

    Parameters
    ----------
    ax : Axes
    lines : sequence of str
        The caption. Dollar signs are dollar signs, no formulas.
    notes : sequence of str
    width : float, optional
        Inches the text may take; else the width of `ax`.
    """
    width = inches(ax)[0] if width is None else width
    # The note takes the place of the axis label, which matplotlib puts below the ticks, if there are any.
    text: dict[str, Any] = {"parse_math": False, "loc": "left"}
    if lines:
        ax.set_title(wrap(lines, characters(width, TITLE_SIZE)), fontsize=TITLE_SIZE, linespacing=1.25, **text)
    if notes:
        note = wrap(["; ".join(notes)], characters(width, NOTE_SIZE))
        ax.set_xlabel(note, fontsize=NOTE_SIZE, color=note_ink(), linespacing=1.2, **text)


def unused(ax: Axes, reason: str) -> None:
    """Write into an empty panel why it is empty."""
    ax.set_axis_off()
    ax.text(
        0.5,
        0.5,
        wrap([reason], characters(inches(ax)[0] * 0.9, TITLE_SIZE)),
        ha="center",
        va="center",
        fontsize=TITLE_SIZE,
        color=note_ink(),
        transform=ax.transAxes,
        parse_math=False,
    )


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    # At the left of its place, the picture and the caption above it begin at the same edge.
    ax.set_anchor("NW")
    for side in ax.spines.values():
        side.set_linewidth(0.5)


def _aspect(ax: Axes, rows: float, columns: float) -> float:
    """Height of a pixel over its width: 1, where neither side of a picture in `ax` is thinner than can be seen."""
    width, height = inches(ax)
    square = min(width / columns, height / rows)
    return max(1.0, min(THIN, height) / (square * rows)) / max(1.0, min(THIN, width) / (square * columns))


def _data_size(ax: Axes) -> tuple[float, float]:
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    return max(abs(top - bottom), 1e-9), max(abs(right - left), 1e-9)
