"""A few writers in each kind of trouble; `tox -e writers` has all of them."""

from __future__ import annotations

import pytest

from .writers.writer_checks import check_failures, check_killed_at, check_killed_at_random


@pytest.mark.parametrize("name", ["html", "onnx with data"])
def test_full_disk_and_no_rights(name: str) -> None:
    assert check_failures(name) >= {"file too large", "no rights"}


def test_killed_before_it_gets_its_name() -> None:
    check_killed_at("npz", "rename")


def test_killed_at_any_time() -> None:
    check_killed_at_random("npy", times=2, seed=0)
