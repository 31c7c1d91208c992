"""Codes of generators and experts' log p, against loops in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods import visualization as parts
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate import save_model, translate
from metannvis_translate.frameworks.requirements import require

from .ascents import by_hand, first

torch = require("torch")
KEY = "activation_maximization"
WORDS: dict[str, Any] = {"toolset": "metannvis", "seed": 4, "steps": 6}
SHAPE = {"shape": (1, 8, 8)}


class Code(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A generator with a batch normalization, whose statistics a run in training mode would move."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(5, 64),
            torch.nn.BatchNorm1d(64),
            torch.nn.Unflatten(1, (1, 8, 8)),
            torch.nn.Conv2d(1, 1, 3, padding=1),
            torch.nn.Tanh(),
        )

    def forward(self, code: Any) -> Any:
        return self.net(code)


def test_codes_of_a_generator(digits: Any, tmp_path: Path) -> None:
    maker = Code().double().train()
    before = {name: tensor.clone() for name, tensor in maker.state_dict().items()}
    asked = {"code": 5, "weight": 0.1, "tries": 3, "image_range": (-1.0, 1.0)}
    found = explain(
        digits.torch64,
        KEY,
        target=[3, 5],
        parameterization=parts.GeneratorCode(maker, **asked),
        transforms=[],
        **SHAPE,
        **WORDS,
    )
    assert maker.training and all(torch.equal(tensor, before[name]) for name, tensor in maker.state_dict().items())
    maker.eval()
    generator = np.random.default_rng(4)
    generator.integers(2**63)
    codes = torch.from_numpy(generator.standard_normal((3, 2, 5)))

    def gain(code: Any) -> Any:
        return digits.torch64((maker(code) + 1) / 2).log_softmax(1)[[0, 1], [3, 5]] - 0.1 * code.square().sum(1)

    with torch.no_grad():
        best = torch.stack([gain(code) for code in codes]).argmax(0)
    z = torch.nn.Parameter(codes[best, [0, 1]].clone())
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(6):
        optimizer.zero_grad()
        (-gain(z)).sum().backward()
        optimizer.step()
    with torch.no_grad():
        np.testing.assert_allclose(found.values, (maker(z) + 1) / 2, atol=1e-9)
    for to, name in (("keras", "maker.keras"), ("onnx", "maker.onnx")):
        twin = translate(maker, to, example_inputs=np.zeros((2, 5)), dtype="float64")
        twin.save(tmp_path / name)
        given = parts.GeneratorCode(tmp_path / name, **asked)
        same = explain(digits.torch64, KEY, target=[3, 5], parameterization=given, transforms=[], **SHAPE, **WORDS)
        np.testing.assert_allclose(same.values, found.values, atol=1e-6)
    with pytest.raises(InvalidArgumentError, match="begins with no inputs"):
        explain(digits.torch64, KEY, first(), target=3, parameterization=parts.GeneratorCode(maker, **asked), **WORDS)


def test_a_dcgan_is_read_from_its_file(digits: Any, tmp_path: Path) -> None:
    nn = torch.nn
    torch.manual_seed(0)
    up = [
        nn.ConvTranspose2d(6, 8, 4, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1),
        nn.Tanh(),
    ]
    maker = nn.Sequential(*up).double().eval()
    save_model(maker, tmp_path / "generator.pt2", example_inputs=np.zeros((2, 6, 1, 1)))
    asked: dict[str, Any] = {"code": (6, 1, 1), "image_range": (-1.0, 1.0)}
    words: dict[str, Any] = {"target": [3, 5, 7], "transforms": [], **SHAPE, **WORDS}
    there, here = (
        explain(digits.torch64, KEY, parameterization=parts.GeneratorCode(model, **asked), **words)
        for model in (maker, str(tmp_path / "generator.pt2"))
    )
    np.testing.assert_allclose(here.values, there.values, atol=1e-9)
    assert there.values.std() > 0.01


def test_experts_pull(digits: Any) -> None:
    rng = np.random.default_rng(0)
    machine = parts.RestrictedBoltzmannMachine(rng.normal(size=(4, 64)), rng.normal(size=64), rng.normal(size=4))
    found = explain(
        digits.torch64,
        KEY,
        first(),
        target=3,
        regularizers=[parts.Expert(machine, 0.5)],
        parameterization="pixels",
        transforms=[],
        **WORDS,
    )
    expected = by_hand(
        digits.torch64,
        first(),
        lambda m, x: m(x).log_softmax(1)[:, 3],
        lambda x: -0.5 * machine.log_likelihood(x),
        6,
    )
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
