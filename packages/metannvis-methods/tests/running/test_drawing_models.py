"""Models that draw at random when they run (dropout that is on): repeatable, as the toolkit on the same masks, put back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import compare, explain
from metannvis_methods.errors import MetannvisError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
L, ops = keras.layers, keras.ops

X = np.random.default_rng(0).uniform(0, 1, (3, 8, 10, 3)).astype("float32")


class Always(L.Dropout):
    """Monte Carlo dropout: on, whatever it is told."""

    def call(self, x: Any, training: Any = None) -> Any:
        return super().call(x, training=True)


class Within(L.Layer):
    """A layer that holds one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inner = Always(0.3)

    def call(self, x: Any) -> Any:
        return self.inner(x)


class Unnamed(L.Layer):
    """Masks of the generator that all layers of Keras share."""

    def call(self, x: Any) -> Any:
        return keras.random.dropout(x, 0.5)


class Drawn(L.Layer):
    """Noise of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator(3)

    def call(self, x: Any) -> Any:
        return x * (1 + 0.5 * keras.random.normal(ops.shape(x), seed=self.generator))


def network(*drawing: Any, training: bool | None = None) -> Any:
    x = keras.Input((8, 10, 3))
    y = L.Conv2D(6, 3, activation="tanh", name="conv")(x)
    for layer in drawing:
        y = layer(y) if training is None else layer(y, training=training)
    return keras.Model(x, L.Dense(3)(L.Flatten()(y)))


MODELS = {
    "on whatever it is told": lambda: network(Always(0.5)),
    "two": lambda: network(Always(0.5), Always(0.2)),
    "within a layer": lambda: network(Within()),
    "noise of its own": lambda: network(Drawn()),
    "within a model": lambda: network(keras.Sequential([keras.Input((6, 8, 6)), Always(0.5)])),
}
WORDS: dict[str, Any] = {"toolset": "tf-keras-vis", "normalize_map": False, "keepdims": True}


def states(model: Any) -> list[Any]:
    found = [generator.state for layer in model._flatten_layers() for generator in layer._seed_generators]
    return list({id(state): state for state in found}.values())


def seed(model: Any, number: int) -> None:
    for k, state in enumerate(states(model)):
        state.assign(keras.random.SeedGenerator(number + k).state.numpy())


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_toolkit_on_the_same_masks(name: str) -> None:
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    before = [state.numpy() for state in states(model)]
    assert before
    assert np.abs(np.asarray(model(X)) - np.asarray(model(X))).max() > 0
    for state, value in zip(states(model), before, strict=True):
        state.assign(value)
    found = explain(model, "saliency", X, target=[0, 1, 2], seed=7, **WORDS).values
    assert all(np.array_equal(state.numpy(), value) for state, value in zip(states(model), before, strict=True))
    np.testing.assert_array_equal(explain(model, "saliency", X, target=[0, 1, 2], seed=7, **WORDS).values, found)
    assert np.abs(explain(model, "saliency", X, target=[0, 1, 2], seed=8, **WORDS).values - found).max() > 1e-3
    if name != "within a model":  # which is explained on a flat copy, with the layers' generators in its own order
        seed(model, 7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = Saliency(model, clone=False)(CategoricalScore([0, 1, 2]), X, normalize_map=False, keepdims=True)
        np.testing.assert_allclose(found, np.asarray(theirs), rtol=1e-5, atol=1e-7)


def test_what_draws_from_the_shared_generator() -> None:
    keras.utils.set_random_seed(5)
    model = network(Unnamed())
    first = explain(model, "saliency", X, target=1, seed=7, **WORDS).values
    np.testing.assert_array_equal(explain(model, "saliency", X, target=1, seed=7, **WORDS).values, first)
    assert np.abs(explain(model, "saliency", X, target=1, seed=8, **WORDS).values - first).max() > 1e-3
    drawn = np.asarray(model(X))
    keras.utils.set_random_seed(5)
    network(Unnamed())
    np.testing.assert_array_equal(np.asarray(model(X)), drawn)  # it went on as if nothing had been drawn


def test_without_a_seed_it_is_as_the_model_stands() -> None:
    keras.utils.set_random_seed(0)
    model = MODELS["two"]()
    first = explain(model, "saliency", X, target=1, **WORDS).values
    np.testing.assert_array_equal(explain(model, "saliency", X, target=1, **WORDS).values, first)
    model(X)  # its generators go on
    assert np.abs(explain(model, "saliency", X, target=1, **WORDS).values - first).max() > 1e-3


def test_the_prediction_and_the_method_see_the_same_masks() -> None:
    keras.utils.set_random_seed(0)
    model = MODELS["on whatever it is told"]()
    found = explain(model, "grad_cam", X, layer="conv", toolset="tf-keras-vis", seed=2)
    seed(model, 2)
    predicted = np.asarray(model(X))
    assert found.target == predicted.argmax(1).tolist()
    assert found.prediction is not None
    np.testing.assert_allclose([row["value"] for row in found.prediction], predicted.max(1), rtol=1e-6)


def test_training_that_was_asked_for_where_the_layer_was_called() -> None:
    """Keras says of a call with ``training=False``, as ``predict`` and the toolkit make it, that it counts more."""
    keras.utils.set_random_seed(0)
    model = network(L.Dropout(0.5), training=True)
    found = explain(model, "saliency", X, target=1, **WORDS).values
    quiet = keras.models.clone_model(model)
    quiet.set_weights(model.get_weights())
    import tensorflow as tf

    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = model(x, training=False)[:, 1]
    expected = np.abs(np.asarray(tape.gradient(score, x)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    translated = explain(model, "saliency", X, target=1, toolset="captum").values
    np.testing.assert_allclose(translated, expected, rtol=1e-4, atol=1e-6)
    assert max(row["max_rel"] for row in compare(model, "saliency", X, target=1).rows) < 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_a_translation_is_refused(name: str) -> None:
    keras.utils.set_random_seed(0)
    with pytest.raises(MetannvisError):
        explain(MODELS[name](), "saliency", X, target=1, toolset="captum")


class Drawing(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = torch.nn.Linear(6, 16), torch.nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.out(torch.nn.functional.dropout(torch.tanh(self.fc(x)), 0.5, training=True))


def test_a_module_that_draws() -> None:
    import captum.attr

    torch.manual_seed(0)
    module, x = Drawing().eval(), torch.from_numpy(X[:, 0, :2].reshape(3, 6).copy())
    found = explain(module, "saliency", x, target=[0, 1, 2], toolset="captum", seed=3)
    torch.manual_seed(3)
    expected = captum.attr.Saliency(module).attribute(x.requires_grad_(), target=torch.tensor([0, 1, 2]))
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=1e-6)
    torch.manual_seed(11)
    target = explain(module, "saliency", x, toolset="captum", seed=3).target
    drawn = torch.rand(3)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(3)), "the caller's generator is as it was"
    torch.manual_seed(3)
    assert target == module(x).argmax(1).tolist()
