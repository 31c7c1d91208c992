"""Shared by the tests of all packages: a skipped test fails unless its reason stands in a table."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

import pytest


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
