"""PyTorch and one optional toolkit installed, the others and TensorFlow not: `tox -e grad-cam-only`, `tox -e zennit-only`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from metannvis_methods import explain, list_methods
from metannvis_translate import MissingFrameworkError

#: Modules of the toolkits, by their extras, and a method of each.
TOOLKITS = {"captum": "captum", "grad-cam": "pytorch_grad_cam", "tf-keras-vis": "tf_keras_vis", "zennit": "zennit"}
METHODS = {"captum": "saliency", "grad-cam": "hires_cam", "zennit": "lrp"}
(TOOLSET,) = (extra for extra, module in TOOLKITS.items() if find_spec(module) is not None)
ROWS = list_methods(toolset=TOOLSET)
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
    assert TOOLSET in ("grad-cam", "zennit")
    assert find_spec("tensorflow") is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_every_method_runs(row, net):
    words = {"layer": "relu"} if row.by_role("layer") else {}
    words |= {"target": 1} if row.by_role("target") else {}
    found = explain(net, row.key, IMAGES, toolset=TOOLSET, seed=0, unfit="ignore", **words)
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("extra", sorted({"captum", "grad-cam", "zennit"} - {TOOLSET}))
def test_the_others_are_listed_and_say_what_to_install(extra, net):
    assert list_methods(toolset=extra)
    key = METHODS[extra]
    with pytest.raises(MissingFrameworkError, match=rf"pip install .?metannvis-methods\[{extra}\]") as caught:
        explain(net, key, IMAGES, target=1, toolset=extra, **({"layer": "relu"} if "cam" in key else {}))
    assert "\n" not in str(caught.value)
