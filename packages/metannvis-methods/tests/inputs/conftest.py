"""Files of one small network of each kind: images of 6×5 pixels and 3 colours."""

from __future__ import annotations

from pathlib import Path

import pytest

#: A network that a state dict belongs to, as a user's own module beside it holds it.
ARCHITECTURE = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``net.pt2``, ``net.keras``, ``net.onnx``, and a state dict ``net.pt`` with ``small_network.py``."""
    import runpy

    import numpy as np
    from metannvis_translate import save_model, translate
    from metannvis_translate.frameworks import require

    folder = tmp_path_factory.mktemp("models")
    torch, keras = require("torch"), require("keras")
    (folder / "small_network.py").write_text(ARCHITECTURE)
    module = runpy.run_path(str(folder / "small_network.py"))["make"]().eval()
    images = np.zeros((2, 3, 6, 5), np.float32)
    save_model(module, folder / "net.pt2", example_inputs=images)
    torch.save(module.state_dict(), folder / "net.pt")
    translate(module, "onnx", example_inputs=images).save(folder / "net.onnx")
    layers = keras.layers
    network = keras.Sequential([keras.Input((6, 5, 3), name="image"), layers.Conv2D(4, 3), layers.Flatten()])
    save_model(network, folder / "net.keras")
    return folder
