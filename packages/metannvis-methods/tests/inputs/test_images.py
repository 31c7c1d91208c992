from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from metannvis_methods.inputs.images import read_image
from metannvis_methods.inputs.input_specs import InputSpec
from metannvis_translate import DamagedFileError, InvalidArgumentError, LimitError, limits
from PIL import Image

FIRST = InputSpec("x", (None, 3, 4, 6), channels_first=True)
LAST = InputSpec("x", (None, 4, 6, 3), channels_first=False)
GRAY = InputSpec("x", (None, 4, 6, 1), channels_first=False)
PLAIN = InputSpec("x", (None, 4, 6), channels_first=False)


@pytest.fixture
def photo(tmp_path):
    """4 high, 6 wide, red on the left, blue on the right, its top line white."""
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, :3, 0] = 255
    pixels[:, 3:, 2] = 255
    pixels[0] = 255
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png", pixels


def test_channels_first(photo):
    path, pixels = photo
    array, note = read_image(path, FIRST, scale="unit", crop=False)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array[0].transpose(1, 2, 0), pixels / 255, rtol=1e-6)
    assert note == ""


def test_channels_last(photo):
    path, pixels = photo
    np.testing.assert_allclose(read_image(path, LAST, scale="unit", crop=False)[0][0], pixels / 255, rtol=1e-6)


@pytest.mark.parametrize(("port", "shape"), [(GRAY, (1, 4, 6, 1)), (PLAIN, (1, 4, 6)), (None, (1, 3, 4, 6))])
def test_shapes(photo, port, shape):
    assert read_image(photo[0], port, scale="unit", crop=False)[0].shape == shape


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    [("none", 0, 255), ("unit", 0, 1), ("symmetric", -1, 1), ("imagenet", -0.485 / 0.229, (1 - 0.406) / 0.225)],
)
def test_scales(photo, scale, low, high):
    array, _ = read_image(photo[0], FIRST, scale=scale, crop=False)
    np.testing.assert_allclose([array.min(), array.max()], [low, high], rtol=1e-5)


def test_resizing_is_said(photo):
    port = InputSpec("x", (None, 3, 8, 8), channels_first=True)
    array, note = read_image(photo[0], port, scale="unit", crop=False)
    assert array.shape == (1, 3, 8, 8)
    assert note == "photo.png: 6 × 4 pixels made 8 × 8, distorted"


def test_cropping_keeps_the_middle(photo):
    port = InputSpec("x", (None, 3, 4, 2), channels_first=True)
    array, _ = read_image(photo[0], port, scale="unit", crop=True)
    np.testing.assert_array_equal(array[0, 0, 1], [1, 0])  # red on the left
    np.testing.assert_array_equal(array[0, 2, 1], [0, 1])  # blue on the right


def test_free_sizes_keep_the_image(photo):
    port = InputSpec("x", (None, 3, None, None), channels_first=True)
    assert read_image(photo[0], port, scale="unit", crop=False)[0].shape == (1, 3, 4, 6)


def test_the_orientation_tag_is_obeyed(tmp_path):
    image = Image.new("RGB", (6, 4), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90°
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg", None, scale="unit", crop=False)[0].shape == (1, 3, 6, 4)


@pytest.mark.parametrize(
    ("port", "message"),
    [
        (InputSpec("x", (None, 7), channels_first=True), "takes shape"),
        (InputSpec("x", (None, 9, 4, 4), channels_first=True), "takes 9 channels"),
    ],
)
def test_models_that_take_no_image(photo, port, message):
    with pytest.raises(InvalidArgumentError, match=message):
        read_image(photo[0], port, scale="unit", crop=False)


def test_floats_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(InvalidArgumentError, match="mode F, not 8 or 16 bits a colour"):
        read_image(tmp_path / "deep.tif", GRAY, scale="unit", crop=False)


def test_a_picture_of_more_pixels_than_the_limit(tmp_path):
    Image.new("1", (2000, 3000)).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size < 2000
    with limits(image_pixels=10**6), pytest.raises(LimitError, match=r"large\.png has 2000 × 3000 pixels: 6,000,000"):
        read_image(tmp_path / "large.png", GRAY, scale="unit", crop=False)
    with limits(image_pixels=6 * 10**6):
        assert read_image(tmp_path / "large.png", GRAY, scale="unit", crop=False)[0].ndim >= 3


def test_a_picture_that_is_cut_off(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:2000])
    with pytest.raises(DamagedFileError, match=r"cut\.png cannot be read as an image"):
        read_image(tmp_path / "cut.png", GRAY, scale="unit", crop=False)


def test_imagenet_is_for_colours(photo):
    with pytest.raises(InvalidArgumentError, match="three colours"):
        read_image(photo[0], GRAY, scale="imagenet", crop=False)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.tif"])
def test_postscript_of_another_name_starts_no_process(tmp_path, name):
    """In a process of its own, for an audit hook stays: Pillow would hand PostScript to Ghostscript."""
    path = tmp_path / name
    path.write_bytes(POSTSCRIPT)
    code = f"""
import sys, pathlib
from metannvis_methods.inputs.images import read_image
from metannvis_translate import DamagedFileError
from PIL import Image, ImageOps
Image.init()
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event))
try:
    read_image(pathlib.Path({str(path)!r}), None, scale="unit", crop=False)
except DamagedFileError as error:
    assert {name!r} in str(error)
else:
    raise AssertionError("it was read")
started = [event for event in seen if event.startswith(("subprocess.", "os.", "socket."))]
assert not started, started
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_every_format_that_the_documentation_names(tmp_path, form):
    path = tmp_path / "photo.png"  # by content, not by name
    Image.new("RGB", (6, 4), (255, 0, 0)).save(path, form)
    assert read_image(path, FIRST, scale="unit", crop=False)[0].shape == (1, 3, 4, 6)
