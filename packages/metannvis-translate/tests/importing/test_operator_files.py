"""Files of operators: the same operator lies in the file of the same name in every importer, and is named alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from metannvis_translate.frameworks.requirements import require

from ..cases.operators.table import ROWS

Key = tuple[str, str]

#: Files of operators that only one importer has, by name, and why the other needs none.
ALONE: dict[str, str] = {}


def registries() -> dict[str, Any]:
    require("torch")
    require("tensorflow")
    from metannvis_translate.frameworks.keras.importer.importer import KerasImporter
    from metannvis_translate.frameworks.torch.importer.importer import TorchImporter

    return {"torch": TorchImporter.registry, "keras": KerasImporter.registry}


def files_of(registry: Any) -> dict[Key, set[str]]:
    """(domain, operator) -> stems of the files that its converters, of all versions, lie in."""
    found: dict[Key, set[str]] = {}
    for row in registry:
        stem = row.function.__module__.rpartition(".")[2]
        found.setdefault((row.domain, row.operator), set()).add(stem)
    return found


def test_an_operator_lies_in_the_same_file_on_both_sides() -> None:
    torch, keras = (files_of(registry) for registry in registries().values())
    both = torch.keys() & keras.keys()
    assert len(both) > 150
    assert {key: (torch[key], keras[key]) for key in both if torch[key] != keras[key]} == {}


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_versions_of_an_operator_lie_together(to: str) -> None:
    assert {key: stems for key, stems in files_of(registries()[to]).items() if len(stems) > 1} == {}


def stems_of_files(to: str) -> set[str]:
    package = __import__(f"metannvis_translate.frameworks.{to}.importer.operators", fromlist=["__file__"])
    return {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}


def test_both_importers_have_the_same_files() -> None:
    torch, keras = (stems_of_files(to) for to in registries())
    assert torch ^ keras == ALONE.keys()


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_a_row_lies_in_the_file_named_as_that_of_its_operators_converters(to: str) -> None:
    stems = files_of(registries()[to])
    wrong = []
    for family, rows in ROWS.items():
        for case in rows:
            expected = stems.get((case.domain, case.operator), {family})  # one importer may lack the operator
            if expected != {family}:
                wrong.append((case.id, family, expected))
    assert wrong == []


def test_every_rows_operator_has_a_converter() -> None:
    known = {key for registry in registries().values() for key in files_of(registry)}
    assert {(case.domain, case.operator) for rows in ROWS.values() for case in rows} - known == set()


def test_every_file_of_converters_has_one_of_rows() -> None:
    assert set().union(*(stems_of_files(to) for to in registries())) == ROWS.keys()
    assert all(ROWS.values())


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_a_converter_is_named_as_its_operator_and_an_older_one_after_its_version(to: str) -> None:
    """``Squeeze`` is the newest, ``Squeeze_1`` the one before it."""
    rows = list(registries()[to])
    newest: dict[Key, int] = {}
    for row in rows:
        key = (row.domain, row.operator)
        newest[key] = max(newest.get(key, 0), row.since)
    wrong = []
    for row in rows:
        name = row.operator if row.since == newest[row.domain, row.operator] else f"{row.operator}_{row.since}"
        names = {name}
        if row.domain and ("", row.operator) in newest:  # the standard's operator of that name has another converter
            names.add(f"{name}_{row.domain}")
        if row.function.__name__ not in names:
            wrong.append((row.domain, row.operator, row.since, row.function.__name__))
    assert wrong == []
