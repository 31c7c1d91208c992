"""Networks and their native twins: the same network written by hand in each framework, weights copied over.

Nothing here imports MetaNNvis: a twin is what somebody would have written without it, and the reference for every method.
The random networks take RGB images of 20×28; the digits of 8×8 have the architecture of the demo's two networks, which are
trained elsewhere and given. Weights, biases and statistics are random or trained: zeros and ones hide errors.

A twin in PyTorch is what Captum asks for: one module for each activation. A twin in Keras is what tf-keras-vis asks for: one
flat graph.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .twin_weights import copy_weights, dtype_of_layers

__all__ = ["SOURCES", "Rgb", "Twins", "keras_digits", "keras_rgb", "torch_rgb", "twins_of"]

Array = np.ndarray[Any, Any]
layers = keras.layers
#: shape of an RGB image, space only: neither square nor even
SIZE = (20, 28)
#: the four networks, by name
SOURCES = ("torch_digits", "keras_digits", "torch_rgb", "keras_rgb")


@dataclass(frozen=True, eq=False)
class Twins:
    """A network as its user has it, and the same network for each toolkit.

    Attributes
    ----------
    model, double
        The network of the user, and the same in double precision.
    in_torch
        One module an activation, channels first, float64.
    images
        Five of them, in the network's own layout, float64.
    layers
        Layers of the network, and what puts out the same in the PyTorch and in the Keras twin.
    classes
        Targets, one an image.
    """

    name: str
    model: Any
    double: Any
    in_torch: nn.Module
    images: Array
    layers: Mapping[str, tuple[str, str]]
    classes: tuple[int, ...]

    @property
    def framework(self) -> str:
        """Key of the network's framework."""
        return "torch" if isinstance(self.model, nn.Module) else "tensorflow"

    def in_keras(self, dtype: str = "float64") -> Any:
        """The flat Keras twin, channels last."""
        return KERAS_TWINS[self.name](self.model, dtype)

    def first(self, values: Array) -> Array:
        """Values in the network's own layout as PyTorch has them, and in its order in memory as well."""
        # NumPy takes any strides of an axis of length 1 for contiguous; PyTorch reads a memory format off them
        moved = values.transpose(0, 3, 1, 2) if self.framework == "tensorflow" and values.ndim == 4 else values
        return moved.copy()

    def last(self, values: Array) -> Array:
        """Values in the network's own layout as Keras has them."""
        return values.transpose(0, 2, 3, 1) if self.framework == "torch" and values.ndim == 4 else values


# -------------------------------------------------------------------------------------------------------- RGB images


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


class ModuleBlock(Block):
    """The block as one writes it for Captum: one module for each activation."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 6, H, W) to the same."""
        return self.last(self.norm2(self.conv2(self.act(self.norm1(self.conv1(x))))) + x)


