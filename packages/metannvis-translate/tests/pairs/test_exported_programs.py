"""Networks of the zoo as exported programs, saved and opened again: exact like the modules that they were made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, translate

from ..networks.torch import ZOO, randomize

#: said by PyTorch's own export of its recurrent layers
pytestmark = pytest.mark.filterwarnings("ignore:The tensor attributes .* were assigned during export")
#: One network of each kind.
ROWS = ("mnist", "lstm", "encoder", "structures", "in_place", "indexing", "shared_weights", "keywords")


@pytest.mark.core("mnist", "structures", "in_place")
@pytest.mark.parametrize("name", ROWS)
def test_saved_program_is_exact(name: str, tmp_path: Path) -> None:
    row = ZOO[name]
    model = randomize(row.make())
    given = row.given(2, np.random.default_rng(0))
    arrays = list(given.values()) if isinstance(given, dict) else given
    tensors = tuple(map(torch.from_numpy, arrays))
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, tensors, dynamic_shapes=tuple({0: batch} for _ in tensors))
    torch.export.save(program, tmp_path / "net.pt2")
    translation = translate(tmp_path / "net.pt2", "keras", dtype="float64", verify=False)
    assert not any("fixed" in note for note in translation.notes)
    for count in (1, 3):
        fresh = row.given(count, np.random.default_rng(count), "float64")
        report = check_equivalence(
            model, translation, list(fresh.values()) if isinstance(fresh, dict) else fresh, dtype="float64"
        )
        assert report.passed, str(report)
