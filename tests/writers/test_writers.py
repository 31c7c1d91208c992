"""Every writer on a full disk, killed, and without rights."""

from __future__ import annotations

import pytest

from .writer_checks import check_failures, check_killed_at, check_killed_at_random, has_small_disks
from .writer_rows import ROWS


@pytest.mark.parametrize("name", ROWS)
def test_full_disk_and_no_rights(name: str) -> None:
    tried = check_failures(name)
    assert tried == {"file too large", "no rights"} | ({"disk full"} if has_small_disks() else set())


@pytest.mark.parametrize("point", ["open", "sync", "rename"])
@pytest.mark.parametrize("name", ROWS)
def test_killed_at_a_point(name: str, point: str) -> None:
    check_killed_at(name, point)


@pytest.mark.parametrize("name", ROWS)
def test_killed_at_any_time(name: str) -> None:
    check_killed_at_random(name, times=3, seed=0)
