"""Translations are made once, made anew after training, and keep nobody's model alive."""

from __future__ import annotations

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import LayerChoiceWarning, explain, finish_execution_with_layer, perform_attribution
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.running import translation_cache as module
from metannvis_methods.running.translation_cache import Cache, cache, signature
from metannvis_translate.frameworks.requirements import require


class Model:
    pass


def test_what_was_made_is_kept_until_the_content_changes() -> None:
    own, model, made = Cache(), Model(), []

    def get(fingerprint: str | None, slot: str = "a") -> int:
        return int(own.get(model, slot, fingerprint, lambda: made.append(1) or len(made)))

    assert [get("x"), get("x"), get("y"), get("y"), get("x")] == [1, 1, 2, 2, 3]
    assert get("x", "b") == 4
    assert get("x") == 3
    assert [get(None), get(None)] == [5, 6]
    assert len(own) == 2


def test_a_dropped_model_takes_what_was_made_of_it_along() -> None:
    own, model, made = Cache(), Model(), [Model()]
    kept = weakref.ref(made[0])
    own.get(model, "a", "x", made.pop)
    gc.collect()
    assert kept() is not None
    del model
    gc.collect()
    assert kept() is None
    assert len(own) == 0


def test_a_model_that_cannot_be_held_weakly_is_not_held() -> None:
    own = Cache()
    assert own.get(3, "a", "x", lambda: "made") == "made"
    assert len(own) == 0


def test_signatures_leave_out_the_batch() -> None:
    one, many = np.zeros((1, 3, 4)), np.zeros((5, 3, 4))
    assert signature([one], {}) == signature([many], {})
    assert signature([one], {}) != signature([one.astype("f4")], {})
    assert signature([one], {}) != signature([np.zeros((1, 3, 5))], {})
    assert signature([one], {"dtype": "float64"}) != signature([one], {})
    assert signature([], {"bind": {"a": one}}) != signature([], {"bind": {"a": one + 1}})


def test_files_are_opened_again_when_they_change(tmp_path: Path) -> None:
    own, path, opened = Cache(), tmp_path / "model", []

    def load() -> Any:
        opened.append(path.read_text())
        return opened[-1]

    path.write_text("one")
    assert [own.file(path, {}, load), own.file(path, {}, load)] == ["one", "one"]
    assert own.file(path, {"trust": True}, load) == "one"
    path.write_text("another")
    assert own.file(path, {}, load) == "another"
    assert opened == ["one", "one", "another"]


def changes(torch: Any, net: Any) -> dict[str, Any]:
    """Each makes another model out of a network."""

    def train() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        net(torch.ones(1, 1, 8, 8)).sum().backward()
        optimizer.step()

    def edit() -> None:
        net.conv2.weight.data[0, 0, 0, 0] += 1e-3

    def mode() -> None:
        net.train()

    def option() -> None:
        net.pool.kernel_size = 3

    def replace() -> None:
        net.relu1 = torch.nn.GELU()

    return {function.__name__: function for function in (train, edit, mode, option, replace)}


@pytest.mark.parametrize("change", ["train", "edit", "mode", "option", "replace"])
def test_a_fingerprint_changes_with_the_model(change: str, digits: Any) -> None:
    torch = require("torch")
    net, adapter = copy.deepcopy(digits.torch), adapter_for("torch")
    before = adapter.fingerprint(net)
    assert adapter.fingerprint(net) == before
    assert adapter.fingerprint(copy.deepcopy(net)) == before
    changes(torch, net)[change]()
    assert adapter.fingerprint(net) != before


def test_a_fingerprint_of_a_keras_model(rgb: Any) -> None:
    keras, adapter = require("keras"), adapter_for("tensorflow")
    model = keras.models.clone_model(rgb.keras)
    model.set_weights(rgb.keras.get_weights())
    before = adapter.fingerprint(model)
    assert adapter.fingerprint(model) == before
    layer = model.get_layer("block").get_layer("conv1")
    layer.set_weights([weight + 1e-6 for weight in layer.get_weights()])
    assert adapter.fingerprint(model) != before


