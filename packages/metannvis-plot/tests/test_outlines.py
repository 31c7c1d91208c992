"""A dense target is outlined where it lies, and named."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_plot import curve, grid, heatmap, overlay, overview, plot, volume

SIZE = (8, 12)


@pytest.fixture
def region():
    inside = np.zeros((1, *SIZE), bool)
    inside[0, 1:4, 2:7] = True
    return inside


@pytest.fixture
def segmented(explanation, region):
    def make(**fields):
        images = np.random.default_rng(0).random((1, *SIZE, 3))
        known = {"inputs": images, "input_axes": "NHWC", "output_axes": "NCHW", "region": region}
        return explanation(images.sum(-1), "NHW", **{**known, **fields})

    return make


def boxes(ax):
    """Left, right, top and bottom of the outlines of a panel, in the pixels of its picture."""
    found = set()
    for lines in ax.collections:
        points = np.concatenate(lines.get_segments())
        found.add((points[:, 0].min(), points[:, 0].max(), points[:, 1].min(), points[:, 1].max()))
    return found


def test_an_area_on_every_picture(segmented):
    figure = overview(segmented(target="class 2 (road) where argmax, sum"))
    pictures = [ax for ax in figure.axes if ax.images]
    assert len(pictures) == 3
    for ax in pictures:
        assert boxes(ax) == {(1.5, 6.5, 0.5, 3.5)}
    assert "outlined: where in the output the target lies" in figure.get_supxlabel()
    assert "class 2 (road) where argmax" in pictures[1].get_title(loc="left")


@pytest.mark.parametrize("draw", [heatmap, overlay])
def test_panels_alone(segmented, draw):
    assert boxes(draw(segmented()).axes[0]) == {(1.5, 6.5, 0.5, 3.5)}
    off = draw(segmented(), outline=False)
    assert not boxes(off.axes[0])
    assert "outlined" not in off.get_supxlabel()


def test_an_output_smaller_than_the_input_and_a_map_of_a_layer(explanation, segmented):
    small = np.zeros((1, 4, 6), bool)
    small[0, 1, 2] = True  # of 2 × 2 pixels each
    for ax in overview(segmented(region=small)).axes[:3]:
        assert boxes(ax) == {(3.5, 5.5, 1.5, 3.5)}
    cam = explanation(
        np.ones((1, 2, 3)), "NHW", kind="layer", layer="conv", region=small, output_axes="NCHW",
        inputs=np.ones((1, *SIZE, 3)), input_axes="NHWC",
    )  # fmt: skip
    for ax in grid({"conv": cam}).axes[:2]:
        assert boxes(ax) == {(3.5, 5.5, 1.5, 3.5)}


def test_one_position_is_named_and_has_a_ring(explanation):
    region = np.zeros((2, 40, 60), bool)
    region[0, 5, 50] = region[1, 39, 0] = True
    images = np.ones((2, 3, 40, 60))
    target = [(2, 5, 50), (0, 39, 0)]
    labels = ("sky", "road", "tree")
    fields = {"inputs": images, "input_axes": "NCHW", "target": target, "labels": labels, "region": region}
    figure = heatmap(explanation(images, "NCHW", output_axes="NCHW", **fields))
    first, second = [ax for ax in figure.axes if ax.images]
    assert boxes(first) == {(49.5, 50.5, 4.5, 5.5)}
    assert boxes(second) == {(-0.5, 0.5, 38.5, 39.5)}
    assert "target class 2 (tree) at row 5, column 50" in first.get_title(loc="left").replace("\n", " ")
    assert {tuple(map(float, ring.get_xydata()[0])) for ring in first.lines} == {(50.0, 5.0)}
    assert first.get_xlim() == (-0.5, 59.5)
    last = explanation(images, "NCHW", output_axes="NHWC", **{**fields, "target": [(5, 50, 2), (39, 0, 0)]})
    title = heatmap(last).axes[0].get_title(loc="left").replace("\n", " ")
    assert "target class 2 (tree) at row 5, column 50" in title


def test_a_target_over_the_whole_output_is_not_outlined(segmented, region):
    assert not boxes(heatmap(segmented(region=np.ones_like(region))).axes[0])


def test_positions_of_a_signal_are_marked(explanation):
    region = np.zeros((1, 50), bool)
    region[0, [10, 11, 30]] = True
    signal = np.random.default_rng(0).normal(size=(1, 2, 50))
    result = explanation(signal, "NCL", inputs=signal, input_axes="NCL", region=region, output_axes="NCL")
    figure = curve(result)
    for ax in figure.axes:
        bands = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches)
        assert bands == [(9.5, 11.5), (29.5, 30.5)]


def test_slices_of_a_volume(explanation):
    values = np.zeros((1, 4, 6, 8))
    values[0, 2, 3, 5] = 1
    region = np.zeros((1, 4, 6, 8), bool)
    region[0, 1:3, 2:5, 4:8] = True
    figure = volume(explanation(values, "NDHW", region=region, output_axes="NCDHW"))
    along_d, along_h, along_w = [boxes(ax) for ax in figure.axes[:3]]
    assert along_d == {(3.5, 7.5, 1.5, 4.5)}  # W, H
    assert along_h == {(3.5, 7.5, 0.5, 2.5)}  # W, D
    assert along_w == {(1.5, 4.5, 0.5, 2.5)}  # H, D
    flat = heatmap(explanation(values, "NDHW", region=region, output_axes="NCDHW"), depth=0)
    assert not boxes(flat.axes[0])


@pytest.mark.parametrize("axes", [None, "N?HW", "NTC"])
def test_what_is_not_known_is_not_drawn(segmented, axes):
    assert not boxes(plot(segmented(output_axes=axes, region=None if axes == "NTC" else segmented().region)).axes[0])
