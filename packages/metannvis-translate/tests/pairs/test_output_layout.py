"""Layout of outputs: a canonical model returns what its source returns, axis by axis; only images are moved between frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import translate
from torch import nn

SEQUENCES = np.random.default_rng(0).standard_normal((3, 2, 5)).astype("float32")
IMAGES = np.random.default_rng(0).standard_normal((3, 5, 4, 6)).astype("float32")


class Recurrent(nn.Module):
    def __init__(self, kind: str, *, states: bool = False, **options: Any) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(5, 4, **options)
        self.states, self.batch_first = states, options.get("batch_first", False)

    def forward(self, x: torch.Tensor) -> Any:
        outputs, states = self.layer(x if self.batch_first else x.transpose(0, 1))
        return (outputs, states) if self.states else outputs


class TimeMajorHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv1d(2, 4, 2), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.conv(x).permute(2, 0, 1)).log_softmax(-1)


class Turned(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.conv, self.order = nn.Conv2d(5, 4, 2), order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).permute(*self.order)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(5, 1, 8, dropout=0.0, batch_first=True)
        self.out = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.block(x)[:, 0])


def arrays(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in arrays(part)]
    return [value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)]


@pytest.mark.core(
    "GRU, batch first", "LSTM, two directions, states", "time-major head", "channels last", "height and width swapped"
)
@pytest.mark.parametrize(
    ("make", "x"),
    [
        pytest.param(lambda: Recurrent("GRU", batch_first=True), SEQUENCES, id="GRU, batch first"),
        pytest.param(lambda: Recurrent("GRU"), SEQUENCES, id="GRU, time first"),
        pytest.param(lambda: Recurrent("LSTM", batch_first=True, states=True), SEQUENCES, id="LSTM, states"),
        pytest.param(
            lambda: Recurrent("LSTM", states=True, bidirectional=True), SEQUENCES, id="LSTM, two directions, states"
        ),
        pytest.param(TimeMajorHead, SEQUENCES, id="time-major head"),
        pytest.param(lambda: Turned(0, 2, 3, 1), IMAGES, id="channels last"),
        pytest.param(lambda: Turned(0, 1, 3, 2), IMAGES, id="height and width swapped"),
        pytest.param(lambda: Turned(2, 0, 1, 3), IMAGES, id="batch within"),
    ],
)
def test_a_canonical_model_returns_what_its_source_returns(make: Any, x: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    translation = translate(model, "torch", example_inputs=x)
    for port in translation.outputs:
        assert port.permutation == tuple(range(len(port.permutation)))
        assert port.target_shape == port.source_shape
    for ours, theirs in zip(arrays(translation.model(torch.tensor(x))), arrays(model(torch.tensor(x))), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_layers_keep_the_batch_in_front(to: str) -> None:
    translation = translate(Tokens().eval(), to, example_inputs=SEQUENCES)
    rows = [row for row in translation.layers if len(row.source.shape) == 3]
    assert {"block.norm1", "block.norm2", "block"} <= {row.source.name for row in rows}
    for row in rows:
        assert row.source.axes == "NTF"
        assert row.permutation == (0, 1, 2), row
        assert row.target.shape[1:] == (2, row.source.shape[-1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("to", ["torch", "keras", "onnx"])
def test_a_source_in_half_precision_is_compared_in_single(to: str, dtype: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(5, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(60, 3)).eval().to(dtype)
    translation = translate(model, to, example_inputs=IMAGES)
    assert translation.report is not None
    assert translation.report.passed
    assert translation.report.worst("outputs") < 1e-5
    assert any("half precision" in note for note in translation.report.notes)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
