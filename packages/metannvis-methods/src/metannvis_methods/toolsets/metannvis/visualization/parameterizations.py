"""Parameterizations: the numbers by which an image is moved. Importing this loads no framework.

A caller hands in one of :class:`Pixels`, :class:`Fourier` and :class:`GeneratorCode`; ``begin`` makes a :class:`Canvas` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.option_values import Values, number, options_by_name, true_or_false
from metannvis_methods.toolsets.metannvis.visualization.bounds import Bounds
from metannvis_methods.toolsets.metannvis.visualization.fields import POSITIVE, WEIGHT, CheckedFields, Takes

if TYPE_CHECKING:
    import torch

__all__ = ["Canvas", "Fourier", "GeneratorCode", "Parameterization", "Pixels"]

#: How near to black and white a start may be where the image is what a sigmoid returns.
EDGE = 1e-3


class Canvas:
    """Images and the numbers that they are made of.

    Attributes
    ----------
    numbers
        A tensor, whose axis 0 counts images.
    candidates
        Other numbers to begin with, of which those of the largest objective are taken, shape ``(tries, N, …)``; ``None``: none.
    """

    numbers: torch.Tensor
    candidates: torch.Tensor | None = None

    def images(self, numbers: torch.Tensor) -> torch.Tensor:
        """The images of some rows of :attr:`numbers`, shape ``(N, C, places…)``, in the network's numbers."""
        raise NotImplementedError

    def allowed(self, numbers: torch.Tensor) -> torch.Tensor:
        """Rows after a step, brought back to what an image may be made of."""
        return numbers

    def penalty(self, numbers: torch.Tensor) -> torch.Tensor | None:
        """What the numbers themselves cost, shape ``(N,)``; ``None``: nothing."""
        return None


class Parameterization(CheckedFields):
    """What a caller hands in."""

    #: Whether it can begin with an image.
    begins_with_images: bool = True

    def begin(
        self,
        shape: Sequence[int],
        like: torch.Tensor,
        bounds: Bounds,
        generator: np.random.Generator,
        start: torch.Tensor | None,
    ) -> Canvas:
        """A canvas.

        Parameters
        ----------
        shape
            ``(N, C, places…)``.
        like
            A tensor of the dtype and device of the images.
        start
            Images to begin with; ``None``: noise.
        """
        raise NotImplementedError


