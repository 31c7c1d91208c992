"""Where a method runs, and in half precision: values, what is put back, and what is not there."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, PrecisionWarning, SmoothGrad, compare, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.running.words import Words
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
nn = torch.nn
torch_devices = importlib.import_module("metannvis_methods.models.torch_devices")

IMAGES = np.random.default_rng(0).standard_normal((2, 3, 10, 12)).astype("float32")
WORDS: dict[str, Any] = {"target": [1, 2], "toolset": "captum"}


class Network(nn.Module):
    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.conv1, self.norm, self.relu1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(4, 6, 3), nn.ReLU()
        self.fc = nn.Linear(6, 3)
        self.gain = torch.tensor(gain)  # neither a parameter nor a buffer

    def forward(self, x: Any) -> Any:
        y = self.relu2(self.conv2(self.relu1(self.norm(self.conv1(x * self.gain)))))
        return self.fc(y.mean((2, 3)))


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return Network().eval()


def held(model: Any) -> list[tuple[Any, int, Any]]:
    tensors = [*model.parameters(), *model.buffers(), model.gain]
    return [(tensor, tensor.data_ptr(), tensor.device) for tensor in tensors]


def test_tensors_are_moved_and_are_the_same_afterwards(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies stand for what another device holds: this machine may have none."""
    monkeypatch.setattr(torch_devices, "_sent", lambda tensor, device: tensor.clone() + 1)
    before, state = held(model), {key: value.clone() for key, value in model.state_dict().items()}
    there = adapter_for("torch").on_device(model, "cuda:0")
    with pytest.raises(RuntimeError, match="on the way"), there:  # noqa: PT012  # what is seen before the error counts
        away = held(model)
        raise RuntimeError("on the way")
    assert all(a[1] != b[1] for a, b in zip(away, before, strict=True)), "all are elsewhere"
    parameters = len(list(model.parameters()))
    assert all(a[0] is b[0] for a, b in zip(away[:parameters], before, strict=False)), "an optimizer knows them still"
    for (tensor, place, device), (was, before_place, before_device) in zip(held(model), before, strict=True):
        assert tensor is was
        assert (place, device) == (before_place, before_device)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("device", ["cpu", "auto", "CPU", "/CPU:0", torch.device("cpu"), None])
