"""TensorFlow and PyTorch in one process, in every order in which a user can import them (DESIGN 8.1).

Each order runs in an interpreter of its own: where it goes wrong the process is aborted and nothing can be caught.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

BOTH_WAYS = """
import numpy as np
def torch_side():
    import torch
    from metannvis_translate import translate
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 3))
    t = translate(net, "keras", example_inputs=np.random.rand(2, 1, 6, 6).astype("float32"))
    assert t.report.passed
    torch.optim.Adam(net.parameters())
def keras_side():
    import keras
    from metannvis_translate import translate
    net = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten(),
                            keras.layers.Dense(3)])
    assert translate(net, "torch").report.passed
"""
ORDERS = {
    " ".join(order): "\n".join(f"import {name}" for name in order) + BOTH_WAYS + "torch_side(); keras_side()"
    for order in itertools.permutations(("tensorflow", "torch", "metannvis_translate"))
}
ORDERS |= {
    "keras first": "import keras" + BOTH_WAYS + "keras_side(); torch_side()",
    "nothing first, PyTorch's model": BOTH_WAYS + "torch_side(); keras_side()",
    "nothing first, Keras' model": BOTH_WAYS + "keras_side(); torch_side()",
    "torchvision before": "import torchvision, tensorflow" + BOTH_WAYS + "torch_side(); keras_side()",
    "torchvision after": "import tensorflow, metannvis_translate, torchvision"
    + BOTH_WAYS
    + "keras_side(); torch_side()",
    "TensorFlow in between": BOTH_WAYS + "torch_side()\nimport tensorflow\nkeras_side()",
}


@pytest.mark.core("tensorflow torch metannvis_translate", "torchvision after")
@pytest.mark.parametrize("order", ORDERS)
def test_no_order_aborts(order: str) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", ORDERS[order]], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-2000:]}"


def test_importing_loads_no_framework() -> None:
    code = (
        "import sys, metannvis_translate\n"
        "heavy = {'torch', 'tensorflow', 'keras', 'onnx', 'onnx_ir', 'onnxscript', 'triton'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    """It has a telemetry of its own: a file in the cache folder, and what it says over the network."""
    code = (
        "import os\n"
        "from metannvis_translate.frameworks import require\n"
        "before = dict(os.environ)\n"
        "require('onnxruntime').InferenceSession\n"
        "assert dict(os.environ) == before"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"), str(tmp_path))
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | homes, cwd=tmp_path)
    assert not list(tmp_path.rglob("*onnxruntime*"))
