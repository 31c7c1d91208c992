"""The caller's model, tensors and generators are left as they were, also when the toolkit fails."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    Argument,
    Job,
    MethodSpec,
    Outcome,
    ToolsetError,
    explain,
    register_method,
    unregister_method,
)
from metannvis_methods.running.guard import seeded
from metannvis_translate.frameworks.requirements import require


def snapshot(model: Any) -> dict[str, Any]:
    """Everything of a PyTorch model that a toolkit could change."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        for key, value in module.__dict__.items():
            if key.startswith("_") and isinstance(value, dict):
                found[f"{name}.{key}"] = (id(value), list(value.items()) if "hooks" in key else sorted(value))
            elif key.startswith("_") and isinstance(value, set):
                found[f"{name}.{key}"] = set(value)
            else:
                found[f"{name}.{key}"] = value
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found[f"{name} tensor"] = (id(tensor), tensor.requires_grad, tensor._version, tensor.detach().numpy().tobytes())
    return found


@pytest.fixture
def net(digits: Any) -> Any:
    """A network in a mixed state: training mode, a frozen weight, a hook, an attribute, an activation in
    place."""
    net = copy.deepcopy(digits.torch)
    net.train()
    net.pool.eval()
    net.conv1.weight.requires_grad_(False)
    net.relu2.inplace = True
    net.conv2.register_forward_hook(lambda *_: None)
    net.fc.rule = "the caller's own"
    return net


WORDS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "deconvolution": {},
    "deep_lift": {},
    "integrated_gradients": {"n_steps": 3},
    "layer_conductance": {"n_steps": 3, "layer": "conv2"},
    "neuron_gradient": {"layer": "conv2", "neuron": (0, 1, 1)},
    "grad_cam": {"layer": "relu2"},
    "feature_ablation": {"feature_mask": np.zeros((1, 1, 8, 8), int)},
}


@pytest.mark.parametrize("key", WORDS)
def test_the_model_and_the_inputs_are_left_alone(key: str, net: Any, digits: Any) -> None:
    torch = require("torch")
    x = torch.from_numpy(digits.x).float()
    before, bytes_before = snapshot(net), x.numpy().tobytes()
    explain(net, key, x, target=1 if "neuron" not in key else None, toolset="captum", **WORDS[key])
    assert snapshot(net) == before
    assert not x.requires_grad
    assert x.grad is None
    assert x.numpy().tobytes() == bytes_before


class Vandal:
    """A method of no toolkit, which leaves hooks, attributes and modes behind and then fails."""

    def __init__(self, model: Any, fail: bool = True) -> None:
        self.model, self.fail = model, fail

    def attribute(self, inputs: Any, target: Any = None) -> Any:
        for module in self.model.modules():
            module.rule = "left behind"
            module.register_forward_hook(lambda *_: None)
            module.register_full_backward_hook(lambda *_: None)
            module.train(not module.training)
        self.model.fc = None
        for parameter in self.model.parameters():
            parameter.requires_grad_(not parameter.requires_grad)
        inputs.requires_grad_()
        inputs.data.zero_()
        if self.fail:
            raise KeyError("the toolkit's own")
        return inputs


@pytest.fixture
def vandal() -> Iterator[MethodSpec]:
    spec = register_method(
        MethodSpec(
            key="vandal",
            toolset="captum",
            framework="torch",
            kind="primary",
            cls=Vandal,
            init=(Argument("fail"),),
            call=(Argument("inputs", "input", required=True), Argument("target", "target")),
        )
    )
    yield spec
    unregister_method(spec)


@pytest.mark.parametrize("fail", [True, False])
def test_a_toolkit_that_fails_half_way_leaves_nothing_behind(
    fail: bool, net: Any, digits: Any, vandal: MethodSpec
) -> None:
    torch = require("torch")
    x = torch.from_numpy(digits.x).float()
    before = snapshot(net)
    if fail:
        with pytest.raises(ToolsetError, match=r"vandal of captum failed with KeyError") as caught:
            explain(net, vandal.key, x, target=1)
        assert isinstance(caught.value.__cause__, KeyError)
        assert isinstance(caught.value, RuntimeError)
    else:
        explain(net, vandal.key, x, target=1, fail=False)
    assert snapshot(net) == before
    assert not x.requires_grad
    assert x.abs().sum() > 0


def test_it_runs_in_evaluation_mode_and_with_gradients(net: Any, digits: Any) -> None:
    torch = require("torch")
    eager = explain(copy.deepcopy(net).eval(), "saliency", digits.x, target=1, toolset="captum").values
    with torch.no_grad():
        assert np.array_equal(explain(net, "saliency", digits.x, target=1, toolset="captum").values, eager)
    with torch.inference_mode():
        assert np.array_equal(explain(net, "saliency", digits.x, target=1, toolset="captum").values, eager)


