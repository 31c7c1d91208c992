"""Every method × every source × every kind of network: ``tox -e matrix``; a twentieth of it in ``tests/test_matrix_core.py``."""

from __future__ import annotations

import pytest

from .cells import Cell, cells, methods, outcome
from .checks import TWENTIETH, fault, twentieth
from .expected import NOTICES, REFUSALS
from .networks import NETWORKS, SOURCES


@pytest.mark.parametrize("cell", list(cells()), ids=str)
def test_cell(cell: Cell) -> None:
    assert fault(cell, outcome(cell)) == ""


def test_no_cell_is_left_out() -> None:
    every = list(cells())
    assert len(every) == len(set(every)) == len(NETWORKS) * len(SOURCES) * len(methods())


def test_every_row_of_the_tables_says_something() -> None:
    every = list(cells())
    assert all(any(row.matches(cell) for cell in every) for row in (*REFUSALS, *NOTICES))


def test_the_twentieth_has_some_of_everything() -> None:
    chosen = list(twentieth())
    assert len(chosen) == pytest.approx(len(list(cells())) / TWENTIETH, rel=0.3)
    assert {cell.source for cell in chosen} == set(SOURCES)
    assert {cell.network for cell in chosen} == set(NETWORKS)
