"""PyTorch versions of four networks of ``keras.applications``: torchvision's, changed where Keras' network is another one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn

__all__ = ["KERAS", "SIZES", "copy_weights", "example", "make"]

#: Network → its class in ``keras.applications``.
KERAS = {
    "ResNet50": "ResNet50",
    "MobileNetV2": "MobileNetV2",
    "EfficientNetB0": "EfficientNetB0",
    "DenseNet121": "DenseNet121",
}
SIZES = (3, 224, 224)


def make(name: str) -> nn.Module:
    """The network with random weights and statistics, in inference mode."""
    torch.manual_seed(0)
    model: nn.Module = {
        "ResNet50": _resnet50,
        "MobileNetV2": _mobilenet_v2,
        "EfficientNetB0": _efficientnet_b0,
        "DenseNet121": _densenet121,
        "VGG16": torchvision.models.vgg16,
    }[name]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    return model.eval()


def example(batch: int = 1, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((batch, *SIZES)).astype(np.float32)


def _resnet50() -> nn.Module:
    """Strides stand in the first convolution of a block, and every convolution has a bias."""
    model = torchvision.models.resnet50(norm_layer=partial(nn.BatchNorm2d, eps=1.001e-5))
    for block in model.modules():
        if isinstance(block, torchvision.models.resnet.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.Conv2d):
            other = nn.Conv2d(
                module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding, bias=True
            )
            _replace(model, path, other)
    return model


def _densenet121() -> nn.Module:
    model = torchvision.models.densenet121()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1.001e-5
    return model


def _mobilenet_v2() -> nn.Module:
    return _padded_at_the_end(torchvision.models.mobilenet_v2(norm_layer=partial(nn.BatchNorm2d, eps=1e-3)))


def _efficientnet_b0() -> nn.Module:
    network = torchvision.models.efficientnet_b0(norm_layer=partial(nn.BatchNorm2d, eps=1e-3))
    return nn.Sequential(Rescaling(), _padded_at_the_end(network))


class Rescaling(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 255.0


def _padded_at_the_end(model: nn.Module) -> nn.Module:
    """Keras pads an even image of a strided convolution by one more at its end than at its beginning."""
    for path, conv in list(model.named_modules()):
        if isinstance(conv, nn.Conv2d) and conv.stride == (2, 2):
            total = conv.kernel_size[0] - 2
            begin, end = total // 2, total - total // 2
            conv.padding = (0, 0)
            _replace(model, path, nn.Sequential(nn.ZeroPad2d((begin, end, begin, end)), conv))
    return model


def _replace(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def copy_weights(model: nn.Module, twin: Any) -> None:
    """Give the network of ``keras.applications`` the weights of ours, layer by layer in the order of its layers."""
    layers = [layer for layer in twin.layers if layer.weights and type(layer).__name__ != "Normalization"]
    for layer, module in zip(layers, _in_order(model), strict=True):
        kernel = module.weight.detach().numpy()
        if kernel.ndim == 4:
            axes = (2, 3, 0, 1) if type(layer).__name__ == "DepthwiseConv2D" else (2, 3, 1, 0)
            kernel = kernel.transpose(axes)
        elif kernel.ndim == 2:
            kernel = kernel.T
        arrays = [kernel]
        for name in ("bias", "running_mean", "running_var"):
            tensor = getattr(module, name, None)
            if tensor is not None:
                arrays.append(tensor.detach().numpy())
        layer.set_weights(arrays)


def _in_order(model: nn.Module) -> Iterator[nn.Module]:
    """Modules with weights as Keras lists its layers: by their distance from the output, a shortcut in front."""
    inside: set[int] = set()
    for module in model.modules():
        if id(module) in inside:
            continue
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            inside |= {id(part) for part in module.modules()}
            shortcut = list(module.downsample or (None, None))
            parts = [
                module.conv1,
                module.bn1,
                module.conv2,
                module.bn2,
                shortcut[0],
                module.conv3,
                shortcut[1],
                module.bn3,
            ]
            yield from (part for part in parts if part is not None)
        elif isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
            yield module
