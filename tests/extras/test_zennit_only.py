"""PyTorch and zennit installed, the other toolkits and TensorFlow not. For `tox -e zennit-only`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from metannvis_methods import explain, list_methods
from metannvis_translate import MissingFrameworkError

ROWS = list_methods(toolset="zennit")
IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 2, 12, 10)).astype("float32")


class Net(torch.nn.Module):
    """Adds as a function, so that rules need the canonical form."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.more = torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 1)
        self.dense = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv(x))
        return self.dense((x + self.more(x)).mean((2, 3)))


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return Net().eval()


def test_this_is_that_environment():
    assert all(find_spec(name) is None for name in ("tensorflow", "captum", "pytorch_grad_cam", "tf_keras_vis"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_every_method_runs(row, net):
    words = {"layer": "relu"} if row.by_role("layer") else {}
    words |= {"target": 1} if row.by_role("target") else {}
    found = explain(net, row.key, IMAGES, toolset="zennit", seed=0, unfit="ignore", **words)
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize(("key", "extra"), [("saliency", "captum"), ("hires_cam", "grad-cam")])
def test_the_others_are_listed_and_say_what_to_install(key, extra, net):
    assert list_methods(toolset=extra)
    with pytest.raises(MissingFrameworkError, match=rf"pip install .?metannvis-methods\[{extra}\]") as caught:
        explain(net, key, IMAGES, target=1, toolset=extra, **({"layer": "relu"} if "cam" in key else {}))
    assert "\n" not in str(caught.value)
