"""Words of ``explain`` that are more than numbers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["NOISE_KINDS", "WORDS", "SegmentationTarget", "SmoothGrad"]

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


#: Classes of the vocabulary, by the names under which files hold them.
WORDS: dict[str, type] = {cls.__name__: cls for cls in (SegmentationTarget, SmoothGrad)}
