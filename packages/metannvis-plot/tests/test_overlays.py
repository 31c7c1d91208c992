"""Maps lie over the image they belong to, edge to edge."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_plot import overlay
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


class TestOverlay:
    def test_a_cam_covers_the_image_edge_to_edge(self, landscape):
        cam = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
        figure = overlay(cam[None], landscape, axes="NHW", image_axes="HWC")
        below, above = figure.axes[0].images
        assert tuple(below.get_extent()) == tuple(above.get_extent()) == (-0.5, 5.5, 3.5, -0.5)
        np.testing.assert_array_equal(array_of(above), cam)  # drawn as it is, stretched by the drawing only
        assert above.get_interpolation() == "bilinear"
        assert "2 × 3 stretched to 4 × 6 (bilinear)" in figure.axes[0].xaxis.get_label().get_text()

    def test_nearest_cells_lie_where_they_belong(self, landscape):
        cam = np.array([[-1.0, 1.0]])
        figure = overlay(
            cam,
            np.full((4, 6), 0.5),
            axes="HW",
            image_axes="HW",
            interpolation="nearest",
            alpha=1.0,
            fade=False,
        )
        left, right = color_at(figure, figure.axes[0], 1, 2), color_at(figure, figure.axes[0], 4, 2)
        assert left[2] > left[0] + 50
        assert right[0] > right[2] + 50

    def test_background_gray_or_color(self, landscape):
        values = np.ones((4, 6))
        gray = array_of(drawn(overlay(values, landscape, image_axes="HWC"), image=0))
        np.testing.assert_allclose(gray, landscape @ [0.299, 0.587, 0.114])
        color = array_of(drawn(overlay(values, landscape, image_axes="HWC", background="color"), image=0))
        np.testing.assert_array_equal(color, landscape)

    def test_opacity_follows_the_magnitude(self, landscape):
        values = np.zeros((4, 6))
        values[0, 0], values[1, 1] = -4, 1
        alpha = np.asarray(drawn(overlay(values, landscape, image_axes="HWC", alpha=0.8)).get_alpha())
        assert alpha[0, 0] == pytest.approx(0.8)
        assert alpha[1, 1] == pytest.approx(0.4)
        assert alpha[3, 3] == 0

    @pytest.mark.parametrize("options", [{"alpha": 2}, {"background": "blue"}, {"interpolation": "cubic"}])
    def test_bad_options(self, landscape, options):
        with pytest.raises(InvalidArgumentError):
            overlay(np.ones((4, 6)), landscape, image_axes="HWC", **options)

    def test_no_image(self, explanation):
        with pytest.raises(InvalidArgumentError, match="image="):
            overlay(explanation(np.ones((1, 2, 2)), "NHW"))
        with pytest.raises(InvalidArgumentError, match="no image"):
            overlay(explanation(np.ones((1, 2, 2)), "NHW", inputs=np.ones((1, 9)), input_axes="NF"))

    def test_batches_that_do_not_match(self):
        with pytest.raises(InvalidArgumentError, match="2 samples of values do not belong to 3 images"):
            overlay(np.ones((2, 4, 6)), np.ones((3, 4, 6)), axes="NHW", image_axes="NHW")

    def test_each_sample_lies_on_its_own_image(self):
        pictures = np.stack([np.zeros((4, 6)), np.ones((4, 6))])
        figure = overlay(np.ones((2, 4, 6)), pictures, axes="NHW", image_axes="NHW")
        for index in range(2):
            np.testing.assert_array_equal(array_of(drawn(figure, index, 0)), pictures[index])

    def test_volume_shows_the_same_slice_of_both(self):
        values, image = np.zeros((1, 2, 3, 3)), np.zeros((1, 4, 3, 3))
        values[0, 1] = 1
        image[0, 3] = 1
        below = drawn(overlay(values, image, axes="NDHW", image_axes="NDHW"), image=0)
        np.testing.assert_array_equal(array_of(below), 1)


class TestStyles:
    def test_masked_shows_the_image_where_the_map_is_largest(self):
        image = np.full((4, 6, 3), 0.5)
        values = np.arange(24.0).reshape(4, 6)
        (picture,) = overlay(values, image, axes="HW", image_axes="HWC", style="masked", share=0.25).axes[0].images
        shown = np.asarray(picture.get_array())
        np.testing.assert_allclose(shown[3], 0.5)  # the six largest of 24
        np.testing.assert_allclose(shown[:3], 0.1)

    def test_a_contour_lies_around_the_place_of_the_largest_values(self):
        values = np.zeros((20, 30))
        values[2:8, 20:27] = 1  # at the top right
        ax = overlay(values, np.zeros((20, 30)), axes="HW", image_axes="HW", style="contour").axes[0]
        line = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
        assert 19 <= line[:, 0].min() < line[:, 0].max() <= 27
        assert 1 <= line[:, 1].min() < line[:, 1].max() <= 8

    def test_a_small_map_is_stretched_edge_to_edge(self):
        cam = np.array([[0.0, 0], [0, 1]])
        figure = overlay(cam, np.ones((8, 8)), axes="HW", image_axes="HW", style="masked", share=0.2)
        shown = np.asarray(figure.axes[0].images[0].get_array())
        assert shown[7, 7] == 1
        assert shown[0, 0] == shown[0, 7] == shown[7, 0] == pytest.approx(0.2)
        assert "the 20 % of the largest values" in " ".join(figure.axes[0].xaxis.get_label().get_text().split())

    def test_a_constant_map_has_no_contour(self):
        assert (
            not overlay(np.ones((3, 3)), np.ones((3, 3)), axes="HW", image_axes="HW", style="contour")
            .axes[0]
            .collections
        )

    @pytest.mark.parametrize("options", [{"style": "glow"}, {"share": 0}, {"share": 1}])
    def test_bad_options(self, options):
        with pytest.raises(InvalidArgumentError):
            overlay(np.ones((3, 3)), np.ones((3, 3)), axes="HW", image_axes="HW", **options)


def test_an_image_is_shown_as_it_was_before_its_preprocessing():
    from metannvis_methods import Explanation, Preprocessing
    from metannvis_methods.results.record import Record

    image = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3)).astype("float64")
    caffe = Preprocessing(mean=(103.939, 116.779, 123.68), order="BGR")
    made = image[..., ::-1] - np.array(caffe.mean)
    words = {"method": "saliency", "toolset": "captum", "framework": "torch", "kind": "primary"}
    explanation = Explanation(made[..., 0], "NHW", made, "NHWC", **words, record=Record({"preprocess": caffe}))
    figure = overlay(explanation, background="color")
    np.testing.assert_allclose(array_of(drawn(figure, image=0)), image[0] / 255, atol=1e-9)
