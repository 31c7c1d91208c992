"""Shared by the tests of all packages.

A skipped test fails unless its reason stands in a table. The rows that the core leaves to ``tox -e full`` are marked. What is
dear and does not change is made once for all processes that run the tests.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Examples that are drawn are the same at every run, and may take as long as the machine takes."""
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:  # an environment whose tests draw none
        return
    settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tests")


@dataclass(frozen=True)
class Skip:
    """One reason for which tests may be skipped.

    Parameters
    ----------
    reason : str
        Regular expression that the whole reason of the skip has to match.
    because : str
        Why the test cannot run there; that it would be slow or awkward is none.
    """

    reason: str
    because: str


SKIPS: tuple[Skip, ...] = (
    Skip(
        "onnx2keras is not installed",
        "another converter, an extra of its own that nothing else needs: tox -e onnx2keras",
    ),
    Skip("no CUDA device", "moving a model to another device is tested without one, on PyTorch's device of no values"),
)


def refuse_unlisted(report: pytest.TestReport | pytest.CollectReport, table: tuple[Skip, ...] = SKIPS) -> None:
    """Turn a skipped test or file into a failed one unless a row of `table` allows its reason."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = text.removeprefix("Skipped: ")
    if not any(re.fullmatch(row.reason, reason) for row in table):
        report.outcome = "failed"
        report.longrepr = f"skipped, and the reason stands in no row of SKIPS in conftest.py: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hold each test's outcome against the table."""
    report = yield
    refuse_unlisted(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Hold each file's outcome against the table: a skipped file hides all its tests."""
    report = yield
    refuse_unlisted(report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as ``full`` the rows of a table that ``core`` does not name, before ``-m "not full"`` looks at them."""
    tables: dict[tuple[Path, str], list[pytest.Function]] = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("core") is not None:
            tables[item.path, item.originalname].append(item)
    for (path, name), rows in tables.items():
        marker = rows[0].get_closest_marker("core")
        assert marker is not None
        named = set(marker.args)
        unknown = named - {row.callspec.id for row in rows}
        # one row chosen by its whole id on the command line is no sign of a mistake
        if unknown and len(rows) > 1:
            raise pytest.UsageError(f"{path.name}::{name}: core names rows that there are not: {sorted(unknown)}")
        for row in rows:
            if row.callspec.id not in named:
                row.add_marker(pytest.mark.full)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """``once(name, make)``: a folder that ``make`` has filled, in whichever of the processes came first."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def call(name: str, make: Callable[[Path], object]) -> Path:
        from filelock import FileLock

        folder, done = base / name, base / f"{name}.done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return call
