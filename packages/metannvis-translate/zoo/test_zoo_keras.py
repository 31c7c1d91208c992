"""Every family of ``keras.applications``, measured in a process of its own: ``tox -e zoo-keras``.

Rows are appended to the file that ``ZOO_RESULTS`` names, if it does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .keras_members import names
from .measure import apart, summary


@pytest.mark.timeout(3700)
@pytest.mark.parametrize("name", names())
def test_member(name: str) -> None:
    row = apart(name)
    results = os.environ.get("ZOO_RESULTS")
    if results:
        with Path(results).open("a") as file:
            file.write(json.dumps(row) + "\n")
    assert row["passed"], summary(row) + "\n" + row.get("traceback", "")
