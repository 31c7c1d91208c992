"""Arguments of every role, channels last from a Keras caller and channels first from a PyTorch one: the same values, permuted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from metannvis_methods import SegmentationTarget, explain
from metannvis_methods.registry.spec import ROLES
from metannvis_translate.frameworks.requirements import require

require("torch")
require("tensorflow")
keras: Any = require("keras")
from ...matrix.networks import Network, network, to_keras, to_torch  # noqa: E402

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Own:
    """An argument that each caller writes otherwise."""

    torch: Any
    keras: Any


@dataclass(frozen=True)
class Row:
    """A call.

    Attributes
    ----------
    network, method
        Of the matrix; the toolset's key may stand before the method's.
    words
        Arguments, channels first; arrays and positions are permuted for Keras, everything else is not.
    like
        Words whose arrays lie the same for both: maps without channels.
    layer
        Names of a layer in both.
    """

    network: str
    method: str
    words: Mapping[str, Any] = field(default_factory=dict)
    like: tuple[str, ...] = ()
    layer: tuple[str, str] | None = None


def noise(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(-0.5, 0.5, shape)


def groups(count: int, *shape: int) -> Array:
    return np.random.default_rng(1).integers(0, count, shape)


def region(torch_axes: tuple[int, ...], keras_axes: tuple[int, ...]) -> Own:
    """A function of a dense output: the sum of a class over a part of the image."""
    return Own(
        lambda y: y[:, 1, 2:5, 3:7].sum(torch_axes),
        lambda y: keras.ops.sum(y[:, 2:5, 3:7, 1], keras_axes),
    )


DENSE = {"target": (1, 3, 5)}
CONV = ("conv2", "conv2")
TABLE: dict[str, Row] = {
    "input": Row("cnn", "saliency", {"target": 1}),
    "input of a signal": Row("signal", "saliency", {"target": 1}),
    "baseline, one a sample": Row("cnn", "integrated_gradients", {"target": 1, "baselines": noise(3, 2, 10, 12)}),
    "baseline of a signal": Row("signal", "deep_lift", {"target": 1, "baselines": noise(1, 3, 24)}),
    "baseline by word, of data": Row("cnn", "deep_lift", {"target": 1, "baselines": "mean", "data": noise(7, 2, 10, 12)}),
    "baseline by word, blurred": Row("cnn", "integrated_gradients", {"target": 1, "baselines": "blur"}),
    "distribution": Row("cnn", "gradient_shap", {"target": 1, "baselines": noise(4, 2, 10, 12), "stdevs": 0.1, "seed": 0}),
    "feature_mask": Row("cnn", "feature_ablation", {"target": 1, "feature_mask": groups(9, 1, 2, 10, 12)}),
    "feature_mask without channels": Row(
        "cnn", "feature_ablation", {"target": 1, "feature_mask": groups(9, 10, 12)}, like=("feature_mask",)
    ),
    "feature_mask, one a sample": Row(
        "cnn", "kernel_shap", {"target": 1, "feature_mask": groups(4, 3, 2, 10, 12), "n_samples": 30, "seed": 0}
    ),
    "feature_mask of a signal": Row("signal", "feature_ablation", {"target": 1, "feature_mask": groups(5, 1, 3, 24)}),
    "feature_mask by word": Row("cnn", "shapley_value_sampling", {"target": 1, "feature_mask": "channels", "seed": 0}),
    "window, stride": Row("cnn", "occlusion", {"target": 1, "sliding_window_shapes": (2, 3, 4), "strides": (1, 2, 3)}),
    "window, stride of a signal": Row("signal", "occlusion", {"target": 1, "sliding_window_shapes": (1, 5), "strides": (1, 3)}),
    "neuron": Row("cnn", "neuron_gradient", {"neuron": (4, 1, 3)}, layer=CONV),
    "neuron of a signal": Row("signal", "neuron_integrated_gradients", {"neuron": (3, 6)}, layer=CONV),
    "layer": Row("cnn", "layer_activation", layer=CONV),
    "layer of tokens": Row("vit", "layer_activation", layer=("two_norm1", "two_norm1")),
    "layer_mask": Row("cnn", "layer_feature_ablation", {"target": 1, "feature_mask": groups(6, 1, 7, 3, 4)}, layer=CONV),
    "layer_baseline": Row("cnn", "layer_feature_ablation", {"target": 1, "baselines": noise(1, 7, 3, 4)}, layer=CONV),
    "layer_baseline behind indices": Row(
        "text", "layer_feature_ablation", {"target": 1, "baselines": noise(1, 7, 6)}, layer=("embedding", "embedding")
    ),
    "target, a position": Row("unet", "saliency", DENSE),
    "target, a position a sample": Row("unet", "input_x_gradient", {"target": [(1, 3, 5), (0, 2, 2), (2, 7, 11)]}),
    "target, a region": Row("unet", "saliency", {"target": SegmentationTarget(1, where="argmax", reduce="mean")}),
    "score": Row("unet", "saliency", {"target": region((1, 2), (1, 2))}),
    "score of a path": Row("unet", "integrated_gradients", {"target": region((1, 2), (1, 2)), "n_steps": 4}),
    "score, a layer's": Row("unet", "layer_gradient_x_activation", {"target": region((1, 2), (1, 2))}, layer=("down2", "down2")),
    "target of a map": Row("unet", "grad_cam", DENSE, layer=("down2", "down2")),
    "tf-keras-vis, input": Row("cnn", "tf-keras-vis saliency", {"target": 1, "keepdims": True}),
    "tf-keras-vis, target": Row("unet", "tf-keras-vis saliency", {**DENSE, "keepdims": True}),
    "tf-keras-vis, score": Row("unet", "tf-keras-vis layer_cam", {"target": region((1, 2), (1, 2))}, layer=("down2", "down2")),
    "tf-keras-vis, layer": Row("vit", "tf-keras-vis grad_cam", {"target": 1}, layer=("two_norm1", "two_norm1")),
    "several inputs, baselines": Row(
        "two inputs", "integrated_gradients", {"target": 1, "baselines": (noise(1, 3, 8, 6), noise(1, 5))}
    ),
    "several inputs, masks": Row(
        "two inputs", "feature_ablation", {"target": 1, "feature_mask": (groups(4, 1, 3, 8, 6), 4 + groups(2, 1, 5))}
    ),
    "several inputs, windows": Row(
        "two inputs",
        "occlusion",
        {"target": 1, "sliding_window_shapes": ((2, 3, 3), (2,)), "strides": ((1, 2, 3), (1,))},
    ),
    "noise": Row("cnn", "saliency", {"target": 1, "noise": "smoothgrad", "seed": 0}),
}  # fmt: skip
#: Roles whose values say nothing of a layout, or that explain() has no word for.
ELSEWHERE = {"extra", "batch", "per_eval", "delta", "layer_input"}
#: Words whose tuples are numbers one an axis.
POSITIONS = ("neuron", "target", "sliding_window_shapes", "strides")


def last(net: Network, name: str, value: Any, like: tuple[str, ...]) -> Any:
    """A value as a Keras caller writes it."""
    if isinstance(value, Own):
        return value.keras
    if isinstance(value, list) or (isinstance(value, tuple) and value and isinstance(value[0], (tuple, np.ndarray))):
        return type(value)(last(net, name, item, like) for item in value)
    if name in like or not isinstance(value, (np.ndarray, tuple)):
        return value
    return to_keras(value, net.row) if isinstance(value, np.ndarray) or name in POSITIONS else value


def both(row: Row) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Values for both callers, channels first."""
    net = network(row.network)
    toolset, _, method = row.method.rpartition(" ")
    found = []
    for is_keras in (False, True):
        words = {
            name: last(net, name, value, row.like) if is_keras else value.torch if isinstance(value, Own) else value
            for name, value in row.words.items()
        }
        inputs = tuple(to_keras(x, net.row) if is_keras else x for x in net.inputs)
        if row.layer is not None:
            words["layer"] = row.layer[is_keras]
        model = net.keras if is_keras else net.torch
        values = explain(
            model,
            method,
            inputs if len(inputs) > 1 else inputs[0],
            toolset=toolset or "captum",
            unfit="ignore",
            **words,
        ).values
        parts = values if isinstance(values, tuple) else (values,)
        found.append(tuple(to_torch(part, net.row) if is_keras else part for part in parts))
    return found[0], found[1]


@pytest.mark.parametrize("name", TABLE)
def test_the_same_values_permuted(name: str) -> None:
    first, second = both(TABLE[name])
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.shape == b.shape
        assert np.abs(a).max() > 0
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12 * np.abs(a).max())


def test_every_role_has_a_row() -> None:
    named = {word for name in TABLE for word in name.replace(",", "").split()}
    assert {role for role in ROLES if role not in ELSEWHERE} <= named
    assert len(TABLE) == 36
