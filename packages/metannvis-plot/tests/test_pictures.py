"""Orientation, channel order, layouts and colours of pictures."""

from __future__ import annotations

import itertools

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from metannvis_plot import heatmap, images, overlay, overview
from metannvis_translate.errors import InvalidArgumentError


def drawn(figure, panel=0, image=-1):
    return figure.axes[panel].images[image]


def array_of(picture):
    return np.asarray(picture.get_array())


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def color_at(figure, ax, column, row):
    """The colour on the canvas where a data position was drawn."""
    canvas = pixels(figure)
    x, y = ax.transData.transform((column, row))
    return canvas[canvas.shape[0] - 1 - int(y), int(x), :3].astype(int)


class TestOrientation:
    def test_row_zero_is_at_the_top(self, signed):
        figure = heatmap(signed)
        picture = drawn(figure)
        np.testing.assert_array_equal(array_of(picture), signed)
        assert picture.origin == "upper"
        assert tuple(picture.get_extent()) == (-0.5, 5.5, 3.5, -0.5)

    def test_on_the_canvas(self, signed):
        figure = heatmap(signed)
        top_right = color_at(figure, figure.axes[0], 5, 0)
        bottom_left = color_at(figure, figure.axes[0], 0, 3)
        assert top_right[0] > top_right[2] + 50  # red: positive
        assert bottom_left[2] > bottom_left[0] + 50  # blue: negative

    def test_not_upset_by_the_callers_settings(self, signed):
        odd = {
            "image.origin": "lower",
            "image.aspect": "auto",
            "image.cmap": "jet",
            "figure.autolayout": True,
        }
        with matplotlib.rc_context(odd):
            figure = heatmap(signed)
            picture = drawn(figure)
        assert picture.origin == "upper"
        assert figure.axes[0].get_aspect() == 1
        assert picture.get_cmap().name == "RdBu_r"

    def test_rgb_landscape_on_the_canvas(self, landscape):
        figure = images(landscape, "HWC")
        ax = figure.axes[0]
        assert color_at(figure, ax, 0, 0).tolist() == [255, 0, 0]
        assert color_at(figure, ax, 5, 0).tolist() == [0, 255, 0]
        assert color_at(figure, ax, 0, 3).tolist() == [0, 0, 255]
        width, height = ax.get_window_extent().width, ax.get_window_extent().height
        assert width / height == pytest.approx(6 / 4, rel=0.02)


class TestLayouts:
    @pytest.mark.parametrize("axes", ["".join(p) for p in itertools.permutations("NCHW")])
    def test_every_order_of_axes_gives_the_same_pictures(self, axes):
        values = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
        turned = values.transpose([*map("NCHW".index, axes)])
        for index in range(2):
            np.testing.assert_array_equal(
                array_of(drawn(heatmap(turned, axes=axes, sample=index))),
                array_of(drawn(heatmap(values, axes="NCHW", sample=index))),
            )
            np.testing.assert_array_equal(
                array_of(drawn(images(turned, axes, sample=index))),
                array_of(drawn(images(values, "NCHW", sample=index))),
            )

    @settings(max_examples=25, deadline=None)
    @given(
        data=st.data(),
        values=hnp.arrays(
            np.float64,
            hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=4),
            elements=st.floats(-1e6, 1e6, allow_subnormal=False),
        ),
    )
    def test_any_permutation_of_any_array(self, data, values):
        axes = "".join(data.draw(st.permutations("NCHW")))
        turned = values.transpose([*map("NCHW".index, axes)])
        one, other = heatmap(values, axes="NCHW", sample=0), heatmap(turned, axes=axes, sample=0)
        np.testing.assert_array_equal(array_of(drawn(one)), array_of(drawn(other)))
        np.testing.assert_array_equal(pixels(one), pixels(other))

    def test_non_contiguous_and_reversed_views(self, signed):
        np.testing.assert_array_equal(array_of(drawn(heatmap(signed[::-1, ::2]))), signed[::-1, ::2])

    def test_channels_first_input_beneath_channels_last_values(self, landscape, explanation):
        values = np.ones((1, 4, 6, 3))
        first = explanation(values, "NHWC", inputs=landscape.transpose(2, 0, 1)[None], input_axes="NCHW")
        last = explanation(values, "NHWC", inputs=landscape[None], input_axes="NHWC")
        np.testing.assert_array_equal(pixels(overview(first)), pixels(overview(last)))
        np.testing.assert_array_equal(array_of(drawn(overview(first))), landscape)


