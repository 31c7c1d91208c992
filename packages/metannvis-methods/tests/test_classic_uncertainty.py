"""The classes of nn_interpretability for uncertainty: each gives what the functions do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    MCDropout,
    classic,
    evidential_loss,
    explain,
    predict_evidential,
    predict_uncertain,
)
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def network(framework: str) -> Any:
    if framework == "torch":
        torch.manual_seed(0)
        nn = torch.nn
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3)).train()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dropout(0.4), layers.Dense(3)]
    )


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_every_pass_of_monte_carlo_dropout(framework: str) -> None:
    model = network(framework)
    logits, probabilities = classic.MC_Dropout.mc_dropout_predict(model, X, T=5, seed=1)
    expected = predict_uncertain(model, X, MCDropout(5), seed=1, keep=True)
    assert logits.shape == (5, 4, 3)
    assert np.ptp(logits, axis=0).max() > 0.1
    np.testing.assert_array_equal(logits, expected.outputs)
    np.testing.assert_allclose(probabilities, softmax(logits.astype(np.float64)), rtol=1e-12)
    np.testing.assert_allclose(probabilities.mean(0), expected.probabilities, rtol=1e-6)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_likeliest_classes_without_dropout(framework: str) -> None:
    model = network(framework)
    score, classes = classic.MC_Dropout.predict_class(model, X, 2)
    if framework == "torch":
        assert model.training  # as it was
        logits = model.eval()(torch.from_numpy(X)).detach().numpy()
    else:
        logits = np.asarray(model(X, training=False))
    expected = softmax(logits.astype(np.float64))
    np.testing.assert_array_equal(classes, np.argsort(-expected, 1)[:, :2])
    np.testing.assert_allclose(score, np.sort(expected, 1)[:, :0:-1], rtol=1e-5)
    with pytest.raises(InvalidArgumentError, match="from 1 to 3"):
        classic.MC_Dropout.predict_class(model, X, 4)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_evidence(framework: str) -> None:
    model = network(framework)
    outputs, probabilities, uncertain = classic.Evidential_DL.edl_predict(model, X)
    expected = predict_evidential(model, X)
    assert expected.outputs is None  # only where it is asked for
    alpha = np.maximum(outputs[0], 0) + 1
    np.testing.assert_allclose(probabilities[0], alpha / alpha.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(probabilities[0], expected.probabilities)
    np.testing.assert_array_equal(uncertain[0, :, 0], expected.uncertainty)
    score, classes = classic.Evidential_DL.predict_class(model, X, 1)
    np.testing.assert_array_equal(classes[:, 0], expected.probabilities.argmax(1))
    np.testing.assert_array_equal(score[:, 0], expected.probabilities.max(1))


def test_the_loss_of_evidence() -> None:
    outputs, labels = torch.from_numpy(X[:, :3]), torch.tensor([0, 2, 1, 1])
    found = classic.Evidential_DL.edl_mse_loss(outputs, labels, 3, 20)
    assert found == evidential_loss(outputs, labels, 3, annealing_steps=20)


@pytest.mark.parametrize(
    ("cls", "given", "method", "words"),
    [
        ("DeepLIFT", {"baseline": 0.0}, "deep_lift", {"toolset": "captum", "baselines": 0.0}),
        ("LRPEpsilon", {"input_z_beta": False}, "lrp", {"toolset": "zennit", "composite": {"epsilon": 1e-6}}),
    ],
)
def test_an_interpreter_over_masks(cls: str, given: dict[str, Any], method: str, words: dict[str, Any]) -> None:
    model, how = network("torch"), {"uncertainty": MCDropout(4), "seed": 2, "target": 1}
    interpreter = getattr(classic, cls)(model, **given, **how)
    found = interpreter.interpret(X[:1])
    expected = explain(model, method, X[:1], **words, **how)
    np.testing.assert_allclose(found, expected.values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(interpreter.explanation.deviation, expected.deviation, rtol=1e-5, atol=1e-9)
    assert interpreter.explanation.deviation.max() > 1e-3
