"""Methods that hook on modules are right on PyTorch networks that were not written for them."""

from __future__ import annotations

import pytest

from .canonical_pairs import CLASSES, TOLERANCE, figures, rows


@pytest.mark.parametrize(("network", "style", "cls"), rows())
def test_ours_equals_the_module_style_twin(network: str, style: str, cls: str) -> None:
    assert figures(network, style, cls).ours <= TOLERANCE


@pytest.mark.parametrize(("network", "style", "cls"), [row for row in rows() if row[2] in list(CLASSES)[:4]])
def test_in_single_precision_as_well(network: str, style: str, cls: str) -> None:
    assert figures(network, style, cls, "float32").ours <= TOLERANCE


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if "Shap" not in cls])
def test_captum_itself_is_off_or_raises_on_some(cls: str) -> None:
    found = [figures(*row).captum for row in rows() if row[2] == cls]
    assert any(isinstance(figure, str) or figure > 1e-2 for figure in found)
