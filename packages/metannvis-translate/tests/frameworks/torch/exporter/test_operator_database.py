"""A few rows of PyTorch's operator database, of which ``tox -e torch-operators`` runs all, against the tables of what does not pass."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

#: One operator of each kind of correction, and one that is refused.
NAMES = (
    "remainder",
    "logaddexp",
    "scatter_reduce.mean",
    "nn.functional.batch_norm",
    "nanmedian",
    "erfinv",
    "masked_select",
    "histogram",
)


@pytest.fixture(scope="module")
def suite() -> Any:
    return importlib.import_module("packages.metannvis-translate.conformance.run_torch_operators")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_operators_do_what_the_table_says(suite: Any, framework: str) -> None:
    if framework == "keras":
        from metannvis_translate.frameworks.requirements import require

        require("tensorflow")
    table = suite.read_table(framework)
    for name in NAMES:
        outcome = suite.run_operator(name, [framework], 2)[framework]
        assert outcome.status == table.get(name, ("passed", ""))[0], f"{name}: {outcome.reason}"


def test_what_is_not_compared_concerns_an_operator(suite: Any) -> None:
    for pattern, _, _, targets, why in suite.NOT_COMPARED:
        assert any(re.fullmatch(pattern, name) for name in suite.operators()), pattern
        assert set(targets.split("|")) <= set(suite.FRAMEWORKS) and why, pattern


def test_the_page_of_the_documentation_has_the_tables_counts(suite: Any) -> None:
    outcomes = {
        framework: {
            name: suite.Outcome(*suite.read_table(framework).get(name, ("passed", ""))) for name in suite.operators()
        }
        for framework in suite.FRAMEWORKS
    }
    page = (Path(suite.__file__).parent.parent / "docs" / "torch_operators.md").read_text(encoding="utf-8")
    run = page.split("left out.\n\n")[1].split("\n\n## To Keras")[0]
    assert page == suite.documentation(outcomes, run)


def test_what_does_not_pass_has_a_reason(suite: Any) -> None:
    for framework in suite.FRAMEWORKS:
        for name, (status, reason) in suite.read_table(framework).items():
            assert status in ("refused", "skipped", "wrong", "crashed") and reason, name
