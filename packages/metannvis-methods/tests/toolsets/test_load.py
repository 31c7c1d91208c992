"""Toolkits that cannot be imported: what is told."""

from __future__ import annotations

from typing import Any

import pytest
from metannvis_methods.errors import MissingFrameworkError
from metannvis_methods.extras import HEADLESS
from metannvis_methods.registry.table import find_methods
from metannvis_methods.toolsets import load


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("libGL.so.1: cannot open shared object file: No such file or directory", True),
        ("cannot import name 'base' from 'pytorch_grad_cam'", False),
    ],
)
def test_an_opencv_that_lacks_a_desktop(monkeypatch: Any, reason: str, hint: bool) -> None:
    """Quantus' OpenCV in the place of grad-cam's: the lines that put it right."""
    (spec,) = find_methods("grad_cam", toolset="grad-cam")

    def fails(module: str) -> Any:
        raise ImportError(reason)

    monkeypatch.setattr(load, "import_quietly", fails)
    with pytest.raises(MissingFrameworkError) as told:
        load.load_class(spec)
    assert reason in str(told.value)
    assert (HEADLESS in str(told.value)) is hint
