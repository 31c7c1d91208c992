"""Image files as arrays, in the layout, colours and size that a model takes. Needs Pillow."""

from __future__ import annotations

import dataclasses
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.errors import DamagedFileError, InvalidArgumentError, MetannvisError
from metannvis_translate.process import check_limit

from metannvis_methods.extras import require_extra
from metannvis_methods.inputs.input_specs import CHANNELS, InputSpec
from metannvis_methods.inputs.preprocessing import preprocessing, scale_pixels
from metannvis_methods.inputs.wording import ARGUMENTS, Wording
from metannvis_methods.vocabulary import Preprocessing

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["SUFFIXES", "laid_out", "picture_pixels", "read_image", "read_pixels"]

Array = np.ndarray[Any, Any]
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
#: Pillow's readers for those. Of the others, the one for PostScript hands a file to Ghostscript, whatever its name is.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_image(
    path: Path, spec: InputSpec | None, *, scale: Any = "unit", crop: bool | None = None, wording: Wording = ARGUMENTS
) -> tuple[Array, str]:
    """One image in the model's layout, colours and size.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP, GIF, TIFF or WebP file, by content. Its orientation tag is obeyed; the first frame is taken.
    spec
        What the model takes; ``None`` keeps size and colours, channels first.
    scale
        A preprocessing, see :func:`~metannvis_methods.inputs.preprocessing.preprocessing`.
    crop
        Cut to the model's aspect first; otherwise the image is distorted to it. ``None``: as the preprocessing has it.
    wording
        How messages name the arguments.

    Returns
    -------
    array
        Shape ``(1, C, H, W)``, ``(1, H, W, C)`` or ``(1, H, W)``, float32.
    note
        What was done to its size, empty if nothing.

    Raises
    ------
    InvalidArgumentError
        The model takes no image, or not one of these colours; the image has more than 8 bits a colour; there is no such scale.
    DamagedFileError, LimitError
        It is no image, is cut off, or has more pixels than the limit ``image_pixels``.
    MissingFrameworkError
        Pillow is not installed.
    """
    known = preprocessing(scale, wording=wording)
    pixels, note = picture_pixels(path, spec, known if crop is None else dataclasses.replace(known, crop=crop))
    scaled = scale_pixels(pixels, scale, name=path.name, wording=wording)
    return laid_out(scaled, spec), note


def read_pixels(
    images: Array,
    spec: InputSpec | None,
    name: str,
    *,
    scale: Any = "unit",
    crop: bool | None = None,
    wording: Wording = ARGUMENTS,
) -> tuple[Array, str]:
    """Images of bytes, as :func:`read_image` makes them of files; for a model of features their pixels in a row.

    Parameters
    ----------
    images
        Shape ``(N, H, W)``, or ``(N, H, W, C)``, uint8.
    spec, scale, crop, wording
        See there.
    name
        What messages call the file.

    Raises
    ------
    InvalidArgumentError
        The model takes no such images.
    """
    known = preprocessing(scale, wording=wording)
    known = known if crop is None else dataclasses.replace(known, crop=crop)
    if spec is not None and len(spec.shape) == 2 and spec.shape[1] in (None, images[0].size):
        flat = scale_pixels(images.reshape(len(images), -1).astype(np.float32), known, name=name, wording=wording)
        return np.asarray(flat, np.float32), f"{name}: {images.shape[1]} × {images.shape[2]} pixels in a row"
    require_extra("PIL", "images", "Pillow")
    from PIL import Image

    found, note = [], ""
    for image in images:
        pixels, note = picture_pixels(Image.fromarray(image), spec, known)
        found.append(laid_out(scale_pixels(pixels, scale, name=name, wording=wording), spec))
    return np.concatenate(found), note.replace("the image", name, 1)


def picture_pixels(picture: Any, spec: InputSpec | None, known: Preprocessing) -> tuple[Array, str]:
    """Pixels 0…255 of a file or of Pillow's image, in the colours and size that a model takes, and what was done to its size.

    Returns
    -------
    array
        Shape ``(H, W)`` or ``(H, W, C)``, float32, red first.
    note
        Empty if nothing was done.
    """
    require_extra("PIL", "images", "Pillow")
    is_file = isinstance(picture, (str, Path))
    name = Path(picture).name if is_file else "the image"
    one = f"{name} is an image" if is_file else "an image is given"
    if spec is not None and not spec.is_image:
        raise InvalidArgumentError(f"{one}, but input {spec.name!r} of the model takes shape {spec.shape}")
    channels = spec.channels if spec is not None else None
    if channels is not None and channels not in CHANNELS:
        raise InvalidArgumentError(f"{one}, but the model takes {channels} channels: give an array (.npy)")
    mode = MODES[channels] if channels else MODES[3] if known.colours > 1 else None
    how = (mode, name, known.background)
    picture, done = _opened(Path(picture), *how) if is_file else _upright(picture, *how)
    before, size = picture.size, _size(picture.size, spec, known)
    if size != before:
        picture = _resized(picture, size, known)
        is_other = before[0] * size[1] != before[1] * size[0]
        how_made = ", cut" if known.crop and (is_other or known.crop_share < 1) else ", distorted" if is_other else ""
        done += (f"{before[0]} × {before[1]} pixels made {size[0]} × {size[1]}{how_made}",)
    pixels = np.asarray(picture, np.float32)
    if picture.mode == "F" and mode in ("RGB", "RGBA"):  # of sixteen bits, which Pillow has in grey only
        opaque = [np.full_like(pixels, 255.0)] if mode == "RGBA" else []
        pixels = np.stack([pixels] * 3 + opaque, axis=-1)
    return pixels, f"{name}: {', '.join(done)}" if done else ""


