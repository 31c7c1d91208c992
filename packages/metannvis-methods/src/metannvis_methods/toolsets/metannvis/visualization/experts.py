"""Experts: models of what images look like, for the regularizer that pulls an image towards them.

Importing this loads no framework. An expert has ``log_likelihood``, whose gradient is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from metannvis_translate.reading import read_npz
from metannvis_translate.writing import replacing

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy

if TYPE_CHECKING:
    import torch

__all__ = ["DenoisingAutoencoder", "ImageExpert", "RestrictedBoltzmannMachine"]

Array = np.ndarray[Any, Any]


class ImageExpert(Protocol):
    """What an expert has to have."""

    def log_likelihood(self, images: torch.Tensor) -> torch.Tensor:
        """Shape ``(N,)``, up to a constant, of images of shape ``(N, C, H, W)`` in 0…1, channels first."""


@dataclass(frozen=True)
class RestrictedBoltzmannMachine:
    """A restricted Boltzmann machine: log p(x) = b·x + Σ_j softplus(c_j + W_j·x), up to a constant (minus its free energy).

    Attributes
    ----------
    weights
        Shape ``(hidden, pixels)``; arrays or tensors of any framework.
    visible, hidden
        Biases b, shape ``(pixels,)``, and c, shape ``(hidden,)``.
    channels_last
        Whether its pixels are in the order of images of shape ``(H, W, C)``; of one channel both are the same.
    """

    weights: Any
    visible: Any
    hidden: Any
    channels_last: bool = False

    def __post_init__(self) -> None:
        arrays = [to_numpy(value) for value in (self.weights, self.visible, self.hidden)]
        shapes = [array.shape for array in arrays]
        if len(shapes[0]) != 2 or shapes[1] != shapes[0][1:] or shapes[2] != shapes[0][:1]:
            raise InvalidArgumentError(
                "a restricted Boltzmann machine has weights of shape (hidden, pixels), visible biases of (pixels,) and "
                f"hidden ones of (hidden,), not {', '.join(map(str, shapes))}"
            )

    def log_likelihood(self, images: torch.Tensor) -> torch.Tensor:
        """Shape ``(N,)``."""
        from torch.nn.functional import softplus

        flat = (images.movedim(1, -1) if self.channels_last else images).flatten(1)
        weights, visible, hidden = (
            flat.new_tensor(to_numpy(value)) for value in (self.weights, self.visible, self.hidden)
        )
        if flat.shape[1] != weights.shape[1]:
            raise InvalidArgumentError(
                f"the restricted Boltzmann machine is of {weights.shape[1]} pixels, and the images have {flat.shape[1]}"
            )
        return flat @ visible + softplus(hidden + flat @ weights.T).sum(1)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write an ``.npz`` file of three arrays, which :meth:`load` reads."""
        path = Path(path)
        arrays = {name: to_numpy(getattr(self, name)) for name in ("weights", "visible", "hidden")}
        with replacing(path) as new, new.open("wb") as file:
            np.savez_compressed(file, channels_last=np.array(self.channels_last), **arrays)  # type: ignore[arg-type]
        return path

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RestrictedBoltzmannMachine:
        """Read what :meth:`save` wrote; runs no code from the file.

        Raises
        ------
        InvalidArgumentError
            The file holds something else.
        """
        arrays = dict(read_npz(Path(path)))
        if set(arrays) != {"weights", "visible", "hidden", "channels_last"}:
            raise InvalidArgumentError(f"{path} holds no restricted Boltzmann machine")
        return cls(arrays["weights"], arrays["visible"], arrays["hidden"], bool(arrays["channels_last"]))


@dataclass(frozen=True)
class DenoisingAutoencoder:
    """A denoising auto-encoder r: its r(x) − x is along the gradient of log p(x) (Alain, Bengio, 2014, arXiv:1211.4246).

    Attributes
    ----------
    model
        A network of any framework that returns images like those it is given, in 0…1; or the path of its file. It is left as it
        is, and runs in evaluation mode.
    options
        For ``load_model`` and ``translate``.
    """

    model: Any
    options: dict[str, Any] = field(default_factory=dict)
    _made: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def log_likelihood(self, images: torch.Tensor) -> torch.Tensor:
        """−½‖r(x) − x‖² with r(x) held, whose gradient is r(x) − x, shape ``(N,)``."""
        network = self._network(images)
        returned = network.returned_for(images.detach()).detach()
        if returned.shape != images.shape:
            raise InvalidArgumentError(
                f"the auto-encoder returns shape {tuple(returned.shape)} for images of {tuple(images.shape)}, channels first"
            )
        return -(returned - images).flatten(1).square().sum(1) / 2

    def _network(self, images: torch.Tensor) -> Any:
        """Its copy for images of a shape, dtype and device."""
        from metannvis_translate import detect_framework

        from metannvis_methods.models.registry import adapter_for
        from metannvis_methods.toolsets.metannvis.visualization.networks import ImageNetwork, opened

        key = (tuple(images.shape[1:]), images.dtype, str(images.device))
        if key not in self._made:
            model = opened(self.model, self.options)
            last = adapter_for(detect_framework(model)).channels_last
            example = to_numpy(images.detach()[:1]).repeat(2, 0)
            self._made[key] = ImageNetwork(
                model, images, example=np.moveaxis(example, 1, -1) if last else example, options=self.options
            )
        return self._made[key]
