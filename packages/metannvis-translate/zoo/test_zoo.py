"""Every member of the zoo, measured in a process of its own: ``tox -e zoo``, or ``tox -e zoo -- -k resnet``.

Rows are appended to the file that ``ZOO_RESULTS`` names, if it does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .measure import apart, summary
from .members import names


@pytest.mark.timeout(3700)
@pytest.mark.parametrize("name", names())
def test_member(name: str) -> None:
    row = apart(name)
    results = os.environ.get("ZOO_RESULTS")
    if results:
        with Path(results).open("a") as file:
            file.write(json.dumps(row) + "\n")
    assert row["passed"], summary(row) + "\n" + row.get("traceback", "")