def _resized(picture: PIL.Image.Image, size: tuple[int, int], known: Preprocessing) -> PIL.Image.Image:
    """The picture in another size: distorted, or the middle of it."""
    from PIL import Image, ImageOps

    way = Image.Resampling[known.interpolation.upper()]
    if not known.crop:
        return picture.resize(size, way)
    if known.crop_share == 1.0 or size[0] != size[1]:
        whole = (round(size[0] / known.crop_share), round(size[1] / known.crop_share))
        picture = ImageOps.fit(picture, whole, way)
    else:  # in whole pixels, as torchvision and timm do
        short, (wide, high) = math.floor(size[0] / known.crop_share + 1e-6), picture.size
        least = min(wide, high)
        picture = picture.resize((int(short * wide / least), int(short * high / least)), way)
    left, top = (round((a - b) / 2) for a, b in zip(picture.size, size, strict=True))
    return picture.crop((left, top, left + size[0], top + size[1]))


def _size(size: tuple[int, int], spec: InputSpec | None, known: Preprocessing) -> tuple[int, int]:
    """Width and height that a picture of one size is brought to."""
    high, wide = spec.size if spec is not None else (None, None)
    if known.size is None:
        return wide or size[0], high or size[1]
    if (high or known.size[0], wide or known.size[1]) != known.size:
        raise InvalidArgumentError(
            f"the preprocessing makes images {known.size[0]} × {known.size[1]} (height × width), and the model takes "
            f"{high or '?'} × {wide or '?'}"
        )
    return known.size[1], known.size[0]


def laid_out(pixels: Array, spec: InputSpec | None) -> Array:
    """Pixels, channels last if they have any, as one sample in the layout that a model takes."""
    if pixels.ndim == 2 and (spec is None or len(spec.shape) == 4):
        pixels = pixels[:, :, None]
    if pixels.ndim == 3 and (spec is None or spec.channels_first):
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[None], np.float32)


def _opened(path: Path, mode: str | None, name: str, background: str) -> tuple[PIL.Image.Image, tuple[str, ...]]:
    """The picture as :func:`_upright` has it; its size is looked at before a pixel is."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # our own limit holds, which a caller can raise; damage in what describes a picture does not matter
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            with Image.open(path, formats=FORMATS) as file:
                pixels = file.width * file.height
                check_limit("image_pixels", pixels, f"{path.name} has {file.width} × {file.height} pixels:")
                return _upright(file, mode, name, background)
    except MetannvisError:
        raise
    except UnidentifiedImageError as error:
        raise DamagedFileError(f"{path.name} cannot be read as an image: {error}") from error
    except Exception as error:  # of Pillow's readers, which raise whatever they meet in damaged bytes
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).strip().split("\n")[0][:300] or type(error).__name__
        raise DamagedFileError(f"{path.name} cannot be read as an image: {said}") from error


def _upright(
    picture: PIL.Image.Image, mode: str | None, name: str, background: str
) -> tuple[PIL.Image.Image, tuple[str, ...]]:
    """The picture as its orientation tag has it, of eight bits, or of floats 0…255 if it has sixteen; and what was done."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):
        return Image.fromarray(np.asarray(picture).astype(np.float32) / 257), ("16 bits made 0…255",)
    if picture.mode.startswith(("I", "F")):
        raise InvalidArgumentError(
            f"{name} has pixels of mode {picture.mode}, not 8 or 16 bits a colour: give an array (.npy)"
        )
    mode = mode or _own_mode(picture.mode)
    if mode != "RGBA" and (picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info):
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (255, 255):
            beneath = Image.new("RGBA", picture.size, _color(background))
            return Image.alpha_composite(beneath, picture).convert(mode), (f"transparent, laid over {background}",)
    return picture.convert(mode), ()


def _color(background: str) -> tuple[int, ...]:
    from PIL import ImageColor

    try:
        return (*ImageColor.getrgb(background)[:3], 255)
    except ValueError as error:
        raise InvalidArgumentError(
            f"the background {background!r} is no colour: give a name such as white, or #rrggbb"
        ) from error


def _own_mode(mode: str) -> str:
    return "L" if mode in ("1", "L", "LA") else "RGB"
