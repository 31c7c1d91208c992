"""Backbones and tasks of keras-hub to PyTorch, in double precision and with the check in single: ``tox -e keras-hub``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate

from .members import MEMBERS, classes

#: What is refused, and the reason that is said.
TABLE = json.loads(Path(__file__).with_name("refused.json").read_text())
#: Said by keras-hub's own layers while they are made or called.
pytestmark = [
    pytest.mark.filterwarnings("ignore:(?s).*You are using a softmax over axis:UserWarning"),
    pytest.mark.filterwarnings(r"ignore:`build\(\)` was called on layer:UserWarning"),
    # of masks that pass through layers that take none
    pytest.mark.filterwarnings("ignore:(?s).*looks like it has unbuilt state:UserWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*was passed an input with a mask attached to it:UserWarning"),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MEMBERS)
def test_member(name: str, dtype: str) -> None:
    member = MEMBERS[name]
    model = member.model()
    first, other = member.batches
    inputs = member.inputs(model, first, 0)
    if name in TABLE:
        with pytest.raises(UnsupportedOperatorError, match=TABLE[name]):
            translate(model, "torch", example_inputs=inputs, dtype=dtype)
        return
    translation = translate(model, "torch", example_inputs=inputs, dtype=dtype)
    assert any("fixed" in note for note in translation.notes) == member.is_fixed, translation.notes
    report = check_equivalence(model, translation, member.inputs(model, other, 1), dtype=dtype)
    assert report.passed, str(report)


def test_every_class_has_a_row() -> None:
    rows = {name.partition(",")[0] for name in MEMBERS}
    assert classes() - rows == set()


def test_nearly_all_pass() -> None:
    assert len(TABLE) <= 0.05 * len(MEMBERS)
