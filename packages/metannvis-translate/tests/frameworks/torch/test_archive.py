"""Exported programs that would run code when they are opened are refused, and honest ones are not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from metannvis_translate import UntrustedModelError, load_model
from metannvis_translate.frameworks.requirements import require

torch: Any = require("torch")
SPRUNG = f"__import__('sys').modules['{__name__}'].Trap.spring() or "


class Trap:
    sprung = False

    @classmethod
    def spring(cls) -> None:
        cls.sprung = True

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.fc(x)).reshape(x.shape[0] * 3, 1)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.pt2"
    program = torch.export.export(Net().eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(program, path)
    Trap.sprung = False
    return path


def trapped(path: Path, change: Callable[[str, bytes], bytes], more: dict[str, bytes] | None = None) -> Path:
    bad = path.with_name("bad.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
        for name, content in (more or {}).items():
            target.writestr(name, content)
    return bad


def pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def refuse(path: Path, reason: str) -> None:
    with pytest.raises(UntrustedModelError, match=reason):
        load_model(path)
    assert not Trap.sprung


def test_an_honest_one_is_opened(good: Path) -> None:
    assert load_model(good)(torch.zeros(5, 4)).shape == (15, 1)


def test_sample_inputs_that_are_objects(good: Path) -> None:
    refuse(trapped(good, lambda n, b: pickled(Trap()) if "sample_inputs" in n else b), "more than tensors")


def test_sizes_that_are_python(good: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b'"expr_str": "', b'"expr_str": "' + SPRUNG.encode(), 1)

    refuse(trapped(good, change), "no arithmetic")


def test_names_that_are_python(good: Path) -> None:
    refuse(trapped(good, lambda n, b: b.replace(b'"relu"', b'"relu = 1\\n    spring()"')), "is no name")


def test_factories_that_are_imported(good: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        graph = json.loads(content)
        graph["graph_module"]["signature"]["more"] = json.dumps({"default_factory_module": "trap"})
        return json.dumps(graph).encode()

    refuse(trapped(good, change), "defaultdict")


def test_a_name_that_is_there_twice(good: Path) -> None:
    with zipfile.ZipFile(good) as archive:
        name = next(name for name in archive.namelist() if "sample_inputs" in name)
    refuse(trapped(good, lambda n, b: b, {name.upper(): pickled(Trap())}), "2 times")


def test_the_form_of_earlier_versions(good: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(good) as archive:
        graph = archive.read(next(name for name in archive.namelist() if name.endswith("models/model.json")))
    path = tmp_path / "early.pt2"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("version", "8.14")
        target.writestr("serialized_exported_program.json", graph)
        for part in ("state_dict", "constants", "example_inputs"):
            target.writestr(f"serialized_{part}.pt", pickled(Trap()))
    refuse(path, "more than tensors")
