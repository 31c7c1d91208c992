"""Models of other shapes and kinds: one and three spatial axes, subclassed, shared layers, embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import UnfitWarning, compare, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, shape)


def convolutional(rank: int) -> tuple[Any, np.ndarray]:
    """A double-precision PyTorch network over 1 or 3 spatial axes, and inputs."""
    nn = require("torch").nn
    if rank == 1:
        layers = [nn.Conv1d(3, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 5, 3), nn.ReLU(), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(5 * 7, 3)).double(), noise(2, 3, 20)
    layers = [nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * 4 * 5 * 6, 3)).double(), noise(2, 1, 6, 7, 8)


@pytest.mark.parametrize(("rank", "axes"), [(1, "NCL"), (3, "NCDHW")])
def test_one_and_three_spatial_axes(rank: int, axes: str) -> None:
    net, x = convolutional(rank)
    assert explain(net, "saliency", x, toolset="captum").axes == axes
    full = {"toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False}
    assert explain(net, "saliency", x, **full).axes == axes
    assert explain(net, "saliency", x, toolset="tf-keras-vis").axes == axes.replace("C", "")
    assert explain(net, "grad_cam", x, toolset="tf-keras-vis").axes == axes.replace("C", "")
    assert explain(net, "layer_activation", x, layer="0", toolset="captum").axes == axes
    for key in ("saliency", "grad_cam"):
        assert compare(net, key, x, target=1, signed=True).rows[0]["max_rel"] <= 1e-9


def test_activation_maximization_over_other_numbers_of_axes() -> None:
    for rank in (1, 3):
        net, x = convolutional(rank)
        found = explain(net, "activation_maximization", x, target=1, steps=2, seed=1, input_range=(-1.0, 1.0))
        assert found.values.shape == x.shape


def subclassed() -> Any:
    keras = require("keras")
    layers = keras.layers

    class Block(keras.Model):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__(name="block")
            self.first = layers.Conv2D(3, 3, activation="relu", name="first")
            self.second = layers.Conv2D(3, 1, name="second")

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    class Model(keras.Model):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.block, self.flatten, self.out = Block(), layers.Flatten(), layers.Dense(4)

        def call(self, x: Any) -> Any:
            return self.out(self.flatten(self.block(x)))

    model = Model()
    model(np.zeros((1, 8, 9, 3), "float32"))
    return model


def test_a_subclassed_keras_model() -> None:
    model, x = subclassed(), noise(2, 8, 9, 3).astype("float32")
    found = explain(model, "grad_cam", x, target=1, layer="auto", toolset="tf-keras-vis")
    assert (found.layer, found.axes) == ("block/second", "NHW")
    rows = [compare(model, "grad_cam", x, target=1, layer=model.block.first, signed=True).rows[0]]
    rows.append(compare(model, "saliency", x, target=1).rows[0])
    assert all(row["max_rel"] <= 1e-5 for row in rows)


def shared() -> Any:
    nn = require("torch").nn

    class Shared(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
            self.relu, self.out = nn.ReLU(inplace=True), nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            return self.out(self.relu(self.b(self.relu(self.a(x)))).mean((2, 3)))

    return Shared()


def test_each_call_of_a_shared_layer_can_be_named() -> None:
    torch = require("torch")
    net, x = shared(), noise(2, 3, 8, 9).astype("float32")
    first = torch.relu(net.a(torch.from_numpy(x))).detach()
    second = torch.relu(net.b(first)).detach()
    for layer, expected in (("relu", first), ("relu:2", second), (net.relu, first)):
        found = explain(net, "layer_activation", x, layer=layer, toolset="captum")
        assert np.allclose(found.values, expected, rtol=1e-5, atol=1e-6)
    assert explain(net, "grad_cam", x, target=0, layer="relu:2", toolset="tf-keras-vis").layer == "relu:2"
    assert net.relu.inplace


def test_indices_have_no_gradient_but_their_embedding_has() -> None:
    nn = require("torch").nn
    net = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(20, 3))
    x = np.random.default_rng(0).integers(0, 10, (2, 5))
    with pytest.raises(InvalidArgumentError, match="whole numbers.*captum"):
        explain(net, "saliency", x, target=1, toolset="tf-keras-vis")
    with pytest.warns(UnfitWarning, match="embeds them"):
        assert explain(net, "saliency", x, target=1, toolset="captum").values.shape == (2, 5)
    found = explain(net, "integrated_gradients", x, target=1, layer="0", baselines=0)
    assert found.values.shape == (2, 5, 4)
