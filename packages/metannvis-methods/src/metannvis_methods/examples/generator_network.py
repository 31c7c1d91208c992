"""Generator of digits in PyTorch: the decoder of a variational auto-encoder, and its training. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

__all__ = ["Generator", "train"]

torch: Any = require("torch")
nn: Any = torch.nn
F = nn.functional

Array = np.ndarray[Any, Any]
#: Numbers of a code.
CODE = 8
STAGE = "train the generator"


class Generator(nn.Module):
    """Codes of shape ``(N, 8)`` to digits of shape ``(N, 1, S, S)`` in 0…1, by transposed convolutions as a DCGAN has them.

    Parameters
    ----------
    size
        S: a multiple of 4.
    """

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.size = size
        self.dense = nn.Linear(CODE, 64 * (size // 4) ** 2)
        self.norm1 = nn.BatchNorm2d(64)
        self.up1 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(32)
        self.up2 = nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1)

    def forward(self, code: Any) -> Any:
        """Digits, shape ``(N, 1, S, S)``."""
        x = self.dense(code).reshape(-1, 64, self.size // 4, self.size // 4)
        x = torch.relu(self.norm1(x))
        return torch.sigmoid(self.up2(torch.relu(self.norm2(self.up1(x)))))


class Encoder(nn.Module):
    """Digits to the mean and the logarithm of the variance of their codes, shape ``(N, 8)`` each."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size * size, 256), nn.ReLU(), nn.Linear(256, 2 * CODE))

    def forward(self, x: Any) -> Any:
        """See above."""
        return self.body(x).chunk(2, 1)


def train(
    images: Array,
    *,
    epochs: int = 40,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int, int, str], None] | None = None,
) -> Generator:
    """A generator, the decoder of a variational auto-encoder (Kingma, Welling, 2013, arXiv:1312.6114), in evaluation mode.

    Parameters
    ----------
    images
        Shape ``(N, 1, S, S)``, float32 in 0…1.
    epochs, batch
        Passes through the images, and images of a step.
    seed
        Of weights, order and noise; it is PyTorch's from then on.
    progress
        Called as ``progress(done, total, stage)``.
    """
    torch.manual_seed(seed)
    decoder, encoder = Generator(images.shape[-1]).train(), Encoder(images.shape[-1])
    update = torch.optim.Adam([*decoder.parameters(), *encoder.parameters()], lr=3e-3)
    data = torch.from_numpy(images)
    for epoch in range(epochs):
        if progress is not None:
            progress(epoch, epochs, STAGE)
        for rows in torch.randperm(len(data)).split(batch):
            x = data[rows]
            mean, spread = encoder(x)
            made = decoder(mean + torch.randn_like(mean) * (spread / 2).exp())
            rebuilt = F.binary_cross_entropy(made, x, reduction="sum")
            apart = -(1 + spread - mean.square() - spread.exp()).sum() / 2
            update.zero_grad()
            ((rebuilt + apart) / len(x)).backward()
            update.step()
    if progress is not None:
        progress(epochs, epochs, STAGE)
    return decoder.eval()
