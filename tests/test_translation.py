"""Translations of the demo's two networks and of random ones on RGB images, each in its other framework.

In double precision everything agrees to rounding: outputs, input gradients, every layer that runs. Both sides are run here by
the frameworks themselves; the gate is off and the inputs are new to the translation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import explain
from metannvis_translate import Translation, check_equivalence, list_layers, translate
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from .twins import SOURCES, Twins  # noqa: E402

Array = np.ndarray[Any, Any]
OTHER = {"torch": "keras", "tensorflow": "torch"}
BATCHES = (1, 2, 5)
EXACT_VALUES, SINGLE = 1e-9, 1e-5
#: Layers that hold others; all the rest are leaves.
PARENTS = {"torch_rgb": {"block"}, "keras_rgb": {"block"}}


def relative(found: Any, expected: Array) -> float:
    """max|a − b| / max|b| of the worst sample."""
    a, b = np.asarray(found), expected
    assert a.shape == b.shape
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    assert (np.abs(b).max(axis=1) > 0).all(), "a result that is all zero shows nothing"
    return float((np.abs(a - b).max(axis=1) / np.abs(b).max(axis=1)).max())


def run(model: Any, x: Any, seed: int = 2) -> tuple[Any, Any]:
    """Output of a model of either framework, and the input gradient of a random combination of the outputs."""
    random = np.random.default_rng(seed)
    if isinstance(model, torch.nn.Module):
        given = torch.as_tensor(x).clone().requires_grad_()
        output = model(given)
        weights = torch.from_numpy(random.standard_normal(output.shape)).to(output.dtype)
        (gradient,) = torch.autograd.grad((output * weights).sum(), given)
        return output.detach(), gradient
    given = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        output = model(given, training=False)
        total = tf.reduce_sum(output * random.standard_normal(output.shape).astype(output.dtype.name))
    return output, tape.gradient(total, given)


def torch_layers(model: Any, x: Array) -> dict[str, Array]:
    """What every module of a model puts out, by name, as forward hooks see it; the model itself left out."""
    seen: dict[str, Array] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _a, out, name=name: seen.__setitem__(name, out.numpy()))
        for name, module in model.named_modules()
        if name
    ]
    with torch.no_grad():
        model(torch.from_numpy(x))
    for hook in hooks:
        hook.remove()
    return seen


def keras_layers(model: Any, x: Any) -> dict[str, Array]:
    """What every layer of a chain of layers puts out, by path, also inside a nested model."""
    seen: dict[str, Array] = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        for inner in layer.layers[1:] if isinstance(layer, keras.Model) else ():
            part = keras.Model(layer.inputs[0], inner.output)
            seen[f"{layer.name}/{inner.name}"] = np.asarray(part(x, training=False))
        x = layer(x, training=False)
        seen[layer.name] = np.asarray(x)
    return seen


def own_layers(twins: Twins, batch: int = 5) -> dict[str, Array]:
    """Reference for every layer of a network, computed by its own framework in double precision."""
    return (torch_layers if twins.framework == "torch" else keras_layers)(twins.double, twins.images[:batch])


@pytest.fixture(scope="module")
def translated(network: Any) -> Any:
    """A translation of a network, made with two noise images and without the gate."""
    made: dict[tuple[str, str], Translation] = {}

    def get(name: str, dtype: str) -> Translation:
        if (name, dtype) not in made:
            twins = network(name)
            noise = np.random.default_rng(1).random((2, *twins.images.shape[1:]), "float32")
            words = {"example_inputs": noise, "dtype": dtype, "verify": False}
            made[name, dtype] = translate(twins.model, OTHER[twins.framework], **words)
        return made[name, dtype]

    return get


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", SOURCES)
def test_outputs_and_gradients_in_double(name: str, batch: int, network: Any, translated: Any) -> None:
    twins, translation = network(name), translated(name, "float64")
    output, gradient = (np.asarray(value) for value in run(twins.double, twins.images[:batch]))
    ours, ours_gradient = run(translation.model, translation.to_target(twins.images[:batch]))
    assert relative(translation.to_source(ours, role="output"), output) <= EXACT_VALUES
    assert relative(translation.to_source(ours_gradient), gradient) <= EXACT_VALUES


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", SOURCES)
def test_outputs_in_single(name: str, batch: int, network: Any, translated: Any) -> None:
    twins, translation = network(name), translated(name, "float32")
    x = twins.images[:batch].astype("float32")
    output, _ = run(twins.model, x)
    ours, _ = run(translation.model, translation.to_target(x))
    assert relative(translation.to_source(ours, role="output"), np.asarray(output)) <= SINGLE


@pytest.mark.parametrize("name", SOURCES)
def test_every_layer_that_runs_is_mapped(name: str, network: Any, translated: Any) -> None:
    twins = network(name)
    ran = set(own_layers(twins, 1))
    translation = translated(name, "float64")
    rows = {row.source.name: row.source.parent for row in translation.layers}
    assert set(rows) == ran
    assert {row for row, parent in rows.items() if parent} == PARENTS.get(name, set())
    given = twins.images[:1].astype("float32")
    assert {info.name for info in list_layers(twins.model, example_inputs=given)} == ran


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", SOURCES)
def test_every_layer_that_runs_is_compared(name: str, batch: int, network: Any, translated: Any) -> None:
    twins, translation = network(name), translated(name, "float64")
    report = check_equivalence(twins.model, translation, twins.images[:batch], dtype="float64")
    assert report.passed, str(report)
    assert {row.name for row in report.layers} == set(own_layers(twins, 1))
    for row in (*report.outputs, *report.gradients, *report.layers):
        assert row.compared, row
        assert row.max_rel <= EXACT_VALUES, row


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", SOURCES)
def test_every_layer_of_the_translation_puts_out_the_same(name: str, batch: int, network: Any, translated: Any) -> None:
    """Without our comparison: the layer that stands for a layer of the source, read out by the target framework."""
    twins, translation = network(name), translated(name, "float64")
    x = translation.to_target(twins.images[:batch])
    for layer, expected in own_layers(twins, batch).items():
        model, found = translation.attach(layer)
        if translation.target_framework == "tensorflow":
            values = keras.Model(model.inputs[0], found.output)(x, training=False)
        else:
            seen: list[torch.Tensor] = []
            hook = found.register_forward_hook(lambda _m, _a, out, seen=seen: seen.append(out))
            with torch.no_grad():
                model(x)
            hook.remove()
            (values,) = seen
        assert relative(translation.to_source(values, role="layer", layer=layer), expected) <= EXACT_VALUES, layer


@pytest.mark.parametrize("name", SOURCES)
def test_every_layer_gives_its_own_activation_back(name: str, network: Any) -> None:
    """Named in the network's own terms, in its own layout; parents like ``block`` included."""
    twins = network(name)
    infos = list_layers(twins.model, example_inputs=twins.images[:1].astype("float32"))
    expected = own_layers(twins)
    for info in infos:
        model, words = (twins.double, {}) if twins.framework == "torch" else (twins.model, {"dtype": "float64"})
        found = explain(
            model, "layer_activation", twins.images, layer=info.name, toolset="captum", translation=words or None
        )
        assert found.layer == info.name
        assert found.axes == info.axes
        assert found.values.shape[1:] == info.shape[1:]
        assert (found.translation is None) == (twins.framework == "torch")
        assert relative(found.values, expected[info.name]) <= EXACT_VALUES, info.name
