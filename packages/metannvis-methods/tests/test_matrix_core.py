"""A twentieth of the matrix of methods and models; all of it: ``tox -e matrix``."""

from __future__ import annotations

import pytest
from metannvis_translate.frameworks.requirements import require

require("torch")
require("tensorflow")
from ..matrix.cells import Cell, outcome  # noqa: E402
from ..matrix.checks import fault, twentieth  # noqa: E402


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cell", list(twentieth()), ids=str)
def test_cell(cell: Cell) -> None:
    assert fault(cell, outcome(cell)) == ""
