"""Whatever is wrong with a file, or with what a caller hands over, is said by an error of ours with the library's as its cause."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from metannvis_translate import (
    DamagedFileError,
    EquivalenceError,
    InvalidArgumentError,
    InvalidModelError,
    MetannvisError,
    load_model,
    save_model,
    translate,
)
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.reading.array_files import read_npy, read_npz
from metannvis_translate.reading.text_files import parse_json, read_text

from ..frameworks.onnx.graph_bombs import model, node

X = np.ones((2, 4), np.float32)
GARBAGE = (
    b"",
    b"nothing of use",
    b"PK\x03\x04" + b"\0" * 40,
    b"\x89HDF\r\n\x1a\n" + b"\xff" * 200,
    b"\x80\x02}q\x00.",
    b"\x0a\xff\xff",
)


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2", "net.pt", "net.keras", "net.h5"])
@pytest.mark.parametrize("content", GARBAGE, ids=range(len(GARBAGE)))
def test_bytes_of_no_use(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MetannvisError):
        translate(load_model(tmp_path / name, architecture="torch.nn:Identity"), "torch", example_inputs=X)


@pytest.mark.parametrize(
    ("member", "content", "error"),
    [
        ("config.json", b"{", DamagedFileError),
        ("config.json", b"[" * 100_000, DamagedFileError),
        ("config.json", b"[]", DamagedFileError),
        ("config.json", b"\xff", DamagedFileError),
        ("config.json", b"{}", InvalidModelError),
        ("config.json", json.dumps({"class_name": "Dense", "config": 3}).encode(), InvalidModelError),
        ("model.weights.h5", b"", DamagedFileError),
        ("model.weights.h5", b"nothing", DamagedFileError),
    ],
)
def test_parts_of_a_keras_file(tmp_path: Path, member: str, content: bytes, error: type[Exception]) -> None:
    keras = require("keras")
    require("tensorflow")
    save_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as old, zipfile.ZipFile(tmp_path / "bad.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    with pytest.raises(error, match=r"bad\.keras") as caught:
        load_model(tmp_path / "bad.keras")
    assert error is DamagedFileError or caught.value.__cause__ is not None


def test_a_saved_model_without_its_variables(tmp_path: Path) -> None:
    keras = require("keras")
    require("tensorflow")
    save_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), tmp_path / "saved")
    next((tmp_path / "saved" / "variables").glob("variables.data*")).write_bytes(b"\0" * 9)
    with pytest.raises(DamagedFileError, match="SavedModel saved"):
        load_model(tmp_path / "saved")


def test_an_error_of_a_converter_names_the_node() -> None:
    made = model([node("Transpose", ["x"], ["y"], name="turn", perm=[0, 3])])
    with pytest.raises(InvalidModelError, match="node 'turn' .Transpose"):
        translate(made, "torch", example_inputs=X, verify=False)


def test_where_only_the_target_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no kernel")

    monkeypatch.setattr(type(get_framework("torch")), "run", fails)
    with pytest.raises(EquivalenceError, match="PyTorch cannot run it .* RuntimeError: no kernel"):
        translate(model([node("Relu", ["x"], ["y"])]), "torch", example_inputs=X)


@pytest.mark.parametrize("inputs", [[[1, 2], [3]], {"x": [[1], [2, 3]]}, [np.ones(2), [[1], [2, 3]]], "text", object()])
def test_inputs_that_are_no_arrays(inputs: object) -> None:
    with pytest.raises(InvalidArgumentError, match="array of numbers"):
        translate(model([node("Relu", ["x"], ["y"])]), "torch", example_inputs=inputs)


# --- arrays and texts -----------------------------------------------------------------------------------------------------


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "e": np.zeros((0, 3)),
        "s": np.float32(2),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    for name, array in read_npz(tmp_path / "a.npz").items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)
        np.save(tmp_path / "a.npy", array)
        back = read_npy(tmp_path / "a.npy")
        np.testing.assert_array_equal(back, array, strict=True)
        back[...] = 1  # the caller's own


@pytest.mark.parametrize("shape", [(10**12,), (2, -3), (3,), (7,), (2**62, 8)])
def test_a_header_that_lies(tmp_path: Path, shape: tuple[int, ...]) -> None:
    from numpy.lib import format as npy

    with (tmp_path / "a.npy").open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        file.write(np.arange(6.0).tobytes())
    with pytest.raises(DamagedFileError, match=r"a\.npy"):
        read_npy(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "a.npy")
    with pytest.raises(DamagedFileError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


def test_two_arrays_of_one_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        warnings.simplefilter("ignore", UserWarning)
        archive.write(tmp_path / "a.npy", "a.npy")
        archive.write(tmp_path / "a.npy", "a.npy")
    with pytest.raises(DamagedFileError, match="'a' twice"):
        read_npz(tmp_path / "a.npz")


def test_texts(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe")
    assert read_text(tmp_path / "t") == "Größe"
    (tmp_path / "t").write_bytes(b"\xff")
    with pytest.raises(DamagedFileError, match="no text in UTF-8"):
        read_text(tmp_path / "t")
    for text in ("{", "[" * 100_000):
        with pytest.raises(DamagedFileError, match="labels cannot be read as JSON"):
            parse_json(text, "labels")


@pytest.mark.parametrize("header", [b"{'descr': (", b"{", b"\xff", b"{'descr': 'O'}", b"3"])
def test_a_header_that_is_none(tmp_path: Path, header: bytes) -> None:
    text = header.ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 8)
    with pytest.raises(DamagedFileError, match=r"a\.npy"):
        read_npy(tmp_path / "a.npy")
