"""Four threads × every method of every toolset × both frameworks, on one model and on four: ``tox -e threads``."""

from __future__ import annotations

import pytest
from metannvis_methods import list_methods

from .thread_cases import CASES, Key
from .thread_checks import faults, mixed_faults


def name_of(key: Key) -> str:
    return "-".join(key)


def test_every_method_has_a_case() -> None:
    assert {(spec.toolset, spec.key) for spec in list_methods()} == set(CASES)


@pytest.mark.parametrize("models", [1, 4])
@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("key", CASES, ids=name_of)
def test_four_threads_at_one_method(key: Key, framework: str, models: int) -> None:
    assert faults(key, framework, models) == []


@pytest.mark.parametrize("models", [1, 4])
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_four_threads_at_all_methods(framework: str, models: int) -> None:
    assert mixed_faults(list(CASES), framework, models) == []
