"""Networks of ordinary kinds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .torch_case import Row

__all__ = ["ORDINARY"]


class Block(nn.Module):
    """A nested block: two convolutions, batch normalisation, a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), bias=False)
        self.norm2 = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x):
        y = self.act(self.norm1(self.conv1(x)))
        return self.act(self.norm2(self.conv2(y)) + x)


class Rgb(nn.Module):
    """RGB images of 20 × 28, asymmetric padding, a nested block used twice, a container, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.LeakyReLU(0.1)
        )
        self.block = Block(8)
        self.pool = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(8 * 6 * 8, 7))

    def forward(self, x):
        x = self.block(self.block(self.stem(x)))
        return self.head(self.pool(x) * 0.1 + 0.3)


class Functional(nn.Module):
    """What people write: functional activations and pools, ``view``, ``size(0)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc1 = nn.Linear(8 * 2 * 3, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu_(self.conv2(x))
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.fc2(torch.tanh(self.fc1(x))), dim=1)


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(4, 3, 1)
        self.three = nn.Sequential(nn.Conv2d(4, 3, 1), nn.ReLU(), nn.Conv2d(3, 5, 3, padding=1))
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.last = nn.Conv2d(12, 4, 3)

    def forward(self, x):
        x = torch.cat([self.one(x), self.three(x), self.pool(x)], 1)
        x = F.relu(self.last(x))
        return x.mean((2, 3))


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(5, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, image, meta):
        x = F.adaptive_avg_pool2d(torch.sigmoid(self.conv(image)), 1).flatten(1)
        return self.out(x * torch.tanh(self.fc(meta)))


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(2, 4, 3, padding=1)
        self.mask = nn.Conv2d(4, 1, 1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = F.elu(self.body(x))
        return self.fc(x.amax((2, 3))), torch.sigmoid(self.mask(x))


class Shared(nn.Module):
    """One ReLU and one convolution for everything."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        for _ in range(3):
            x = self.relu(self.conv(x))
        return x[:, :, 1:-1, ::2].sum(dim=(2, 3))


class Gate(nn.Module):
    """Squeeze and excitation: a gate a channel, on an image whose width equals its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 2, 1)
        self.up = nn.Conv2d(2, 8, 1)
        self.scale = nn.Parameter(torch.ones(1, 8, 1, 1))

    def forward(self, x):
        x = self.conv(x)
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))
        x = x * gate * self.scale
        return F.hardswish(x).flatten(2).mean(2)


class Tokens(nn.Module):
    """Patches as tokens: permute, layer normalisation, dense layers on three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = nn.LayerNorm(8)
        self.fc1 = nn.Linear(8, 12)
        self.fc2 = nn.Linear(12, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.fc2(F.gelu(self.fc1(self.norm(x))))
        return self.head(x.mean(1))


class Shuffle(nn.Module):
    """Channel shuffle and split, as ShuffleNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, groups=1)
        self.grouped = nn.Conv2d(8, 8, 3, groups=4)

    def forward(self, x):
        x = self.conv(x)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        a, b = self.grouped(x).chunk(2, 1)
        return (F.relu6(a) - torch.maximum(a, b)).flatten(1)


class Activations(nn.Module):
    """Each activation of ``torch.nn`` on its own channel block."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3)
        self.acts = nn.ModuleList(
            [
                nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.ELU(0.8), nn.SELU(), nn.CELU(1.2), nn.GELU(), nn.GELU("tanh"),
                nn.SiLU(), nn.Mish(), nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.Softsign(), nn.Hardtanh(-0.7, 0.9),
                nn.Hardsigmoid(), nn.Hardswish(), nn.PReLU(), nn.PReLU(5), nn.LogSigmoid(), nn.Softshrink(0.3),
                nn.Hardshrink(0.4), nn.Tanhshrink(), nn.Softmax(1), nn.LogSoftmax(1), nn.Threshold(0.1, 0.2), nn.GLU(2),
            ]
        )  # fmt: skip

    def forward(self, x):
        x = self.conv(x)
        return torch.cat([act(x).flatten(1) for act in self.acts], 1)


class Kinks(nn.Module):
    """Ties and bounds: every branch meets integers as they come in."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.relu6 = nn.ReLU6()
        self.tanh = nn.Hardtanh(-1.0, 2.0)
        self.leaky = nn.LeakyReLU(0.1)

    def forward(self, x):
        branches = [
            self.pool(x), self.relu6(x), self.tanh(x), self.leaky(x), F.relu(x), x.abs(), x.clamp(min=0.0), x.clamp(-1.0, 1.0),
            torch.maximum(x, torch.zeros_like(x)), torch.minimum(x, x.flip(3)), F.hardsigmoid(x), F.hardswish(x), F.elu(x), F.softplus(x),
            x.amax((2, 3)), x.max(3).values, F.threshold(x, 1.0, 0.0), F.hardshrink(x, 1.0), F.softshrink(x, 1.0),
        ]  # fmt: skip
        return torch.cat([branch.flatten(1) for branch in branches], 1)


