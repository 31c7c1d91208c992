"""Networks of the matrix in PyTorch: one of each kind that people bring, small enough for every method in seconds.

There is one module for each activation, pool and normalisation, and additions are Captum's own module, as one writes for Captum:
they are what references run on. What only moves elements is a function, since relevance propagation refuses modules it has no
rule for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from captum.attr._utils.custom_modules import Addition_Module
from torch import Tensor, nn

__all__ = ["NETWORKS", "TextTail"]


class Cnn(nn.Module):
    """(N, 2, 10, 12) to logits (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1, self.pool = nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.norm2, self.relu2 = nn.Conv2d(6, 7, 3), nn.BatchNorm2d(7), nn.ReLU()
        self.classes = nn.Linear(7 * 3 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv1(x)))
        return self.classes(self.relu2(self.norm2(self.conv2(x))).flatten(1))


class ResNet(nn.Module):
    """(N, 3, 20, 28) to probabilities (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.relu = nn.Conv2d(3, 6, 3, 2, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        for name, before, width, stride in (("one", 6, 6, 1), ("two", 6, 8, 2)):
            self.add_module(f"{name}_conv1", nn.Conv2d(before, width, 3, stride, padding=1, bias=False))
            self.add_module(f"{name}_norm1", nn.BatchNorm2d(width))
            self.add_module(f"{name}_relu1", nn.ReLU())
            self.add_module(f"{name}_conv2", nn.Conv2d(width, width, 3, padding=1, bias=False))
            self.add_module(f"{name}_norm2", nn.BatchNorm2d(width))
            self.add_module(f"{name}_add", Addition_Module())
            self.add_module(f"{name}_relu2", nn.ReLU())
        self.two_short, self.two_short_norm = nn.Conv2d(6, 8, 1, 2, bias=False), nn.BatchNorm2d(8)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classes = nn.Linear(8, 5)
        self.softmax: nn.Module | None = nn.Softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm(self.stem(x))))
        part = dict(self.named_children())
        for name in ("one", "two"):
            y = part[f"{name}_relu1"](part[f"{name}_norm1"](part[f"{name}_conv1"](x)))
            y = part[f"{name}_norm2"](part[f"{name}_conv2"](y))
            skip = self.two_short_norm(self.two_short(x)) if name == "two" else x
            x = part[f"{name}_relu2"](part[f"{name}_add"](y, skip))
        x = self.classes(self.average(x).flatten(1))
        return x if self.softmax is None else self.softmax(x)


class Signal(nn.Module):
    """(N, 3, 24) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1, self.pool = nn.Conv1d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)
        self.conv2, self.norm2, self.relu2 = nn.Conv1d(6, 8, 3), nn.BatchNorm1d(8), nn.ReLU()
        self.average, self.classes = nn.AdaptiveAvgPool1d(1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv1(x)))
        return self.classes(self.average(self.relu2(self.norm2(self.conv2(x)))).flatten(1))


class Table(nn.Module):
    """(N, 9) to logits (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.relu1, self.two, self.relu2 = nn.Linear(9, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU()
        self.classes = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.relu2(self.two(self.relu1(self.one(x)))))


class Text(nn.Module):
    """Indices (N, 7) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(20, 6), nn.LSTM(6, 5, batch_first=True)
        self.hidden, self.relu, self.classes = nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.after(self.embedding(ids))

    def after(self, embedded: Tensor) -> Tensor:
        """From embedded words on."""
        return self.classes(self.relu(self.hidden(self.lstm(embedded)[1][0][-1])))


class TextTail(nn.Module):
    """A network of texts without what embeds: (N, 7, 6) to logits (N, 4)."""

    def __init__(self, text: Text) -> None:
        super().__init__()
        self.text = text

    def forward(self, embedded: Tensor) -> Tensor:
        return self.text.after(embedded)


class Attention(nn.Module):
    """(N, tokens, 8) to the same; two heads of four."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.softmax = nn.Softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (2, 4)).transpose(1, 2) for part in (self.query, self.key, self.value))
        weights = self.softmax(q @ k.transpose(-1, -2) / 2)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class ViT(nn.Module):
    """(N, 3, 16, 24) in patches of 8, and a class token, to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(7, 8))
        for name in ("one", "two"):
            self.add_module(f"{name}_norm1", nn.LayerNorm(8))
            self.add_module(f"{name}_attention", Attention())
            self.add_module(f"{name}_add1", Addition_Module())
            self.add_module(f"{name}_norm2", nn.LayerNorm(8))
            self.add_module(f"{name}_mlp1", nn.Linear(8, 12))
            self.add_module(f"{name}_relu", nn.ReLU())
            self.add_module(f"{name}_mlp2", nn.Linear(12, 8))
            self.add_module(f"{name}_add2", Addition_Module())
        self.norm, self.classes = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        part = dict(self.named_children())
        for name in ("one", "two"):
            x = part[f"{name}_add1"](x, part[f"{name}_attention"](part[f"{name}_norm1"](x)))
            y = part[f"{name}_mlp2"](part[f"{name}_relu"](part[f"{name}_mlp1"](part[f"{name}_norm2"](x))))
            x = part[f"{name}_add2"](x, y)
        return self.classes(self.norm(x)[:, 0])


class TwoInputs(nn.Module):
    """An image (N, 3, 8, 6) and a table (N, 5) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.see = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 6 * 4, 6)
        self.read, self.relu2, self.both = nn.Linear(5, 6), nn.ReLU(), Addition_Module()
        self.classes = nn.Linear(6, 4)

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        x = self.see(self.relu(self.conv(image)).flatten(1))
        return self.classes(self.both(x, self.relu2(self.read(table))))


class TwoOutputs(nn.Module):
    """(N, 2, 8, 10) to logits (N, 4) and a box (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.pool = nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2)
        self.classes, self.hidden, self.relu2 = nn.Linear(6 * 3 * 4, 4), nn.Linear(6 * 3 * 4, 5), nn.ReLU()
        self.box = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool(self.relu(self.conv(x))).flatten(1)
        return self.classes(x), self.box(self.relu2(self.hidden(x)))


class UNet(nn.Module):
    """(N, 2, 8, 12) to logits (N, 3, 8, 12)."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.relu1, self.pool1 = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.down2, self.relu2, self.pool2 = nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)
        self.bottom, self.relu3 = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()
        self.up2, self.relu4 = nn.ConvTranspose2d(6, 6, 2, 2), nn.ReLU()
        self.back2, self.relu5 = nn.Conv2d(12, 4, 3, padding=1), nn.ReLU()
        self.up1, self.classes = nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu1(self.down1(x))
        b = self.relu2(self.down2(self.pool1(a)))
        y = self.relu4(self.up2(self.relu3(self.bottom(self.pool2(b)))))
        y = self.relu5(self.back2(torch.cat([b, y], 1)))
        return self.classes(torch.cat([a, self.up1(y)], 1))


NETWORKS: dict[str, Callable[[], Any]] = {
    "cnn": Cnn,
    "resnet": ResNet,
    "signal": Signal,
    "table": Table,
    "text": Text,
    "vit": ViT,
    "two inputs": TwoInputs,
    "two outputs": TwoOutputs,
    "unet": UNet,
}
