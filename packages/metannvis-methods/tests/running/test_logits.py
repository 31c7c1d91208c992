"""What goes into the softmax or the sigmoid that a model ends in, explained instead of what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate import save_model
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
nn, L = torch.nn, keras.layers
WORDS = {
    "captum": {"abs": False},
    "tf-keras-vis": {"keepdims": True, "normalize_map": False, "gradient_modifier": None},
}
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 8, 10)).astype("float32")


class Network(nn.Module):
    def __init__(self, end: Any, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, classes), end

    def logits(self, x: Any) -> Any:
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))

    def forward(self, x: Any) -> Any:
        return self.end(self.logits(x))


ENDS = {
    "module": (nn.Softmax(-1), 3),
    "function": (lambda y: nn.functional.softmax(y, dim=1), 3),
    "method": (lambda y: y.softmax(1), 3),
    "logarithms": (nn.LogSoftmax(1), 3),
    "sigmoid": (nn.Sigmoid(), 1),
    "sigmoid that is squeezed": (lambda y: torch.sigmoid(y).squeeze(1), 1),
    "sigmoid of classes": (torch.sigmoid, 3),
    "in a dict": (lambda y: {"p": torch.softmax(y, 1)}, 3),
}


@pytest.mark.parametrize("toolset", WORDS)
@pytest.mark.parametrize("end", ENDS)
def test_logits_of_pytorch(end: str, toolset: str) -> None:
    torch.manual_seed(0)
    function, classes = ENDS[end]
    model = Network(function, classes).eval()
    target = 1 if classes > 1 else None
    x = torch.from_numpy(IMAGES).requires_grad_()
    (expected,) = torch.autograd.grad(model.logits(x)[:, target or 0].sum(), x)
    found = explain(model, "saliency", IMAGES, target=target, logits=True, toolset=toolset, **WORDS[toolset])
    np.testing.assert_allclose(found.values, expected.numpy(), rtol=1e-4, atol=1e-6)
    assert found.options["logits"] is True
    plain = explain(model, "saliency", IMAGES, target=target, toolset=toolset, **WORDS[toolset])
    assert "logits" not in plain.options
    assert np.abs(plain.values - found.values).max() > 1e-3 * np.abs(found.values).max()


def keras_network(end: str) -> tuple[Any, Any]:
    """A model and the same without its end."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 10, 3))
    features = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="tanh", name="conv")(x))
    dense = L.Dense(3, activation="softmax" if end == "dense" else None)
    y = dense(features)
    y = {"layer": L.Softmax(), "activation": L.Activation("softmax"), "dense": lambda y: y, "moved": None}[end] or (
        lambda y: L.Reshape((3,))(L.Activation("sigmoid")(y))
    )
    model = keras.Model(x, y(dense.output))
    bare = L.Dense(3)
    without = keras.Model(x, bare(features))
    bare.set_weights(dense.get_weights())
    return model, without


@pytest.mark.parametrize("toolset", WORDS)
@pytest.mark.parametrize("end", ["layer", "activation", "dense", "moved"])
def test_logits_of_keras(end: str, toolset: str) -> None:
    model, without = keras_network(end)
    images = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))
    words = {"target": [1, 2], "toolset": toolset, **WORDS[toolset]}
    found = explain(model, "saliency", images, logits=True, **words).values
    np.testing.assert_allclose(found, explain(without, "saliency", images, **words).values, rtol=1e-4, atol=1e-6)
    before = model(images).numpy()
    np.testing.assert_array_equal(model(images).numpy(), before)


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_class_activation_maps_are_of_the_score_before_the_softmax(toolset: str) -> None:
    model, without = keras_network("dense")
    images = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))
    words = {"target": 1, "layer": "conv", "toolset": toolset}
    if toolset == "tf-keras-vis":
        words |= {"normalize_cam": False, "expand_cam": False, "activation_modifier": None}
    found = explain(model, "grad_cam", images, **words)
    np.testing.assert_allclose(found.values, explain(without, "grad_cam", images, **words).values, rtol=1e-4, atol=1e-6)
    assert found.options["logits"] is True
    assert found.prediction[0]["probability"] is not None
    whole = explain(model, "grad_cam", images, logits=False, **words)
    assert np.abs(whole.values - found.values).max() > 1e-3 * np.abs(found.values).max()


def test_logits_of_a_file(tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = Network(nn.Softmax(-1)).eval()
    save_model(model, tmp_path / "net.pt2", example_inputs=IMAGES)
    for toolset, words in WORDS.items():
        found = explain(
            tmp_path / "net.pt2", "saliency", IMAGES, target=1, logits=True, toolset=toolset, **words
        ).values
        expected = explain(model, "saliency", IMAGES, target=1, logits=True, toolset="captum", abs=False).values
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_what_ends_in_no_probabilities_is_told() -> None:
    model = Network(nn.Identity()).eval()
    for toolset in WORDS:
        with pytest.raises(InvalidArgumentError, match="logits already"):
            explain(model, "saliency", IMAGES, target=1, logits=True, toolset=toolset)
    with pytest.raises(InvalidArgumentError, match="True, False or 'auto'"):
        explain(model, "saliency", IMAGES, target=1, logits="yes", toolset="captum")
