"""Characters that the font in use does not have, and those as wide as two."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from metannvis_plot import fonts, plot
from metannvis_plot.captions import wrap

#: A letter that DejaVu Sans, matplotlib's default, lacks and STIX has, which matplotlib brings as well.
CIRCLED_A = "\N{CIRCLED LATIN CAPITAL LETTER A}"
STIX = "STIXGeneral"


def test_a_character_comes_from_another_font() -> None:
    assert STIX in {entry.name for entry in fontManager.ttflist}
    own, *others = fonts.families(f"layer {CIRCLED_A}")
    assert own == "sans-serif"
    assert len(others) == 1
    assert fonts.families("layer é") == ["sans-serif"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's of a missing glyph
        figure = plot(np.ones((4, 6)), title=f"layer {CIRCLED_A}")
        figure.canvas.draw()
    assert isinstance(figure, Figure)
    (title,) = [text for text in figure.findobj() if getattr(text, "get_text", str)().startswith("layer")]
    assert title.get_fontfamily() == [own, *others]


def test_what_no_font_has_stays_as_it_is() -> None:
    assert fonts.families("\N{CUNEIFORM SIGN A}\U0010fffd") in (["sans-serif"], fonts.families("\N{CUNEIFORM SIGN A}"))


def test_a_font_that_cannot_be_read_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Can not load face")

    fonts._font_with.cache_clear()
    monkeypatch.setattr(fonts, "get_font", broken)
    assert fonts.families("\N{CJK UNIFIED IDEOGRAPH-732B}") == ["sans-serif"]
    fonts._font_with.cache_clear()


@pytest.mark.parametrize(
    "text", ["m" * 90, "0123456789" * 9, "猫" * 90, "i" * 200, "WM W M " * 20, "a-b " * 30], ids=lambda text: text[:3]
)
def test_lines_are_as_wide_as_there_is_room(text: str) -> None:
    lines = wrap([text], 30).split("\n")
    widths = [fonts.span(line) for line in lines]
    assert max(widths) <= 30
    assert widths[0] > 20
    assert all(line.startswith(text[0]) for line in lines)
    assert fonts.inches_of(lines[0], 9) == pytest.approx(fonts.span(lines[0]) * 9 * fonts.CHARACTER / 72)
