"""Words of ``explain`` that are more than numbers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.evidence import EVIDENCE, largest

__all__ = ["NOISE_KINDS", "WORDS", "EvidenceTarget", "MCDropout", "Preprocessing", "SegmentationTarget", "SmoothGrad"]

REDUCTIONS = ("sum", "mean", "count")


@dataclass(frozen=True)
class SegmentationTarget:
    """A class of a dense output, over a region of it: what a segmentation network is explained for.

    Attributes
    ----------
    class_
        Index of the class, or its name (with ``labels``).
    where
        The region, which is settled once, from the prediction for what is explained: ``"argmax"``, where the class is the
        largest; a number, where the class' output is above it; ``"otsu"``, where it is above Otsu's threshold (IEEE
        Transactions on Systems, Man, and Cybernetics 9, 1979); or an array of weights, shape ``(H, W)`` or ``(N, H, W)``.
    reduce
        ``"sum"`` or ``"mean"`` of the class' output over the region; ``"count"`` of the places there at which the class is the
        largest, for methods that need predictions only.
    """

    class_: int | str
    where: Any = "argmax"
    reduce: str = "sum"

    def __post_init__(self) -> None:
        if self.reduce not in REDUCTIONS:
            raise InvalidArgumentError(
                f"SegmentationTarget: reduce is one of {', '.join(REDUCTIONS)}, not {self.reduce!r}"
            )
        if isinstance(self.where, str) and self.where not in ("argmax", "otsu"):
            raise InvalidArgumentError(
                f"SegmentationTarget: where is 'argmax', 'otsu', a number or a mask, not {self.where!r}"
            )

    def __str__(self) -> str:
        where = self.where if isinstance(self.where, (str, int, float)) else "mask"
        return f"class {self.class_} where {where}, {self.reduce}"


#: What is made of the maps of the noisy copies.
NOISE_KINDS = ("smoothgrad", "smoothgrad_sq", "vargrad")


@dataclass(frozen=True)
class SmoothGrad:
    """A method over noisy copies of the inputs.

    Attributes
    ----------
    samples
        Copies of each input.
    stdev
        Standard deviation of the Gaussian noise, as a share of the largest minus the smallest number of a sample of an input,
        or with ``relative=False`` in the units of the input.
    kind
        ``"smoothgrad"``, the mean of the maps (Smilkov et al., 2017, arXiv:1706.03825); ``"smoothgrad_sq"``, the mean of their
        squares (Hooker et al., 2018, arXiv:1806.10758); ``"vargrad"``, their variance (Adebayo et al., 2018,
        arXiv:1810.03307).
    relative
        What ``stdev`` is a share of.
    """

    samples: int = 25
    stdev: float = 0.15
    kind: str = "smoothgrad"
    relative: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 1:
            raise InvalidArgumentError(f"noise: samples is a whole number of at least 1, not {self.samples!r}")
        if isinstance(self.stdev, bool) or not isinstance(self.stdev, (int, float)) or not 0 <= self.stdev < np.inf:
            raise InvalidArgumentError(f"noise: stdev is a number of at least 0, not {self.stdev!r}")
        if self.kind not in NOISE_KINDS:
            raise InvalidArgumentError(f"noise: kind is one of {', '.join(NOISE_KINDS)}, not {self.kind!r}")


@dataclass(frozen=True)
class MCDropout:
    """Dropout at the time of prediction: a network once for each of so many masks (Gal & Ghahramani, 2016, arXiv:1506.02142).

    Only what drops is active. A mask is one thinned network, the same for every sample, input and baseline.

    Attributes
    ----------
    samples
        Masks, at least 2.
    """

    samples: int = 50

    def __post_init__(self) -> None:
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 2:
            raise InvalidArgumentError(f"MCDropout: samples is a whole number of at least 2, not {self.samples!r}")


@dataclass(frozen=True)
class EvidenceTarget:
    """The evidence for a class of an evidential head, as a target: relevance starts from it (Sensoy et al., 2018).

    Attributes
    ----------
    class_
        Index of the class; ``None``: that with most evidence, for each sample.
    evidence
        What makes evidence of the output: ``"relu"``, ``"softplus"`` or ``"exp"``.
    """

    class_: int | None = None
    evidence: str = "relu"

    def __post_init__(self) -> None:
        if self.evidence not in EVIDENCE:
            raise InvalidArgumentError(
                f"EvidenceTarget: evidence is one of {', '.join(EVIDENCE)}, not {self.evidence!r}"
            )
        whole = isinstance(self.class_, (int, np.integer)) and not isinstance(self.class_, bool)
        if self.class_ is not None and not whole:
            raise InvalidArgumentError(f"EvidenceTarget: class_ is the index of a class, or None, not {self.class_!r}")

    def __call__(self, output: Any) -> Any:
        """Evidence of each sample, shape ``(N,)``, of an output of shape ``(N, classes)``, a tensor of any framework."""
        found = EVIDENCE[self.evidence](output)
        if len(output.shape) != 2 or (
            self.class_ is not None and not -output.shape[1] <= self.class_ < output.shape[1]
        ):
            raise InvalidArgumentError(
                f"EvidenceTarget: class {self.class_} of an output of shape {tuple(output.shape)}, which is (N, classes)"
            )
        if self.class_ is not None:
            return found[:, int(self.class_)]
        return largest(found)

    def __str__(self) -> str:
        return "evidence of " + ("the class with most" if self.class_ is None else f"class {self.class_}")


#: Ways to bring an image to another size, by Pillow's names.
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


@dataclass(frozen=True)
class Preprocessing:
    """What a network was trained to get of an image: ``(pixels / divisor − mean) / std``, pixels being 0…255.

    Attributes
    ----------
    divisor
        What the pixels are divided by first.
    mean, std
        What is subtracted then, and what is divided by: a number for every colour, or one a colour, in the order that the
        network takes them.
    order
        ``"RGB"`` or ``"BGR"``.
    size
        Height and width that an image is brought to; ``None``: what the model declares, else its own.
    crop
        Whether it is cut to that aspect first rather than distorted.
    crop_share
        Which share of the shorter side is left by that: 224/256 where images are made 256 and cut to 224.
    interpolation
        ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"`` or ``"hamming"``.
    background
        What transparent images are laid over: a colour's name, or ``"#rrggbb"``.
    """

    divisor: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    order: str = "RGB"
    size: tuple[int, int] | None = None
    crop: bool = False
    crop_share: float = 1.0
    interpolation: str = "bilinear"
    background: str = "white"

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, _numbers(getattr(self, name), name))
        if not _is_number(self.divisor) or not self.divisor > 0:
            raise InvalidArgumentError(f"preprocess: divisor is a number above 0, not {self.divisor!r}")
        if any(value <= 0 for value in self.std):
            raise InvalidArgumentError(f"preprocess: std are numbers above 0, not {self.std!r}")
        if self.order not in ("RGB", "BGR"):
            raise InvalidArgumentError(f"preprocess: order is 'RGB' or 'BGR', not {self.order!r}")
        if self.size is not None:
            size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
            if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
                raise InvalidArgumentError(f"preprocess: size is (height, width), not {self.size!r}")
            object.__setattr__(self, "size", size)
        if not isinstance(self.background, str):
            raise InvalidArgumentError(f"preprocess: background is the name of a colour, not {self.background!r}")
        if not isinstance(self.crop, bool):
            raise InvalidArgumentError(f"preprocess: crop is true or false, not {self.crop!r}")
        if not _is_number(self.crop_share) or not 0 < self.crop_share <= 1:
            raise InvalidArgumentError(f"preprocess: crop_share is above 0 and at most 1, not {self.crop_share!r}")
        if self.interpolation not in INTERPOLATIONS:
            raise InvalidArgumentError(
                f"preprocess: interpolation is one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}"
            )
        if len({len(side) for side in (self.mean, self.std) if len(side) > 1}) > 1:
            raise InvalidArgumentError("preprocess: mean and std are of different numbers of colours")

    @property
    def colours(self) -> int:
        """Number of colours that it is for; 1 if for any."""
        return max(len(self.mean), len(self.std), 3 if self.order == "BGR" else 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    items = (value,) if np.ndim(value) == 0 else tuple(np.asarray(value, object).tolist())
    if not all(map(_is_number, items)):
        raise InvalidArgumentError(f"preprocess: {name} is a number, or one a colour, not {value!r}")
    return tuple(float(item) for item in items)


#: Classes of the vocabulary, by the names under which files hold them.
WORDS: dict[str, type] = {
    cls.__name__: cls for cls in (EvidenceTarget, MCDropout, Preprocessing, SegmentationTarget, SmoothGrad)
}
