"""Tiny models as files, and the command called in this process."""

from __future__ import annotations

import math
import os
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

#: A network that a state dict belongs to, as a user's own module beside it holds it.
ARCHITECTURE = """
from collections import OrderedDict
from torch import nn

def make():
    layers = {
        "conv": nn.Conv2d(3, 4, 3, padding=1),
        "relu": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classes": nn.Linear(4, 4),
    }
    return nn.Sequential(OrderedDict(layers))
"""


@pytest.fixture
def metannvis(monkeypatch) -> Callable[..., Result]:
    """Call ``metannvis`` here; ``result.stdout``, ``result.stderr``, ``result.exit_code``.

    Nothing is said of what takes long: how long it takes is the machine's affair.
    """
    from metannvis_cli import progress
    from metannvis_cli.main import cli

    monkeypatch.setattr(progress, "REPORT", math.inf)

    def call(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
        return result

    return call


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """Model files: ``net.pt2``, ``net.keras``, ``net.onnx``, a state dict ``net.pt`` with ``architecture.py``.
    And inputs for them, ``torch.npy`` and ``keras.npy``, and the former one by one in ``digits``.

    Images of 6×5 pixels and 3 colours, 4 classes, a layer that is called ``conv``.
    """
    folder = tmp_path_factory.mktemp("models")
    from metannvis_translate import save_model, translate
    from metannvis_translate.frameworks.requirements import require

    torch = require("torch")
    keras = require("keras")
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).random((2, 3, 6, 5), np.float32)
    np.save(folder / "torch.npy", images)
    np.save(folder / "keras.npy", images.transpose(0, 2, 3, 1))
    (folder / "digits").mkdir()
    for number, image in enumerate(images):
        np.save(folder / "digits" / f"{number}.npy", image)
    (folder / "architecture.py").write_text(ARCHITECTURE)
    module = runpy.run_path(str(folder / "architecture.py"))["make"]().eval()
    save_model(module, folder / "net.pt2", example_inputs=images)
    torch.save(module.state_dict(), folder / "net.pt")
    translate(module, "onnx", example_inputs=images).save(folder / "net.onnx")
    network = keras.Sequential(
        [
            keras.Input((6, 5, 3), name="image"),
            keras.layers.Conv2D(4, 3, padding="same", name="conv"),
            keras.layers.ReLU(name="relu"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(4, name="classes"),
        ]
    )
    save_model(network, folder / "net.keras")
    return folder
