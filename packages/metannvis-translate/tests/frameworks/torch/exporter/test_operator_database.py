"""A few rows of PyTorch's operator database, of which ``tox -e torch-operators`` runs all, against the tables of what does not pass."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

#: One operator of each kind of correction, and one that is refused.
NAMES = ("remainder", "logaddexp", "scatter_reduce.mean", "nn.functional.batch_norm", "histogram")


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


def test_what_does_not_pass_has_a_reason(suite: Any) -> None:
    for framework in suite.FRAMEWORKS:
        for name, (status, reason) in suite.read_table(framework).items():
            assert status in ("refused", "skipped", "wrong", "crashed", "not run") and reason, name
