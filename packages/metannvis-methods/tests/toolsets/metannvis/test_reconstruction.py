"""Deconvolutional networks built of transposed convolutions and unpooling, and gradients of a channel, against ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate import list_layers
from metannvis_translate.frameworks.requirements import require

from .networks import SOURCES, randomized, source

torch = require("torch")
nn = torch.nn
F = nn.functional
X = np.random.default_rng(0).uniform(-1, 1, (3, 2, 10, 8))


#: Of weights under which every channel speaks.
SEED = 3


class Network(nn.Module):
    """ReLUs as functions, which are no modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.pool, self.conv2 = nn.Conv2d(2, 5, 3), nn.MaxPool2d(2), nn.Conv2d(5, 4, 2)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.conv2(self.pool(F.relu(self.conv1(x)))))
        return self.fc(x.mean((2, 3)))


def carried(begin: Any, channel: int | None, *, guided: bool) -> np.ndarray:
    """From conv2 to the input: transposed filters, switches, rectification."""
    net = randomized(Network(), seed=SEED)
    with torch.no_grad():
        before = net.conv1(torch.from_numpy(X))
        pooled, switches = F.max_pool2d(torch.relu(before), 2, return_indices=True)
        found = begin(net.conv2(pooled))
        if channel is not None:
            found = found * (torch.arange(4) == channel)[None, :, None, None]
        found = F.conv_transpose2d(found, net.conv2.weight)
        found = F.max_unpool2d(found, switches, 2, output_size=before.shape).clamp(min=0)
        found = found * (before > 0) if guided else found
        return np.asarray(F.conv_transpose2d(found, net.conv1.weight))


@pytest.mark.parametrize("channel", [None, 0, 3])
def test_a_deconvolutional_network_is_built_of_transposed_layers(channel: int | None) -> None:
    model = randomized(Network(), seed=SEED)
    words = {} if channel is None else {"channel": channel}
    found = explain(model, "deconvnet", X, layer="conv2", batch_size=2, **words)
    expected = carried(torch.relu, channel, guided=False)
    assert found.target is None and np.abs(expected).max() > 0
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("channel", [0, 3])
def test_a_channel_is_propagated_back_guided(channel: int) -> None:
    found = explain(randomized(Network(), seed=SEED), "filter_guided_backprop", X, layer="conv2", channel=channel)
    np.testing.assert_allclose(found.values, carried(torch.sign, channel, guided=True), rtol=1e-9, atol=1e-12)


def test_the_gradient_is_taken_at_noise() -> None:
    model = randomized(Network(), seed=SEED)
    drawn = np.random.default_rng(5).random(X.shape[1:])
    low, high = X.min((1, 2, 3), keepdims=True), X.max((1, 2, 3), keepdims=True)
    point = torch.from_numpy(low + (high - low) * drawn).requires_grad_()
    maps = model.conv2(model.pool(torch.relu(model.conv1(point))))
    for words, value in (({}, maps.sum()), ({"channel": 2}, maps[:, 2].sum())):
        (expected,) = torch.autograd.grad(value, point, retain_graph=True)
        for bound in (None, 1):
            found = explain(model, "layer_vanilla_gradient", X, layer="conv2", seed=5, batch_size=bound, **words)
            np.testing.assert_allclose(found.values, expected.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["deconvnet", "filter_guided_backprop", "layer_vanilla_gradient"])
def test_twins_of_every_framework_have_the_same_maps(method: str) -> None:
    maps = []
    for framework in SOURCES:
        model, x = source("image", framework)
        layer = next(info.name for info in list_layers(model, example_inputs=x) if info.role == "convolution")
        values = explain(model, method, x, layer=layer, channel=1, seed=2, unfit="ignore").values
        maps.append(np.moveaxis(values, -1, 1) if framework == "tensorflow" else values)
    for other in maps[1:] if method != "layer_vanilla_gradient" else maps[2:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-7, atol=1e-12)


def test_what_is_refused() -> None:
    model = randomized(Network(), seed=SEED)
    with pytest.raises(InvalidArgumentError, match="the channels 0 to 3, and no channel 4"):
        explain(model, "deconvnet", X, layer="conv2", channel=4)
    with pytest.raises(MissingArgumentError, match="channel"):
        explain("none.onnx", "filter_guided_backprop", X, layer="conv2")
