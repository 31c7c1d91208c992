"""Some mutants of every kind; ``tox -e fuzz`` runs as many as one asks for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from campaign import run
from judging import BAD, KINDS
from samples import write_samples


def _bad(numbers: Iterable[int], folder: Path) -> dict[tuple[str, int], str]:
    write_samples(folder)
    mutants = [(kind, number) for number in numbers for kind in KINDS]
    outcomes = dict(run(mutants, folder))
    assert len(outcomes) == len(mutants)
    return {mutant: outcome for mutant, outcome in outcomes.items() if outcome.split()[0] in BAD}


def test_damaged_models_and_inputs_are_refused_in_words(tmp_path: Path) -> None:
    assert not _bad(range(8), tmp_path)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_more_of_them(tmp_path: Path) -> None:
    assert not _bad(range(8, 120), tmp_path)
