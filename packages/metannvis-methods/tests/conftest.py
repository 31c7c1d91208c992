"""Networks written by hand in both frameworks, with the same weights. Nothing of ours takes part in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from metannvis_translate.frameworks.requirements import require


@dataclass(frozen=True)
class Twins:
    """One network twice, and inputs for it.

    ``x`` is float64 and channels first, shape (4, C, H, W). ``layers`` are names of the same tensor in both,
    each with its number of axes; ``neuron`` is a place in the first of them, channels first.
    """

    name: str
    torch: Any
    keras: Any
    torch64: Any
    keras64: Any
    x: np.ndarray
    layers: tuple[tuple[str, str], ...]
    neuron: tuple[int, ...]

    @property
    def x_last(self) -> np.ndarray:
        return np.ascontiguousarray(self.x.transpose(0, 2, 3, 1))


def torch_digits(torch: Any) -> Any:
    nn = torch.nn

    class Digits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
            self.relu1 = nn.ReLU()
            self.pool = nn.MaxPool2d(2)
            self.conv2 = nn.Conv2d(6, 8, 3)
            self.relu2 = nn.ReLU()
            self.flatten = nn.Flatten()
            self.fc = nn.Linear(8 * 2 * 2, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.relu1(self.conv1(x)))
            return self.fc(self.flatten(self.relu2(self.conv2(x))))

    return Digits()


def keras_digits(keras: Any, dtype: str) -> Any:
    layers = keras.layers
    image = keras.Input((8, 8, 1), dtype=dtype, name="image")
    x = layers.Conv2D(6, 3, padding="same", name="conv1", dtype=dtype)(image)
    x = layers.MaxPooling2D(2, name="pool", dtype=dtype)(layers.ReLU(name="relu1", dtype=dtype)(x))
    x = layers.ReLU(name="relu2", dtype=dtype)(layers.Conv2D(8, 3, name="conv2", dtype=dtype)(x))
    x = layers.Dense(10, name="fc", dtype=dtype)(layers.Flatten(name="flatten", dtype=dtype)(x))
    return keras.Model(image, x, name="digits")


def torch_rgb(torch: Any) -> Any:
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
            self.norm = nn.BatchNorm2d(6)
            self.relu = nn.ReLU()
            self.conv2 = nn.Conv2d(6, 6, 1)

        def forward(self, x: Any) -> Any:
            return x + self.conv2(self.relu(self.norm(self.conv1(x))))

    class Rgb(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pad = nn.ZeroPad2d((0, 1, 2, 0))
            self.conv1 = nn.Conv2d(3, 6, 3, stride=2)
            self.norm = nn.BatchNorm2d(6)
            self.relu1 = nn.ReLU()
            self.block = Block()
            self.relu2 = nn.ReLU()
            self.conv2 = nn.Conv2d(6, 7, 3)
            self.relu3 = nn.ReLU()
            self.pool = nn.AvgPool2d(2)
            self.flatten = nn.Flatten()
            self.fc = nn.Linear(7 * 4 * 6, 5)

        def forward(self, x: Any) -> Any:
            x = self.relu1(self.norm(self.conv1(self.pad(x))))
            x = self.relu3(self.conv2(self.relu2(self.block(x))))
            return self.fc(self.flatten(self.pool(x)))

    return Rgb()


def keras_rgb(keras: Any, dtype: str) -> Any:
    layers = keras.layers
    epsilon = 1e-5  # PyTorch's default
    inner = keras.Input((10, 14, 6), dtype=dtype, name="inner")
    x = layers.Conv2D(6, 3, padding="same", name="conv1", dtype=dtype)(inner)
    x = layers.BatchNormalization(epsilon=epsilon, name="norm", dtype=dtype)(x)
    x = layers.Conv2D(6, 1, name="conv2", dtype=dtype)(layers.ReLU(name="relu", dtype=dtype)(x))
    block = keras.Model(inner, layers.Add(name="add", dtype=dtype)([inner, x]), name="block")
    image = keras.Input((20, 28, 3), dtype=dtype, name="image")
    x = layers.ZeroPadding2D(((2, 0), (0, 1)), name="pad", dtype=dtype)(image)
    x = layers.Conv2D(6, 3, strides=2, name="conv1", dtype=dtype)(x)
    x = layers.BatchNormalization(epsilon=epsilon, name="norm", dtype=dtype)(x)
    x = layers.ReLU(name="relu2", dtype=dtype)(block(layers.ReLU(name="relu1", dtype=dtype)(x)))
    x = layers.ReLU(name="relu3", dtype=dtype)(layers.Conv2D(7, 3, name="conv2", dtype=dtype)(x))
    x = layers.Flatten(name="flatten", dtype=dtype)(layers.AveragePooling2D(2, name="pool", dtype=dtype)(x))
    return keras.Model(image, layers.Dense(5, name="fc", dtype=dtype)(x), name="rgb")


def randomize(torch: Any, model: Any, seed: int) -> None:
    """Weights of a size that keeps outputs apart; biases and statistics that are neither zero nor one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise - 0.5 if tensor.ndim > 1 else 0.5 + noise)


