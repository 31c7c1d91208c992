"""Weights of a PyTorch model: one where the source has one, trained where the source trains them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, translate
from torch import nn


class InTwoPlaces(nn.Module):
    """One convolution, one dense layer and one LSTM, each under two paths; two dense layers with one matrix."""

    def __init__(self) -> None:
        super().__init__()
        conv, dense = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 4)
        self.first = nn.Sequential(conv, nn.ReLU())
        self.second = nn.Sequential(conv, nn.Tanh())
        self.dense = dense
        self.again = dense
        self.tied, self.also_tied = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.also_tied.weight = self.tied.weight
        self.lstm = nn.LSTM(4, 4)
        self.once_more = self.lstm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.first(x)).flatten(2).transpose(1, 2)  # tokens
        x = self.again(self.dense(x).relu())
        x = self.also_tied(self.tied(x).relu()).transpose(0, 1)
        x, _ = self.lstm(x)
        x, _ = self.once_more(x)
        return x[-1]


class WithBuffers(nn.Module):
    """A matrix, a kernel and an offset that are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.randn(8, 8))
        self.register_buffer("kernel", torch.randn(4, 4, 3, 3))
        self.register_buffer("offset", torch.randn(8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.conv2d(x, self.kernel).mean(2)
        return self.head(nn.functional.linear(x, self.matrix) + self.offset)


class HalfAffine(nn.Module):
    """Normalisations with a scale alone, an offset alone, and neither."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.plain = nn.LayerNorm(10, bias=False), nn.LayerNorm(10, elementwise_affine=False)
        self.group, self.instance = nn.GroupNorm(2, 4, affine=False), nn.InstanceNorm2d(4, affine=True)
        self.scale = nn.Parameter(torch.rand(4) + 0.5)
        self.offset = nn.Parameter(torch.rand(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer(x) + self.plain(x).tanh()
        x = nn.functional.group_norm(x, 2, self.scale) + self.group(x).tanh()
        return self.instance(nn.functional.group_norm(x, 1, None, self.offset)).mean(2)


def translated(model: nn.Module, shape: tuple[int, ...], dtype: str) -> Any:
    example = np.random.default_rng(0).standard_normal(shape).astype("float32")
    translation = translate(model, "keras", example_inputs=example, verify=False, dtype=dtype)
    fresh = np.random.default_rng(1).standard_normal((3, *shape[1:])).astype(dtype)
    report = check_equivalence(model, translation, [fresh], dtype=dtype)
    assert report.passed, str(report)
    return translation.model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [(InTwoPlaces, (2, 4, 6, 5)), (WithBuffers, (2, 4, 6, 10)), (HalfAffine, (2, 4, 6, 10))],
    ids=["in two places", "buffers", "half affine"],
)
def test_as_many_elements_are_trained(make: Any, shape: tuple[int, ...], dtype: str) -> None:
    torch.manual_seed(0)
    source = make().eval()
    keras_model = translated(source, shape, dtype)
    # Keras' LSTM has the sum of PyTorch's two biases
    twice = sum(p.numel() for n, p in source.named_parameters() if "bias_hh" in n)
    wanted = sum(p.numel() for p in source.parameters()) - twice
    assert sum(int(np.prod(w.shape)) for w in keras_model.trainable_weights) == wanted


def test_one_step_of_training_is_the_same() -> None:
    """What is one weight in the source gets the gradients of all its uses."""
    torch.manual_seed(0)
    source = InTwoPlaces().eval()
    keras_model = translated(source, (2, 4, 6, 5), "float64")
    x = np.random.default_rng(2).standard_normal((3, 4, 6, 5))
    source = source.double()
    source(torch.from_numpy(x)).square().sum().backward()

    import tensorflow as tf

    weights = {weight.path: weight for weight in keras_model.trainable_weights}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(keras_model(x.transpose(0, 2, 3, 1)) ** 2)
    paths = {"first.0/kernel": "first.0.weight", "dense/kernel": "dense.weight", "tied/kernel": "tied.weight"}
    gradients = tape.gradient(loss, [weights[path] for path in paths])
    for gradient, name in zip(gradients, paths.values(), strict=True):
        expected = source.get_parameter(name).grad
        assert expected is not None
        axes = (3, 2, 0, 1) if expected.ndim == 4 else (1, 0)
        np.testing.assert_allclose(gradient.numpy().transpose(axes), expected.numpy(), rtol=1e-9, atol=1e-12)
