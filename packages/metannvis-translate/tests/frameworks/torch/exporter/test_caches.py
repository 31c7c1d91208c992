"""What functions of the caller's keep of an export: tensors, as before."""

from __future__ import annotations

import functools

import pytest
import torch
from metannvis_translate import translate
from torch import nn


@pytest.mark.parametrize("engine", ["auto", "dynamo"])
def test_a_cached_function_keeps_tensors(engine: str) -> None:
    """Of the process, not of the module: a copy of the model would have it as well."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.table = nn.Linear(5, 5), nn.Parameter(torch.randn(9))

        @staticmethod
        @functools.lru_cache(maxsize=4)
        def places(count: int) -> torch.Tensor:
            index = torch.zeros(count, dtype=torch.long)
            index[1:] = torch.arange(count - 1) * 2
            return index

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + self.table[self.places(5)]

    model, x = Model().eval(), torch.randn(3, 5)
    translation = translate(model, "torch", example_inputs=x, engine=engine)
    assert type(Model.places(5)) is torch.Tensor
    Model.places.cache_clear()
    torch.testing.assert_close(translation.model(x), model(x))
