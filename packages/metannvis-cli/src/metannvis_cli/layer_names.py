"""Names of a model file's layers, read without any framework, for the shell's completion."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

__all__ = ["layer_names"]

#: Bytes of a description of layers, at most.
LONGEST = 256 << 20


def layer_names(path: Path) -> list[str]:
    """Names as ``metannvis layers`` lists them, as far as the file says them plainly; empty if it does not.

    Parameters
    ----------
    path
        A ``.pt2``, ``.keras``, ``.h5`` or ``.onnx`` file. Weights are not read.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None or not path.is_file():
        return []
    try:
        return list(dict.fromkeys(read(path)))
    except Exception:  # noqa: BLE001  # a damaged file has no layers to complete, and nobody to tell it
        return []


def _of_exported_program(path: Path) -> Iterator[str]:
    """Modules that the operations of a graph stand in."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/models/model.json") and member.file_size <= LONGEST:
                program = json.loads(archive.read(member))
                for node in program["graph_module"]["graph"]["nodes"]:
                    stack = node.get("metadata", {}).get("nn_module_stack", "")
                    yield from (
                        row.split(",")[1]
                        for row in reversed(stack.split(";"))
                        if row.count(",") >= 2 and row.split(",")[1]
                    )


def _of_keras(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size <= LONGEST:
            yield from _of_config(json.loads(archive.read("config.json")))


def _of_hdf5(path: Path) -> Iterator[str]:
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs["model_config"]
    yield from _of_config(json.loads(text if isinstance(text, str) else text.decode()))


def _of_config(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Layers of a model's configuration; those within a model in it are called ``model/layer``."""
    inner = config["config"]
    for layer in inner.get("layers", ()) if isinstance(inner, dict) else ():
        if layer["class_name"] == "InputLayer":
            continue
        name = f"{prefix}{layer['config'].get('name') or layer.get('name')}"
        yield from _of_config(layer, f"{name}/")
        yield name


def _of_onnx(path: Path) -> Iterator[str]:
    """Names of the nodes of the graph: of the message's fields only those are read."""
    with path.open("rb") as file:
        for graph, end in _messages(file, path.stat().st_size, 7):
            file.seek(graph)
            for node, node_end in _messages(file, end, 1):
                file.seek(node)
                texts = {}
                for field, start, stop in _fields(file, node_end):
                    if field in (3, 4):
                        file.seek(start)
                        texts[field] = file.read(stop - start).decode("utf-8", "replace")
                if texts.get(3) and texts.get(4) != "Constant":
                    yield texts[3]


def _messages(file: IO[bytes], end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Where the values of a field of a Protobuf message begin and end."""
    for field, start, stop in _fields(file, end):
        if field == wanted:
            yield start, stop
            file.seek(stop)


def _fields(file: IO[bytes], end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a Protobuf message that have a length, and where their values begin and end."""
    while file.tell() < end:
        key = _varint(file)
        kind = key & 7
        if kind == 0:
            _varint(file)
        elif kind in (1, 5):
            file.seek(8 if kind == 1 else 4, 1)
        elif kind == 2:
            length = _varint(file)
            start = file.tell()
            yield key >> 3, start, start + length
            file.seek(start + length)
        else:
            raise ValueError("no Protobuf")


def _varint(file: IO[bytes]) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


_READERS = {
    ".pt2": _of_exported_program,
    ".keras": _of_keras,
    ".h5": _of_hdf5,
    ".hdf5": _of_hdf5,
    ".onnx": _of_onnx,
}