def copy_weights(source: Any, target: Any, before_flatten: tuple[int, int, int]) -> None:
    """From PyTorch modules to Keras layers of the same names; ``before_flatten`` is (C, H, W)."""

    def find(path: str) -> Any:
        layer = target
        for name in path.split("."):
            layer = layer.get_layer(name)
        return layer

    for path, module in source.named_modules():
        kind = type(module).__name__
        weights = {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}
        if kind == "Conv2d":
            find(path).set_weights([weights["weight"].transpose(2, 3, 1, 0), weights["bias"]])
        elif kind == "BatchNorm2d":
            find(path).set_weights([weights[name] for name in ("weight", "bias", "running_mean", "running_var")])
        elif kind == "Linear":
            matrix = weights["weight"].reshape(-1, *before_flatten).transpose(2, 3, 1, 0)
            find(path).set_weights([matrix.reshape(-1, matrix.shape[-1]), weights["bias"]])


def make_twins(
    name: str,
    in_torch: Any,
    in_keras: Any,
    shape: tuple[int, ...],
    before: tuple[int, int, int],
    layers: tuple[tuple[str, str], ...],
    neuron: tuple[int, ...],
) -> Twins:
    torch = require("torch")
    require("tensorflow")
    keras = require("keras")
    models = {}
    for dtype in ("float32", "float64"):
        model = in_torch(torch).to(getattr(torch, dtype))
        randomize(torch, model, 7)
        twin = in_keras(keras, dtype)
        copy_weights(model, twin, before)
        models[dtype] = (model.eval(), twin)
    x = np.random.default_rng(5).uniform(-1, 1, shape)
    (one, one_twin), (two, two_twin) = models["float32"], models["float64"]
    theirs = np.asarray(two_twin(x.transpose(0, 2, 3, 1)))
    assert np.allclose(two(torch.from_numpy(x)).detach().numpy(), theirs, rtol=1e-12)
    return Twins(name, one, one_twin, two, two_twin, x, layers, neuron)


@pytest.fixture(scope="session")
def digits() -> Twins:
    """One channel, 8×8, no nesting."""
    layers = (("conv2", "conv2"), ("conv1", "conv1"))
    return make_twins("digits", torch_digits, keras_digits, (4, 1, 8, 8), (8, 2, 2), layers, (3, 1, 0))


@pytest.fixture(scope="session")
def rgb() -> Twins:
    """Three channels, 20×28, batch normalisation, asymmetric padding, a nested block."""
    layers = (("block.conv1", "block/conv1"), ("conv2", "conv2"))
    return make_twins("rgb", torch_rgb, keras_rgb, (4, 3, 20, 28), (7, 4, 6), layers, (0, 3, 3))


@pytest.fixture(params=["digits", "rgb"])
def twins(request: pytest.FixtureRequest) -> Twins:
    """Each pair of networks in turn."""
    found: Twins = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def modes() -> dict[str, Any]:
    """Modes that a caller's code may be in."""
    from tests.caller_modes import caller_modes

    return caller_modes()
