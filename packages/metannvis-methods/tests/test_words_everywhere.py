"""Words of ``explain`` in ``compare`` and in the functions of toolkits' arguments."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    DeadlineError,
    PendingExplanation,
    SmoothGrad,
    compare,
    explain,
    finish_execution_with_layer,
    perform_attribution,
    perform_feature_visualization,
)
from metannvis_methods.errors import InvalidArgumentError, LayerChoiceWarning
from metannvis_methods.perform import OWN_WORDS
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
nn = torch.nn
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 10, 12, 3), dtype=np.uint8)
IMAGES = np.ascontiguousarray(PIXELS.transpose(0, 3, 1, 2) / 255).astype("float32")


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc, self.side = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        y = torch.tanh(self.conv(x)).mean((2, 3))
        return {"main": torch.softmax(self.fc(y), 1), "side": self.side(y)}


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return Network().eval()


#: What beside a plain call, and what changes.
WORDS: dict[str, dict[str, Any]] = {
    "output": {"output": "side"},
    "logits": {"logits": True},
    "labels": {"labels": ["a", "b", "c"]},
    "noise": {"noise": SmoothGrad(3, 0.1), "seed": 3},
    "batch_size": {"batch_size": 1},
    "device": {"device": "cpu"},
    "autocast": {"autocast": True},
    "deadline": {"deadline": 100},
    "unfit": {"unfit": "raise"},
    "progress": {"progress": lambda *_: None},
    "preprocess": {"preprocess": "unit"},
    "value_range": {"value_range": (0, 2), "baselines": "white", "method": "integrated_gradients"},
    "data": {"data": IMAGES[:1], "baselines": "mean", "method": "integrated_gradients"},
    "reshape": {"reshape": lambda maps: maps, "layer": "conv", "method": "grad_cam"},
}


@pytest.mark.parametrize("word", WORDS)
def test_perform_is_explain(word: str, model: Any) -> None:
    words = {"output": "main", "method": "saliency", **WORDS[word]}
    method, given = words.pop("method"), {name: words.pop(name) for name in ("baselines", "layer") if name in words}
    inputs = PIXELS if word == "preprocess" else IMAGES
    init = {"layer": given.pop("layer")} if "layer" in given else {}
    found = perform_attribution(
        model, method, "captum", init_args=init, exec_args={"inputs": inputs, "target": 1, **given}, **words
    )
    expected = explain(model, method, inputs, target=1, toolset="captum", **{"logits": False, **words}, **init, **given)
    np.testing.assert_array_equal(found, expected.values)


def test_every_word_that_no_toolkit_has_is_one_of_perform() -> None:
    assert set(WORDS) | {"seed"} == OWN_WORDS
    told = inspect.getdoc(perform_attribution) or ""
    assert all(f"``{word}``" in told for word in OWN_WORDS)


def test_options_of_translations_beside_words(model: Any) -> None:
    words: dict[str, Any] = {"output": "main", "dtype": "float64", "unfit": "ignore"}
    found = perform_attribution(
        model, "saliency", "tf-keras-vis", exec_args={"seed_input": IMAGES, "target": 1, "keepdims": True}, **words
    )
    assert found.dtype == np.float64


def test_feature_visualization_of_one_of_several_outputs(model: Any) -> None:
    network = translate(model, "keras", example_inputs=IMAGES).model
    found = perform_feature_visualization(
        network, "activation_maximization", "tf-keras-vis", exec_args={"target": 1, "steps": 1}, output=1, seed=0
    )
    assert found.shape == (1, 10, 12, 3)


def test_no_time_runs_while_one_chooses_a_layer(model: Any) -> None:
    import time

    with pytest.warns(LayerChoiceWarning):
        pending = perform_attribution(model, "layer_activation", "captum", exec_args={"inputs": IMAGES}, deadline=0.5)
    assert isinstance(pending, PendingExplanation)
    time.sleep(0.6)
    assert finish_execution_with_layer(pending, "conv").shape == (2, 4, 8, 10)
    with pytest.raises(DeadlineError):
        perform_attribution(
            model,
            "integrated_gradients",
            "captum",
            exec_args={"inputs": IMAGES, "target": 1},
            output="main",
            deadline=1e-6,
        )


@pytest.mark.parametrize(
    "word", ["output", "logits", "labels", "batch_size", "device", "deadline", "unfit", "preprocess"]
)
def test_compare_takes_every_word(word: str, model: Any) -> None:
    words = {"output": "main", **WORDS[word]}
    found = compare(model, "saliency", PIXELS if word == "preprocess" else IMAGES, target=1, **words)
    assert found.rows[0]["max_rel"] < 1e-4
    plain = explain(model, "saliency", PIXELS if word == "preprocess" else IMAGES, target=1, toolset="captum", **words)
    np.testing.assert_allclose(found.explanations[0].values, plain.values, rtol=1e-5, atol=1e-8)


def test_compare_options_whose_names_are_words(model: Any) -> None:
    found = compare(
        model,
        "grad_cam",
        IMAGES,
        target=1,
        layer="conv",
        output="main",
        options={"captum": {"attr_dim_summation": True}},
    )
    assert found.explanations[0].options["attr_dim_summation"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"layer": ["conv", "fc"]}, "compare takes one layer"),
        ({"toolset": "captum"}, r"toolsets=\[…\]"),
        ({"batch_size": 0}, "batch_size is a whole number"),
        ({"abss": True}, "no option 'abss'"),
    ],
)
def test_what_compare_does_not_take(words: dict[str, Any], said: str, model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        compare(model, "saliency", IMAGES, target=1, output="main", **words)