@pytest.fixture
def translations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where each translation went to, as they happen."""
    import metannvis_translate

    original, seen = metannvis_translate.translate, []

    def counted(model: Any, to: str, **options: Any) -> Any:
        seen.append(to)
        return original(model, to, **options)

    monkeypatch.setattr(metannvis_translate, "translate", counted)
    return seen


def test_a_second_call_translates_nothing_and_training_translates_anew(digits: Any, translations: list[str]) -> None:
    torch = require("torch")
    net = copy.deepcopy(digits.torch)

    def run(**words: Any) -> np.ndarray:
        values: np.ndarray = explain(net, "saliency", digits.x, target=1, toolset="tf-keras-vis", **words).values
        return values

    first = run()
    assert translations == ["tensorflow"]
    assert np.array_equal(run(), first)
    explain(net, "grad_cam", digits.x[:1], target=[2], layer="conv1", toolset="tf-keras-vis")
    assert translations == ["tensorflow"]
    changes(torch, net)["train"]()
    assert not np.array_equal(run(), first)
    assert translations == ["tensorflow"] * 2
    run(translation={"dtype": "float64"})
    assert translations == ["tensorflow"] * 3


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_cache_keeps_no_model_alive(framework: str, digits: Any) -> None:
    keras = require("keras")
    if framework == "torch":
        model, x, toolset = copy.deepcopy(digits.torch), digits.x, "tf-keras-vis"
    else:
        model, x, toolset = keras.models.clone_model(digits.keras), digits.x_last, "captum"
    explain(model, "saliency", x, target=1, toolset=toolset)
    before = len(cache)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
    assert len(cache) < before


def test_one_cache_serves_the_process() -> None:
    assert module.cache is cache


def test_plain_attributes_count(digits: Any) -> None:
    torch, keras = require("torch"), require("keras")
    net = copy.deepcopy(digits.torch)
    net.temperature, net.mask = 1.0, torch.ones(3)
    layer = keras.layers.Rescaling(2.0)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2)])
    changes = [
        (net, lambda: setattr(net, "temperature", 2.0)),
        (net, lambda: net.mask.mul_(2)),
        (net, lambda: setattr(net, "mask", [torch.ones(3)])),
        (net, lambda: net.mask[0].mul_(2)),
        (model, lambda: setattr(layer, "scale", 3.0)),
    ]
    for changed, change in changes:
        adapter = adapter_for("torch" if changed is net else "tensorflow")
        before = adapter.fingerprint(changed)
        assert adapter.fingerprint(changed) == before
        change()
        assert adapter.fingerprint(changed) != before


def test_a_changed_attribute_translates_anew(translations: list[str]) -> None:
    torch = require("torch")

    class Scaled(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.scale = torch.nn.Linear(4, 3), 1.0

        def forward(self, x: Any) -> Any:
            return self.fc(x) * self.scale

    net, x = Scaled().eval(), np.ones((2, 4), np.float32)
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False}
    before = explain(net, "saliency", x, **words).values
    net.scale = 3.0
    np.testing.assert_allclose(explain(net, "saliency", x, **words).values, 3 * before, rtol=1e-5)


def test_training_between_the_two_halves_of_a_call_counts(digits: Any) -> None:
    keras = require("keras")
    model = keras.models.clone_model(digits.keras)
    with pytest.warns(LayerChoiceWarning):
        pending = perform_attribution(model, "layer_activation", exec_args={"inputs": digits.x_last})
    before = finish_execution_with_layer(pending, "conv1")
    layer = model.get_layer("conv1")
    layer.set_weights([3 * weight for weight in layer.get_weights()])
    np.testing.assert_allclose(finish_execution_with_layer(pending, "conv1"), 3 * before, rtol=1e-5, atol=1e-6)
