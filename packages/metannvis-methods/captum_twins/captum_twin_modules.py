"""The networks of ``captum_networks.py`` in PyTorch, by hand, as one writes them for Captum."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr._utils.custom_modules import Addition_Module
from torch import Tensor, nn

__all__ = [
    "LSTM",
    "DigitsCNN",
    "Inception",
    "LSTMByHand",
    "Mobile",
    "ResNet",
    "SigmoidMLP",
    "SignalCNN",
    "TanhMLP",
    "UNet",
    "ViT",
]  # fmt: skip


class DigitsCNN(nn.Module):
    """(N, 1, 8, 8) to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(12, eps=1e-3)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(4 * 4 * 12, 24)
        self.relu3 = nn.ReLU()
        self.classes = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu2(self.norm2(self.conv2(self.relu1(self.conv1(x)))))
        x = self.pool(x).permute(0, 2, 3, 1).flatten(1)  # Keras flattens channels last
        return self.classes(self.relu3(self.hidden(x)))


class ResNet(nn.Module):
    """(N, 3, 14, 12) to logits (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6, eps=1e-3)
        self.relu = nn.ReLU()
        for name, before, width, stride in (("one", 6, 6, 1), ("two", 6, 8, 2)):
            # with a stride of two, `same` pads one at the end only: in `forward`
            self.add_module(f"{name}_conv1", nn.Conv2d(before, width, 3, stride, 2 - stride, bias=False))
            self.add_module(f"{name}_norm1", nn.BatchNorm2d(width, eps=1e-3))
            self.add_module(f"{name}_relu1", nn.ReLU())
            self.add_module(f"{name}_conv2", nn.Conv2d(width, width, 3, padding=1, bias=False))
            self.add_module(f"{name}_norm2", nn.BatchNorm2d(width, eps=1e-3))
            if stride > 1:
                self.add_module(f"{name}_short", nn.Conv2d(before, width, 1, stride, bias=False))
                self.add_module(f"{name}_short_norm", nn.BatchNorm2d(width, eps=1e-3))
            self.add_module(f"{name}_add", Addition_Module())
            self.add_module(f"{name}_relu2", nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classes = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        y = self.one_norm2(self.one_conv2(self.one_relu1(self.one_norm1(self.one_conv1(x)))))
        x = self.one_relu2(self.one_add(y, x))
        y = self.two_relu1(self.two_norm1(self.two_conv1(F.pad(x, (0, 1, 0, 1)))))
        y = self.two_norm2(self.two_conv2(y))
        x = self.two_relu2(self.two_add(y, self.two_short_norm(self.two_short(x))))
        return self.classes(self.pool(x).flatten(1))


class Inception(nn.Module):
    """(N, 3, 13, 11) to probabilities (N, 6)."""

    CONVOLUTIONS = (
        ("stem", 3, 6, (3, 3)),
        ("one", 6, 3, (1, 1)),
        ("three_a", 6, 3, (1, 1)),
        ("three_b", 3, 4, (3, 3)),
        ("seven_a", 6, 3, (1, 5)),
        ("seven_b", 3, 3, (5, 1)),
        ("pool", 6, 2, (1, 1)),
    )

    def __init__(self) -> None:
        super().__init__()
        for name, before, width, size in self.CONVOLUTIONS:
            padding = (size[0] // 2, size[1] // 2)
            self.add_module(f"{name}_conv", nn.Conv2d(before, width, size, padding=padding, bias=False))
            self.add_module(f"{name}_norm", nn.BatchNorm2d(width, eps=1e-3))
            self.add_module(f"{name}_relu", nn.ReLU())
            if name == "stem":
                self.max_pool = nn.MaxPool2d(3, 2, 1)
                self.average_pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.classes = nn.Linear(12, 6)
        self.softmax = nn.Softmax(1)

    def conv(self, name: str, x: Tensor) -> Tensor:
        for kind in ("conv", "norm", "relu"):
            x = self.get_submodule(f"{name}_{kind}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.max_pool(self.conv("stem", x))
        one = self.conv("one", x)
        three = self.conv("three_b", self.conv("three_a", x))
        seven = self.conv("seven_b", self.conv("seven_a", x))
        x = torch.cat([one, three, seven, self.conv("pool", self.average_pool(x))], 1)
        return self.softmax(self.classes(self.global_pool(x).flatten(1)))


class SignalCNN(nn.Module):
    """(N, 3, 24) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(3, 6, 5, 2)  # `same`: one before, two behind
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv1d(6, 6, 3, dilation=2)  # causal: all before
        self.norm2 = nn.BatchNorm1d(6, eps=1e-3)
        self.elu2 = nn.ELU()
        self.pool = nn.MaxPool1d(2)
        self.conv3 = nn.Conv1d(6, 5, 3)
        self.relu3 = nn.ReLU()
        self.hidden = nn.Linear(4 * 5, 8)
        self.relu4 = nn.ReLU()
        self.classes = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(F.pad(x, (1, 2))))
        x = self.pool(self.elu2(self.norm2(self.conv2(F.pad(x, (4, 0))))))
        x = self.relu3(self.conv3(x)).permute(0, 2, 1).flatten(1)
        return self.classes(self.relu4(self.hidden(x)))


