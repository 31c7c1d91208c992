"""What is loaded by what, in fresh interpreters, and frameworks in any order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("metannvis_translate", "metannvis_methods", "metannvis_plot", "metannvis_cli")
SLOW = ("torch", "tensorflow", "keras", "onnx", "onnx_ir", "matplotlib", "sklearn", "PIL")
#: Beyond the list of the design: the toolkits, and what else takes a while.
SLOW += (
    "captum",
    "tf_keras_vis",
    "onnxscript",
    "onnx2torch",
    "onnxruntime",
    "tf2onnx",
    "torchvision",
    "scipy",
    "triton",
)
METANNVIS = Path(sys.executable).with_name("metannvis")


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Code in an interpreter of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def loaded_after(code: str) -> set[str]:
    """Top-level modules that are loaded at the end."""
    done = run(f"import sys\n{code}\nprint('LOADED', *{{name.partition('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


def command(*arguments: str) -> str:
    """Code that runs the command line as the installed script does."""
    return f"""
from importlib.metadata import entry_points
(script,) = entry_points(group="console_scripts", name="metannvis")
sys.argv = {["metannvis", *arguments]}
try:
    script.load()()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("package", [*PACKAGES, ", ".join(PACKAGES), ", ".join(reversed(PACKAGES))])
def test_importing_loads_nothing_slow(package: str) -> None:
    loaded = loaded_after(f"import {package}")
    assert loaded >= set(package.split(", "))
    assert not loaded.intersection(SLOW)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("methods",),
        ("methods", "--json"),
        ("describe", "grad_cam"),
        *((name, "--help") for name in ("demo", "explain", "compare", "visualize", "translate", "check", "layers")),
    ],
    ids=" ".join,
)
def test_the_command_line_loads_nothing_slow(arguments: tuple[str, ...]) -> None:
    assert not loaded_after(command(*arguments)).intersection(SLOW)


def test_the_installed_script_is_that_command() -> None:
    done = subprocess.run([METANNVIS, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: metannvis")


MODELS = """
import numpy as np
x = np.random.default_rng(0).random((2, 1, 8, 8)).astype("float32")
def torch_model():
    import torch
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 3)).eval()
def keras_model():
    import keras
    layers = keras.layers
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Flatten(), layers.Dense(3)])
def torch_by_tf_keras_vis():
    from metannvis_methods import explain
    found = explain(torch_model(), "grad_cam", x, target=1, layer="0", toolset="tf-keras-vis")
    assert found.translation["passed"] and found.values.shape == (2, 8, 8)
def keras_by_captum():
    from metannvis_methods import explain
    found = explain(keras_model(), "deep_lift", x.transpose(0, 2, 3, 1), target=1, baselines=0, toolset="captum")
    assert found.translation["passed"] and found.values.shape == (2, 8, 8, 1)
def natively():
    from metannvis_methods import explain
    explain(torch_model(), "saliency", x, target=1, toolset="captum")
    explain(keras_model(), "saliency", x.transpose(0, 2, 3, 1), target=1, toolset="tf-keras-vis")
"""
ABROAD = "torch_by_tf_keras_vis(); keras_by_captum()\n"
#: The translator's own tests go through every permutation; here are the toolkits, which import frameworks as well.
ORDERS = {
    "TensorFlow, then a PyTorch model by tf-keras-vis": "import tensorflow" + MODELS + ABROAD,
    "PyTorch, then a Keras model by Captum": "import torch" + MODELS + "keras_by_captum(); torch_by_tf_keras_vis()\n",
    "both toolkits where they are at home, then abroad": MODELS + "natively()\n" + ABROAD,
}


@pytest.mark.core("TensorFlow, then a PyTorch model by tf-keras-vis")
@pytest.mark.parametrize("order", ORDERS)
def test_no_order_of_imports_aborts(order: str) -> None:
    done = run(ORDERS[order])
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-2000:]}"