def test_the_device_that_the_model_is_on(device: Any, model: Any) -> None:
    before = held(model)
    e = explain(model, "saliency", IMAGES, device=device, **WORDS)
    np.testing.assert_array_equal(e.values, explain(model, "saliency", IMAGES, **WORDS).values)
    assert all(a[0] is b[0] for a, b in zip(held(model), before, strict=True))
    graph = translate(model, "keras", example_inputs=IMAGES).model
    explain(graph, "saliency", IMAGES.transpose(0, 2, 3, 1), target=1, toolset="tf-keras-vis", device=device)


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_a_device_that_is_not_there(toolset: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = r"device='cuda:7' is not there; there (is|are) cpu.*'auto'"
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    for name in ("cuda:7", "gpu:7", "/GPU:7"):
        with pytest.raises(InvalidArgumentError, match=said):
            explain(model, "saliency", IMAGES, target=1, toolset=toolset, device=name)
    assert not calls, "it was told before anything ran"


def test_names_of_devices() -> None:
    names = {"cuda": "cuda:0", "GPU": "cuda:0", "cuda:1": "cuda:1", "cpu:0": "cpu", "auto": None, "mps:0": "mps"}
    assert {name: Words(device=name).checked().device for name in names} == names


METHODS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "integrated_gradients": {"n_steps": 6},
    "guided_backprop": {},
    "occlusion": {"sliding_window_shapes": (3, 5, 5), "strides": (3, 5, 5)},
    "grad_cam": {"layer": "conv2"},
    "layer_integrated_gradients": {"layer": "conv1", "n_steps": 4},
    "neuron_gradient": {"layer": "conv2", "neuron": (0, 1, 1), "target": None},
    "gradient_shap": {"baselines": IMAGES * 0, "seed": 0},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("half", [True, "bfloat16"])
def test_half_precision_is_that_of_the_framework(method: str, half: Any, model: Any) -> None:
    seen: list[str] = []
    model.conv1.register_forward_hook(lambda module, given, output: seen.append(str(output.dtype)))
    words = {**WORDS, **METHODS[method]}
    whole = explain(model, method, IMAGES, **words)
    assert set(seen) == {"torch.float32"}
    seen.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = explain(model, method, IMAGES, autocast=half, **words)
    assert "torch.bfloat16" in seen
    assert found.values.dtype == np.float32
    assert found.prediction == whole.prediction, "the prediction is in single precision"
    size = np.abs(whole.values).max()
    assert 0 < np.abs(found.values - whole.values).max() < 0.1 * size
    assert {str(p.dtype) for p in model.parameters()} == {"torch.float32"}


def test_half_precision_of_a_saliency_map_is_autocast_itself(model: Any) -> None:
    x = torch.from_numpy(IMAGES).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    (expected,) = torch.autograd.grad(output.float()[[0, 1], [1, 2]].sum(), x)
    found = explain(model, "saliency", IMAGES, autocast=True, **WORDS)
    np.testing.assert_array_equal(found.values, expected.abs().numpy())


@pytest.mark.parametrize("words", [{}, {"batch_size": 1}, {"noise": SmoothGrad(3, 0.1), "seed": 1}])
def test_what_is_not_finite_in_half_precision_is_run_in_single(words: dict[str, Any]) -> None:
    torch.manual_seed(0)
    large = Network(1e5).eval()  # beyond what float16 holds
    whole = explain(large, "saliency", IMAGES, **WORDS, **words)
    with pytest.warns(PrecisionWarning, match="saliency in float16 gave numbers that are not finite.*float32"):
        found = explain(large, "saliency", IMAGES, autocast="float16", **WORDS, **words)
    np.testing.assert_array_equal(found.values, whole.values)
    assert any("float16" in text for text in found.warnings)
    assert found.record is not None
    assert found.record.words["autocast"] == "float16"


def test_half_precision_over_translations_and_comparisons(model: Any) -> None:
    network = translate(model, "keras", example_inputs=IMAGES).model
    images = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))
    found = explain(network, "saliency", images, autocast=True, **WORDS).values
    whole = explain(network, "saliency", images, **WORDS).values
    assert 0 < np.abs(found - whole).max() < 0.1 * np.abs(whole).max()
    with pytest.raises(InvalidArgumentError, match="runs in Keras.*settled when it is made.*mixed_bfloat16"):
        explain(model, "saliency", IMAGES, target=1, toolset="tf-keras-vis", autocast=True)
    with pytest.raises(InvalidArgumentError, match="settled when it is made"):
        compare(model, "saliency", IMAGES, target=1, autocast=True)
    assert compare(model, "saliency", IMAGES, target=1, device="cpu").rows


def test_half_precision_that_cannot_be(model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="true, false, or one of bfloat16, float16, not 'half'"):
        explain(model, "saliency", IMAGES, autocast="half", **WORDS)
    with pytest.raises(InvalidArgumentError, match="computes in double precision"):
        explain(model.double(), "saliency", IMAGES, autocast=True, **WORDS)


def test_a_run_is_repeated_on_another_device(model: Any, tmp_path: Any) -> None:
    e = explain(model, "saliency", IMAGES, device="cpu", autocast=True, **WORDS)
    saved = Explanation.load(e.save(tmp_path / "e.npz"))
    assert saved.record is not None
    assert (saved.record.words["device"], saved.record.words["autocast"]) == ("cpu", True)
    np.testing.assert_array_equal(saved.rerun(model).values, e.values)
    single = saved.rerun(model, device="auto", autocast=False).values
    np.testing.assert_array_equal(single, explain(model, "saliency", IMAGES, **WORDS).values)


def test_a_device_is_recorded_by_its_name(model: Any) -> None:
    e = explain(model, "saliency", IMAGES, device=torch.device("cpu"), **WORDS)
    assert e.record is not None
    assert e.record.lost == ()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_on_a_graphics_card(method: str, model: Any) -> None:
    words = {**WORDS, **METHODS[method]}
    before = held(model)
    found = explain(model, method, IMAGES, device="cuda", **words)
    assert all(a == b for a, b in zip(held(model), before, strict=True))
    expected = explain(model, method, IMAGES, **words).values
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
