"""Backbones of ``transformers`` to Keras, in double precision and with the check in single: ``tox -e hugging-face``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate

from .members import MEMBERS

#: What is refused, and the reason that is said.
TABLE = json.loads(Path(__file__).with_name("keras.json").read_text())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MEMBERS)
def test_member(name: str, dtype: str) -> None:
    member = MEMBERS[name]
    model = member.make()
    if name in TABLE:
        with pytest.raises(UnsupportedOperatorError, match=TABLE[name]):
            translate(model, "keras", example_inputs=member.inputs(2, 0), dtype=dtype)
        return
    translation = translate(model, "keras", example_inputs=member.inputs(2, 0), dtype=dtype)
    assert not any("fixed" in note for note in translation.notes), translation.notes
    report = check_equivalence(model, translation, member.inputs(3, 1), dtype=dtype)
    assert report.passed, str(report)


def test_nearly_all_pass() -> None:
    assert len(TABLE) <= 0.05 * len(MEMBERS)
