"""An image file as an array."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.errors import DamagedFileError, InvalidArgumentError, MetannvisError
from metannvis_translate.process import check_limit

from metannvis_cli.declared import CHANNELS, Declared

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["SUFFIXES", "read_image"]

Array = np.ndarray[Any, Any]
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
#: Pillow's readers for those. Of the others, the one for PostScript hands a file to Ghostscript, whatever its name is.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
#: Mean and standard deviation of ImageNet's red, green and blue, on a scale of 0…1.
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


def read_image(path: Path, declared: Declared | None, *, scale: str, crop: bool) -> tuple[Array, str]:
    """One image in the model's layout, colours and size.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP, GIF, TIFF or WebP file, by content. Its orientation tag is obeyed; the first frame is taken.
    declared
        What the model takes; ``None`` keeps size and colours, channels first.
    scale
        ``"unit"`` 0…1, ``"symmetric"`` −1…1, ``"imagenet"`` that data set's mean 0 and deviation 1, ``"none"`` 0…255.
    crop
        Cut to the model's aspect first; otherwise the image is distorted to it.

    Returns
    -------
    array
        Shape ``(1, C, H, W)``, ``(1, H, W, C)`` or ``(1, H, W)``, float32.
    note
        What was done to its size, empty if nothing.

    Raises
    ------
    InvalidArgumentError
        The model takes no image, or not one of these colours.
    DamagedFileError, LimitError
        It is no image, is cut off, or has more pixels than the limit.
    """
    from PIL import Image, ImageOps

    if declared is not None and not declared.is_image:
        raise InvalidArgumentError(
            f"{path.name} is an image, but input {declared.name!r} of the model takes shape {declared.shape}"
        )
    channels = declared.channels if declared is not None else None
    if channels is not None and channels not in CHANNELS:
        raise InvalidArgumentError(
            f"{path.name} is an image, but the model takes {channels} channels: give an array (.npy)"
        )
    picture = _opened(path, MODES[channels] if channels else None)
    before = picture.size
    high, wide = declared.size if declared is not None else (None, None)
    size = (wide or picture.width, high or picture.height)
    if size != picture.size:
        smooth = Image.Resampling.BILINEAR
        picture = ImageOps.fit(picture, size, smooth) if crop else picture.resize(size, smooth)
    note = "" if before == size else f"{path.name}: {before[0]} × {before[1]} pixels made {size[0]} × {size[1]}"
    pixels = _scaled(np.asarray(picture, np.float32), scale, path)
    if pixels.ndim == 2 and (declared is None or len(declared.shape) == 4):
        pixels = pixels[:, :, None]
    if pixels.ndim == 3 and (declared is None or declared.channels_first):
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[None], np.float32), note


def _opened(path: Path, mode: str | None) -> PIL.Image.Image:
    """The picture, upright, in a mode of eight bits; its size is looked at before a pixel is."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # our own limit holds, which a caller can raise; damage in what describes a picture does not matter
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            with Image.open(path, formats=FORMATS) as file:
                pixels = file.width * file.height
                check_limit("image_pixels", pixels, f"{path.name} has {file.width} × {file.height} pixels:")
                if file.mode.startswith(("I", "F")):
                    raise InvalidArgumentError(
                        f"{path.name} has pixels of mode {file.mode}, not 8 bits a colour: give an array (.npy)"
                    )
                return ImageOps.exif_transpose(file).convert(mode or _own_mode(file.mode))
    except MetannvisError:
        raise
    except UnidentifiedImageError as error:
        raise DamagedFileError(f"{path.name} cannot be read as an image: {error}") from error
    except Exception as error:  # of Pillow's readers, which raise whatever they meet in damaged bytes
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).strip().split("\n")[0][:300] or type(error).__name__
        raise DamagedFileError(f"{path.name} cannot be read as an image: {said}") from error


def _own_mode(mode: str) -> str:
    return "L" if mode in ("1", "L", "LA") else "RGB"


def _scaled(pixels: Array, scale: str, path: Path) -> Array:
    if scale == "none":
        return pixels
    if scale == "symmetric":
        return pixels / 127.5 - 1
    if scale == "unit":
        return pixels / 255
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InvalidArgumentError(f"--scale imagenet is for three colours, and the model takes {path.name} in others")
    mean, deviation = IMAGENET
    return (pixels / 255 - mean) / deviation
