"""A model that decides by a size that a translation leaves free: specialised to the example's, told, and refused for others."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from metannvis_translate import InvalidArgumentError, translate
from torch import nn

Forward = Callable[[torch.Tensor], torch.Tensor]
#: Rows: what the forward pass makes of what the layer returns, another way for another number of samples.
BRANCHES: dict[str, Forward] = {
    "one": lambda x: x * 2 if x.shape[0] == 1 else x,
    "more than": lambda x: x * 2 if x.size(0) > 8 else x,
    "truth": lambda x: x * 2 if x.shape[0] - 1 else x,
    "odd": lambda x: x * 2 if x.shape[0] % 2 else x,
    "numel": lambda x: x * 2 if x.numel() == 4 else x,
    "len": lambda x: x * 2 if len(x) > 4 else x,
    "rows": lambda x: torch.stack([row * 2 for row in x]),
    "range": lambda x: torch.stack([x[i] * (i + 1) for i in range(x.shape[0])]),
}
#: Rows: the same for every number of samples, though it asks for it.
SAME: dict[str, Forward] = {
    "compared": lambda x: x + 1 if x.shape == (x * 2).shape else x,
    "positive": lambda x: x + 1 if x.shape[0] >= 1 else x,
    "another axis": lambda x: x * 2 if x.shape[1] == 4 else x,
    "a factor": lambda x: x * x.shape[0],
    "reshaped": lambda x: x.view(x.shape[0], 2, 2).transpose(1, 2).reshape(x.shape[0] * 2, 2).reshape(x.size(0), -1),
}
#: Rows: what takes the batch out of a tensor where it is one sample.
SQUEEZED: dict[str, Forward] = {
    "all": lambda x: (x[:, :, None, None] * 2).squeeze(),
    "in place": lambda x: (x[:, :, None] * 2).squeeze_(),
    "by axes": lambda x: x[:, None].squeeze((0, 1)),
    "the batch alone": lambda x: x.squeeze(0) * 2,
    "the last axis": lambda x: x.sum(1).squeeze(-1) * 2,
    "as a keyword": lambda x: torch.squeeze(x, dim=0) * 2,
    "asked for": lambda x: x * 2 if x[:, :1].squeeze().dim() == 0 else x,
}


class Deciding(nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.layer, self.rest = nn.Linear(3, 4), forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(self.layer(x))


@pytest.mark.parametrize("row", BRANCHES)
def test_a_branch_on_the_batch_fixes_it_and_is_told(row: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
    translation = translate(Deciding(BRANCHES[row]).eval(), "torch", example_inputs=x)
    assert translation.inputs[0].source_shape == (2, 3)
    told = next(note for note in translation.notes if "the batch size is fixed" in note)
    assert __file__ in told


@pytest.mark.parametrize("row", BRANCHES)
@pytest.mark.parametrize("size", [1, 3])
def test_a_fixed_batch_is_refused_for_another_number_of_samples(row: str, size: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
    translation = translate(Deciding(BRANCHES[row]).eval(), "torch", example_inputs=x, verify=False)
    for model in (translation.model, copy.deepcopy(translation.model)):
        with pytest.raises(InvalidArgumentError, match=rf"a size of {size} .*exactly 2 .*{re.escape(__file__)}"):
            model(torch.ones(size, 3))


@pytest.mark.parametrize("row", SQUEEZED)
def test_a_batch_that_is_squeezed_has_two_samples_or_more(row: str) -> None:
    model = Deciding(SQUEEZED[row]).eval()
    translation = translate(model, "torch", example_inputs=torch.randn(2, 3))
    for batch in (2, 5):
        x = torch.randn(batch, 3)
        torch.testing.assert_close(translation.model(x), model(x))
    with pytest.raises(InvalidArgumentError, match=f"a size of 1 .*2 or more.*{re.escape(__file__)}"):
        translation.model(torch.ones(1, 3))


@pytest.mark.parametrize("row", SQUEEZED)
def test_an_example_of_one_sample_fixes_a_batch_that_is_squeezed(row: str) -> None:
    model = Deciding(SQUEEZED[row]).eval()
    translation = translate(model, "torch", example_inputs=torch.randn(1, 3))
    x = torch.randn(1, 3)
    torch.testing.assert_close(translation.model(x), model(x))
    with pytest.raises(InvalidArgumentError, match="exactly 1"):
        translation.model(torch.ones(2, 3))


def test_a_first_axis_that_is_no_batch_keeps_its_size() -> None:
    class Outer(nn.Module):
        def forward(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return x @ rows.T

    translation = translate(Outer(), "torch", example_inputs=(torch.randn(2, 3), torch.randn(4, 3)))
    assert translation.model(torch.ones(5, 3), torch.ones(4, 3)).shape == (5, 4)
    with pytest.raises(InvalidArgumentError, match="a size of 5 .*'rows' takes exactly 4"):
        translation.model(torch.ones(5, 3), torch.ones(5, 3))


@pytest.mark.parametrize("row", SAME)
@pytest.mark.parametrize("engine", ["auto", "dynamo"])
def test_a_question_with_one_answer_leaves_the_batch_free(row: str, engine: str) -> None:
    random = np.random.default_rng(0)
    model = Deciding(SAME[row]).eval()
    translation = translate(
        model, "torch", example_inputs=random.standard_normal((2, 3)).astype("float32"), engine=engine
    )
    assert translation.inputs[0].source_shape == (None, 3)
    for batch in (1, 2, 5):
        x = torch.from_numpy(random.standard_normal((batch, 3)).astype("float32"))
        torch.testing.assert_close(translation.model(x), model(x))