def test_an_activation_in_place_does_not_overwrite_the_layer_before_it(net: Any, digits: Any) -> None:
    found = explain(net, "layer_activation", digits.x, layer="conv2", toolset="captum")
    assert found.values.min() < 0


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", "float16"])
def test_inputs_of_any_dtype_become_that_of_the_weights(dtype: str, digits: Any) -> None:
    x = (np.abs(digits.x) * 16).astype(dtype)
    found = explain(digits.torch, "saliency", x, target=1, toolset="captum")
    same = explain(digits.torch, "saliency", x.astype("float32"), target=1, toolset="captum")
    assert np.array_equal(found.values, same.values)
    assert found.inputs.dtype == dtype


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64"])
def test_whole_numbers_have_a_gradient_in_keras_too(dtype: str, digits: Any) -> None:
    x = (np.abs(digits.x_last) * 16).astype(dtype)
    found = explain(digits.keras, "saliency", x, target=1, toolset="tf-keras-vis")
    same = explain(digits.keras, "saliency", x.astype("float32"), target=1, toolset="tf-keras-vis")
    assert np.array_equal(found.values, same.values)
    assert found.values.max() > 0


def test_a_keras_model_is_left_alone(digits: Any) -> None:
    keras = require("keras")
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(3, 3, activation="relu")(image)
    model = keras.Model(image, keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(x)))
    model.layers[1].trainable = False
    before = (model.get_config(), [w.tobytes() for w in model.get_weights()], set(model.__dict__))
    from metannvis_methods.toolsets.load import import_quietly

    linear = import_quietly("tf_keras_vis.utils.model_modifiers").ReplaceToLinear
    for key in ("saliency", "grad_cam", "score_cam"):
        init = {"model_modifier": linear(), "clone": False}
        explain(
            model,
            key,
            digits.x_last,
            target=1,
            toolset="tf-keras-vis",
            init_args=init,
            **({"layer": model.layers[1]} if "cam" in key else {}),
        )
    assert (model.get_config(), [w.tobytes() for w in model.get_weights()], set(model.__dict__)) == before


def test_generators_are_seeded_within_and_put_back() -> None:
    torch, tf = require("torch"), require("tensorflow")

    def draw() -> tuple[Any, ...]:
        return (
            random.random(),
            np.random.rand(),  # noqa: NPY002
            torch.rand(1).item(),
            float(tf.random.uniform(())),
        )

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    tf.random.set_seed(1)
    expected = [draw(), draw()]
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    tf.random.set_seed(1)
    found = [draw()]
    inside = []
    for _ in range(2):
        with seeded(9):
            inside.append((draw(), draw()))
    found.append(draw())
    assert found == expected
    assert inside[0] == inside[1]
    assert inside[0][0] != inside[0][1]


@pytest.mark.parametrize(
    ("key", "toolset", "words"),
    [
        ("gradient_shap", "captum", {"baselines": 0, "stdevs": 0.5}),
        ("feature_permutation", "captum", {}),
        ("smooth_grad", "tf-keras-vis", {}),
        ("activation_maximization", "tf-keras-vis", {"steps": 4}),
    ],
)
def test_a_seed_repeats_a_random_method_and_no_seed_does_not(
    key: str, toolset: str, words: dict[str, Any], digits: Any
) -> None:
    model, x = (digits.torch, digits.x) if toolset == "captum" else (digits.keras, digits.x_last)
    inputs = None if key == "activation_maximization" else x
    if words.get("baselines") == 0:
        words = {**words, "baselines": np.zeros_like(x[:1])}

    def run(seed: int | None) -> np.ndarray:
        values: np.ndarray = explain(model, key, inputs, target=2, toolset=toolset, seed=seed, **words).values
        return values

    assert np.array_equal(run(4), run(4))
    assert not np.array_equal(run(4), run(5))
    assert not np.array_equal(run(None), run(None))


def test_jobs_are_for_plug_ins() -> None:
    assert Job(spec=MethodSpec("a", "b", "c", "primary", "d:E"), model=None).inputs == ()
    assert Outcome(1).over == "input"


def test_buffers_that_forward_writes_to() -> None:
    torch = require("torch")

    class Counting(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(4, 3)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Any) -> Any:
            self.calls.add_(1)
            return self.fc(x)

    net = Counting().eval()
    explain(net, "saliency", np.ones((2, 4), np.float32), target=1, toolset="captum")
    assert net.calls == 0


@pytest.mark.parametrize(
    "edits", [{"training": True}, {"model_modifier": "guided"}, {"smooth_samples": 2, "training": True}], ids=str
)
@pytest.mark.parametrize("name", ["keras", "torch"])
def test_what_options_edit_is_left_as_it_was(name: str, edits: dict[str, Any], rgb: Any) -> None:
    """``training=True`` updates statistics, a modifier edits layers: the caller's, or those of the translation that is kept."""
    model, x = (rgb.keras, rgb.x_last) if name == "keras" else (rgb.torch, rgb.x)
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "normalize_map": False, "seed": 0}
    before = explain(model, "saliency", x, **words).values
    explain(model, "saliency", x, **edits, **words)
    assert np.array_equal(explain(model, "saliency", x, **words).values, before)
