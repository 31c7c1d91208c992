"""``engine="onnx2keras"``: another converter behind the same gate. ``tox -e onnx2keras`` has it installed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, translate
from metannvis_translate.errors import (
    EquivalenceError,
    InvalidArgumentError,
    MissingFrameworkError,
    UnsupportedOperatorError,
)
from metannvis_translate.frameworks.requirements import is_installed, require
from torch import nn

from ....networks.torch import ZOO, randomize

require("tensorflow")
keras = require("keras")

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 12, 10)).astype(np.float32)
installed = pytest.mark.skipif(not is_installed("onnx2keras"), reason="onnx2keras is not installed")
# What onnx2keras calls of TensorFlow and Keras, and how.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def network() -> Any:
    layers = [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(120, 5),
    ]
    return randomize(nn.Sequential(*layers))


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx2keras", None)
    with pytest.raises(MissingFrameworkError, match=r"pip install 'metannvis-translate\[onnx2keras\]'"):
        translate(network(), "keras", example_inputs=IMAGE, engine="onnx2keras")


def test_it_builds_keras_models_only() -> None:
    with pytest.raises(
        InvalidArgumentError, match="engine='onnx2keras': from PyTorch to PyTorch there are 'auto', 'trace'"
    ):
        translate(network(), "torch", example_inputs=IMAGE, engine="onnx2keras")


@installed
def test_a_network_is_translated_and_compared() -> None:
    net = network()
    translation = translate(net, "keras", example_inputs=IMAGE, engine="onnx2keras")
    assert translation.report is not None and translation.report.passed
    assert {"0", "1", "2", "4"} <= set(translation.layers.names)
    assert translation.inputs[0].permutation == (0, 2, 3, 1)
    fresh = np.random.default_rng(1).standard_normal((5, 3, 12, 10)).astype(np.float32)
    report = check_equivalence(net, translation, fresh)
    assert report.passed and report.layers, str(report)
    with torch.no_grad():
        expected = net(torch.from_numpy(fresh)).numpy()
    found = np.asarray(translation.model(translation.to_target(fresh)))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@installed
def test_what_cannot_be_named_is_not_mapped() -> None:
    """Two inputs joined by a multiplication and a sum: every row that there is was compared, and nothing is made up."""
    row = ZOO["two_inputs"]
    random = np.random.default_rng(0)
    inputs = [random.standard_normal((2, *shape)).astype(np.float32) for shape in row.shapes]
    own = translate(randomize(row.make()), "keras", example_inputs=inputs)
    theirs = translate(randomize(row.make()), "keras", example_inputs=inputs, engine="onnx2keras")
    assert theirs.report is not None and all(line.compared for line in theirs.report.layers)
    assert set(theirs.layers.names) <= set(own.layers.names)


@installed
def test_a_wrong_model_does_not_come_back() -> None:
    row = ZOO["shuffle"]
    inputs = [np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32) for shape in row.shapes]
    with pytest.raises(EquivalenceError, match="the translation is wrong"):
        translate(randomize(row.make()), "keras", example_inputs=inputs, engine="onnx2keras")


@installed
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Hardswish(), "HardSwish.* onnx2keras has no converter for it"),
        (nn.ConvTranspose2d(3, 2, 3, stride=2, output_padding=1), "onnx2keras fails on it: .*output_padding"),
    ],
)
def test_what_it_cannot_do_is_refused(module: Any, message: str) -> None:
    before = keras.config.image_data_format()
    with pytest.raises(UnsupportedOperatorError, match=message):
        translate(nn.Sequential(nn.Conv2d(3, 3, 1), module), "keras", example_inputs=IMAGE, engine="onnx2keras")
    assert keras.config.image_data_format() == before


@installed
def test_double_precision_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="single precision only"):
        translate(network(), "keras", example_inputs=IMAGE, engine="onnx2keras", dtype="float64")


@installed
def test_an_onnx_model_as_source() -> None:
    proto = translate(network(), "onnx", example_inputs=IMAGE).model
    translation = translate(proto, "keras", engine="onnx2keras")
    assert translation.report is not None and translation.report.passed
