"""Volumes: slices through the place of the largest value along each axis, and projections."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot import panels
from metannvis_plot.arrays import Array, Labelled, choose_samples, one, part_of, reduce_to
from metannvis_plot.canvas import finish
from metannvis_plot.captions import caption
from metannvis_plot.options import Asked, VolumeOptions, spelled_out
from metannvis_plot.outlines import outline, region_of, slice_of
from metannvis_plot.panel_grid import TEXT, foot_of, map_panel, notes_of, open_places
from metannvis_plot.subjects import input_sample

# The plane that remains when an axis is left out: rows, then columns.
PLANES = {"D": "HW", "H": "DW", "W": "DH"}


@spelled_out(VolumeOptions)
def volume(
    values: Any,
    *,
    sample: int | None = None,
    at: tuple[int, int, int] | None = None,
    alpha: float = 0.85,
    **options: Unpack[VolumeOptions],
) -> Figure:
    """Three slices of a volume, one along each axis, over the input where it is known; below them three projections.

    Parameters
    ----------
    values : Explanation or array_like, shape e.g. ``(N, C, D, H, W)``
    sample : int, optional
        Which sample; else the first.
    at : (int, int, int), optional
        Where the slices meet: positions along D, H and W; else the position of the largest magnitude.
    alpha : float
        Opacity over the input, 0 to 1; it grows with the square root of the magnitude.
    axes, input_index, reduce, sign, cmap, clip, limits, colorbar, outline, title, sample_names, path
        As for :func:`~metannvis_plot.heatmap`.

    Returns
    -------
    matplotlib.figure.Figure
        A projection shows, at each position of its plane, the value of the largest magnitude along the axis that is left out.

    Raises
    ------
    InvalidArgumentError
        If the values are no volume, or the position lies outside.
    """
    asked = Asked(alpha=alpha, **options)
    target, subject = asked.file, asked.single(values)
    if not {"D", "H", "W"} <= set(subject.values.axes):
        raise InvalidArgumentError(f"a volume has the axes D, H and W; these are {subject.values.axes!r}: use heatmap")
    (index,), more = choose_samples(subject.values, sample, 1)
    data, note = reduce_to(one(subject.values, index), "DHW", asked.reduce)
    data, part = part_of(data, asked.sign)
    place = _position(at, data)
    beneath = _input(subject.input, input_sample(subject, index), data.shape)
    colors = asked.scale(subject, data)
    cuts = [data.take(place[axis], axis) for axis in range(3)]
    shadows = [_projection(data, axis) for axis in range(3)]
    notes = [said for said in (note, part) if said]
    text: list[tuple[list[str], list[str]]] = []
    for axis, letter in enumerate(PLANES):
        lines = caption(subject, index, asked.title) if axis == 0 else []
        which = f"slice {place[axis]} of {data.shape[axis]} along {letter}, rows {PLANES[letter][0]}"
        text.append(([*lines, which], notes_of(cuts[axis], notes, colors) if axis == 0 else []))
    text += [([f"largest |value| along {letter}"], []) for letter in PLANES]
    below = foot_of([subject], more, outlined=asked.outline)
    figure, places = open_places([cut.shape for cut in (*cuts, *shadows)], text, None, below, columns=3)
    for axis, cut in enumerate(cuts):
        if beneath is None:
            map_panel(places[axis], cut, colors, asked.colorbar)
            continue
        panels.draw_image(places[axis], beneath.take(place[axis], axis))
        opacity = alpha * np.sqrt(np.clip(np.abs(cut) / max(abs(colors.low), abs(colors.high)), 0, 1))
        panels.draw_map(places[axis], cut, colors, alpha=opacity)
        if asked.colorbar:
            panels.colorbar(places[axis], colors)
    region = region_of(subject, index, 3) if asked.outline else None
    if region is not None:
        for axis, cut in enumerate(cuts):
            outline(places[axis], slice_of(region, axis, place[axis], data.shape[axis]), cut.shape)
    for shadow, ax in zip(shadows, places[3:], strict=True):
        map_panel(ax, shadow, colors, asked.colorbar)
    for ax, said in zip(places, text, strict=True):
        panels.describe(ax, *said, TEXT)
    return finish(figure, target)


def _position(at: Any, data: Array) -> tuple[int, ...]:
    if at is None:
        return tuple(int(k) for k in np.unravel_index(int(np.abs(data).argmax()), data.shape))
    place = tuple(at) if isinstance(at, tuple | list) else ()
    if len(place) != 3 or not all(
        isinstance(k, int | np.integer) and -size <= k < size for k, size in zip(place, data.shape, strict=False)
    ):
        raise InvalidArgumentError(f"at is a position in D, H and W of {data.shape}, not {at!r}")
    return tuple(int(k) % size for k, size in zip(place, data.shape, strict=True))


def _projection(data: Array, axis: int) -> Array:
    """The value of the largest magnitude along an axis, with its sign."""
    where = np.expand_dims(np.abs(data).argmax(axis), axis)
    return np.take_along_axis(data, where, axis).squeeze(axis)


def _input(given: Labelled | None, sample: int | None, shape: tuple[int, ...]) -> Array | None:
    """The input's volume in grey, 0 to 1, if it has the values' size."""
    if given is None or sample is None or not {"D", "H", "W"} <= set(given.axes):
        return None
    data, _ = reduce_to(one(given, sample), "DHW", "mean")
    if data.shape != shape:
        return None
    low, high = float(data.min()), float(data.max())
    return (data - low) / (high - low) if high > low else np.full_like(data, 0.5)
