"""PyTorch versions of networks of ``keras.applications``: torchvision's, changed where Keras' network is another one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn

__all__ = ["SEGMENTATION", "SIZES", "copy_from_keras", "copy_to_keras", "example", "make", "make_keras"]

SIZES = (3, 224, 224)
#: Networks of ``segmentation_models_pytorch``: class and encoder.
SEGMENTATION = {
    "FPN, MobileNetV2": ("FPN", "mobilenet_v2"),
    "Unet, ResNet18": ("Unet", "resnet18"),
    "DeepLabV3+, MobileNetV2": ("DeepLabV3Plus", "mobilenet_v2"),
    "PSPNet, ResNet34": ("PSPNet", "resnet34"),
}
#: Tensors of a module, in the order in which Keras lists those of its layer.
TENSORS = ("weight", "bias", "running_mean", "running_var")


def make(name: str) -> nn.Module:
    """The network with random weights and statistics, in inference mode."""
    torch.manual_seed(0)
    if name in SEGMENTATION:
        import segmentation_models_pytorch as networks

        kind, encoder = SEGMENTATION[name]
        return _with_statistics(getattr(networks, kind)(encoder, encoder_weights=None))
    model: nn.Module = {
        "ResNet50": _resnet50,
        "MobileNetV2": _mobilenet_v2,
        "EfficientNetB0": _efficientnet_b0,
        "DenseNet121": _densenet121,
        "VGG16": _vgg16,
    }[name]()
    return _with_statistics(model)


def _with_statistics(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    return model.eval()


def make_keras(name: str) -> Any:
    """The same network of ``keras.applications``, with random weights, biases and statistics."""
    import keras

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(
        weights=None, classifier_activation=None, input_shape=(*SIZES[1:], SIZES[0])
    )
    random = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            around = 1.0 if weight.name in ("gamma", "moving_variance") else 0.0
            weight.assign(random.uniform(around - 0.1, around + 0.1, weight.shape))
    return model


def example(batch: int = 1, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((batch, *SIZES)).astype(np.float32)


def _vgg16() -> nn.Module:
    """Without the pool and the dropout of torchvision's, which do nothing to an image of 224 × 224."""
    model = torchvision.models.vgg16()
    model.avgpool = nn.Identity()
    model.classifier = nn.Sequential(*(module for module in model.classifier if not isinstance(module, nn.Dropout)))
    return model


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


def copy_to_keras(model: nn.Module, twin: Any) -> None:
    """Give the network of ``keras.applications`` the weights of ours."""
    for layer, module in _pairs(model, twin):
        kernel, *others = (tensor.detach().numpy() for tensor in _tensors(module))
        rows, columns, channels = _flattened(layer) or (1, 1, kernel.shape[-1])
        if kernel.ndim == 4:
            kernel = kernel.transpose(np.argsort(_axes(layer)))
        elif kernel.ndim == 2:
            kernel = kernel.reshape(-1, channels, rows, columns).transpose(2, 3, 1, 0).reshape(*reversed(kernel.shape))
        layer.set_weights([kernel, *others])


def copy_from_keras(source: Any, model: nn.Module) -> None:
    """Give our network the weights of the one of ``keras.applications``."""
    for layer, module in _pairs(model, source):
        kernel, *others = layer.get_weights()
        rows, columns, channels = _flattened(layer) or (1, 1, kernel.shape[0])
        if kernel.ndim == 4:
            kernel = kernel.transpose(_axes(layer))
        elif kernel.ndim == 2:
            kernel = kernel.reshape(rows, columns, channels, -1).transpose(3, 2, 0, 1).reshape(*reversed(kernel.shape))
        with torch.no_grad():
            for tensor, array in zip(_tensors(module), [kernel, *others], strict=True):
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _flattened(layer: Any) -> tuple[int, ...]:
    """Height, width, channels of the image that a dense layer takes flattened, the channels last; else nothing."""
    before = layer.input._keras_history.operation
    return tuple(before.input.shape[1:]) if type(before).__name__ == "Flatten" else ()


def _axes(layer: Any) -> tuple[int, ...]:
    """Axes of the kernel of Keras' convolution in PyTorch's order."""
    return (2, 3, 0, 1) if type(layer).__name__ == "DepthwiseConv2D" else (3, 2, 0, 1)


def _pairs(model: nn.Module, network: Any) -> Iterator[tuple[Any, nn.Module]]:
    """Layers of the network of ``keras.applications`` that have weights, each with our module."""
    layers = [layer for layer in network.layers if layer.weights and type(layer).__name__ != "Normalization"]
    return zip(layers, _in_order(model), strict=True)


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [tensor for name in TENSORS if (tensor := getattr(module, name, None)) is not None]


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
