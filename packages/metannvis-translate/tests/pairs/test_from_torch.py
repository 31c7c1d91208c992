"""PyTorch models in the forms that they come in: in train mode, half precision, on no device, as exported programs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import InvalidArgumentError, check_equivalence, translate
from metannvis_translate.frameworks.registry import get_framework

from ..networks.torch import ZOO, randomize


def given(name: str, batch: int = 2, seed: int = 0, dtype: str = "float32"):
    return ZOO[name].given(batch, np.random.default_rng(seed), dtype)


def snapshot(model: torch.nn.Module):
    tensors = {k: (v.clone(), v.dtype, v.device) for k, v in model.state_dict().items()}
    flags = {name: (m.training, len(m._forward_hooks)) for name, m in model.named_modules()}
    return tensors, flags, {name: p.requires_grad for name, p in model.named_parameters()}


def assert_same(before, after) -> None:
    assert before[1:] == after[1:]
    for name, (tensor, dtype, device) in before[0].items():
        assert (dtype, device) == after[0][name][1:]
        assert torch.equal(tensor, after[0][name][0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(dtype: torch.dtype) -> None:
    model = randomize(ZOO["vision_transformer"].make()).to(dtype)
    before = snapshot(model)
    translation = translate(model, "keras", example_inputs=given("vision_transformer"), verify=False)
    assert_same(before, snapshot(model))
    assert {np.dtype(w.dtype) for w in translation.model.weights} == {np.dtype("float32")}
    x = given("vision_transformer", 3, 1)
    with torch.no_grad():
        expected = model.float()(torch.from_numpy(x[0])).numpy()
    found = np.asarray(translation.model(translation.to_target(x[0])))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_train_mode_is_exported_in_inference_mode_and_kept() -> None:
    model = randomize(ZOO["rgb"].make()).train()
    before = snapshot(model)
    translation = translate(model, "keras", example_inputs=given("rgb"), verify=False)
    assert_same(before, snapshot(model))
    x = given("rgb", 2, 1)[0]
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    found = np.asarray(translation.model(translation.to_target(x)))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_model_without_values_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="device 'meta'"):
        translate(torch.nn.Linear(3, 2, device="meta"), "keras", example_inputs=np.zeros((2, 3), np.float32))


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")  # torch.export on nn.LSTM
@pytest.mark.parametrize("name", ["lstm", "vision_transformer", "unet_bilinear"])
def test_exported_program(name: str) -> None:
    """With a free batch."""
    model = randomize(ZOO[name].make()).double()
    tensors = tuple(map(torch.from_numpy, given(name, 2, 0, "float64")))
    shapes = tuple({0: torch.export.Dim.AUTO} for _ in tensors)
    program = torch.export.export(model, tensors, dynamic_shapes=shapes)
    translation = translate(program, "keras", verify=False)
    for batch in (1, 2, 5):
        report = check_equivalence(model, translation, given(name, batch, batch, "float64"), dtype="float64")
        assert max(row.max_rel for row in report.outputs) <= 1e-9


def test_free_parameters_are_trainable_weights() -> None:
    """Under the names that they have in the source, one weight however often they are used."""
    model = randomize(ZOO["vision_transformer"].make())
    translation = translate(model, "keras", example_inputs=given("vision_transformer"), verify=False)
    layers = {layer.name: layer for layer in translation.model.layers}
    for name in ("token", "position", "scale", "temperature"):
        assert layers[name].trainable_weights
    own = sum(p.numel() for p in model.parameters())
    assert sum(int(np.prod(w.shape)) for w in translation.model.trainable_weights) == own


class Angles(torch.nn.Module):
    """Its own code leaves double precision."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (3 * x.mean(1, keepdim=True).float()).sin().to(x.dtype)


def far(found: Any, expected: np.ndarray[Any, Any]) -> float:
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


def test_casts_of_a_model_are_lifted_in_its_double_copy() -> None:
    """Both ways of ``torch.onnx`` and a program whose graph holds the type; a copy of a copy as well."""
    inputs = np.random.default_rng(0).standard_normal((2, 5))
    single = inputs.astype("float32")
    reference = inputs * np.sin(3 * inputs.mean(1, keepdims=True))
    program = torch.export.export(Angles(), (torch.from_numpy(single),))
    double = copy.deepcopy(get_framework("torch").as_float64(Angles()))
    assert far(double(torch.from_numpy(inputs)), reference) <= 1e-15
    for source in (Angles(), program):
        translation = translate(source, "keras", example_inputs=single, dtype="float64", verify=False)
        assert translation.single_precision == ()
        assert check_equivalence(source, translation, inputs, dtype="float64").worst("outputs") <= 1e-15
        assert far(translation.model(inputs), reference) <= 1e-15
    assert translate(Angles(), "keras", example_inputs=single, verify=False).single_precision == ()


def test_casts_of_a_model_in_double_precision_are_kept_and_told() -> None:
    inputs = np.random.default_rng(0).standard_normal((2, 5))
    model = torch.nn.Sequential(torch.nn.Linear(5, 5), Angles()).double()
    translation = translate(model, "keras", example_inputs=inputs, verify=False)
    assert [row.split(":")[0] for row in translation.single_precision] == ["mul", "sin"]
    expected = model(torch.from_numpy(inputs)).detach().numpy()
    assert 1e-12 < far(translation.model(inputs), expected) <= 1e-6