class ModuleRgb(Rgb):
    """The RGB networks as one writes them for Captum."""

    def __init__(self, flat_channels_last: bool) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.block = ModuleBlock()
        self.flat_channels_last = flat_channels_last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 20, 28) to logits (N, 5)."""
        x = self.pool(self.block(self.act(self.norm(self.conv(self.pad(x))))))
        if self.flat_channels_last:  # Keras flattens (N, H, W, C)
            x = x.permute(0, 2, 3, 1)
        return self.fc(x.flatten(1))


def torch_rgb(seed: int = 0) -> Rgb:
    """The RGB network in PyTorch, as ordinary code writes it (functional activations)."""
    model = Rgb()
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


def _keras_block(y: Any, prefix: str) -> Any:
    skip = y
    y = layers.Conv2D(6, 3, padding="same", name=f"{prefix}conv1")(y)
    y = layers.BatchNormalization(name=f"{prefix}norm1")(y)
    y = layers.ReLU(name=f"{prefix}act")(y)
    y = layers.Conv2D(6, (3, 1), padding="same", name=f"{prefix}conv2")(y)
    y = layers.BatchNormalization(name=f"{prefix}norm2")(y)
    return layers.ReLU(name=f"{prefix}last")(layers.Add(name=f"{prefix}add")([y, skip]))


def _keras_rgb(dtype: str, *, flat: bool, flat_channels_first: bool = False) -> Any:
    """The RGB network in Keras; ``flat`` writes the block's layers into the same graph."""
    with dtype_of_layers(dtype):
        given = keras.Input((*SIZE, 3), name="image", dtype=dtype)
        x = layers.ZeroPadding2D(((2, 0), (0, 1)), name="pad")(given)
        x = layers.Conv2D(6, 3, strides=2, name="conv")(x)
        x = layers.BatchNormalization(name="norm")(x)
        x = layers.ReLU(name="act")(x)
        if flat:
            x = _keras_block(x, "block_")
        else:
            inner = keras.Input(x.shape[1:], dtype=dtype, name="features")
            x = keras.Model(inner, _keras_block(inner, ""), name="block")(x)
        x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)
        if flat_channels_first:  # PyTorch flattens (N, C, H, W)
            x = layers.Permute((3, 1, 2), name="permute")(x)
        out = layers.Dense(5, name="fc")(layers.Flatten(name="flatten")(x))
        return keras.Model(given, out, name="rgb")


def keras_rgb(seed: int = 0) -> Any:
    """The RGB network in Keras, with its block nested."""
    model = _keras_rgb("float32", flat=False)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.path:
            weight.assign(random.uniform(0.5, 2.0, weight.shape))
        elif len(weight.shape) < 2:
            weight.assign(random.uniform(-0.4, 0.6, weight.shape))
        else:
            weight.assign(random.normal(0, np.prod(weight.shape[:-1]) ** -0.5, weight.shape))
    return model


RGB_WEIGHTS = ("conv", "norm", "block.conv1", "block.norm1", "block.conv2", "block.norm2", "fc")


def _flat_rgb(model: Any, dtype: str) -> Any:
    twin = _keras_rgb(dtype, flat=True, flat_channels_first=isinstance(model, nn.Module))
    copy_weights(model, twin, {name: name.replace("block.", "block_") for name in RGB_WEIGHTS})
    return twin


def _module_rgb(model: Any) -> nn.Module:
    twin = ModuleRgb(flat_channels_last=not isinstance(model, nn.Module)).double()
    copy_weights(model, twin, {name: name for name in RGB_WEIGHTS})
    return twin.eval()


# ------------------------------------------------------------------------------------------------ digits of the demo


class ModuleTorchDigits(nn.Module):
    """The demo's PyTorch network as one writes it for Captum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(16)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(32 * 4 * 4, 64)
        self.relu3 = nn.ReLU()
        self.classes = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 8, 8) to logits (N, 10)."""
        x = self.relu1(self.norm1(self.conv1(x)))
        x = self.pool(self.relu2(self.conv2(x)))
        return self.classes(self.relu3(self.hidden(x.flatten(1))))


class ModuleKerasDigits(nn.Module):
    """The demo's Keras network as one writes it for Captum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(32, eps=1e-3)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(4 * 4 * 32, 64)
        self.relu3 = nn.ReLU()
        self.classes = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 8, 8) to logits (N, 10)."""
        x = self.relu2(self.norm2(self.conv2(self.relu1(self.conv1(x)))))
        x = self.pool(x).permute(0, 2, 3, 1)
        return self.classes(self.relu3(self.hidden(x.flatten(1))))


def keras_digits(model: Any, dtype: str) -> Any:
    """The demo's Keras network written once more, weights copied."""
    with dtype_of_layers(dtype):
        given = keras.Input((8, 8, 1), name="digit", dtype=dtype)
        x = layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1")(given)
        x = layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv2")(x)
        x = layers.ReLU(name="relu2")(layers.BatchNormalization(name="norm2")(x))
        x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool")(x))
        x = layers.Dense(64, activation="relu", name="hidden")(layers.Dropout(0.25, name="dropout")(x))
        twin = keras.Model(given, layers.Dense(10, name="classes")(x), name="digits")
    copy_weights(model, twin, {name: name for name in ("conv1", "conv2", "norm2", "hidden", "classes")})
    return twin


