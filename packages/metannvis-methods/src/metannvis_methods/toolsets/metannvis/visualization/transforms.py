"""Transforms: how an image is moved before each pass, so that what is found does not hang on single pixels.

Importing this loads no framework. Of all images of a pass the same is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.option_values import number
from metannvis_methods.toolsets.metannvis.visualization.fields import PIXELS, POSITIVE, CheckedFields, Takes

if TYPE_CHECKING:
    import torch

__all__ = ["Jitter", "Pad", "Roll", "Rotate", "Scale", "Transform", "shifts", "standard", "transformed"]

Generator = np.random.Generator
#: Pixels of an edge that the standard transforms are for.
SIDE = 224


class Transform(CheckedFields):
    """Changes images of shape ``(N, C, H, W)``, differentiably."""

    def __call__(self, images: torch.Tensor, generator: Generator, middle: Any) -> torch.Tensor:
        """The images moved; ``middle`` is grey, a number or of shape ``(1, C, 1, 1)``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pad(Transform):
    """Grey pixels on all sides."""

    pixels: int = 12

    takes: ClassVar[Takes] = {"pixels": PIXELS}

    def __call__(self, images: torch.Tensor, generator: Generator, middle: Any) -> torch.Tensor:
        """See the base."""
        from torch.nn.functional import pad

        return pad(images - middle, (self.pixels,) * 4) + middle


@dataclass(frozen=True)
class Jitter(Transform):
    """A window that is smaller by so many pixels, anywhere in the image."""

    pixels: int = 8

    takes: ClassVar[Takes] = {"pixels": PIXELS}

    def __call__(self, images: torch.Tensor, generator: Generator, middle: Any) -> torch.Tensor:
        """See the base."""
        down, right = generator.integers(0, self.pixels + 1, 2)
        height, width = (size - self.pixels for size in images.shape[2:])
        if height < 1 or width < 1:
            raise InvalidArgumentError(
                f"jitter of {self.pixels} pixels leaves nothing of images of {images.shape[2]} × {images.shape[3]}"
            )
        return images[:, :, down : down + height, right : right + width]


@dataclass(frozen=True)
class Roll(Transform):
    """Moved by up to so many pixels either way; what leaves on one side comes in on the other (DeepDream)."""

    pixels: int = 32

    takes: ClassVar[Takes] = {"pixels": PIXELS}

    def __call__(self, images: torch.Tensor, generator: Generator, middle: Any) -> torch.Tensor:
        """See the base."""
        down, right = generator.integers(-self.pixels, self.pixels + 1, 2)
        return images.roll((int(down), int(right)), (2, 3))


@dataclass(frozen=True)
class Scale(Transform):
    """Enlarged about its middle by a factor between two."""

    low: float = 0.9
    high: float = 1.1

    takes: ClassVar[Takes] = {"low": POSITIVE, "high": POSITIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise InvalidArgumentError(f"low of Scale is at most its high, not {self.low!r} above {self.high!r}")

    def __call__(self, images: torch.Tensor, generator: Generator, middle: Any) -> torch.Tensor:
        """See the base."""
        factor = generator.uniform(self.low, self.high)
        return _resampled(images, np.eye(2) / factor, middle)


@dataclass(frozen=True)
class Rotate(Transform):
    """Turned about its middle by up to so many degrees either way."""

    degrees: float = 10.0

    takes: ClassVar[Takes] = {"degrees": number(0)}

    def __call__(self, images: torch.Tensor, generator: Generator, middle: Any) -> torch.Tensor:
        """See the base."""
        angle = math.radians(generator.uniform(-self.degrees, self.degrees))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        aspect = images.shape[3] / images.shape[2]
        return _resampled(images, turn * np.array([[1, 1 / aspect], [aspect, 1]]), middle)


def _resampled(images: torch.Tensor, matrix: np.ndarray[Any, Any], middle: Any) -> torch.Tensor:
    """Bilinear, by a matrix on places, where the image goes from −1 to 1; grey outside."""
    from torch.nn.functional import affine_grid, grid_sample

    theta = images.new_tensor(np.column_stack([matrix, np.zeros(2)])).expand(len(images), 2, 3)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images - middle, grid, align_corners=False) + middle


def standard(side: int) -> tuple[Transform, ...]:
    """Those of Lucid, for 224 pixels at an edge: pad 12, jitter 8, scale ±10 %, rotate ±10°, jitter 4; scaled to others."""

    def pixels(of_large: int) -> int:
        return round(of_large * side / SIDE)

    found = (Pad(pixels(12)), Jitter(pixels(8)), Scale(), Rotate(), Jitter(pixels(4)))
    return tuple(one for one in found if getattr(one, "pixels", 1))


def shifts(pixels: int) -> tuple[Transform, ...]:
    """Shifts by up to so many pixels either way, that keep the size; grey comes in."""
    return (Pad(pixels), Jitter(2 * pixels)) if pixels else ()


def transformed(
    images: torch.Tensor, transforms: Sequence[Transform], generator: Generator, middle: Any, *, resize: bool = True
) -> torch.Tensor:
    """Images after all transforms, brought back to their size by bilinear interpolation if ``resize`` says so."""
    sizes = images.shape[2:]
    if transforms and images.ndim != 4:
        raise InvalidArgumentError(
            f"transforms are of images, of shape (N, C, H, W), not {tuple(images.shape)}: leave them out (transforms=[])"
        )
    for transform in transforms:
        before = images
        images = transform(images, generator, middle)
        if getattr(images, "shape", ())[:2] != before.shape[:2] or images.ndim != 4:
            raise InvalidArgumentError(
                f"a transform returns as many images of as many channels as it is given, {tuple(before.shape)}; "
                f"{transform!r} returned {tuple(images.shape) if hasattr(images, 'shape') else type(images).__name__}"
            )
    if resize and images.shape[2:] != sizes:
        from torch.nn.functional import interpolate

        images = interpolate(images, size=tuple(sizes), mode="bilinear", align_corners=False)
    return images
