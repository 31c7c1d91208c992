"""ONNX's node conformance suite through the importers: ``tox -e conformance``. Tables say what does not pass, and why."""

from __future__ import annotations

import pytest

from .run import Outcome, read_table, run_all, short, summary, table_path

FRAMEWORKS = [name for name in ("keras", "torch") if table_path(name).exists()]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def run(request: pytest.FixtureRequest) -> tuple[str, dict[str, Outcome]]:
    if request.param == "keras":
        from metannvis_translate.frameworks.requirements import require

        require("tensorflow")
    return request.param, run_all(request.param)


@pytest.mark.timeout(3600)
def test_nothing_is_wrong_and_every_refusal_is_documented(run) -> None:
    framework, outcomes = run
    bad = {name: o.reason for name, o in outcomes.items() if o.status in ("wrong", "crashed")}
    assert not bad, f"{framework}:\n{summary(outcomes)}"


def test_what_does_not_pass_is_in_the_table(run) -> None:
    framework, outcomes = run
    table = read_table(framework)
    refused = {name: short(outcome.reason) for name, outcome in outcomes.items() if outcome.status == "refused"}
    assert refused == table


#: How many of the 1,858 pass at least.
LEAST = {"keras": 1000, "torch": 1600}


def test_most_pass(run) -> None:
    framework, outcomes = run
    assert sum(outcome.status == "passed" for outcome in outcomes.values()) >= LEAST[framework], (
        f"{framework}:\n{summary(outcomes)}"
    )
