"""Networks on images and signals: U-Nets, generators, dilated stacks, normalisations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .torch_case import Row

__all__ = ["IMAGES"]


def _mnist() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8 * 16, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10), nn.LogSoftmax(1),
    )  # fmt: skip


class UNet(nn.Module):
    """Two levels down and up; ``up`` says how it goes up."""

    def __init__(self, up: str, align: bool | None = None) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        if up == "transposed":
            self.up: nn.Module = nn.ConvTranspose2d(6, 6, 2, stride=2)
        else:
            self.up = nn.Upsample(scale_factor=2, mode=up, align_corners=align)
        self.last = nn.Conv2d(10, 2, 3, padding=1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        return torch.sigmoid(self.last(torch.cat([a, self.up(b)], 1)))


class Interpolations(nn.Module):
    """To given sizes and by odd factors."""

    def forward(self, x):
        parts = [
            F.interpolate(x, size=(7, 9)), F.interpolate(x, size=(9, 13), mode="bilinear"),
            F.interpolate(x, size=(3, 5), mode="bilinear", align_corners=True), F.interpolate(x, scale_factor=1.5, mode="bicubic"),
            F.interpolate(x, size=(11, 12), mode="bicubic", align_corners=True), F.interpolate(x, scale_factor=(2, 3)),
            F.interpolate(x, size=(4, 5), mode="nearest-exact"), F.interpolate(x, size=(3, 4), mode="area"),
            F.interpolate(x, size=(3, 4), mode="bilinear", antialias=True),
        ]  # fmt: skip
        return torch.cat([part.flatten(1) for part in parts], 1)


def _generator() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (6, 1, 1)), nn.ConvTranspose2d(6, 8, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(True),
        nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip


class WaveNet(nn.Module):
    """Causal, dilated, gated convolutions with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv1d(1, 6, 1)
        self.gates = nn.ModuleList([nn.Conv1d(6, 12, 2, dilation=2**k) for k in range(4)])
        self.skips = nn.ModuleList([nn.Conv1d(6, 6, 1) for _ in range(4)])
        self.end = nn.Conv1d(6, 5, 1)

    def forward(self, x):
        x, total = self.start(x), 0.0
        for gate, skip in zip(self.gates, self.skips, strict=True):
            a, b = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, 1)
            y = skip(torch.tanh(a) * torch.sigmoid(b))
            x, total = x + y, total + y
        return self.end(F.relu(total))


class SuperResolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 12, 3, padding=1)
        self.up, self.down = nn.PixelShuffle(2), nn.PixelUnshuffle(2)
        self.last = nn.Conv2d(12, 3, 1)

    def forward(self, x):
        x = self.up(self.conv(x))
        return self.last(self.down(x)) + F.channel_shuffle(
            self.conv.weight.new_zeros(1, 3, 1, 1) + self.last(self.down(x)), 3
        )


class Norms(nn.Module):
    """Each normalisation, with weights and without."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norms = nn.ModuleList(
            [
                nn.GroupNorm(2, 6), nn.GroupNorm(3, 6, affine=False), nn.GroupNorm(1, 6), nn.GroupNorm(6, 6), nn.InstanceNorm2d(6),
                nn.InstanceNorm2d(6, affine=True), nn.LayerNorm([6, 5, 7]), nn.LayerNorm(7, bias=False),
                nn.LayerNorm([5, 7], elementwise_affine=False), nn.RMSNorm(7), nn.LocalResponseNorm(3),
                nn.BatchNorm2d(6, affine=False), nn.InstanceNorm2d(6, track_running_stats=True),
            ]
        )  # fmt: skip

    def forward(self, x):
        x = self.conv(x)
        return torch.cat([norm(x).flatten(1) for norm in self.norms], 1)


class TokenNorms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rms, self.layer, self.group = nn.RMSNorm(6, eps=1e-5), nn.LayerNorm(6), nn.GroupNorm(3, 9)
        self.batch, self.instance = nn.BatchNorm1d(9), nn.InstanceNorm1d(9, affine=True)

    def forward(self, x):
        return self.instance(self.batch(self.group(self.layer(self.rms(x)))))


class Pads(nn.Module):
    """Each way to pad."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=2, padding_mode="circular")
        self.pads = nn.ModuleList(
            [
                nn.ReflectionPad2d((1, 2, 0, 1)),
                nn.ReplicationPad2d((1, 0, 2, 1)),
                nn.CircularPad2d(1),
                nn.ConstantPad2d(1, 0.7),
            ]
        )

    def forward(self, x):
        x = self.conv(x)
        parts = [pad(x) for pad in self.pads] + [F.pad(x, (-1, 1, 0, -2)), F.pad(x, (1, 1), value=-1.5)]
        return torch.cat([part.flatten(1) for part in parts], 1)


class Adaptive(nn.Module):
    """Pools to sizes that do not divide, pools with indices, powers."""

    def __init__(self) -> None:
        super().__init__()
        self.pools = nn.ModuleList(
            [
                nn.AdaptiveAvgPool2d((3, 4)), nn.AdaptiveMaxPool2d((2, 3)), nn.AdaptiveAvgPool2d((None, 2)), nn.LPPool2d(2, 2),
            ]
        )  # fmt: skip

    def forward(self, x):
        return torch.cat([pool(x).flatten(1) for pool in self.pools], 1)


class LayerScale(nn.Module):
    """A scale a channel in front of space, as ConvNeXt has it, and weights that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3))
        self.scale = nn.Parameter(torch.randn(6, 1, 1))
        self.shift = nn.Parameter(torch.randn(1, 6, 1, 1))
        self.map = nn.Parameter(torch.randn(6, 5, 7))

    def forward(self, x):
        x = self.conv(x)
        return x * self.scale + self.shift + torch.sigmoid(self.map) * self.scale.abs()


IMAGES: dict[str, Row] = {
    "mnist": Row(_mnist, ((1, 28, 28),)),
    "unet_transposed": Row(lambda: UNet("transposed"), ((3, 8, 12),)),
    "unet_nearest": Row(lambda: UNet("nearest"), ((3, 8, 12),)),
    "unet_bilinear": Row(lambda: UNet("bilinear", False), ((3, 8, 12),)),
    "unet_bilinear_aligned": Row(lambda: UNet("bilinear", True), ((3, 8, 12),)),
    "unet_bicubic": Row(lambda: UNet("bicubic", False), ((3, 8, 12),)),
    "unet_bicubic_aligned": Row(lambda: UNet("bicubic", True), ((3, 8, 12),)),
    "interpolations": Row(Interpolations, ((2, 6, 8),)),
    "generator": Row(_generator, ((6,),)),
    "wavenet": Row(WaveNet, ((1, 20),)),
    "super_resolution": Row(SuperResolution, ((2, 4, 6),)),
    "norms": Row(Norms, ((3, 7, 9),)),
    "token_norms": Row(TokenNorms, ((9, 6),)),
    "pads": Row(Pads, ((2, 6, 7),)),
    "adaptive": Row(Adaptive, ((2, 7, 10),)),
    "layer_scale": Row(LayerScale, ((3, 7, 9),), constant=("conv.parametrizations.weight.0",)),
}
