"""What black and white are for models that normalise their input themselves, by their first operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_methods.inputs import range_of_model
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
L, nn = keras.layers, torch.nn

BYTES, UNIT = (0.0, 255.0), (0.0, 1.0)
IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 16, 16, 3)).astype("float32")
FIRST = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def adapted(high: float) -> Any:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(1).uniform(0, high, (40, 16, 16, 3)).astype("float32"))
    return layer


def keras_network(*first: Callable[[Any], Any]) -> Any:
    x = y = keras.Input((16, 16, 3))
    for layer in first:
        y = layer(y)
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(y))))


def nested() -> Any:
    inner = keras.Sequential([keras.Input((16, 16, 3)), L.RandomFlip(), L.RandomRotation(0.1), L.Rescaling(1 / 255)])
    return keras_network(inner)


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.rest = L.Rescaling(1 / 127.5, -1), keras_network()

    def call(self, x: Any) -> Any:
        return self.rest(self.scale(x))


KERAS = {
    "symmetric": (lambda: keras_network(L.Rescaling(1 / 127.5, -1)), BYTES),
    "unit": (lambda: keras_network(L.Rescaling(1 / 255)), BYTES),
    "adapted to bytes": (lambda: keras_network(adapted(255)), BYTES),
    "adapted to 0…1": (lambda: keras_network(adapted(1)), UNIT),
    "of 0…1": (lambda: keras_network(L.Rescaling(2, -1)), UNIT),
    "an augmentation before it": (
        lambda: keras_network(L.RandomFlip(), L.RandomZoom(0.1), L.Rescaling(1 / 255)),
        BYTES,
    ),
    "a size before it": (lambda: keras_network(L.Resizing(12, 12), L.Rescaling(1 / 255)), BYTES),
    "nested": (nested, BYTES),
    "a function": (lambda: keras_network(L.Lambda(lambda x: x / 127.5 - 1)), BYTES),
    "operations": (lambda: keras_network(lambda x: (x - 127.5) / 127.5), BYTES),
    "means": (lambda: keras_network(lambda x: x - np.array([103, 116, 123], "float32")), BYTES),
    "clipped": (lambda: keras_network(lambda x: keras.ops.clip(x, 0, 255) / 255), BYTES),
    "sequential": (lambda: keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 255), L.Conv2D(3, 3)]), BYTES),
    "subclassed": (Subclassed, BYTES),
    "none": (keras_network, None),
    "of −1…1": (lambda: keras_network(L.Rescaling(0.5, 0.5)), None),
    "a batch normalization that is new": (lambda: keras_network(L.BatchNormalization()), None),
    "a layer normalization": (lambda: keras_network(L.LayerNormalization()), None),
    "an activation": (lambda: keras_network(L.ReLU()), None),
    "a convolution before it": (lambda: keras_network(L.Conv2D(3, 1), L.Rescaling(1 / 255)), None),
}


@pytest.mark.parametrize("name", KERAS)
def test_keras_models(name: str) -> None:
    make, expected = KERAS[name]
    assert range_of_model(make(), "tensorflow", [IMAGES]) == expected


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"])
@pytest.mark.full
def test_networks_with_preprocessing_in_them(name: str) -> None:
    network = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=2)
    assert range_of_model(network, "tensorflow", [np.zeros((1, 64, 64, 3), "float32")]) == BYTES


@pytest.mark.parametrize("name", ["symmetric", "adapted to bytes", "nested", "means", "a size before it", "none"])
def test_onnx_graphs(name: str) -> None:
    make, expected = KERAS[name]
    graph = translate(make(), "onnx", example_inputs=IMAGES).model
    assert range_of_model(graph, "onnx", [IMAGES]) == expected


class Normalize(nn.Module):
    def __init__(self, unit: float, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace
        self.register_buffer("mean", MEAN * unit)
        self.register_buffer("std", STD * unit)

    def forward(self, x: Any) -> Any:
        return x.clone().sub_(self.mean).div_(self.std) if self.inplace else (x - self.mean) / self.std


class BySlices(nn.Module):
    """Colours one by one, as Inception makes −1…1 of ImageNet's mean 0 and deviation 1."""

    def forward(self, x: Any) -> Any:
        scaled = [x[:, k : k + 1] * (STD[k, 0, 0] / 0.5) + (MEAN[k, 0, 0] - 0.5) / 0.5 for k in range(3)]
        return torch.cat(scaled, 1)


class Wrapped(nn.Module):
    def __init__(self, first: Any) -> None:
        super().__init__()
        self.first, self.conv = first, nn.Conv2d(3, 4, 3)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.conv(self.first(x))).mean((2, 3))


def normalizing() -> Any:
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(0.45)
    norm.running_var.fill_(0.06)
    return norm


TORCH = {
    "of 0…1": (lambda: Normalize(1.0), UNIT),
    "of bytes": (lambda: Normalize(255.0), BYTES),
    "in place": (lambda: Normalize(1.0, inplace=True), UNIT),
    "batch normalization": (normalizing, UNIT),
    "by 255": (lambda: lambda x: x / 255, BYTES),
    "made bytes first": (lambda: lambda x: x * 255 - 123.7, UNIT),
    "by 256": (lambda: lambda x: (x - 128) / 256, BYTES),
    "blue first": (lambda: lambda x: x.flip(1) - 110, BYTES),
    "resized": (lambda: lambda x: nn.functional.interpolate(x, size=(20, 20), mode="bilinear") / 127.5 - 1, BYTES),
    "none": (nn.Identity, None),
    "of other numbers": (BySlices, None),
    "by its own mean": (lambda: lambda x: x - x.mean((2, 3), keepdim=True), None),
}


@pytest.mark.parametrize("name", TORCH)
def test_pytorch_modules(name: str) -> None:
    make, expected = TORCH[name]
    torch.manual_seed(0)
    module = Wrapped(make())
    before = {key: value.clone() for key, value in module.state_dict().items()}
    assert range_of_model(module, "torch", [FIRST]) == expected
    assert module.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_programs_and_translations() -> None:
    module = Wrapped(Normalize(1.0)).eval()
    x = torch.from_numpy(FIRST)
    program = torch.export.export(module, (x,))
    assert range_of_model(program, "torch", [FIRST]) == UNIT
    assert range_of_model(translate(module, "keras", example_inputs=FIRST).model, "tensorflow", [IMAGES]) == UNIT
    symmetric = keras_network(L.Rescaling(1 / 127.5, -1))
    assert range_of_model(translate(symmetric, "torch", example_inputs=IMAGES).model, "torch", [FIRST]) == BYTES


def test_an_image_beside_a_table_and_what_is_no_image() -> None:
    image, table = keras.Input((16, 16, 3)), keras.Input((4,))
    seen = L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(L.Rescaling(1 / 255)(image)))
    both = keras.Model([table, image], L.Dense(2)(L.Concatenate()([seen, table])))
    inputs = [np.zeros((2, 4), "float32"), IMAGES]
    assert range_of_model(both, "tensorflow", inputs, 1) == BYTES
    assert range_of_model(both, "tensorflow", inputs, 0) is None
