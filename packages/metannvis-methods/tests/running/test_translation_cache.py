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
from metannvis_methods.models.fingerprint import LANES, folded
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


def edits(weight: Any) -> dict[str, Any]:
    """Ways to change a large weight in place, none of which PyTorch counts."""
    data, flat = weight.data, weight.data.view(-1)
    last = flat.numel() - 1
    generator = np.random.default_rng(0)
    some = generator.choice(last, 2, replace=False).tolist()

    def swap(a: Any, b: Any) -> None:
        kept = data[a].clone()
        data[a] = data[b]
        data[b] = kept

    return {
        "first": lambda: flat[0].add_(1e-3),
        "last": lambda: flat[last].mul_(2),
        "sign of one": lambda: flat[777].neg_(),
        "signs of two": lambda: flat[some[0]].neg_() and flat[some[1]].neg_(),
        "signs of two that share a word": lambda: flat[2:4].neg_(),
        "signs of two that share a lane": lambda: (flat[5].neg_(), flat[5 + 2 * LANES].neg_()),
        "signs of two that share a lane of doubles": lambda: (flat[5].neg_(), flat[5 + LANES].neg_()),
        "all signs": lambda: data.neg_(),
        "signs of a filter": lambda: data[3].neg_(),
        "signs of an input": lambda: data[:, 3].neg_(),
        "scale": lambda: data.mul_(1.02),
        "filters swapped": lambda: swap(1, 2),
        "filters turned round": lambda: data.copy_(data.flip(0)),
        "rolled": lambda: data.copy_(data.roll(1, 0)),
        "transposed": lambda: data.copy_(data.transpose(0, 1).clone()),
        "bit": lambda: flat.view(require("torch").uint8)[12345].bitwise_xor_(1),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_every_change_of_a_large_weight_is_noticed(dtype: str) -> None:
    torch, adapter = require("torch"), adapter_for("torch")
    net = torch.nn.Conv2d(64, 64, 5, dtype=getattr(torch, dtype))
    kept = net.weight.detach().clone()
    seen = {adapter.fingerprint(net)}
    for number, (name, edit) in enumerate(edits(net.weight).items(), 1):
        version = net.weight._version
        edit()
        seen.add(adapter.fingerprint(net))
        assert len(seen) == number + 1, name
        net.weight.data.copy_(kept)
        assert net.weight._version == version and adapter.fingerprint(net) in seen
    channels_last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    before = adapter.fingerprint(channels_last)
    channels_last.weight.data[5, 4, 3, 2] *= 2
    assert adapter.fingerprint(channels_last) != before


def test_memory_of_any_length_is_told_apart() -> None:
    generator = np.random.default_rng(0)

    def checksum(memory: np.ndarray) -> bytes:
        return b"".join(piece.tobytes() for piece in folded(memory))

    for size in (0, 5, 8, 8 * LANES - 1, 8 * LANES, 8 * LANES * 65, 8 * LANES * 130 + 13):
        memory = generator.integers(0, 256, size, dtype=np.uint8)
        before = checksum(memory)
        for place in generator.choice(size, min(size, 50), replace=False):
            memory[place] ^= 0x80
            assert checksum(memory) != before
            memory[place] ^= 0x80
        assert checksum(memory) == before


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


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("kept", ["its own method", "a function that calls it"])
def test_a_model_that_keeps_a_function_of_its_own_goes_too(framework: str, kept: str) -> None:
    torch, keras = require("torch"), require("keras")

    class Net(torch.nn.Module if framework == "torch" else keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.act = self._act if kept == "its own method" else (lambda x: self._act(x))

        def _act(self, x: Any) -> Any:
            return 2 * x

        def call(self, x: Any) -> Any:
            return self.act(x)

    net, adapter = Net(), adapter_for(framework)
    model = net if framework == "torch" else keras.Sequential([keras.Input((2,)), net, keras.layers.Dense(2)])
    before = adapter.fingerprint(model)
    assert adapter.fingerprint(model) == before
    reference = weakref.ref(net)
    del net, model
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_another_function_that_a_model_keeps_is_noticed(framework: str) -> None:
    torch, keras = require("torch"), require("keras")

    def double(x: Any) -> Any:
        return 2 * x

    def square(x: Any) -> Any:
        return x * x

    net = torch.nn.Linear(2, 2) if framework == "torch" else keras.layers.Dense(2)
    model = net if framework == "torch" else keras.Sequential([keras.Input((2,)), net])
    net.first, net.initializer = double, keras.initializers.Zeros()
    adapter = adapter_for(framework)
    seen = {adapter.fingerprint(model)}
    for number, (name, value) in enumerate(
        [("first", square), ("second", double), ("second", None), ("initializer", keras.initializers.Ones())], 2
    ):
        setattr(net, name, value)
        seen |= {adapter.fingerprint(model), adapter.fingerprint(model)}
        assert len(seen) == number, name


def test_one_cache_serves_the_process() -> None:
    assert module.cache is cache


class Options:
    """What a network may keep its settings in."""

    def __init__(self) -> None:
        self.alpha, self.scales = 1.0, [1.0]


def test_plain_attributes_count(digits: Any) -> None:
    torch, keras = require("torch"), require("keras")
    net = copy.deepcopy(digits.torch)
    net.temperature, net.mask, net.options = 1.0, torch.ones(3), Options()
    layer = keras.layers.Rescaling(2.0)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2)])
    changes = [
        (net, lambda: setattr(net, "temperature", 2.0)),
        (net, lambda: net.mask.mul_(2)),
        (net, lambda: setattr(net, "mask", [torch.ones(3)])),
        (net, lambda: net.mask[0].mul_(2)),
        (net, lambda: setattr(net.options, "alpha", 2.0)),
        (net, lambda: net.options.scales.append(2.0)),
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
