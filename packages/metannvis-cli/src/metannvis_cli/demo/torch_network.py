"""A small convolutional network in PyTorch, as many are written: layers in ``__init__``, functions in ``forward``.

The functional ReLU is what makes Captum's DeepLift silently wrong on a module as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["Network", "accuracy", "train"]

Array = np.ndarray[Any, Any]


class Network(nn.Module):
    """Digits of shape ``(N, 1, 8, 8)`` to ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.hidden = nn.Linear(32 * 4 * 4, 64)
        self.classes = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape ``(N, 10)``."""
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        x = F.relu(self.hidden(x))
        return self.classes(x)


def train(
    images: Array, classes: Array, *, epochs: int, seed: int, progress: Callable[[int, int, str], None], batch: int = 32
) -> Network:
    """A network trained with Adam, in evaluation mode.

    Parameters
    ----------
    images
        Shape ``(N, 1, 8, 8)``, float32.
    classes
        Shape ``(N,)``, int64.
    """
    torch.manual_seed(seed)
    network = Network().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    x, y = torch.from_numpy(images), torch.from_numpy(classes)
    for epoch in range(epochs):
        progress(epoch, epochs, "train the PyTorch network")
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
    progress(epochs, epochs, "train the PyTorch network")
    return network.eval()


def accuracy(network: Network, images: Array, classes: Array) -> float:
    """Share of images whose largest logit is their class's."""
    with torch.no_grad():
        predicted = network(torch.from_numpy(images)).argmax(1).numpy()
    return float((predicted == classes).mean())
