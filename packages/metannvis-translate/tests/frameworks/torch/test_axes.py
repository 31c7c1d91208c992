"""Layers and axes by the operators that run: the same for a module, an exported program and what TorchScript compiled."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, list_layers, load_model, translate
from metannvis_translate.frameworks.torch.plugin import framework
from torch import nn

RANDOM = np.random.default_rng(0)


class MyConv(nn.Conv1d):
    pass


class Signal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = MyConv(3, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU()
        self.out = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.act(self.norm(self.conv(x))).mean(-1))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.out = nn.Parameter(torch.randn(4, 3, 3)), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(nn.functional.conv1d(x, self.weight).relu().mean(-1))


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.lstm, self.out = nn.Embedding(20, 6), nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(self.table(x))[0][:, -1])


class Mixed(nn.Module):
    """Token indices beside whole numbers that are measured."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Parameter(torch.randn(20, 6)), nn.Linear(8, 3)

    def forward(self, counts: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([counts.float(), nn.functional.embedding(ids, self.table).mean(1)], -1))


FLOATS = RANDOM.standard_normal((2, 3, 12)).astype("float32")
IDS = RANDOM.integers(0, 20, (2, 6))


def saved(model: nn.Module, inputs: tuple[Any, ...], path: Path) -> Any:
    given = tuple(map(torch.tensor, inputs))
    shapes = tuple({0: torch.export.Dim.AUTO} for _ in given)
    with warnings.catch_warnings():  # PyTorch's, of its own LSTM
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, given, dynamic_shapes=shapes), path)
    return load_model(path)


@pytest.mark.parametrize("form", ["module", "pt2", "scripted", "traced"])
@pytest.mark.parametrize(
    ("make", "inputs", "axes", "indices"),
    [
        (Signal, (FLOATS,), ("NCL",), ()),
        (Functional, (FLOATS,), ("NCL",), ()),
        (Text, (IDS,), ("NT",), (0,)),
        (Mixed, (RANDOM.integers(0, 9, (2, 2)), IDS), ("NF", "NT"), (1,)),
    ],
    ids=["signal", "function", "text", "mixed"],
)
def test_axes_and_indices_of_inputs(make: Any, inputs: Any, axes: Any, indices: Any, form: str, tmp_path: Path) -> None:
    model = make().eval()
    if form == "pt2":
        model = saved(model, inputs, tmp_path / "net.pt2")
    elif form in ("scripted", "traced"):
        with warnings.catch_warnings():  # that both are deprecated; and of PyTorch's own LSTM
            warnings.simplefilter("ignore")
            examples = tuple(map(torch.tensor, inputs))
            model = torch.jit.script(model) if form == "scripted" else torch.jit.trace(model, examples)
    found = framework.describe(model, list(inputs))
    assert (found.input_axes, found.indices) == (axes, indices)
    if form in ("scripted", "traced"):
        with pytest.raises(UnsupportedOperatorError, match="compiled by TorchScript"):
            list_layers(model, example_inputs=inputs)


@pytest.mark.parametrize("form", ["module", "pt2", "translated program"])
def test_layers(form: str, tmp_path: Path) -> None:
    def rows(model: nn.Module, x: Any) -> list[Any]:
        if form == "module":
            infos: Any = list_layers(model, example_inputs=x)
        else:
            model = saved(model.eval(), (x,), tmp_path / f"{type(model).__name__}.pt2")
            infos = list_layers(model) if form == "pt2" else [row.source for row in translate(model, "torch").layers]
        return [(info.name, info.kind, info.axes, info.role) for info in infos if "#" not in info.name]

    assert rows(Signal(), FLOATS) == [
        ("conv", "MyConv", "NCL", "convolution"),
        ("norm", "BatchNorm1d", "NCL", "normalization"),
        ("act", "ReLU", "NCL", ""),
        ("out", "Linear", "NF", "dense"),
    ]
    assert rows(Text(), IDS) == [
        ("table", "Embedding", "NTF", "embedding"),
        ("lstm", "LSTM", "NTF", "recurrent"),
        ("out", "Linear", "NF", "dense"),
    ]
