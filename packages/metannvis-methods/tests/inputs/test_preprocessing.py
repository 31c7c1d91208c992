from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods.inputs.preprocessing import SCALES, scale_pixels
from metannvis_methods.inputs.wording import Wording
from metannvis_translate import InvalidArgumentError

BLACK_AND_WHITE = np.stack([np.zeros((2, 2, 3)), np.full((2, 2, 3), 255.0)]).reshape(4, 2, 3)


@pytest.mark.parametrize(
    ("scale", "black", "white"),
    [
        ("unit", [0, 0, 0], [1, 1, 1]),
        ("symmetric", [-1, -1, -1], [1, 1, 1]),
        ("none", [0, 0, 0], [255, 255, 255]),
        ("imagenet", [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]),
    ],
)
def test_black_and_white(scale, black, white):
    scaled = scale_pixels(BLACK_AND_WHITE, scale)
    np.testing.assert_allclose(scaled[0, 0], black)
    np.testing.assert_allclose(scaled[-1, -1], white)
    assert scale in SCALES


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 4))])
def test_imagenet_s_colours_are_three(pixels):
    with pytest.raises(
        InvalidArgumentError, match="^scale='imagenet' is for three colours, and the model takes the image"
    ):
        scale_pixels(pixels, "imagenet")
    with pytest.raises(InvalidArgumentError, match="^--scale imagenet is for three colours, and the model takes a.png"):
        scale_pixels(pixels, "imagenet", name="a.png", wording=Wording(scale="--scale {}"))


def test_an_unknown_scale_is_refused():
    with pytest.raises(
        InvalidArgumentError, match=r"scale='huge' is no preprocessing; there are: unit, symmetric, imagenet"
    ):
        scale_pixels(BLACK_AND_WHITE, "huge")
