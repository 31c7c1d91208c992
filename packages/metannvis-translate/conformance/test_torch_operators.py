"""PyTorch's operator database through both targets: ``tox -e torch-operators``. Tables say what does not pass, and why."""

from __future__ import annotations

import pytest

from .run_torch_operators import FRAMEWORKS, operators, read_table, run_all, short, summary, table_path


@pytest.mark.parametrize("framework", [name for name in FRAMEWORKS if table_path(name).exists()])
@pytest.mark.timeout(14400)
def test_what_does_not_pass_is_in_the_table(framework, tmp_path) -> None:
    outcomes = run_all([framework], list(operators()), tmp_path / "results.jsonl")[framework]
    found = {name: (o.status, short(o.reason)) for name, o in outcomes.items() if o.status != "passed"}
    table = read_table(framework)
    # what is wrong tells a number that depends on the kernels: its operator and its status are compared
    assert {name: row[0] for name, row in found.items()} == {name: row[0] for name, row in table.items()}, summary(
        outcomes
    )
