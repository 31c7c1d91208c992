"""Colour scales: diverging about zero for signed values, sequential from zero for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgba
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot.arrays import Array
from metannvis_plot.captions import number

# Both can be told apart with any of the common colour deficiencies. Printed in grey, both ends of the diverging one are dark:
# there `cmap="gray"` tells signs apart, black, a middle grey for zero, white.
DIVERGING = "RdBu_r"
SEQUENTIAL = "viridis"
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"
# The palette of Okabe and Ito without its yellow, which is faint on white.
LINES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
#: Percentile of the magnitudes at which colours end.
CLIP = 99.0
#: Unless the largest magnitude is less than so many times that one: then at the largest.
NEAR = 1.1
# Below this a colour scale cannot be divided into ticks; such values are drawn as zero.
SMALLEST = 1e-290
ZERO = "all values are zero"


def ink() -> str:
    """Colour of lines and words in the style that is set: white on a dark ground."""
    return to_hex(matplotlib.rcParams["text.color"])


def note_ink() -> str:
    """Colour of what is said in small letters: between that of words and that of the ground."""
    words, ground = (np.array(to_rgba(matplotlib.rcParams[name])) for name in ("text.color", "figure.facecolor"))
    if ground[3] == 0:  # none: what lies beneath is taken to be as far from the words as it can be
        ground = np.round(1 - words)
    red, green, blue = (0.67 * words[:3] + 0.33 * ground[:3]).tolist()
    return to_hex((red, green, blue))


@dataclass(frozen=True)
class Scale:
    """Limits, colour map, what has to be said of them, and what the lower and the upper end mean in words."""

    low: float
    high: float
    cmap: str
    note: str = ""
    ends: tuple[str, str] | None = None

    @property
    def ticks(self) -> list[float]:
        """Both ends, and zero or the middle."""
        middle = self.low / 2 + self.high / 2
        return [self.low, 0.0 if self.low < 0 < self.high else middle, self.high]

    @property
    def evenness(self) -> float:
        """Twice the share of the shorter part of the scale, below or above its middle tick: 1 if both are equal."""
        low, middle, high = self.ticks
        return 2 * min(middle - low, high - middle) / (high - low)

    @property
    def tick_labels(self) -> list[str]:
        """The ticks in few characters, with a minus sign and no hyphen."""
        return [number(tick).replace("-", "\N{MINUS SIGN}") for tick in self.ticks]


def scale(
    values: Sequence[Array],
    *,
    cmap: str | None = None,
    clip: float = CLIP,
    limits: tuple[float, float] | None = None,
    signed: bool | None = None,
    ends: tuple[str, str] | None = None,
) -> Scale:
    """The colour scale that the arrays share.

    Parameters
    ----------
    values : sequence of ndarray
    cmap : str, optional
        Name of a matplotlib colour map.
    clip : float
        Values whose magnitude is beyond this percentile are drawn in the last colour, which the note says with their share: one
        bright pixel does not blank the rest.
    limits : (float, float), optional
        The ends of the scale, instead of those found.
    signed : bool, optional
        Whether the scale is diverging; else it is if any value is negative.
    ends : (str, str), optional
        What negative and positive values mean, for a diverging scale.

    Returns
    -------
    Scale
        From ``-m`` to ``m`` if signed, else from 0 to ``m``, m the largest magnitude (or the percentile).

    Raises
    ------
    InvalidArgumentError
        If the colour map is unknown, `clip` not in (0, 100] or the limits not ascending.
    """
    if cmap is not None and (not isinstance(cmap, str) or cmap not in matplotlib.colormaps):
        raise InvalidArgumentError(f"cmap {cmap!r} is no name of a matplotlib colour map")
    if isinstance(clip, bool) or not isinstance(clip, int | float) or not 0 < clip <= 100:
        raise InvalidArgumentError(f"clip is a percentile, above 0 and at most 100, not {clip!r}")
    if limits is not None:
        low, high = (float(end) for end in limits)
        if not (np.isfinite([low, high]).all() and low < high):
            raise InvalidArgumentError(f"limits must be two ascending finite numbers, not {limits!r}")
        return Scale(low, high, cmap or (DIVERGING if low < 0 else SEQUENTIAL), ends=ends if low < 0 < high else None)
    magnitudes = np.concatenate([np.abs(array).ravel() for array in values])
    largest = float(magnitudes.max())
    if signed is None:
        signed = any(bool((array < 0).any()) for array in values)
    end, note = largest, ""
    if clip < 100 and largest > 0:
        # Of distinct values, and one that is there: a segment or the background counts once, and of few values none is cut off.
        end = float(np.percentile(np.unique(magnitudes), clip, method="higher")) or largest
        end = largest if largest < NEAR * end else end
        beyond = float((magnitudes > end).mean())
        if beyond:
            sign = "±" if signed else ""
            note = f"{number(100 * beyond)} % of the values lie beyond {sign}{number(end)}, up to {number(largest)}"
    if largest < SMALLEST:
        end, note = 1.0, ZERO
    return Scale(
        -end if signed else 0.0,
        end,
        cmap or (DIVERGING if signed else SEQUENTIAL),
        note,
        ends if signed else None,
    )