def _conv1d() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 6, 5, padding=2, stride=2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 6, 3, groups=6),
        nn.Tanh(), nn.AvgPool1d(2, ceil_mode=True), nn.ConvTranspose1d(6, 2, 4, stride=2, padding=1), nn.AdaptiveAvgPool1d(1),
        nn.Flatten(), nn.Linear(2, 4), nn.Softmax(1),
    )  # fmt: skip


def _conv3d() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(2, 4, (2, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(4, 4, 2, dilation=(1, 2, 1)), nn.AvgPool3d(2), nn.ConvTranspose3d(4, 3, 2, stride=2), nn.Flatten(),
    )  # fmt: skip


def _autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=(0, 1)), nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 4, stride=2, padding=1), nn.Sigmoid(),
    )  # fmt: skip


def _depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=4, padding=1), nn.ReLU6(), nn.Conv2d(8, 8, 3, stride=2, groups=8, padding=1), nn.BatchNorm2d(8),
        nn.Hardswish(), nn.Conv2d(8, 6, 3, groups=2, dilation=2), nn.SiLU(), nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(),
    )  # fmt: skip


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8), nn.Sigmoid(), nn.Linear(8, 3)
    )


def _image_mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 5 * 7, 8), nn.ReLU(), nn.Linear(8, 3))


def _pools() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, 2, 1), nn.LeakyReLU(0.02), nn.AvgPool2d((2, 3), (1, 2), (1, 1)), nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False), nn.MaxPool2d(2, dilation=(1, 2), stride=1), nn.Flatten(),
    )  # fmt: skip


def _normalizations() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.GroupNorm(3, 6), nn.ReLU(), nn.InstanceNorm2d(6, affine=True), nn.LocalResponseNorm(3),
        nn.LayerNorm([6, 7, 9]), nn.Dropout2d(), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
    )  # fmt: skip


ORDINARY: dict[str, Row] = {
    "rgb": Row(Rgb, ((3, 20, 28),)),
    "functional": Row(Functional, ((1, 11, 13),)),
    "inception": Row(Inception, ((4, 9, 12),)),
    "two_inputs": Row(TwoInputs, ((3, 9, 7), (5,))),
    "two_outputs": Row(TwoOutputs, ((2, 6, 9),)),
    "shared": Row(Shared, ((3, 7, 10),)),
    "gate": Row(Gate, ((3, 6, 8),)),
    "tokens": Row(Tokens, ((3, 8, 12),)),
    "shuffle": Row(Shuffle, ((3, 9, 8),)),
    "activations": Row(Activations, ((2, 6, 9),), single="celu"),
    "kinks": Row(Kinks, ((2, 4, 6),), single="hardsigmoid", integers=True),
    "conv1d": Row(_conv1d, ((3, 33),)),
    "conv3d": Row(_conv3d, ((2, 5, 8, 10),)),
    "autoencoder": Row(_autoencoder, ((3, 12, 16),)),
    "depthwise": Row(_depthwise, ((4, 13, 15),)),
    "mlp": Row(_mlp, ((6,),)),
    "image_mlp": Row(_image_mlp, ((3, 5, 7),)),
    "pools": Row(_pools, ((1, 23, 31),)),
    "normalizations": Row(_normalizations, ((3, 9, 11),)),
}