class TanhMLP(nn.Module):
    """(N, 9) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(9, 12)
        self.tanh1 = nn.Tanh()
        self.two = nn.Linear(12, 8)
        self.tanh2 = nn.Tanh()
        self.classes = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.tanh2(self.two(self.tanh1(self.one(x)))))


class SigmoidMLP(nn.Module):
    """(N, 9) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(9, 12)
        self.tanh = nn.Tanh()
        self.two = nn.Linear(12, 8)
        self.sigmoid = nn.Sigmoid()
        self.classes = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.sigmoid(self.two(self.tanh(self.one(x)))))


class Mobile(nn.Module):
    """(N, 3, 12, 10) to logits (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, bias=False)  # `same`: one behind
        self.norm = nn.BatchNorm2d(6, eps=1e-3)
        self.relu6 = nn.ReLU6()
        self.depthwise = nn.Conv2d(6, 12, 3, padding=1, groups=6)
        self.leaky = nn.LeakyReLU(float(np.float32(0.2)))  # TensorFlow has the slope in single precision
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(12, 4, 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(4, 12, 1)
        self.sigmoid = nn.Sigmoid()
        self.separable = nn.Sequential(nn.Conv2d(12, 12, 3, groups=12, bias=False), nn.Conv2d(12, 8, 1))
        self.silu = nn.SiLU()
        self.classes = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu6(self.norm(self.stem(F.pad(x, (0, 1, 0, 1)))))
        x = self.leaky(self.depthwise(x))
        x = x * self.sigmoid(self.expand(self.relu(self.reduce(self.squeeze(x)))))
        return self.classes(self.silu(self.separable(x)).amax((2, 3)))


class UNet(nn.Module):
    """(N, 2, 8, 12) to logits (N, 3, 8, 12)."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.relu1, self.pool1 = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.down2, self.relu2, self.pool2 = nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)
        self.bottom, self.relu3 = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()
        self.up2, self.relu4 = nn.ConvTranspose2d(6, 6, 2, 2), nn.ReLU()
        self.back2, self.relu5 = nn.Conv2d(12, 4, 3, padding=1), nn.ReLU()
        self.up1 = nn.Upsample(scale_factor=2)
        self.classes = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu1(self.down1(x))
        b = self.relu2(self.down2(self.pool1(a)))
        y = self.relu4(self.up2(self.relu3(self.bottom(self.pool2(b)))))
        y = self.relu5(self.back2(torch.cat([b, y], 1)))
        return self.classes(torch.cat([a, self.up1(y)], 1))


class LSTMByHand(nn.LSTM):
    """One layer, batch first, step by step in functions that DeepLift has rules for (PyTorch's own is one function)."""

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # type: ignore[override]
        hidden = cell = torch.zeros(x.shape[0], self.hidden_size, dtype=x.dtype)
        steps = []
        for step in x.unbind(1):
            gates = F.linear(step, self.weight_ih_l0, self.bias_ih_l0) + F.linear(
                hidden, self.weight_hh_l0, self.bias_hh_l0
            )
            keep, forget, new, out = gates.chunk(4, -1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(keep) * torch.tanh(new)
            hidden = torch.sigmoid(out) * torch.tanh(cell)
            steps.append(hidden)
        return torch.stack(steps, 1), (hidden[None], cell[None])


class LSTM(nn.Module):
    """(N, 7, 3) to logits (N, 4). Identities stand where Captum is to find what a recurrent layer puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1 = nn.LSTM(3, 6, batch_first=True)
        self.sequence1 = nn.Identity()
        self.lstm2 = nn.LSTM(6, 5, batch_first=True)
        self.last2 = nn.Identity()
        self.hidden = nn.Linear(5, 6)
        self.relu = nn.ReLU()
        self.classes = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.sequence1(self.lstm1(x)[0])
        # the state at the end, not `[0][:, -1]`: of a slice that is not contiguous a product is rounded otherwise, and what
        # an occlusion changes is a small difference of outputs: 1.1e-5 of it in single precision
        x = self.last2(self.lstm2(x)[1][0][-1])
        return self.classes(self.relu(self.hidden(x)))


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
    """(N, 3, 12, 8) to logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.positions = nn.Parameter(torch.zeros(6, 8))
        for name in ("one", "two"):
            self.add_module(f"{name}_norm1", nn.LayerNorm(8, eps=1e-6))
            self.add_module(f"{name}_attention", Attention())
            self.add_module(f"{name}_add1", Addition_Module())
            self.add_module(f"{name}_norm2", nn.LayerNorm(8, eps=1e-6))
            self.add_module(f"{name}_mlp1", nn.Linear(8, 12))
            self.add_module(f"{name}_relu", nn.ReLU())
            self.add_module(f"{name}_mlp2", nn.Linear(12, 8))
            self.add_module(f"{name}_add2", Addition_Module())
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.classes = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        for name in ("one", "two"):
            part = dict(self.named_children())
            y = part[f"{name}_attention"](part[f"{name}_norm1"](x))
            x = part[f"{name}_add1"](x, y)
            y = part[f"{name}_mlp2"](part[f"{name}_relu"](part[f"{name}_mlp1"](part[f"{name}_norm2"](x))))
            x = part[f"{name}_add2"](x, y)
        return self.classes(self.norm(x).mean(1))
