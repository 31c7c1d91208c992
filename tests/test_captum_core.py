"""A core of ``tox -e captum-twins``: every class of Captum on a residual network, translated, against its native twin."""

from __future__ import annotations

import pytest
from metannvis_translate.frameworks import require

require("tensorflow")
from captum_cases import CASES  # noqa: E402
from captum_pairs import faults, pairs  # noqa: E402


@pytest.mark.parametrize("cls", CASES)
def test_ours_equals_the_twin(cls: str) -> None:
    assert faults(list(pairs("resnet", cls, "float64")), "float64") == []