class TestColors:
    @settings(max_examples=30, deadline=None)
    @given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300)))
    def test_limits_fit_the_values(self, values):
        picture = drawn(heatmap(values))
        low, high = picture.get_clim()
        if (values < 0).any():
            assert low == -high
            assert picture.get_cmap().name == "RdBu_r"
        else:
            assert low == 0
            assert picture.get_cmap().name == "viridis"
        assert high > 0
        assert high >= np.abs(values).max() or np.abs(values).max() < 1e-290

    @pytest.mark.parametrize("value", [0.0, -0.0, 1e-320, 5e-324])
    def test_all_zero(self, value):
        figure = heatmap(np.full((2, 3), value))
        assert drawn(figure).get_clim() == (0, 1)
        assert "all values are zero" in figure.axes[0].xaxis.get_label().get_text()
        pixels(figure)

    def test_one_bright_pixel_does_not_blank_the_rest_and_the_share_is_stated(self):
        values = np.random.default_rng(0).normal(size=(50, 60))
        values[3, 4] = 1e6
        figure = heatmap(values)
        low, high = drawn(figure).get_clim()
        assert high == -low == pytest.approx(np.percentile(np.abs(values), 99, method="higher"))
        beyond = (np.abs(values) > high).mean()
        note = " ".join(figure.axes[0].xaxis.get_label().get_text().split())
        assert f"{100 * beyond:.2g} % of the values lie beyond ±" in note
        assert "up to 1e6" in note
        assert drawn(heatmap(values, clip=100)).get_clim() == (-1e6, 1e6)

    def test_of_few_or_repeated_values_none_is_cut_off(self):
        segments = np.repeat(np.repeat([[1.0, 2.0], [3.0, 50.0]], 40, 0), 40, 1)  # one value a superpixel
        assert drawn(heatmap(segments)).get_clim() == (0, 50)
        sparse = np.zeros((100, 100))
        sparse[0, :5] = [1, 2, 3, 4, 5]
        assert drawn(heatmap(sparse)).get_clim() == (0, 5)

    @pytest.mark.parametrize(
        ("sign", "expected"),
        [
            ("positive", [[0, 2], [0, 0]]),
            ("negative", [[-1, 0], [-3, 0]]),
            ("absolute", [[1, 2], [3, 0]]),
            ("both", [[-1, 2], [-3, 0]]),
        ],
    )
    def test_values_of_one_sign(self, sign, expected):
        channels = np.array([[[-2.0, 1], [-3, 1]], [[1, 1], [0, -1]]])  # reduced first
        np.testing.assert_array_equal(drawn(heatmap(channels, axes="CHW", sign=sign)).get_array(), expected)

    def test_given_limits_and_map(self, signed):
        picture = drawn(heatmap(signed, limits=(0, 2), cmap="cividis"))
        assert picture.get_clim() == (0, 2)
        assert picture.get_cmap().name == "cividis"

    @pytest.mark.parametrize(
        "options",
        [
            {"cmap": "none such"},
            {"clip": 0},
            {"clip": 101},
            {"clip": True},
            {"sign": "none"},
            {"limits": (1, 1)},
            {"limits": (0, np.nan)},
        ],
    )
    def test_bad_options(self, signed, options):
        with pytest.raises(InvalidArgumentError):
            heatmap(signed, **options)

    def test_a_color_bar_as_high_as_the_picture(self, signed):
        figure = heatmap(signed)
        figure.canvas.draw()
        (bar,) = figure.axes[0].child_axes
        assert bar.get_window_extent().height == pytest.approx(figure.axes[0].get_window_extent().height, rel=0.02)
        assert [tick.get_text() for tick in bar.get_yticklabels()] == ["−7", "0", "7"]


class TestReduction:
    @pytest.mark.parametrize(
        ("rule", "function", "words"),
        [
            ("sum", lambda v: v.sum(1), "sum over 3 channels"),
            ("mean", lambda v: v.mean(1), "mean over 3 channels"),
            ("max_abs", lambda v: np.abs(v).max(1), "max |value| over 3 channels"),
        ],
    )
    def test_channels(self, rule, function, words):
        values = np.random.default_rng(1).normal(size=(1, 3, 4, 6))
        figure = heatmap(values, axes="NCHW", reduce=rule)
        np.testing.assert_allclose(array_of(drawn(figure)), function(values)[0], rtol=1e-12)
        assert words in figure.axes[0].xaxis.get_label().get_text()

    def test_unknown_rule(self):
        with pytest.raises(InvalidArgumentError, match="'sum', 'mean', 'max_abs'"):
            heatmap(np.ones((3, 2, 2)), axes="CHW", reduce="median")

    def test_volume_shows_the_strongest_slice_and_says_so(self):
        volume = np.zeros((1, 1, 5, 3, 4))
        volume[0, 0, 3, 1, 2] = -2
        figure = heatmap(volume, axes="NCDHW")
        np.testing.assert_array_equal(array_of(drawn(figure)), volume[0, 0, 3])
        assert "slice 3 of 5, largest mean |value|" in figure.axes[0].xaxis.get_label().get_text()
        assert not array_of(drawn(heatmap(volume, axes="NCDHW", depth=1))).any()
        with pytest.raises(InvalidArgumentError, match="depth 9"):
            heatmap(volume, axes="NCDHW", depth=9)