def _drawn(values: np.ndarray[Any, Any], like: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(like)


@dataclass(frozen=True)
class Pixels(Parameterization):
    """The pixels themselves, as 0…1 from black to white, where they are kept: a step is a share of that range.

    ``noise``: grey and so much even noise, as a share of the range from black to white, is what it begins with.
    """

    noise: float = 1.0

    takes: ClassVar[Takes] = {"noise": WEIGHT}

    def begin(
        self,
        shape: Sequence[int],
        like: torch.Tensor,
        bounds: Bounds,
        generator: np.random.Generator,
        start: torch.Tensor | None,
    ) -> Canvas:
        """See the base."""
        if start is None:
            begin = _drawn(0.5 + self.noise * generator.uniform(-0.5, 0.5, tuple(shape)), like)
        else:
            begin = bounds.unit(start)
        return _OfPixels(begin.clamp(0, 1), bounds)


class _OfPixels(Canvas):
    def __init__(self, numbers: torch.Tensor, bounds: Bounds) -> None:
        self.numbers, self.bounds = numbers, bounds

    def images(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.bounds.numbers(numbers)

    def allowed(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers.clamp(0, 1)


@dataclass(frozen=True)
class Fourier(Parameterization):
    """A spectrum in which low frequencies move as easily as high ones, and colours that are not correlated.

    The image is the sigmoid of its inverse transform, so that it stays between black and white
    (:mod:`~metannvis_methods.toolsets.metannvis.visualization.spectrum`).

    Attributes
    ----------
    deviation
        Of the normal numbers that the spectrum begins with.
    decay
        Power of the frequency that it is divided by.
    decorrelate
        Whether colours are; of images that have not three channels they are not.
    """

    deviation: float = 0.01
    decay: float = 1.0
    decorrelate: bool = True

    takes: ClassVar[Takes] = {"deviation": POSITIVE, "decay": WEIGHT, "decorrelate": true_or_false()}

    def begin(
        self,
        shape: Sequence[int],
        like: torch.Tensor,
        bounds: Bounds,
        generator: np.random.Generator,
        start: torch.Tensor | None,
    ) -> Canvas:
        """See the base."""
        from metannvis_methods.toolsets.metannvis.visualization.spectrum import decorrelated, scales, spectrum_of

        if len(shape) != 4:
            raise InvalidArgumentError(
                f"the Fourier parameterization is of images, of shape (N, C, H, W), not {tuple(shape)}: take pixels"
            )
        sizes = tuple(shape[2:])
        scale = scales(sizes, like, self.decay)
        colors = self.decorrelate and shape[1] == 3
        if start is None:
            drawn = generator.standard_normal((*shape[:2], sizes[0], sizes[1] // 2 + 1, 2))
            numbers = _drawn(self.deviation * drawn, like)
        else:
            before = bounds.unit(start).clamp(EDGE, 1 - EDGE).logit()
            numbers = spectrum_of(decorrelated(before) if colors else before, scale)
        return _OfSpectrum(numbers, scale, sizes, bounds, colors=colors)


class _OfSpectrum(Canvas):
    def __init__(
        self, numbers: torch.Tensor, scale: torch.Tensor, sizes: Sequence[int], bounds: Bounds, *, colors: bool
    ) -> None:
        self.numbers, self.scale, self.sizes, self.bounds, self.colors = numbers, scale, sizes, bounds, colors

    def images(self, numbers: torch.Tensor) -> torch.Tensor:
        from metannvis_methods.toolsets.metannvis.visualization.spectrum import correlated, image_of

        image = image_of(numbers, self.scale, self.sizes)
        return self.bounds.numbers((correlated(image) if self.colors else image).sigmoid())


def _is_range(value: Any) -> bool:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    return pair and all(map(number().fits, value)) and value[0] < value[1]


@dataclass(frozen=True)
class GeneratorCode(Parameterization):
    """The code of a generator, a network that makes images of codes (Nguyen et al., 2016, arXiv:1605.09304).

    Attributes
    ----------
    model
        A network of any framework, or the path of its file; it is left as it is, and runs in evaluation mode.
    code
        Shape of a code without the batch: a number or a tuple, ``(100, 1, 1)`` of a DCGAN; in the generator's own layout.
    weight
        λ of λ‖z‖², which keeps codes where the generator knows them.
    tries
        Codes that are drawn for each image; it begins with the one of the largest objective.
    image_range
        What the generator returns for black and white: ``(-1, 1)`` behind a tanh.
    options
        For ``load_model`` and ``translate``: ``{"trust": True}``, ``{"architecture": "package.module:factory"}``.
    """

    model: Any
    code: int | tuple[int, ...] = 100
    weight: float = 0.01
    tries: int = 16
    image_range: tuple[float, float] = (0.0, 1.0)
    options: dict[str, Any] = field(default_factory=dict)

    begins_with_images = False
    takes: ClassVar[Takes] = {
        "weight": WEIGHT,
        "image_range": Values("a pair of numbers (black, white), black the lower", _is_range),
        "options": options_by_name(),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.model, (str, Path)) and not Path(self.model).exists():
            raise InvalidArgumentError(f"there is no generator {str(self.model)!r}")
        sizes = self.code if isinstance(self.code, tuple) else (self.code,)
        if not sizes or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes):
            raise InvalidArgumentError(f"code is the shape of a code, such as 100 or (100, 1, 1), not {self.code!r}")
        if isinstance(self.tries, bool) or not isinstance(self.tries, int) or self.tries < 1:
            raise InvalidArgumentError(
                f"tries is how many codes are drawn for an image, at least 1, not {self.tries!r}"
            )

    def begin(
        self,
        shape: Sequence[int],
        like: torch.Tensor,
        bounds: Bounds,
        generator: np.random.Generator,
        start: torch.Tensor | None,
    ) -> Canvas:
        """See the base."""
        from metannvis_methods.toolsets.metannvis.visualization.networks import ImageNetwork

        sizes = self.code if isinstance(self.code, tuple) else (self.code,)
        network = ImageNetwork(self.model, like, example=np.zeros((2, *sizes)), options=self.options)
        numbers = _drawn(generator.standard_normal((self.tries, shape[0], *sizes)), like)
        return _OfCode(numbers, network, tuple(shape[1:]), bounds, self)


class _OfCode(Canvas):
    def __init__(
        self, numbers: torch.Tensor, network: Any, shape: tuple[int, ...], bounds: Bounds, asked: GeneratorCode
    ) -> None:
        self.candidates, self.numbers = numbers, numbers[0]
        self.network, self.shape, self.bounds, self.asked = network, shape, bounds, asked

    def images(self, numbers: torch.Tensor) -> torch.Tensor:
        found = self.network.images(numbers)
        if tuple(found.shape[1:]) != self.shape:
            raise InvalidArgumentError(
                f"the generator makes images of shape {tuple(found.shape[1:])}, channels first, "
                f"and the network takes {self.shape}"
            )
        low, high = self.asked.image_range
        return self.bounds.numbers((found - low) / (high - low))

    def penalty(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.asked.weight * numbers.flatten(1).square().sum(1)
