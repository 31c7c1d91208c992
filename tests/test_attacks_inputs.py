"""Arrays, images, labels and explanations that would run code or write files: nothing of it happens (see ``guarded.py``)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation
from PIL import Image

from . import guarded

Once = Callable[[str, Callable[[Path], object]], Path]
Change = Callable[[dict[str, bytes], Path], None]

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


class Bomb:
    """A pickle that leaves a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return (Path.touch, (self.canary,))


@dataclass(frozen=True)
class Attack:
    """A file for one of the readers; ``refused`` is None where it opens, and is what it seems to be."""

    name: str
    reader: str
    suffix: str
    make: Callable[[Path], bytes]
    refused: str | None


def npy(array: Any, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=pickled)
    return file.getvalue()


def pickled(canary: Path) -> bytes:
    bomb = np.empty(1, object)
    bomb[0] = Bomb(canary)
    return npy(bomb, pickled=True)


def header(text: str) -> bytes:
    """An array whose header is this text, an expression of Python as NumPy has it."""
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line


def evaluated(canary: Path) -> bytes:
    return header(f"{{'descr': open({str(canary)!r}, 'w').name, 'fortran_order': False, 'shape': (1,)}}")


def archive(*members: tuple[str, bytes], links: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if links else 0o600) << 16
            target.writestr(entry, content)
    return file.getvalue()


def explained(change: Change) -> Callable[[Path], bytes]:
    """A saved explanation, one of whose members is another."""

    def make(canary: Path) -> bytes:
        values = np.ones((1, 1, 4, 4), np.float32)
        saved = Explanation(
            values=values, axes="NCHW", inputs=values, input_axes="NCHW", target=[1], method="saliency", toolset="captum",
            framework="torch", kind="primary",
        ).save(canary.with_suffix(".honest.npz"))  # fmt: skip
        with zipfile.ZipFile(saved) as source:
            members = {name: source.read(name) for name in source.namelist()}
        change(members, canary)
        return archive(*members.items())

    return make


def member(name: str, content: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    return explained(lambda members, canary: members.update({name: content(canary)}))


def meta(change: Callable[[dict[str, Any], str], None]) -> Callable[[Path], bytes]:
    """A saved explanation that says something else of itself."""

    def changed(members: dict[str, bytes], canary: Path) -> None:
        stored = np.load(io.BytesIO(members["meta.npy"]))
        said = json.loads(str(stored))
        change(said, str(canary))
        members["meta.npy"] = npy(np.array(json.dumps(said)))

    return explained(changed)


def postscript(canary: Path) -> bytes:
    return (
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch {canary}) (w) file\n"
        f"({canary}) (w) file closefile\nshowpage\n%%EOF\n"
    ).encode()


def picture(kind: str, **options: Any) -> Callable[[Path], bytes]:
    def make(canary: Path) -> bytes:
        file = io.BytesIO()
        Image.fromarray(IMAGE).save(file, kind, **{key: value(canary) for key, value in options.items()})
        return file.getvalue()

    return make


def script(canary: Path) -> str:
    return f"<script>__import__('pathlib').Path({str(canary)!r}).touch()</script>$(touch {canary})`touch {canary}`"


