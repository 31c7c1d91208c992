"""Class activation maps of both toolkits on vision transformers, against the formula on the reshaped tokens: ``tox -e tokens``."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from metannvis_methods import compare, explain
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
tf = require("tensorflow")
require("keras")
from .networks import KERAS, TORCH, Transformer, randomized  # noqa: E402

Array = np.ndarray[Any, Any]
TARGET = 1
#: Options that leave a map as the formula has it.
BARE: dict[str, dict[str, Any]] = {
    "captum": {},
    "tf-keras-vis": {"expand_cam": False, "normalize_cam": False, "activation_modifier": None},
}
ROWS = {**TORCH, **KERAS}


@functools.cache
def model(name: str) -> Any:
    made = ROWS[name].make()
    return randomized(made) if name in TORCH else made


def images(name: str) -> Array:
    x = np.random.default_rng(3).standard_normal((2, 3, 32, 48))
    return x if name in TORCH else np.ascontiguousarray(x.transpose(0, 2, 3, 1)).astype("float32")


def words(row: Transformer) -> dict[str, Any]:
    return {"target": row.score or TARGET, **({} if row.output is None else {"output": row.output})}


def tokens(name: str, layer: str) -> tuple[Array, Array]:
    """What a layer returns, and the gradient of the score with respect to it, by a hook on the model as it is."""
    return (_in_torch if name in TORCH else _in_keras)(name, layer)


def _in_torch(name: str, layer: str) -> tuple[Array, Array]:
    row, network, seen = ROWS[name], model(name), []
    hook = network.get_submodule(layer).register_forward_hook(lambda _m, _a, out: seen.append(out))
    output = network(torch.from_numpy(images(name)))
    hook.remove()
    output = output if row.output is None else output[row.output]
    score = row.score(output) if row.score is not None else output[:, TARGET]
    first = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    (gradient,) = torch.autograd.grad(score.sum(), first)
    return first.detach().numpy(), gradient.numpy()


def _in_keras(name: str, layer: str) -> tuple[Array, Array]:
    network, seen = model(name), []
    found = network
    for part in layer.split("/"):
        found = next(child for child in children(found) if child.name == part)
    call = found.call

    def called(*given: Any, **options: Any) -> Any:
        seen.append(call(*given, **options))
        return seen[-1]

    found.call = called
    try:
        with tf.GradientTape() as tape:
            x = tf.constant(images(name))
            tape.watch(x)
            score = tf.reduce_sum(network(x, training=False)[:, TARGET])
    finally:
        found.call = call
    return seen[0].numpy(), tape.gradient(score, seen[0]).numpy()


def children(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False, recursive=False))


def by_formula(row: Transformer, activations: Array, gradients: Array) -> Array:
    """Grad-CAM (Selvaraju et al., 2016, arXiv:1610.02391), tokens on their grid, those before them left out."""
    height, width = row.grid
    parts = []
    for array in (activations, gradients):
        flat = array.reshape(2, -1, array.shape[-1])
        parts.append(flat[:, flat.shape[1] - height * width :].reshape(2, height, width, -1))
    a, g = parts
    return np.einsum("nhwc,nc->nhw", a, g.mean((1, 2)))


@pytest.mark.parametrize("layer", ["named", "auto"])
@pytest.mark.parametrize("toolset", BARE)
@pytest.mark.parametrize("name", ROWS)
def test_a_map_is_that_of_the_tokens_on_their_grid(name: str, toolset: str, layer: str) -> None:
    row = ROWS[name]
    found = explain(
        model(name),
        "grad_cam",
        images(name),
        layer=row.named if layer == "named" else "auto",
        toolset=toolset,
        **words(row),
        **BARE[toolset],
    )
    activations, gradients = tokens(name, str(found.layer))
    before = 0 if activations.ndim == 4 else activations.shape[1] - row.grid[0] * row.grid[1]
    assert layer == "auto" or before == row.prefix
    expected = by_formula(row, activations, gradients)
    assert (found.values.shape, found.axes) == (expected.shape, "NHW")
    assert (np.abs(expected).max((1, 2)) > 1e-6 * np.abs(activations).max()).all(), "the map is zero"
    assert np.abs(found.values - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", ROWS)
def test_the_toolsets_agree(name: str) -> None:
    (row,) = compare(model(name), "grad_cam", images(name), layer="auto", **words(ROWS[name])).rows
    assert row["max_rel"] <= 1e-4


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam++", "layer_cam", "score_cam"])
@pytest.mark.parametrize("name", ROWS)
def test_maps_as_large_as_the_image(name: str, method: str) -> None:
    options = {"layer": "auto", "toolset": "tf-keras-vis", "activation_modifier": None}
    found = explain(model(name), method, images(name), **options, **words(ROWS[name]))
    assert (found.values.shape, found.axes) == ((2, 32, 48), "NHW")
    assert np.isfinite(found.values).all()
    assert np.ptp(found.values, axis=(1, 2)).max() > 0
