"""Figures and pages of results that another package draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import classic, explain
from metannvis_methods.examples import load
from metannvis_translate.frameworks.requirements import require

torch = require("torch")


@pytest.fixture(scope="module")
def digits() -> Any:
    return load("digits-torch")


def test_an_image_optimization(digits: Any) -> None:
    words = {"layer": "conv2", "channel": [1, 2], "images": 2, "steps": 4, "snapshots": 2, "seed": 0}
    found = explain(digits.model, "render", toolset="metannvis", shape=digits.images.shape[1:], **words)
    page = found._repr_html_()
    assert "<img" in page and "conv2:1, conv2:2" in page and "4 … 4 (ended by steps)" in page
    assert len(found.plot().axes) >= 4


def test_a_grid_of_classes_is_titled_by_class_and_probability(digits: Any) -> None:
    model = torch.nn.Sequential(digits.model, torch.nn.Softmax(1)).eval()
    interpreter = classic.VanillaBackprop(model, digits.labels, None)
    found = interpreter.each_class(digits.images[:1])
    seen = next(iter(found.values())).prediction[0]
    figure = interpreter.plot(found)
    first, *others = (ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left"))
    assert f"({seen['name']}), {seen['probability']:.0%}"[:-1] in first
    assert [name in title for name, title in zip(found, others, strict=True)] == [True] * len(digits.labels)
    images = interpreter.each_image([digits.images[k : k + 1] for k in range(2)])
    assert interpreter.plot(images).axes
    assert np.isfinite(found[digits.labels[0]].values).all()
