"""A core of ``tox -e captum-twins``: every class of Captum on a residual network against its native twin, and some networks
in PyTorch that were not written for methods that hook on modules."""

from __future__ import annotations

import pytest
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
from ..captum_twins.canonical_pairs import TOLERANCE, figures  # noqa: E402
from ..captum_twins.captum_cases import CASES  # noqa: E402
from ..captum_twins.captum_pairs import faults, pairs  # noqa: E402


@pytest.mark.parametrize("cls", CASES)
def test_ours_equals_the_twin(cls: str) -> None:
    assert faults(list(pairs("resnet", cls, "float64")), "float64") == []


@pytest.mark.parametrize("cls", ["DeepLift", "GuidedBackprop", "Deconvolution", "LRP"])
@pytest.mark.parametrize("style", ["functional", "shared", "in place"])
def test_canonical_form_equals_the_module_style_twin(style: str, cls: str) -> None:
    assert figures("residual", style, cls).ours <= TOLERANCE