def _flat_torch_digits(model: nn.Module, dtype: str) -> Any:
    """The demo's PyTorch network in Keras."""
    with dtype_of_layers(dtype):
        given = keras.Input((8, 8, 1), name="digit", dtype=dtype)
        x = layers.Conv2D(16, 3, padding="same", name="conv1")(given)
        x = layers.ReLU(name="relu1")(layers.BatchNormalization(epsilon=1e-5, name="norm1")(x))
        x = layers.ReLU(name="relu2")(layers.Conv2D(32, 3, padding="same", name="conv2")(x))
        x = layers.Permute((3, 1, 2), name="permute")(layers.MaxPooling2D(name="pool")(x))
        x = layers.Dense(64, activation="relu", name="hidden")(layers.Flatten(name="flatten")(x))
        twin = keras.Model(given, layers.Dense(10, name="classes")(x), name="digits")
    copy_weights(model, twin, {name: name for name in ("conv1", "norm1", "conv2", "hidden", "classes")})
    return twin


def _module_torch_digits(model: nn.Module) -> nn.Module:
    twin = ModuleTorchDigits()
    twin.load_state_dict(model.state_dict())
    return twin.double().eval()


def _module_keras_digits(model: Any) -> nn.Module:
    twin = ModuleKerasDigits().double()
    copy_weights(model, twin, {name: name for name in ("conv1", "conv2", "norm2", "hidden", "classes")})
    return twin.eval()


# ----------------------------------------------------------------------------------------------------------- all four

TORCH_TWINS = {
    "torch_digits": _module_torch_digits,
    "keras_digits": _module_keras_digits,
    "torch_rgb": _module_rgb,
    "keras_rgb": _module_rgb,
}
KERAS_TWINS = {
    "torch_digits": _flat_torch_digits,
    "keras_digits": keras_digits,
    "torch_rgb": _flat_rgb,
    "keras_rgb": _flat_rgb,
}
#: A layer of the network → the layers of the PyTorch and of the Keras twin that put out the same. The first is one before
#: activations, the second one inside (or behind) a nested block or activation.
LAYERS: dict[str, dict[str, tuple[str, str]]] = {
    "torch_digits": {"conv2": ("conv2", "conv2"), "norm1": ("norm1", "norm1"), "conv1": ("conv1", "conv1")},
    "keras_digits": {"conv2": ("conv2", "conv2"), "conv1": ("relu1", "conv1"), "relu2": ("relu2", "relu2")},
    "torch_rgb": {
        "block.conv1": ("block.conv1", "block_conv1"),
        "block": ("block", "block_last"),
        "norm": ("norm",) * 2,
    },
    "keras_rgb": {"block/conv1": ("block.conv1", "block_conv1"), "block": ("block", "block_last"), "act": ("act",) * 2},
}


def twins_of(name: str, model: Any, images: Array) -> Twins:
    """A network and its twins, whose outputs are compared before they serve as a reference."""
    if isinstance(model, nn.Module):
        double: Any = copy.deepcopy(model).double()
    elif name == "keras_rgb":
        double = _keras_rgb("float64", flat=False)
        double.set_weights(model.get_weights())
    else:
        double = keras_digits(model, "float64")
    images = images.astype("float64")
    width = 10 if name.endswith("digits") else 5
    found = Twins(name, model, double, TORCH_TWINS[name](model), images, LAYERS[name], tuple(range(width))[:5])
    given = torch.from_numpy(found.first(images))
    with torch.no_grad():
        first = found.in_torch(given).numpy()
        own = double(given).numpy() if found.framework == "torch" else np.asarray(double(images, training=False))
    last = np.asarray(found.in_keras()(found.last(images), training=False))
    for output in (first, last):
        np.testing.assert_allclose(output, own, rtol=1e-10, atol=1e-10)
    return found