DAMAGED, REFUSED = "DamagedFileError", "DamagedFileError|InvalidArgumentError|LimitError"
ATTACKS = (
    # arrays
    Attack("npy-pickle", "array", ".npy", pickled, DAMAGED),
    Attack("npy-bare-pickle", "array", ".npy", lambda canary: __import__("pickle").dumps(Bomb(canary)), DAMAGED),
    Attack("npy-header", "array", ".npy", evaluated, DAMAGED),
    Attack("npy-descr", "array", ".npy", lambda c: header("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}"), DAMAGED),
    Attack("npy-deep", "array", ".npy", lambda canary: header("(" * 60_000), DAMAGED),
    Attack("npz-pickle", "array", ".npz", lambda canary: archive(("a.npy", pickled(canary))), DAMAGED),
    Attack("npz-header", "array", ".npz", lambda canary: archive(("a.npy", evaluated(canary))), DAMAGED),
    Attack("npz-path", "array", ".npz", lambda canary: archive((f"..{canary}", npy(np.ones(3)))), None),
    Attack("npz-parent", "array", ".npz", lambda canary: archive((f"../{canary.name}", npy(np.ones(3)))), None),
    Attack("npz-link", "array", ".npz", lambda canary: archive(("a.npy", str(canary).encode()), links=True), DAMAGED),
    Attack("npz-twice", "array", ".npz", lambda canary: archive(("a.npy", npy(np.ones(3))), ("a", pickled(canary))), DAMAGED),
    Attack("npz-text", "array", ".npz", lambda canary: archive(("a.py", script(canary).encode())), DAMAGED),
    # explanations
    *(
        Attack(f"explanation-{name}-{what}", "explanation", ".npz", member(f"{name}.npy", content), DAMAGED)
        for name in ("meta", "values", "inputs")
        for what, content in (("pickle", pickled), ("header", evaluated))
    ),
    Attack("explanation-more", "explanation", ".npz", member("../more.npy", pickled), DAMAGED),
    Attack("explanation-text", "explanation", ".npz", meta(lambda m, c: m.update(method=script(Path(c)), labels=[script(Path(c))])), None),
    Attack("explanation-class", "explanation", ".npz", meta(lambda m, c: m.update(__class__="pathlib:Path.touch")), DAMAGED),
    Attack("explanation-types", "explanation", ".npz", meta(lambda m, c: m.update(target={"__reduce__": c}, axes=c)), REFUSED),
    # images
    *(Attack(f"postscript{suffix}", "image", suffix, postscript, REFUSED) for suffix in (".png", ".jpg", ".tif", ".webp")),
    *(
        Attack(f"image-{kind.lower()}", "image", ".png", picture(kind), REFUSED)
        for kind in ("EPS", "PDF", "ICNS", "PPM", "TGA", "PCX", "SGI")
    ),
    Attack("image-exif", "image", ".jpg", picture("JPEG", exif=lambda canary: b"Exif\0\0" + script(canary).encode()), None),
    Attack("image-comment", "image", ".jpg", picture("JPEG", comment=lambda canary: script(canary).encode()), None),
    Attack("image-svg", "image", ".png", lambda canary: f"<svg xmlns='http://www.w3.org/2000/svg'>{script(canary)}</svg>".encode(), REFUSED),
    # labels
    Attack("labels-text", "labels", ".txt", lambda canary: script(canary).encode(), None),
    Attack("labels-json", "labels", ".json", lambda canary: json.dumps([script(canary)]).encode(), None),
    Attack("labels-object", "labels", ".json", lambda canary: json.dumps({"py/object": str(canary)}).encode(), "is no index"),
    Attack("labels-deep", "labels", ".json", lambda canary: b"[" * 100_000, "Error"),
    Attack("labels-pickle", "labels", ".txt", lambda canary: __import__("pickle").dumps(Bomb(canary)), "Error"),
    Attack("labels-yaml", "labels", ".json", lambda canary: f"!!python/object/apply:os.system ['touch {canary}']".encode(), None),
)  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(once: Once) -> dict[str, guarded.Outcome]:
    def make(folder: Path) -> None:
        def job(attack: Attack, content: bytes, name: str) -> dict[str, Any]:
            path = folder / f"{name}{attack.suffix}"
            path.write_bytes(content)
            return {"path": str(path), "reader": f"tests.input_readers:{attack.reader}"}

        jobs = {a.name: job(a, a.make(folder / f"canary-{a.name}"), a.name) for a in ATTACKS}
        seen = {(a.reader, a.suffix): a for a in ATTACKS}.values()
        plain = {
            "array": {".npy": npy(np.ones(3)), ".npz": archive(("a.npy", npy(np.ones(3))))},
            "explanation": {".npz": explained(lambda members, canary: None)(folder / "plain")},
            "image": {suffix: picture("PNG")(folder) for suffix in (".png", ".jpg", ".tif", ".webp")},
            "labels": {".txt": b"a\nb\n", ".json": b'["a", "b"]'},
        }
        honest = [job(a, plain[a.reader][a.suffix], f"honest-{a.reader}") for a in seen]
        guarded.open_guarded(jobs, honest, folder)

    return guarded.outcomes_in(once("attacks-inputs", make))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_runs(attack: Attack, outcomes: dict[str, guarded.Outcome]) -> None:
    guarded.check(outcomes[attack.name], refused=attack.refused)


def test_they_would_if_somebody_let_them(tmp_path: Path) -> None:
    """The pickle is a real one."""
    (tmp_path / "a.npy").write_bytes(pickled(tmp_path / "canary"))
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert (tmp_path / "canary").exists()
