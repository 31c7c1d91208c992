"""Running text, the words of which have the colours of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array
from metannvis_plot.canvas import finish, foot_height, lay_out
from metannvis_plot.captions import caption, plain
from metannvis_plot.color import Scale
from metannvis_plot.fonts import inches_of
from metannvis_plot.options import Asked, TextOptions, spelled_out
from metannvis_plot.panel_grid import BAR, foot_of, scale_notes, text_height
from metannvis_plot.series import row_of

SIZE = 11.0  # points
WIDTH = 6.4  # inches of a line
LEADING = 0.26  # inches from line to line
LEAST = 0.8  # inches of a text, for its colour bar
GAP = 0.045  # inches between two words
LONGEST = 40  # characters of a word
Word = tuple[str, bool]  # what is shown, and whether a space stands before it


@spelled_out(TextOptions)
def text(
    values: Any,
    *,
    names: Sequence[str] | Sequence[Sequence[str]] | None = None,
    **options: Unpack[TextOptions],
) -> Figure:
    """The text itself, each token on the colour of its value, a paragraph a sample.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, T)`` or ``(N, T, F)``
    names : sequence of str, or one a sample
        The tokens. A piece that begins with ``##`` continues the word before it, as WordPiece writes it; where any begins with
        ``Ġ`` or ``▁``, as byte pair encodings and SentencePiece write a space, those without it continue a word.
    axes, sample, input_index, reduce, sign, cmap, clip, limits, colorbar, title, sample_names, max_samples, path
        As for :func:`~metannvis_plot.heatmap`; `reduce` is the rule over the features of a token.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidArgumentError
        If the values have no tokens, or the names are not one a token.
    """
    asked = Asked.of(options)
    target, found = asked.file, asked.subjects(values)
    cells, more = asked.cells(found)
    rows = [row_of(subject, index, "tokens", asked.reduce, asked.sign) for subject, index in cells]
    words = [
        words_of(_of_sample(names, index, subject.values.samples), len(row))
        for (subject, index), (row, _) in zip(cells, rows, strict=True)
    ]
    scales = [asked.scale(subject, row) for (subject, _), (row, _) in zip(cells, rows, strict=True)]
    lines = [_lines(line) for line in words]
    tall = [max(LEADING * (placed[-1][1] + 1), LEAST) for placed in lines]
    said = [
        (caption(subject, index, asked.title), [*notes, *scale_notes(colors, height)])
        for (subject, index), (_, notes), colors, height in zip(cells, rows, scales, tall, strict=True)
    ]
    below = foot_of(found, more)
    heights = [(height, *text_height([s])) for height, s in zip(tall, said, strict=True)]
    width = WIDTH + BAR
    figure, places = lay_out(heights, 1, width, WIDTH, bottom=foot_height(below, width))
    for (place,), placed, line, (row, _), colors, (above, notes) in zip(
        places, lines, words, rows, scales, said, strict=True
    ):
        _draw(place, placed, line, row, colors)
        if asked.colorbar:
            panels.colorbar(place, colors)
        panels.describe(place, above, notes, WIDTH)
    return finish(figure, target, note=below)


def words_of(names: Sequence[str] | None, count: int) -> list[Word]:
    """Tokens as they are shown, and before which of them a space stands.

    Raises
    ------
    InvalidArgumentError
        If there are no names, or not one a token.
    """
    if names is None:
        raise InvalidArgumentError("a text needs its tokens: give names=, or draw kind='tokens'")
    if isinstance(names, str) or len(names) != count:
        raise InvalidArgumentError(f"names must be {count}, one a token, not {len(names)}")
    tokens = [plain(name) for name in names]
    marked = any(token[:1] in ("Ġ", "▁") for token in tokens)
    words: list[Word] = []
    for token in tokens:
        special = token[:1] in ("[", "<")  # [CLS], </s>
        if token.startswith("##") and len(token) > 2:
            shown, spaced = token[2:], False
        elif marked:
            shown, spaced = token.lstrip("Ġ▁"), token[:1] in ("Ġ", "▁") or special
        else:
            shown, spaced = token, True
        half = LONGEST // 2 - 1
        words.append((shown if len(shown) <= LONGEST else f"{shown[:half]}…{shown[-half:]}", spaced))
    return words


def _of_sample(names: Any, index: int, samples: int) -> Any:
    """The names of a sample's tokens, where each sample has its own."""
    if names is None or isinstance(names, str) or not len(names) or isinstance(names[0], str):
        return names
    if len(names) != samples:
        raise InvalidArgumentError(f"names of {samples} samples are needed, one list each, not {len(names)}")
    return names[index]


def _lines(words: Sequence[Word]) -> list[tuple[float, int, float]]:
    """Where each word stands: inches from the left, line, and its width."""
    placed: list[tuple[float, int, float]] = []
    x, line = 0.0, 0
    for shown, spaced in words:
        width = inches_of(shown or " ", SIZE) + 0.06
        x += GAP if spaced and x else 0.0
        if x and x + width > WIDTH:
            x, line = 0.0, line + 1
        placed.append((x, line, width))
        x += width
    return placed


def _draw(
    ax: Axes, placed: Sequence[tuple[float, int, float]], words: Sequence[Word], row: Array, colors: Scale
) -> None:
    """Each word on a patch of its colour; what is read stays readable on it."""
    height = max(LEADING * (placed[-1][1] + 1), LEAST)
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(height, 0)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(False)
    shades = matplotlib.colormaps[colors.cmap](Normalize(colors.low, colors.high, clip=True)(row))
    for (x, line, width), (shown, _), shade in zip(placed, words, shades, strict=True):
        ax.add_patch(Rectangle((x, LEADING * line + 0.02), width, LEADING - 0.04, facecolor=shade, linewidth=0))
        dark = float(np.dot(shade[:3], (0.299, 0.587, 0.114))) < 0.5
        ax.text(
            x + width / 2,
            LEADING * (line + 0.5),
            shown,
            ha="center",
            va="center",
            fontsize=SIZE,
            color="white" if dark else "black",
            parse_math=False,
        )
