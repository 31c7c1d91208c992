"""Convolutional network for the digits in PyTorch, channels first, and its training. Imports PyTorch.

Layers stand in ``__init__`` and functions in ``forward``, as many networks are written. The functional ReLU is what makes
Captum's DeepLift silently wrong on a module as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

__all__ = ["Network", "Plain", "accuracy", "for_size", "outputs", "train"]

torch: Any = require("torch")
nn: Any = torch.nn
F = nn.functional

Array = np.ndarray[Any, Any]


class Network(nn.Module):
    """Digits of shape ``(N, 1, S, S)``, float32 in 0…1, to logits of shape ``(N, 10)``.

    Parameters
    ----------
    size
        S: 8, whose maps are flattened and go through a hidden layer, or 28, of whose last convolution the largest value of each
        channel counts, wherever it is: where a class comes from can be seen in its maps.
    """

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.large = size > 8
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        if self.large:
            self.norm2 = nn.BatchNorm2d(32)
            self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
            self.pool = nn.AdaptiveMaxPool2d(1)
        else:
            self.hidden = nn.Linear(32 * (size // 2) ** 2, 64)
        self.dropout = nn.Dropout(0.1 if self.large else 0.25)
        self.classes = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        """Logits of shape ``(N, 10)``."""
        x = F.relu(self.norm1(self.conv1(x)))
        if self.large:
            x = F.relu(self.norm2(self.conv2(F.max_pool2d(x, 2))))
            x = self.pool(F.relu(self.conv3(F.max_pool2d(x, 2))))
            return self.classes(self.dropout(torch.flatten(x, 1)))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        x = F.relu(self.hidden(x))
        return self.classes(x)


class Plain(nn.Module):
    """Digits of shape ``(N, 1, 28, 28)``, float32 in 0…1, to logits of shape ``(N, 10)``.

    Convolutions, ReLUs, pools and dense layers: every layer is a module of its own, and knows where things are, since the maps
    are flattened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(32 * 7 * 7, 64)
        self.relu3 = nn.ReLU()
        self.classes = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        """Logits of shape ``(N, 10)``."""
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.classes(self.relu3(self.hidden(self.flatten(x))))


def train(
    images: Array,
    classes: Array,
    *,
    epochs: int,
    seed: int,
    progress: Callable[[int, int, str], None],
    batch: int = 32,
    plain: bool = False,
) -> Any:
    """A network trained with Adam, in evaluation mode.

    Parameters
    ----------
    images
        Shape ``(N, 1, S, S)``, float32 in 0…1.
    classes
        Shape ``(N,)``, int64 in 0…9.
    epochs
        Passes through the images.
    seed
        Of the weights, the order of the images and dropout; it is PyTorch's from then on.
    progress
        Called as ``progress(done, total, stage)`` before each epoch, and at the end.
    batch
        Images of one step.
    plain
        A :class:`Plain` network, not a :class:`Network`.
    """
    torch.manual_seed(seed)
    network = (Plain() if plain else Network(images.shape[-1])).train()
    fast = not plain and images.shape[-1] > 8
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3 if fast else 2e-3)
    x, y = torch.from_numpy(images), torch.from_numpy(classes)
    for epoch in range(epochs):
        progress(epoch, epochs, "train the PyTorch network")
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
    progress(epochs, epochs, "train the PyTorch network")
    return network.eval()


def outputs(network: Any, images: Array) -> Array:
    """Logits of images of shape ``(N, 1, S, S)``: shape ``(N, 10)``, float32."""
    with torch.no_grad():
        found: Array = network(torch.from_numpy(images)).numpy()
    return found


def accuracy(network: Any, images: Array, classes: Array) -> float:
    """Share of images, shape ``(N, 1, S, S)``, whose largest logit is that of their class, shape ``(N,)``."""
    return float((outputs(network, images).argmax(axis=1) == classes).mean())


def for_size(network: Any, height: int, width: int) -> Any:
    """The network for images of another size: itself, if it takes the largest values of its last maps."""
    return network
