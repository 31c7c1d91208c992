"""Cards of a report: a picture for each sample of a result, the map apart from the image, so that a reader can blend them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from metannvis_plot.arrays import Array, plane
from metannvis_plot.canvas import png
from metannvis_plot.captions import caption, ends_of, plain, seen_text, target_text
from metannvis_plot.color import Scale, scale
from metannvis_plot.dispatch import choose_kind, own_kinds, plot
from metannvis_plot.optimizations import is_optimization
from metannvis_plot.options import Asked
from metannvis_plot.outlines import SMALL, region_in
from metannvis_plot.overlays import image_beneath
from metannvis_plot.panel_grid import MAX_SAMPLES, OUTLINED, choose_cells, notes_of
from metannvis_plot.subjects import Subject, is_comparison, is_explanation, subjects

#: Options of figures that cards with a map over an image know as well; with others the figure itself is shown.
_BLENDED = frozenset(
    {
        *("sample", "sample_names", "input_index", "reduce", "sign", "depth", "cmap", "clip", "limits", "max_samples"),
        "outline",
    }
)
_SHADES = 256
#: Dots that the longer side of an outline has at least.
_SHARP = 480


@dataclass(frozen=True)
class Card:
    """One picture of a report.

    Attributes
    ----------
    name
        What it shows, for those who do not see it.
    picture, width, height
        Address of an image that the page holds, and its size in pixels.
    lines, notes
        What was seen and asked; what was done to the values.
    sample, target
        By which it can be chosen; empty if it shows several.
    input_name, map, outline, bar, low, high
        Of a map over an image: what the image is; addresses of the map, of a dense target's outline and of the colours; what
        their ends are.
    """

    name: str
    picture: str
    width: int
    height: int
    lines: tuple[str, ...] = ()
    notes: str = ""
    sample: str = ""
    target: str = ""
    input_name: str = ""
    map: str = ""
    outline: str = ""
    bar: str = ""
    low: str = ""
    high: str = ""


def cards(result: Any, heading: str, dpi: int, options: Mapping[str, Any]) -> list[Card]:
    """A card a sample where values lie over an image, else one of the figure that suits the result.

    Inputs of several kinds, such as an image beside a table, each have cards of their own.
    """
    if "input_index" not in options and (places := _of_several_kinds(result)):
        count = len(result.values)
        return [
            card
            for place in places
            for card in cards(result, f"{heading}, input {place} of {count}", dpi, {**options, "input_index": place})
        ]
    if not is_comparison(result) and set(options) <= _BLENDED and choose_kind(result, **_chosen(options)) == "overview":
        known = {name: options[name] for name in ("input_index", "sample_names") if name in options}
        found = subjects(result, **known)
        cells, _ = choose_cells(found, options.get("sample"), options.get("max_samples", MAX_SAMPLES), None)
        return [_blended(subject, index, options) for subject, index in cells]
    if is_optimization(result):  # its images are called by what was made large, not as samples that were explained
        options = {name: value for name, value in options.items() if name != "sample_names"}
    return [drawn(plot(result, **options), heading, dpi)]


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("input_index",) if name in options}


def _of_several_kinds(result: Any) -> list[int]:
    """Places of the inputs that have values, where these are of several kinds, which no one figure shows."""
    if not is_explanation(result) or own_kinds(result) or not isinstance(result.values, tuple):
        return []
    places = [place for place, values in enumerate(result.values) if values is not None]
    kinds = {subject.values.family for subject in subjects(result)}
    return places if len(kinds) > 1 else []


def drawn(figure: Figure, heading: str, dpi: int) -> Card:
    """A figure as a card of its own."""
    width, height = (int(size * 96) for size in figure.get_size_inches())
    return Card(heading, address(png(figure, dpi)), width, height)


def _blended(subject: Subject, index: int, options: Mapping[str, Any]) -> Card:
    result = subject.result
    rule, depth = options.get("reduce", "sum"), options.get("depth")
    drawn, notes = plane(subject.values, index, rule, depth, options.get("sign", "both"))
    words = {name: options[name] for name in ("cmap", "clip", "limits") if name in options}
    colors = scale([drawn], ends=ends_of(result), **words)
    picture, image_notes, place = image_beneath(subject, index, Asked(background="color", depth=depth))
    several = subject.values.samples > 1
    inside = region_in(subject, index, depth) if options.get("outline", True) else None
    said = [] if inside is None else [OUTLINED]
    name = subject.name(index)
    low, high = colors.tick_labels[0], colors.tick_labels[-1]
    if colors.ends:
        low, high = f"{colors.ends[0]} {low}", f"{high} {colors.ends[1]}"
    lines = caption(subject, index)
    return Card(
        name=" · ".join(lines),
        picture=address(_pixels(picture)),
        width=picture.shape[1],
        height=picture.shape[0],
        lines=tuple(lines),
        notes="; ".join([*notes_of(drawn, notes, colors), *(f"image {note}" for note in image_notes), *said]),
        sample=plain(name) or (f"sample {index}" if several else ""),
        target=target_text(result, index, subject.values.samples),
        input_name=plain(name) or f"input, sample {place}. {seen_text(result, index)}".strip(),
        map=address(_map(drawn, colors)),
        outline="" if inside is None else address(_outline(inside)),
        bar=address(_bar(colors)),
        low=low,
        high=high,
    )


def address(data: bytes, kind: str = "image/png") -> str:
    """Bytes as an address that a page holds in itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _pixels(picture: Array) -> bytes:
    """An image of values 0 to 1 as a PNG file's bytes."""
    return _file(Image.fromarray(np.rint(picture * 255).astype(np.uint8)))


