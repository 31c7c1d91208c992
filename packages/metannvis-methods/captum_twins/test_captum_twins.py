"""Captum on translated Keras networks equals Captum on native PyTorch twins, for every class that attributes anything.

``tox -e captum-twins``; some of it runs with the tests of all packages (``packages/metannvis-methods/tests/test_captum_core.py``).
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections import Counter
from collections.abc import Iterator

import captum.attr
import pytest
import torch
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
from . import captum_pairs  # noqa: E402
from .captum_cases import APART, CASES  # noqa: E402
from .captum_networks import NETWORKS  # noqa: E402
from .captum_pairs import TOLERANCES, faults, methods_by_class, pairs, told  # noqa: E402


@pytest.fixture(scope="module")
def counts() -> Iterator[Counter[str]]:
    """How many pairs were compared and how many raised, printed at the end."""
    found: Counter[str] = Counter()
    yield found
    print(f"\n{told(found)}")


def test_every_class_has_a_row() -> None:
    public = {name: getattr(captum.attr, name) for name in captum.attr.__all__}
    bases = {base for cls in public.values() if inspect.isclass(cls) for base in cls.__mro__[1:]}
    attributing = {
        name
        for name, cls in public.items()
        if inspect.isclass(cls) and hasattr(cls, "attribute") and (cls not in bases or name in {*CASES, *APART})
    }
    assert attributing == {*CASES, *APART}
    assert set(methods_by_class()) == set(CASES)


@pytest.mark.parametrize("cls", CASES)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_ours_equals_the_twin(dtype: str, name: str, cls: str, counts: Counter[str]) -> None:
    found = list(pairs(name, cls, dtype))
    counts.update(pair.kind for pair in found)
    assert faults(found, dtype) == []


@pytest.mark.parametrize("cls", ["Saliency", "DeepLift", "FeatureAblation", "LayerConductance", "LRP", "KernelShap"])
def test_a_wrong_network_would_be_seen(cls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = captum_pairs.network("tanh_mlp", "float64")
    wrong = dataclasses.replace(right, twin=copy.deepcopy(right.twin))
    with torch.no_grad():
        wrong.twin.get_parameter("two.weight")[0, 0] *= 1.001
    monkeypatch.setattr(captum_pairs, "network", lambda name, dtype: wrong)
    assert faults(list(pairs("tanh_mlp", cls, "float64")), "float32")
