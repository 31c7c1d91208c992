"""Files that were saved before the modules moved to their folders still open, and compute what they computed.

``saved_files`` was written by the last commit before the move, with the addresses of layers and modules of then; the arrays
beside each file are inputs and what the model returned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metannvis_methods import Explanation
from metannvis_translate import load_model, translate
from metannvis_translate.frameworks import require

torch = require("torch")
require("tensorflow")

import metannvis_translate.keras_objects  # noqa: E402, F401  # as whoever loads such a model does

FILES = Path(__file__).parent / "saved_files"


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FILES / f"{name}.npz") as held:
        return dict(held)


def test_a_keras_model_of_our_layers() -> None:
    import keras

    model, held = load_model(FILES / "operators.keras"), arrays("operators")
    ours = {type(layer).__name__ for layer in model.layers if type(layer).__module__.startswith("metannvis")}
    assert ours >= {
        "BitwiseNot",
        "BitwiseOperation",
        "EyeLike",
        "GatherND",
        "ReverseSequence",
        "ScatterElements",
        "ScatterND",
    }
    found = keras.tree.flatten(model([held[f"in{k}"] for k in range(3)]))
    assert len(found) == 9
    for k, value in enumerate(found):
        np.testing.assert_allclose(value, held[f"out{k}"], rtol=1e-5, atol=1e-6)


def test_a_keras_model_with_a_size_that_is_free() -> None:
    model, held = load_model(FILES / "resampling.keras"), arrays("resampling")
    np.testing.assert_allclose(model(held["x"]), held["y"], rtol=1e-4, atol=1e-5)


def test_an_exported_program() -> None:
    model, held = load_model(FILES / "network.pt2"), arrays("network")
    program = model.module() if hasattr(model, "module") else model
    found = program(torch.from_numpy(held["x"].transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(found.detach().numpy(), held["scores"], rtol=1e-5, atol=1e-6)


def test_a_whole_module() -> None:
    """Pickled with the address that the modules of translations had."""
    model, held = load_model(FILES / "module.pt", trust=True), arrays("module")
    found = model(torch.from_numpy(held["x"].copy()))
    np.testing.assert_allclose(found.detach().numpy(), held["y"], rtol=1e-5, atol=1e-6)


def test_a_whole_module_that_calls_functions_of_ours() -> None:
    """Which were pickled by the modules that they were in: here the largest of each row and their places."""
    model = load_model(FILES / "functions.pt", trust=True)
    assert model(torch.arange(12.0).reshape(2, 6)).tolist() == [[5, 4], [11, 10]]


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_an_onnx_file(to: str) -> None:
    held = arrays("network")
    made = translate(FILES / "network.onnx", to, example_inputs=held["x"])
    assert made.report is not None
    assert made.report.passed


def test_explanations() -> None:
    held = arrays("network")
    cam = Explanation.load(FILES / "explanation.npz")
    assert (cam.method, cam.toolset, cam.layer, cam.target) == ("grad_cam", "captum", "conv", 1)
    assert cam.translation is not None
    np.testing.assert_array_equal(cam.inputs, held["x"])
    integrated = Explanation.load(FILES / "integrated.npz")
    assert integrated.target == [0, 2]
    assert integrated.values.shape == held["x"].shape
    assert np.abs(integrated.values).max() > 0
