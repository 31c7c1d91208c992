"""Fonts: how wide a text is, and where a character is taken from that the font in use has no picture of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

#: Where to look first, plain fonts of many characters; then in any other font.
FIRST = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Noto Emoji",
    "Segoe UI Emoji",
    "Symbola",
)
#: Width of a character of the default font on average, in its size.
CHARACTER = 0.56
_POINTS = 100.0  # in which texts are measured


def families(text: str, own: Sequence[str] | None = None) -> list[str]:
    """Names of the fonts that have the characters of a text: its own (else the one set), then others where needed."""
    found = FontProperties().get_family() if own is None else list(own)
    if text.isascii():
        return found
    lacking = {c for c in text if c.isprintable() and not any(_has(name, c) for name in found)}
    for character in sorted(lacking):
        if not any(_has(name, character) for name in found):
            other = _font_with(character)
            found = found if other is None else [*found, other]
    return found


def fall_back(figure: Figure) -> None:
    """Gives the texts of a figure further fonts where their own lack a character."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().isascii():
            text.set_fontfamily(families(text.get_text(), text.get_fontfamily()))


def inches_of(text: str, points: float) -> float:
    """Width of one line in a size."""
    return _width(text, tuple(FontProperties().get_family())) * points / _POINTS


def span(text: str) -> float:
    """Width of one line in characters of the width that they have on average."""
    return inches_of(text, 72) / CHARACTER


@lru_cache(4096)
def _width(text: str, own: tuple[str, ...]) -> float:
    renderer: Any = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=72)).get_renderer()  # type: ignore[no-untyped-call]
    found = families(text, own)
    # what no font has is drawn as a box, and warned of where it is drawn
    known = "".join(c if c.isascii() or any(_has(name, c) for name in found) else "W" for c in text)
    font = FontProperties(family=found, size=_POINTS)
    return float(renderer.get_text_width_height_descent(known, font, False)[0]) / 72


@cache
def _font_with(character: str) -> str | None:
    """An installed font that has a character; ``None`` if there is none, and matplotlib draws a box and warns of it."""
    installed = {entry.name for entry in fontManager.ttflist if "LastResort" not in entry.name.replace(" ", "")}
    names = [name for name in FIRST if name in installed] + sorted(installed.difference(FIRST))
    return next((name for name in names if _has(name, character)), None)


def _has(family: str, character: str) -> bool:
    try:
        font = get_font(findfont(FontProperties(family=[family])))
    except (OSError, RuntimeError):  # a file that is gone, or one that FreeType cannot read
        return False
    return bool(font.get_char_index(ord(character)))
