"""A second call translates nothing, training translates anew, and a model that its user drops is gone."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import metannvis_translate
import numpy as np
import pytest
import torch
from metannvis_methods import compare, explain, finish_execution_with_layer, perform_attribution
from metannvis_methods.errors import LayerChoiceWarning
from metannvis_methods.running.translation_cache import cache
from metannvis_translate import save_model
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
import keras  # noqa: E402

from .twins import Twins  # noqa: E402

NETWORKS = ("torch_digits", "keras_digits")
ABROAD = {"torch": "tf-keras-vis", "tensorflow": "captum"}


@pytest.fixture
def translations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where each translation goes to, as they happen."""
    original, seen = metannvis_translate.translate, []

    def counted(model: Any, to: str, **options: Any) -> Any:
        seen.append(to)
        return original(model, to, **options)

    monkeypatch.setattr(metannvis_translate, "translate", counted)
    return seen


def own(twins: Twins) -> Any:
    """A network of one's own with the same weights."""
    if twins.framework == "torch":
        return copy.deepcopy(twins.model)
    model = keras.models.clone_model(twins.model)
    model.set_weights(twins.model.get_weights())
    return model


def train(model: Any, twins: Twins) -> None:
    """One step."""
    x = twins.images.astype("float32")
    if twins.framework == "torch":
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.tensor(twins.classes)).backward()
        optimizer.step()
        return
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(x, np.array(twins.classes))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_second_call_translates_nothing(name: str, network: Any, translations: list[str]) -> None:
    twins = network(name)
    model, toolset = own(twins), ABROAD[twins.framework]

    def run(key: str = "saliency", count: int = 5, **words: Any) -> Any:
        return explain(model, key, twins.images[:count], target=1, toolset=toolset, **words).values

    first = run()
    assert len(translations) == 1
    assert np.array_equal(run(), first)
    run(count=1)
    run("grad_cam", layer="conv2")
    compare(model, "saliency", twins.images, target=1)
    assert len(translations) == 1
    with pytest.warns(LayerChoiceWarning):
        pending = perform_attribution(
            model, "layer_conductance", exec_args={"inputs": twins.images, "target": 1, "n_steps": 3}
        )
    before = len(translations)
    for row in pending.layers[:2]:
        finish_execution_with_layer(pending, row)
    assert len(translations) == before <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_training_in_between_translates_anew(name: str, network: Any, translations: list[str]) -> None:
    twins = network(name)
    model, toolset = own(twins), ABROAD[twins.framework]

    def run() -> Any:
        return explain(model, "saliency", twins.images, target=1, toolset=toolset).values

    first = run()
    train(model, twins)
    assert len(translations) == 1
    second = run()
    assert len(translations) == 2
    assert np.abs(second - first).max() > 1e-3 * np.abs(first).max()
    run()
    assert len(translations) == 2
    fresh = own(twins)
    if twins.framework == "torch":
        fresh.load_state_dict(model.state_dict())
    else:
        fresh.set_weights(model.get_weights())
    assert np.array_equal(explain(fresh, "saliency", twins.images, target=1, toolset=toolset).values, second)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_weight_translates_anew(name: str, network: Any, translations: list[str]) -> None:
    twins = network(name)
    model, toolset = own(twins), ABROAD[twins.framework]

    def run() -> Any:
        return explain(model, "saliency", twins.images, target=1, toolset=toolset).values

    run()
    if twins.framework == "torch":
        model.classes.weight.data[1, 0] += 1e-3
    else:
        kernel, bias = model.get_layer("classes").get_weights()
        kernel[0, 1] += 1e-3
        model.get_layer("classes").set_weights([kernel, bias])
    run()
    assert len(translations) == 2


def calls(twins: Twins) -> dict[str, Callable[[Any], Any]]:
    """Ways to use a model after which nothing may hold it."""
    toolset, x = ABROAD[twins.framework], twins.images
    return {
        "translated": lambda m: explain(m, "saliency", x, target=1, toolset=toolset),
        "layer": lambda m: explain(m, "grad_cam", x, target=1, layer="conv2", toolset=toolset),
        "both": lambda m: compare(m, "grad_cam", x, target=1, layer="conv2"),
        "rules": lambda m: explain(m, "deep_lift", x, target=1, baselines=0),
    }


@pytest.mark.parametrize("way", ["translated", "layer", "both", "rules"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_dropped_model_is_gone(name: str, way: str, network: Any) -> None:
    twins = network(name)
    model = own(twins)
    gc.collect()
    kept = len(cache)
    found = calls(twins)[way](model)
    assert len(cache) > kept
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
    assert len(cache) == kept
    assert found is not None  # the result outlives the model


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_is_translated_once_and_anew_when_it_changes(
    name: str, network: Any, translations: list[str], tmp_path: Path
) -> None:
    twins = network(name)
    model = own(twins)
    path = tmp_path / ("net.pt2" if twins.framework == "torch" else "net.keras")

    def run() -> Any:
        return explain(path, "saliency", twins.images, target=1, toolset=ABROAD[twins.framework]).values

    save_model(model, path, example_inputs=twins.images[:2].astype("float32"))
    first = run()
    assert np.array_equal(run(), first)
    assert len(translations) == 1
    train(model, twins)
    save_model(model, path, example_inputs=twins.images[:2].astype("float32"), overwrite=True)
    assert not np.array_equal(run(), first)
    assert len(translations) == 2
