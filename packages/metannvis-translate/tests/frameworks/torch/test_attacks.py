"""Exported programs and state dicts that would run code are refused before anything happens (see ``guarded.py``)."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from metannvis_translate.frameworks.requirements import require

from tests import guarded

from .attacks import ATTACKS, Attack, Bomb, packed, unpacked, write

torch: Any = require("torch")

Once = Callable[[str, Callable[[Path], object]], Path]


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)
        torch.nn.init.constant_(self.fc.weight, 0.5)  # no unit is dead
        self.scale = torch.ones(3)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.fc(x) * self.scale).reshape(x.shape[0], 3, 1)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("honest") / "honest.pt2"
    program = torch.export.export(Net().eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def outcomes(honest: Path, once: Once) -> dict[str, guarded.Outcome]:
    def make(folder: Path) -> None:
        what = {"to": ["onnx"], "shapes": [[2, 4]]}
        jobs = {attack.name: {"path": str(write(attack, honest, folder)), **what} for attack in ATTACKS}
        guarded.open_guarded(jobs, [{"path": str(honest), **what}], folder)

    return guarded.outcomes_in(once("attacks-torch", make))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_runs(attack: Attack, outcomes: dict[str, guarded.Outcome]) -> None:
    guarded.check(outcomes[attack.name], refused=attack.refused)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_that_was_packed_anew_is_opened(honest: Path, tmp_path: Path, method: int) -> None:
    from metannvis_translate import load_model

    path = tmp_path / "again.pt2"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in unpacked(honest).items():
            archive.writestr(name, content)
    x = torch.randn(5, 4)
    assert torch.equal(load_model(path)(x), load_model(honest)(x))


@pytest.mark.parametrize("length", [0, 10, 1000, -1, -30])
def test_a_file_that_is_cut_off_is_damaged(honest: Path, tmp_path: Path, length: int) -> None:
    from metannvis_translate import DamagedFileError, load_model

    path = tmp_path / "cut.pt2"
    path.write_bytes(honest.read_bytes()[:length])
    with pytest.raises(DamagedFileError, match=r"cut\.pt2"):
        load_model(path)


def test_a_changed_byte_is_damage(honest: Path, tmp_path: Path) -> None:
    from metannvis_translate import DamagedFileError, load_model

    content = bytearray(packed(unpacked(honest)))
    content[content.index(b"graph_module") + 3] ^= 1
    path = tmp_path / "flipped.pt2"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="checksum"):
        load_model(path)


def test_state_dicts_that_are_pickles_of_objects(tmp_path: Path) -> None:
    from metannvis_translate import UntrustedModelError, load_model

    path, canary = tmp_path / "bomb.pt", tmp_path / "canary"
    torch.save({"weight": Bomb(str(canary))}, path)
    with pytest.raises(UntrustedModelError, match="pickle"):
        load_model(path, architecture="collections:OrderedDict")
    assert not canary.exists()


def test_a_script_that_pretends_to_be_a_state_dict(tmp_path: Path) -> None:
    """PyTorch's reader sees TorchScript where Python's sees a state dict: restricted reading refuses both."""
    from metannvis_translate import MetannvisError, load_model

    script, plain, path = tmp_path / "script.pt", tmp_path / "plain.pt", tmp_path / "both.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), script)
    torch.save({"weight": torch.zeros(2)}, plain)
    for content in (script.read_bytes() + plain.read_bytes(), plain.read_bytes() + script.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(MetannvisError):
            load_model(path)