def _map(values: Array, colors: Scale) -> bytes:
    """A map as a PNG file's bytes: a palette, whose opacity grows with the square root of the magnitude."""
    shades = np.linspace(colors.low, colors.high, _SHADES)
    fade = np.sqrt(np.clip(np.abs(shades) / max(abs(colors.low), abs(colors.high)), 0, 1))
    share = np.clip((values - colors.low) / (colors.high - colors.low), 0, 1)
    image = Image.fromarray(np.rint(share * (_SHADES - 1)).astype(np.uint8), mode="P")
    image.putpalette(_colors(colors, shades).tobytes())
    return _file(image, transparency=np.rint(fade * 255).astype(np.uint8).tobytes())


def _outline(inside: Array) -> bytes:
    """The outline of a region as a PNG file's bytes: a black line in the region and a white one around it."""
    larger = np.kron(inside, np.ones([-(-_SHARP // max(inside.shape))] * 2, bool))
    thick = 2 * max(1, max(larger.shape) // (2 * _SHARP))
    shades = np.where(_grown(larger, thick), 1, 0) + np.where(larger & _grown(~larger, thick), 1, 0)
    shades[larger & ~_grown(~larger, thick)] = 0
    spans = [np.ptp(np.flatnonzero(larger.any(1 - axis))) + 1 for axis in (0, 1)]
    if max(span / size for span, size in zip(spans, larger.shape, strict=True)) < SMALL:  # a frame to find it by
        for shade, near, far in ((2, 8, 10), (1, 10, 12)):
            shades[_grown(larger, far * thick // 2) & ~_grown(larger, near * thick // 2)] = shade
    image = Image.fromarray(shades.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 255, 255, 255, 0, 0, 0])
    return _file(image, transparency=bytes([0, 255, 255]))


def _grown(inside: Array, by: int) -> Array:
    """A region with all positions that are at most so many rows and columns away."""
    grown: Array = inside
    for axis in (0, 1):
        widened = np.pad(grown, [(by, by) if axis == k else (0, 0) for k in (0, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(widened, 2 * by + 1, axis)
        grown = np.asarray(windows.any(-1))
    return grown


def _bar(colors: Scale) -> bytes:
    """The colours of a scale, from its lower to its upper end."""
    return _file(Image.fromarray(_colors(colors, np.linspace(colors.low, colors.high, _SHADES))[np.newaxis]))


def _colors(colors: Scale, values: Array) -> Array:
    share = (values - colors.low) / (colors.high - colors.low)
    return np.rint(matplotlib.colormaps[colors.cmap](share)[:, :3] * 255).astype(np.uint8)


def _file(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, **options)
    return buffer.getvalue()
