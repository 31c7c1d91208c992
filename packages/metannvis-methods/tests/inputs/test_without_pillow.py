"""What the readers do where Pillow is not installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from metannvis_methods.errors import MissingFrameworkError
from metannvis_methods.inputs import read_image, read_inputs
from PIL import Image


@pytest.fixture(autouse=True)
def no_pillow(tmp_path, monkeypatch):
    Image.new("RGB", (6, 4)).save(tmp_path / "photo.png")
    for name in [name for name in sys.modules if name.startswith("PIL.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)


def test_an_image_says_what_to_install(tmp_path):
    for call in (
        lambda: read_image(tmp_path / "photo.png", None),
        lambda: read_inputs([str(tmp_path / "photo.png")], []),
    ):
        with pytest.raises(MissingFrameworkError, match=r"^Pillow .* pip install 'metannvis-methods\[images\]'$"):
            call()


def test_arrays_are_read_all_the_same(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert read_inputs([str(tmp_path / "x.npy")], []).shape == (2, 3)
