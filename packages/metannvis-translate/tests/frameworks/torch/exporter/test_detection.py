"""Detectors: what is data in them is refused by the line of the model's code, and what is not is translated."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from metannvis_translate import InvalidArgumentError, UnsupportedOperatorError, check_equivalence, translate
from torch import nn


def detector() -> nn.Module:
    return torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, min_size=64, max_size=96, num_classes=3
    ).eval()


@pytest.mark.parametrize(
    "images", [torch.rand(2, 3, 64, 96), ([torch.rand(3, 64, 96), torch.rand(3, 56, 80)],)], ids=["batch", "list"]
)
def test_a_shape_that_is_data_is_refused_with_the_line_and_with_parts_that_are_not(images: Any, capfd: Any) -> None:
    model = detector()
    parts = re.escape("model.backbone, model.rpn.head")
    with pytest.raises(UnsupportedOperatorError, match=rf"(?s)rpn\.py:\d+ in filter_proposals: .*translated: {parts}"):
        translate(model, "keras", example_inputs=images)
    assert "def forward" not in capfd.readouterr().err


def test_the_features_of_a_detector_have_the_names_of_their_levels() -> None:
    model = detector()
    features = translate(model.backbone, "keras", example_inputs=np.zeros((2, 3, 64, 96), "float32"))
    assert [port.name for port in features.outputs] == ["0", "1", "pool"]


def test_what_a_model_says_of_inputs_that_it_does_not_take_is_told_with_its_line() -> None:
    images = torch.rand(3, 64, 80), torch.rand(3, 56, 72)
    with pytest.raises(
        InvalidArgumentError, match=r"does not take the example inputs .*'items' \[.*transform\.py:\d+ in"
    ):
        translate(detector(), "keras", example_inputs=images)


class Regions(nn.Module):
    """Regions read from features beside a way that has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x: Any, regions: Any) -> Any:
        y = self.features(x)
        scale = y.detach().abs().mean()
        return torchvision.ops.roi_align(y / scale, regions, 2, sampling_ratio=2)


def test_the_derivative_of_an_operator_is_no_function_written_by_hand() -> None:
    regions = np.array([[0, 1, 1, 4, 5], [1, 0, 2, 3, 4], [1, 2, 0, 5, 6]], "float64")
    inputs = (np.random.default_rng(0).standard_normal((2, 2, 8, 6)), regions)
    translation = translate(Regions(), "keras", example_inputs=inputs, dtype="float64")
    assert translation.report is not None
    assert [row.passed for row in translation.report.gradients] == [True, True]


class Labelled(nn.Module):
    """Scores, and places of the largest; ``stops`` leaves one factor out of the derivative and nothing out of the value."""

    def __init__(self, *, stops: bool) -> None:
        super().__init__()
        self.stops = stops

    def forward(self, x: Any) -> Any:
        scores = x * (x.detach() if self.stops else x)
        return scores, scores.argmax(1)


@pytest.mark.parametrize("to", ["torch", "keras", "onnx"])
def test_gradients_are_compared_beside_an_output_that_has_none(to: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")
    translation = translate(Labelled(stops=False), to, example_inputs=x)
    assert translation.report is not None
    assert [row.passed for row in translation.report.gradients] == [True]
    report = check_equivalence(Labelled(stops=True), translation, x)
    assert [row.passed for row in report.gradients] == [False]
