"""Files of PyTorch's exporter by TorchScript whose batch is free, and which compute shapes of it as networks do."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import translate
from torch import nn


class ClassToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.norm = nn.Parameter(torch.randn(1, 1, 4)), nn.LayerNorm(4)

    def forward(self, x: Any) -> Any:
        x = x.flatten(2).transpose(1, 2)
        return self.norm(torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1))[:, 0]


class Windows(nn.Module):
    """Patches join the batch, and leave it again."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Any) -> Any:
        b, c, h, w = x.shape
        x = x.reshape(b * c, h // 2, 2, w // 2, 2).transpose(2, 3).reshape(b, c, -1, 4).transpose(1, 2)
        x = self.norm(x.reshape(b * x.shape[1], c, 4))
        return x.reshape(b, -1, c, 4).sum((1, 2))


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Any) -> Any:
        for _ in range(3):
            a, b = x.chunk(2, dim=1)
            n, c, h, w = x.shape
            x = torch.cat([a, self.conv(b)], 1).view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)
        return x


class NormedTokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(4, 6), nn.BatchNorm1d(6)

    def forward(self, x: Any) -> Any:
        x = self.linear(x.flatten(2).transpose(1, 2))
        return self.norm(x.flatten(0, 1)).reshape_as(x).mean(1)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
@pytest.mark.parametrize("kind", [ClassToken, Windows, Shuffle, NormedTokens])
def test_shapes_of_a_free_batch(kind: type[nn.Module], to: str) -> None:
    torch.manual_seed(0)
    network, file = kind().eval(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, which is old
        torch.onnx.export(
            network, (torch.randn(2, 4, 6, 6),), file, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "b"}, "y": {0: "b"}},
        )  # fmt: skip
    translation = translate(onnx.load_from_string(file.getvalue()), to)
    for batch in (1, 3):  # other sizes than it was checked with
        x = np.random.default_rng(batch).standard_normal((batch, 4, 6, 6)).astype(np.float32)
        found = translation.model(translation.to_target(x))
        found = translation.to_source(found, role="output")
        np.testing.assert_allclose(
            np.asarray(found), network(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-5
        )