class TestInputRange:
    @pytest.mark.parametrize("factor", [1.0, 255.0, 16.0])
    def test_any_range_gives_the_same_picture_with_the_rescaling_stated(self, landscape, factor):
        figure = images(landscape * factor, "HWC")
        np.testing.assert_allclose(array_of(drawn(figure)), landscape, atol=1e-12)
        assert ("rescaled" in figure.axes[0].xaxis.get_label().get_text()) == (factor > 1)

    def test_bytes_are_not_stretched(self):
        figure = images(np.full((2, 3, 3), 51, np.uint8), "HWC")
        np.testing.assert_allclose(array_of(drawn(figure)), 0.2)

    def test_a_mean_taken_off_and_a_given_range(self, landscape):
        figure = images(landscape * 2 - 1, "HWC", image_range=(-1, 1))
        np.testing.assert_allclose(array_of(drawn(figure)), landscape)
        assert "shown from -1 to 1" in figure.axes[0].xaxis.get_label().get_text()

    @pytest.mark.parametrize(("channels", "shape"), [(1, (4, 6)), (3, (4, 6, 3)), (2, (4, 6)), (7, (4, 6))])
    def test_gray_rgb_and_other_numbers_of_channels(self, channels, shape):
        figure = images(np.random.default_rng(0).random((channels, 4, 6)), "CHW")
        assert array_of(drawn(figure)).shape == shape
        stated = f"mean of {channels} channels" in figure.axes[0].xaxis.get_label().get_text()
        assert stated == (channels not in (1, 3))

    def test_constant_image_beyond_one(self):
        np.testing.assert_array_equal(array_of(drawn(images(np.full((2, 2), 7.0), "HW"))), 0.5)


class TestSamplesAndPlaces:
    def test_all_samples_up_to_a_stated_limit(self):
        figure = heatmap(np.ones((11, 2, 3)), axes="NHW")
        assert len([ax for ax in figure.axes if ax.images]) == 8
        assert "first 8 of 11 samples" in figure.get_supxlabel()
        assert len([ax for ax in heatmap(np.ones((11, 2, 3)), axes="NHW", max_samples=3).axes if ax.images]) == 3

    def test_chosen_samples(self):
        values = np.arange(5.0)[:, None, None] * np.ones((5, 2, 3))
        figure = heatmap(values, axes="NHW", sample=[4, -4])
        assert array_of(drawn(figure, 0))[0, 0] == 4
        assert array_of(drawn(figure, 1))[0, 0] == 1
        assert "sample 4" in figure.axes[0].get_title(loc="left")

    @pytest.mark.parametrize("sample", [5, -6, [0, 5], [], "0", 1.5, True])
    def test_bad_samples(self, sample):
        with pytest.raises(InvalidArgumentError):
            heatmap(np.ones((5, 2, 3)), axes="NHW", sample=sample)

    def test_on_the_callers_axes(self, signed):
        mine = Figure()
        FigureCanvasAgg(mine)
        left, right = mine.subplots(1, 2)
        assert heatmap(signed, ax=right) is mine
        assert not left.images
        assert right.images
        inner = mine.subfigures(1, 2)[0].subplots()
        assert overlay(signed, signed, ax=inner) is mine
        pixels(mine)

    def test_several_panels_do_not_fit_one_axes(self):
        ax = Figure().subplots()
        with pytest.raises(InvalidArgumentError, match="sample="):
            heatmap(np.ones((2, 2, 3)), axes="NHW", ax=ax)
        with pytest.raises(InvalidArgumentError, match="Axes"):
            heatmap(np.ones((2, 3)), ax="here")

    @pytest.mark.parametrize(
        ("name", "start"),
        [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("A.PNG", b"\x89PNG")],
    )
    def test_files(self, signed, tmp_path, name, start):
        heatmap(signed, path=tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)

    @pytest.mark.parametrize("name", ["a.jpg", "a", "none/a.png"])
    def test_bad_paths_write_nothing(self, signed, tmp_path, name):
        with pytest.raises(InvalidArgumentError):
            heatmap(signed, path=tmp_path / name)
        assert not list(tmp_path.iterdir())

    def test_no_caption_meets_another_or_leaves_the_figure(self, explanation):
        values = np.random.default_rng(0).normal(size=(2, 7, 5))
        result = explanation(
            values,
            "NHW",
            inputs=np.ones((2, 60, 200, 3)),
            input_axes="NHWC",
            layer="a_layer." * 12,
            labels=["a label of several words"] * 4,
        )
        figure = overview(result)
        figure.canvas.draw()
        boxes = [ax.get_tightbbox() for ax in figure.axes]
        for box in boxes:
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= figure.bbox.width + 1
            assert box.y1 <= figure.bbox.height + 1
        for one, other in itertools.combinations(boxes, 2):
            assert not one.overlaps(other)
