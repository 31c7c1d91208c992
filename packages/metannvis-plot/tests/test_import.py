"""What importing and plotting leave behind in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

import metannvis_plot
import pytest


def run(code: str) -> None:
    # With no backend named, reading matplotlib's settings imports pyplot to find one.
    env = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_import_loads_nothing_slow():
    run(
        "import sys, metannvis_plot\n"
        "slow = {'matplotlib', 'numpy', 'torch', 'tensorflow', 'onnx', 'metannvis_methods'}\n"
        "heavy = slow & set(sys.modules)\n"
        "assert not heavy, heavy"
    )


def test_every_kind_of_figure_without_pyplot_or_changed_settings():
    run(
        "import sys, copy, matplotlib, numpy as np, metannvis_plot as mp\n"
        "before = copy.deepcopy(dict(matplotlib.rcParams))\n"
        "x = np.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)\n"
        "mp.heatmap(x, axes='NCHW'); mp.images(x, 'NCHW'); mp.channel_grid(x, axes='NCHW')\n"
        "mp.overlay(x, x, axes='NCHW', image_axes='NCHW')\n"
        "mp.overview(x, x, axes='NCHW', image_axes='NCHW')\n"
        "mp.comparison([x, -x], axes='NCHW'); mp.bars(x[0, 0], axes='NF'); mp.curve(x[0], axes='NCL')\n"
        "mp.tokens(x[0], axes='NTF'); mp.plot(x[0, 0])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "assert not {'torch', 'tensorflow'} & set(sys.modules)"
    )


@pytest.mark.parametrize("name", [name for name in metannvis_plot.__all__ if name != "__version__"])
def test_every_public_name_is_a_documented_function(name):
    function = getattr(metannvis_plot, name)
    assert callable(function)
    assert function.__doc__
    # Importing other modules of the package must not put a module in the function's place.
    assert getattr(metannvis_plot, name) is function
    assert name in dir(metannvis_plot)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        metannvis_plot.nonsense  # noqa: B018
