"""Some mutants of every kind, 500 of ONNX models to each target and 500 damaged files; ``tox -e fuzz`` runs as many as one asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from .campaign import run
from .judging import BAD, KINDS
from .samples import write_samples

COUNTS = {"onnx-torch": 250, "bytes-torch": 250, "onnx-keras": 250, "bytes-keras": 250, "files": 500}


def test_every_kind_is_here() -> None:
    assert set(COUNTS) == set(KINDS)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    """Or computes what both runtimes say; nothing else, such as a raw error, a crash, or 20 seconds of work."""
    write_samples(tmp_path)
    outcomes = dict(run([(kind, number) for number in range(COUNTS[kind])], tmp_path))
    assert len(outcomes) == COUNTS[kind]
    assert not {mutant: outcome for mutant, outcome in outcomes.items() if outcome.split()[0] in BAD}
