"""Fourier spectra of images, and colours that are not correlated (Olah, Mordvintsev, Schubert: Feature Visualization, 2017).

Imported after PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["COLORS", "correlated", "decorrelated", "image_of", "scales", "spectrum_of"]

#: Square root of the covariance of the colours of natural images, over its largest column norm.
COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
COLORS = COLORS / np.linalg.norm(COLORS, axis=0).max()
#: What the image is divided by, so that its values are of the order of 1.
SIZE = 4.0


def scales(sizes: Sequence[int], like: torch.Tensor, decay: float = 1.0) -> torch.Tensor:
    """1 / max(f, 1 / max(h, w)) of each frequency f of images of ``(h, w)``, shape ``(h, w // 2 + 1)``."""
    height, width = sizes
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    right = torch.fft.rfftfreq(width, dtype=torch.float64)[None]
    return (down.square() + right.square()).sqrt().clamp_min(1 / max(sizes)).pow(-decay).to(like)


def image_of(spectrum: torch.Tensor, scale: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """An image, shape ``(N, C, h, w)``, by its spectrum, shape ``(N, C, h, w // 2 + 1, 2)``."""
    found: torch.Tensor = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=tuple(sizes), norm="ortho")
    return found / SIZE


def spectrum_of(image: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The spectrum of an image: :func:`image_of` undone."""
    return torch.view_as_real(torch.fft.rfft2(image * SIZE, norm="ortho") / scale).contiguous()


def correlated(image: torch.Tensor) -> torch.Tensor:
    """Colours of images of three channels, shape ``(N, 3, …)``, as natural images have them together."""
    return torch.einsum("oc,nc...->no...", image.new_tensor(COLORS), image)


def decorrelated(image: torch.Tensor) -> torch.Tensor:
    """:func:`correlated` undone."""
    return torch.einsum("oc,nc...->no...", image.new_tensor(np.linalg.inv(COLORS)), image)
