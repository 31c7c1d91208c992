"""Agreement of two explanations, and score boards of runs."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods import agreement, explain, score_board
from metannvis_methods.errors import InvalidArgumentError
from skimage.filters import threshold_otsu

from ..toolsets.metannvis.networks import source
from .planted import Planted, images, mask


def by(method: str = "input_x_gradient", framework: str = "torch", **words):
    model, x = source("image", framework)
    return explain(model, method, x, target=1, toolset=words.pop("toolset", "captum"), **words)


@pytest.mark.parametrize("threshold", ["quantile", "otsu", "mean"])
@pytest.mark.parametrize("sign", ["absolute", "positive", "both"])
def test_the_formula(threshold: str, sign: str) -> None:
    first, second = by(), by("saliency", abs=False)
    found = agreement(first, second, threshold=threshold, sign=sign, quantile=0.8)
    of_sign = {"absolute": np.abs, "positive": lambda v: np.maximum(v, 0), "both": lambda v: v}[sign]
    for sample, (a, b) in enumerate(zip(first.values, second.values, strict=True)):
        marked = []
        for values in (a, b):
            one = of_sign(values).sum(0)
            limit = {"quantile": np.quantile(one, 0.8), "otsu": threshold_otsu(one), "mean": one.mean()}[threshold]
            marked.append(one >= limit if threshold == "quantile" else one > limit)
        union = (marked[0] | marked[1]).sum()
        assert found.scores[sample] == pytest.approx((marked[0] & marked[1]).sum() / union)
    assert found.first.shape == (2, 16, 12)
    assert found.scores[found.best] == found.scores.max()
    assert found.scores[found.worst] == found.scores.min()
    assert found.names == ("input_x_gradient (captum)", "saliency (captum)")
    assert f"IoU {found.mean:.3f}" in str(found)


def test_across_frameworks_and_layers() -> None:
    torch, keras = by(), by(framework="tensorflow")
    np.testing.assert_allclose(agreement(torch, keras).scores, 1)
    layer = explain(
        *source("image", "torch")[:1], "grad_cam", source("image", "torch")[1], target=1, layer="0", toolset="captum"
    )
    assert agreement(torch, layer).first.shape == agreement(layer, torch).first.shape == (2, 16, 12)
    assert torch.inputs is not None
    assert agreement(torch, keras).pictures.shape == (2, 16, 12, 3)


def test_with_a_mask() -> None:
    model, x = Planted(), images()
    explanation = explain(model, "input_x_gradient", x, target=0, toolset="captum")
    np.testing.assert_allclose(agreement(explanation, mask(), quantile=1 - 16 / 144).scores, 1)
    np.testing.assert_allclose(agreement(np.stack([mask()] * 3), explanation, threshold="mean").scores, 1)
    assert agreement(explanation, ~mask(), threshold="mean").scores.max() == 0
    lines = agreement(explanation, mask()).to_csv().splitlines()
    assert lines[0] == "sample,iou" and len(lines) == 4


def test_what_cannot_be_compared() -> None:
    with pytest.raises(InvalidArgumentError, match="not of the same inputs"):
        agreement(np.ones((2, 4, 4)), np.ones((2, 5, 5)))
    with pytest.raises(InvalidArgumentError, match="sign is one of"):
        agreement(by(), by(), sign="negative")
    with pytest.raises(InvalidArgumentError, match="threshold is one of"):
        agreement(by(), by(), threshold="median")
    with pytest.raises(InvalidArgumentError, match="not of the same inputs"):
        agreement(by(), explain(Planted(), "saliency", images(2), target=0, toolset="captum"))


def test_a_score_board() -> None:
    model, x = Planted(), images(4)

    def run(part: np.ndarray, method: str = "input_x_gradient", **words):
        return explain(model, method, part, target=0, toolset="captum", **words)

    wrong = run(x, "occlusion", sliding_window_shapes=(3, 9, 9))
    board = score_board(
        {"wide": wrong, "right": run(x), "halves": [run(x[:2]), run(x[2:])]}, np.stack([mask()] * 4), threshold="mean"
    )
    names = [row["run"] for row in board.rows]
    assert names[-1] == "wide"
    assert [row["iou"] for row in board.rows][:2] == [1, 1]
    by_name = {row["run"]: row for row in board.rows}
    assert by_name["halves"]["samples"] == 4
    assert by_name["right"]["seconds"] == pytest.approx(run(x).seconds / 4, abs=1)
    assert by_name["wide"]["options"]["sliding_window_shapes"] == [3, 9, 9]
    assert "occlusion" in str(board) and len(str(board).splitlines()) == 4
    assert board.to_csv().startswith("run,method,toolset,layer,options,iou")
    assert [row["run"] for row in score_board([wrong, wrong], mask()).rows] == [
        "occlusion (captum)",
        "occlusion (captum), 1",
    ]
    with pytest.raises(InvalidArgumentError, match="no run to score"):
        score_board([], mask())
    with pytest.raises(InvalidArgumentError, match="'a' is no explanation"):
        score_board({"a": 3}, mask())
