"""Crops: inputs larger than what a model takes, volumes among them, measured window by window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import Crops, evaluate, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks import require

torch = require("torch")
PRODUCT = {"method": "input_x_gradient", "toolset": "captum"}


def network(rank: int) -> Any:
    """For windows of 4 places along each axis, two channels, in double."""
    torch.manual_seed(0)
    return (
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2 * 4**rank, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
        .double()
        .eval()
    )


@pytest.mark.parametrize(
    ("size", "overlap", "starts"), [(8, 0.0, [0, 4]), (9, 0.0, [0, 4, 5]), (8, 0.5, [0, 2, 4]), (4, 0.9, [0])]
)
def test_windows_cover(size: int, overlap: float, starts: list[int]) -> None:
    assert [window[0].start for window in Crops((4,), overlap).places((size,))] == starts


@pytest.mark.parametrize(("rank", "sizes"), [(1, (9,)), (2, (8, 6)), (3, (8, 4, 6))])
def test_scores_are_medians_over_crops(rank: int, sizes: tuple[int, ...]) -> None:
    model = network(rank)
    x = np.random.default_rng(0).uniform(0, 1, (2, 2, *sizes))
    if rank == 1:
        model = torch.nn.Sequential(torch.nn.Conv1d(2, 2, 1).double(), model)  # so that it is a signal
    mask = np.zeros((2, *sizes), bool)
    mask[(slice(None), *(slice(0, 3) for _ in sizes))] = True
    metrics = ["deletion", "completeness", "mass_accuracy", "entropy"]
    crops = {"window": (4,) * rank, "overlap": 0.5}
    found = evaluate(model, {"map": PRODUCT}, x, metrics=metrics, masks=mask, target=[0, 2], crops=crops)
    assert not found.errors
    assert found.scores.shape == (1, 4, 2)
    windows = Crops((4,) * rank, 0.5).places(sizes)
    assert f"medians over {len(windows)} crops of a sample" in " ".join(found.notes)
    for sample, target in enumerate((0, 2)):
        single = []
        for window in windows:
            part, there = x[(slice(sample, sample + 1), slice(None), *window)], mask[(sample, *window)]
            known = explain(model, "input_x_gradient", part, target=target, toolset="captum")
            if not there.any():
                single.append(
                    [*evaluate(model, known, metrics=["deletion", "completeness"]).scores[0, :, 0], np.nan, np.nan]
                )
                single[-1][3] = evaluate(model, known, metrics=["entropy"]).scores[0, 0, 0]
                continue
            single.append(evaluate(model, known, metrics=metrics, masks=there).scores[0, :, 0])
        np.testing.assert_allclose(found.scores[0, :, sample], np.nanmedian(single, axis=0), rtol=1e-9)


def test_channels_last() -> None:
    keras = require("keras")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    x = np.random.default_rng(0).uniform(0, 1, (1, 8, 6, 1)).astype(np.float32)
    found = evaluate(model, {"map": PRODUCT}, x, metrics=["completeness"], target=1, crops=(4, 4))
    assert not found.errors
    np.testing.assert_allclose(found.scores, 0, atol=1e-5)


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        ({"overlap": 0.5}, "crops are a dict of window"),
        ({"window": (4, 4), "step": 2}, "crops are a dict of window"),
        ({"window": (4, 4), "overlap": 1}, "overlap is a share"),
        ({"window": (4,)}, r"window \(4,\) does not fit places of \(8, 8\)"),
        ({"window": (9, 4)}, "does not fit places"),
    ],
)
def test_wrong_crops_are_told(crops: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(network(2), PRODUCT, np.ones((1, 2, 8, 8)), metrics=["entropy"], target=0, crops=crops)


def test_explanations_are_not_cut() -> None:
    model, x = network(2), np.ones((1, 2, 4, 4))
    with pytest.raises(InvalidArgumentError, match="name methods"):
        evaluate(model, explain(model, "saliency", x, target=0, toolset="captum"), x, crops=(4, 4))
