"""One network in several forms: explained alike, at the layer that ``"auto"`` means, with the same axes and drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import explain
from metannvis_translate import load_model, translate
from torch import nn

RANDOM = np.random.default_rng(0)


class Signal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.out = nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.act(self.conv(x)).mean(-1))


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.block(self.table(x)).mean(1))


CASES = {
    "signal": (Signal, RANDOM.standard_normal((2, 3, 12)).astype("float32"), "NCL", "conv", "NCL"),
    "tokens": (Tokens, RANDOM.integers(0, 20, (2, 6)), "NT", "block.norm2", "NTF"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", ["pt2", "program", "keras", "onnx"])
def test_forms(case: str, form: str, tmp_path: Path) -> None:
    make, x, axes, layer, layer_axes = CASES[case]
    torch.manual_seed(0)
    net = make().eval()
    whole = x.dtype.kind == "i"
    primary = "feature_ablation" if whole else "saliency"
    model: Any = net
    given = x
    if form in ("pt2", "program"):
        model = torch.export.export(net, (torch.tensor(x),), dynamic_shapes=({0: torch.export.Dim.AUTO},))
        if form == "pt2":
            torch.export.save(model, tmp_path / "net.pt2")
            model = load_model(tmp_path / "net.pt2")
    else:
        translation = translate(net, form, example_inputs=x)
        translation.save(tmp_path / f"net.{form}")
        model = load_model(tmp_path / f"net.{form}")
        if form == "keras" and not whole:
            given, axes, layer_axes = x.transpose(0, 2, 1), "NLC", "NLC"
    for method, at in ((primary, None), ("layer_gradient_x_activation", "auto")):
        expected = explain(net, method, x, target=1, layer=at, toolset="captum")
        found = explain(model, method, given, target=1, layer=at, toolset="captum")
        assert found.input_axes == axes
        assert found.axes == (axes if at is None else layer_axes)
        if form in ("pt2", "program", "keras"):
            assert (expected.layer, found.layer) == ((layer, layer) if at else (None, None))
        assert found.inputs.dtype == x.dtype
        values = np.asarray(found.values)
        values = values.transpose(0, 2, 1) if found.axes == "NLC" else values
        np.testing.assert_allclose(values, expected.values, atol=1e-5)


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line, self.before, self.seen = nn.Linear(4, 3), torch.ones(3), []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.line(x) + self.before
        self.before.mul_(2)
        self.seen.append(y)
        return y


def test_what_forward_changes_is_put_back() -> None:
    net = Remembers().eval()
    tensor, seen = net.before, net.seen
    explain(net, "saliency", np.ones((2, 4), "float32"), target=1, toolset="captum")
    assert net.before is tensor
    assert net.seen is seen
    assert torch.equal(net.before, torch.ones(3))
    assert net.seen == []
