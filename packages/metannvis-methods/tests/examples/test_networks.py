from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from metannvis_methods.examples import digits
from metannvis_translate import detect_framework


@pytest.mark.parametrize(("name", "framework", "channels"), [("torch", "torch", 1), ("keras", "tensorflow", 3)])
def test_training_learns_and_reports(name, framework, channels):
    module: Any = import_module(f"metannvis_methods.examples.{name}_network")
    data = digits.load(0)
    images, tests = (np.expand_dims(part, channels) for part in (data.train_images, data.test_images))
    stages: list[tuple[int, int, str]] = []
    network = module.train(images, data.train_classes, epochs=2, seed=0, progress=lambda *step: stages.append(step))
    assert detect_framework(network) == framework
    assert module.accuracy(network, tests, data.test_classes) > 0.7
    assert (stages[0][:2], stages[-1][:2]) == ((0, 2), (2, 2))
