"""Networks and their native twins: the same network written by hand in the other framework, weights copied over.

Nothing here imports MetaNNvis: a twin is what somebody would have written without it, and the reference for every method.
Weights, biases and statistics are random: zeros and ones hide errors.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["KERAS_LAYERS", "TORCH_LAYERS", "keras_rgb", "keras_twin", "torch_rgb", "torch_twin"]

layers = keras.layers
#: shape of an RGB image, space only: neither square nor even
SIZE = (20, 28)


class Block(nn.Module):
    """A nested block with a skip connection, whose ReLU is functional the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(6, eps=1e-3)
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 6, (3, 1), padding=(1, 0))
        self.norm2 = nn.BatchNorm2d(6, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 6, H, W) to the same."""
        y = self.act(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + x)


class Rgb(nn.Module):
    """Images (N, 3, 20, 28): asymmetric padding, batch normalisation, a nested block, ``ceil_mode``."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 2, 0))
        self.conv = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6, eps=1e-3)
        self.block = Block()
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.fc = nn.Linear(6 * 5 * 7, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 20, 28) to logits (N, 5)."""
        x = torch.relu(self.norm(self.conv(self.pad(x))))
        x = self.pool(self.block(x))
        return self.fc(x.flatten(1))


class ModuleBlock(nn.Module):
    """The block as one writes it for Captum: one module for each activation and addition."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(6, eps=1e-3)
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 6, (3, 1), padding=(1, 0))
        self.norm2 = nn.BatchNorm2d(6, eps=1e-3)
        self.last = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 6, H, W) to the same."""
        return self.last(self.norm2(self.conv2(self.act(self.norm1(self.conv1(x))))) + x)


class ModuleRgb(nn.Module):
    """:class:`Rgb` and :func:`keras_rgb` as one writes them for Captum."""

    def __init__(self, channels_last_features: bool) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 2, 0))
        self.conv = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6, eps=1e-3)
        self.act = nn.ReLU()
        self.block = ModuleBlock()
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.fc = nn.Linear(6 * 5 * 7, 5)
        self.channels_last_features = channels_last_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 20, 28) to logits (N, 5)."""
        x = self.pool(self.block(self.act(self.norm(self.conv(self.pad(x))))))
        if self.channels_last_features:  # Keras flattens (N, H, W, C)
            x = x.permute(0, 2, 3, 1)
        return self.fc(x.flatten(1))


#: layers of the PyTorch networks and the layers of their Keras twins that put out the same
TORCH_LAYERS = {
    "conv": "conv",
    "norm": "norm",
    "block.conv1": "block_conv1",
    "block": "block_last",
    "pool": "pool",
    "fc": "fc",
}
#: layers of the Keras network and the modules of its twin
KERAS_LAYERS = {
    "conv": "conv",
    "act": "act",
    "block/conv1": "block.conv1",
    "block": "block.last",
    "pool": "pool",
    "fc": "fc",
}


def _randomize(model: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif tensor.is_floating_point() and tensor.ndim < 2:
                tensor.uniform_(-0.4, 0.6, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
    return model.eval()


def torch_rgb(seed: int = 0) -> nn.Module:
    """The RGB network in PyTorch, as ordinary code writes it (functional activations)."""
    return _randomize(Rgb(), seed)


def _keras_body(x: Any, flat: bool) -> Any:
    """The network as Keras layers; ``flat`` writes the block's layers into the same graph."""
    x = layers.ZeroPadding2D(((2, 0), (0, 1)), name="pad")(x)
    x = layers.Conv2D(6, 3, strides=2, name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="act")(x)

    def block(y: Any, prefix: str) -> Any:
        skip = y
        y = layers.Conv2D(6, 3, padding="same", name=f"{prefix}conv1")(y)
        y = layers.BatchNormalization(name=f"{prefix}norm1")(y)
        y = layers.ReLU(name=f"{prefix}act")(y)
        y = layers.Conv2D(6, (3, 1), padding="same", name=f"{prefix}conv2")(y)
        y = layers.BatchNormalization(name=f"{prefix}norm2")(y)
        return layers.ReLU(name=f"{prefix}last")(layers.Add(name=f"{prefix}add")([y, skip]))

    if flat:
        x = block(x, "block_")
    else:
        given = keras.Input(x.shape[1:])
        x = keras.Model(given, block(given, ""), name="block")(x)
    return layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)


def keras_rgb(seed: int = 0) -> Any:
    """The RGB network in Keras, with its block nested."""
    given = keras.Input((*SIZE, 3), name="image")
    out = layers.Dense(5, name="fc")(layers.Flatten(name="flatten")(_keras_body(given, flat=False)))
    model = keras.Model(given, out, name="rgb")
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.path:
            weight.assign(random.uniform(0.5, 2.0, weight.shape))
        elif len(weight.shape) < 2:
            weight.assign(random.uniform(-0.4, 0.6, weight.shape))
        else:
            weight.assign(random.normal(0, np.prod(weight.shape[:-1]) ** -0.5, weight.shape))
    return model


def keras_twin(model: Rgb) -> Any:
    """A PyTorch network written in Keras: flat, features in PyTorch's order, weights copied."""
    given = keras.Input((*SIZE, 3))
    x = layers.Permute((3, 1, 2))(_keras_body(given, flat=True))
    twin = keras.Model(given, layers.Dense(5, name="fc")(layers.Flatten()(x)))
    for name, module in model.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
            continue
        state = {key: value.detach().numpy() for key, value in module.state_dict().items()}
        layer = twin.get_layer(name.replace(".", "_"))
        if isinstance(module, nn.BatchNorm2d):
            layer.set_weights([state["weight"], state["bias"], state["running_mean"], state["running_var"]])
        elif isinstance(module, nn.Conv2d):
            layer.set_weights([state["weight"].transpose(2, 3, 1, 0), state["bias"]])
        else:
            layer.set_weights([state["weight"].T, state["bias"]])
    return twin


def torch_twin(model: Any) -> nn.Module:
    """Either network written in PyTorch for Captum, weights copied."""
    if isinstance(model, nn.Module):
        twin = ModuleRgb(channels_last_features=False)
        twin.load_state_dict(model.state_dict())
        return twin.eval()
    twin = ModuleRgb(channels_last_features=True)
    inner = model.get_layer("block")
    for name, module in twin.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
            continue
        layer = inner.get_layer(name.removeprefix("block.")) if name.startswith("block.") else model.get_layer(name)
        weights = [torch.tensor(w) for w in layer.get_weights()]
        with torch.no_grad():
            if isinstance(module, nn.BatchNorm2d):
                for target, value in zip(
                    (module.weight, module.bias, module.running_mean, module.running_var), weights, strict=True
                ):
                    target.copy_(value)
            else:
                module.weight.copy_(weights[0].permute(3, 2, 0, 1) if weights[0].ndim == 4 else weights[0].T)
                module.bias.copy_(weights[1])
    return twin.eval()
