"""What a call of a relevance method costs once its model is known, and bounds as exact as the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.running import execute

from .test_zennit import nn, plain, torch


def test_a_bound_a_channel_is_as_exact_as_one_for_all() -> None:
    model, x, targets = plain()
    words = {"toolset": "zennit", "target": targets}
    first, *found = (
        explain(model, "deep_taylor", x, first={"z_box": {"low": low, "high": high}}, **words).values
        for low, high in ((-0.1, 1.1), ((-0.1,) * x.shape[1], np.full(x.shape[1], 1.1)))
    )
    np.testing.assert_allclose(found[0], first, rtol=1e-12)


@pytest.mark.parametrize("ends", ["logits", "softmax"])
def test_a_second_call_takes_the_pass_of_the_method_alone(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the model is known then, and the prediction is heard from the pass."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 3, 3)]
    model = nn.Sequential(*layers, *([nn.Softmax(1)] if ends == "softmax" else [])).eval()
    x = np.random.default_rng(0).standard_normal((2, 2, 6, 5)).astype("float32")
    made: list[Any] = []
    real = execute.predicted
    monkeypatch.setattr(execute, "predicted", lambda *given, **words: made.append(given) or real(*given, **words))
    words = {"target": [1, 2], "toolset": "zennit", "unfit": "ignore"}
    first = explain(model, "lrp", x, **words)
    assert made
    made.clear()
    second = explain(model, "lrp", x, **words)
    assert not made
    np.testing.assert_array_equal(first.values, second.values)
    for one, other in zip(first.prediction, second.prediction, strict=True):
        assert one["class"] == other["class"]
        assert one["value"] == pytest.approx(other["value"], rel=1e-6)
    assert first.options == second.options
    if ends == "logits":  # what is known is out of date
        model.append(nn.Softmax(1))
    else:
        del model[-1]
    third = explain(model, "lrp", x, **words)
    assert third.prediction[0] != first.prediction[0]
    np.testing.assert_allclose(third.values, first.values, rtol=1e-5, atol=1e-7)
