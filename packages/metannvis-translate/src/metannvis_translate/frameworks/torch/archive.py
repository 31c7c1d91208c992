"""Exported programs (``.pt2``): what is loaded is what was checked.

``torch.export.load`` unpickles what lies beside the graph (weights, constants, sample inputs, and all of a file of
PyTorch 2.7), loads compiled code, and turns much of the graph into Python. So an archive is read by one strict reader, each
member that PyTorch would take is checked, and a new archive is written from those alone. That one is loaded.
"""

from __future__ import annotations

import io
import json
import math
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from metannvis_translate.errors import DamagedFileError, InvalidModelError, UntrustedModelError
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.graph_json import read_json, rewritten_graph
from metannvis_translate.process.limits import check_limit
from metannvis_translate.reading.strict_zip import StrictZip

__all__ = ["checked_archive"]

MODEL = "model"
#: What says how the rest is to be read, with what may stand there.
LABELS = {
    "archive_format": re.compile(rb"pt2"),
    "archive_version": re.compile(rb"\d{1,4}"),
    "byteorder": re.compile(rb"little|big"),
    ".data/version": re.compile(rb"\d{1,4}\n?"),
    "version": re.compile(rb"[\d.]{1,12}\n?"),
    ".data/serialization_id": re.compile(rb"\d{1,64}"),
}
GRAPH = re.compile(r"models/([\w\-]+)\.json")
CONFIG = re.compile(r"data/(weights|constants)/[\w\-]+_(?:weights|constants)_config\.json")
PAYLOAD = re.compile(r"data/(?:weights/weight|constants/tensor)_\d+")
SAMPLES = re.compile(r"data/sample_inputs/[\w\-]+\.pt")
#: The whole of a file of PyTorch 2.7: a graph and pickles.
EARLY_GRAPH = "serialized_exported_program.json"
EARLY_PICKLE = re.compile(r"serialized_(?:state_dict|constants|example_inputs)\.(?:pt|json)")
#: Texts of the user's own, which nothing here needs.
EXTRA = re.compile(r"extra(?:_files)?/.+")
#: Bytes up to which the new archive lies in memory.
IN_MEMORY = 1 << 28


def checked_archive(path: Path) -> IO[bytes]:
    """The part of an exported program that loading needs, as an archive of its own.

    Parameters
    ----------
    path
        A ``.pt2`` file.

    Returns
    -------
    IO[bytes]
        A file without a name, or in memory, which vanishes when it is closed.

    Raises
    ------
    DamagedFileError
        It is no archive, is cut off, or its texts cannot be read.
    InvalidModelError
        It holds no exported program.
    UntrustedModelError
        It brings pickles of objects, compiled code, Python where sizes, names and operators belong, or can be read in two
        ways.
    """
    with StrictZip(path) as archive:
        check = _Check(archive)
        check.run()
        if check.reasons:
            raise UntrustedModelError(
                f"opening {path.name} would run code that it carries, or cannot be known not to: "
                f"{'; '.join(dict.fromkeys(check.reasons[:8]))}. Save it anew with torch.export.save, or give trust=True "
                "(--trust) if you trust whoever made it."
            )
        if check.early or f"models/{MODEL}.json" in check.kept:
            return check.written()
    raise InvalidModelError(f"{path.name} holds no exported program: there is no models/{MODEL}.json in it")


class _Check:
    """One archive: what of it is kept, and what speaks against it."""

    def __init__(self, archive: StrictZip) -> None:
        self.archive = archive
        self.reasons: list[str] = []
        #: Contents that are written anew, by name; ``None`` for numbers, which are copied as they are.
        self.kept: dict[str, bytes | None] = {}
        names = list(archive.members)
        self.early = EARLY_GRAPH in names
        # PyTorch takes the folder of the first member for that of all
        self.root = "" if self.early or not names else names[0].partition("/")[0] + "/"

    def run(self) -> None:
        for name in self.archive.members:
            if not name.startswith(self.root):
                self.reasons.append(f"{name} lies outside the folder {self.root!r} of the others")
                continue
            inner = name.removeprefix(self.root)
            if inner in LABELS:
                self._label(inner)
            elif (self.early and inner == EARLY_GRAPH) or (not self.early and GRAPH.fullmatch(inner)):
                graph = read_json(self._text(inner), f"{inner} in {self.archive.path.name}")
                self._keep(inner, json.dumps(self._graph(graph)).encode())
            elif self.early and EARLY_PICKLE.fullmatch(inner):
                self._pickle(inner)
            elif not self.early and CONFIG.fullmatch(inner):
                self._config(inner)
            elif not self.early and SAMPLES.fullmatch(inner):
                self._pickle(inner)
            elif not self.early and PAYLOAD.fullmatch(inner):
                self._keep(inner, None)
            elif not EXTRA.fullmatch(inner):
                self.reasons.append(_unknown(inner))

    def _keep(self, inner: str, content: bytes | None) -> None:
        """Note a member for the new archive, unless it belongs to another program than the one that is loaded."""
        of = re.search(r"([\w\-]+?)(?:_weights_config|_constants_config)?\.(?:json|pt)", inner)
        if self.early or content is None or inner in LABELS or (of is not None and of[1] == MODEL):
            self.kept[inner] = content

    def _text(self, inner: str) -> bytes:
        size = self.archive.members[self.root + inner].size
        check_limit("text_bytes", size, f"{inner} in {self.archive.path.name} has bytes:")
        return self.archive.read(self.root + inner)

    def _label(self, inner: str) -> None:
        content = self._text(inner) if self.archive.members[self.root + inner].size < 100 else b""
        if LABELS[inner].fullmatch(content):
            self._keep(inner, content)
        else:
            self.reasons.append(f"{inner} says {content[:40]!r}")

    def _graph(self, graph: Any) -> Any:
        try:
            return rewritten_graph(graph, self.reasons.append)
        except RecursionError as error:
            raise DamagedFileError(f"a graph in {self.archive.path.name} is nested too deep") from error

    def _config(self, inner: str) -> None:
        """Which member holds which tensor: numbers only, each in the file."""
        folder = inner.rpartition("/")[0]
        config = read_json(self._text(inner), f"{inner} in {self.archive.path.name}")
        entries = config.get("config") if isinstance(config, dict) else None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise DamagedFileError(f"{inner} in {self.archive.path.name} is no list of tensors")
        for key, entry in entries.items():
            place = f"{folder}/{entry.get('path_name')}"
            if entry.get("use_pickle") is not False:
                self.reasons.append(f"{key!r} is a pickle")
            elif not PAYLOAD.fullmatch(place):
                self.reasons.append(f"{key!r} is an object, {str(entry.get('path_name'))[:60]!r}")
            elif self.root + place not in self.archive.members:
                raise DamagedFileError(f"{self.archive.path.name}: {place}, which holds {key!r}, is not there")
            else:
                self._extent(key, entry, self.archive.members[self.root + place].size)
        self._keep(inner, json.dumps(self._graph(config)).encode())

    def _extent(self, key: str, entry: dict[str, Any], size: int) -> None:
        """A tensor without a byte has no element; PyTorch would make one of zeros, as large as it says."""
        meta = entry.get("tensor_meta")
        axes = meta.get("sizes") if isinstance(meta, dict) else None
        if not isinstance(axes, list) or not all(
            isinstance(a, dict) and isinstance(a.get("as_int"), int) for a in axes
        ):
            raise DamagedFileError(f"{self.archive.path.name}: {key!r} states no shape")
        sizes = [axis["as_int"] for axis in axes]
        what = f"{self.archive.path.name}: bytes of {key!r}, written out:"
        check_limit("weight_bytes", math.prod(max(n, 0) for n in sizes), what, at_least=size)
        if size == 0 and 0 not in sizes:
            raise DamagedFileError(f"{self.archive.path.name}: {key!r} states the shape {sizes}, but holds nothing")

    def _pickle(self, inner: str) -> None:
        content = self._text(inner)
        if not content:
            self._keep(inner, content)
            return
        torch = require("torch")
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
                value = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001  # whatever it is, PyTorch would go on to open it without restriction
            self.reasons.append(f"{inner} is a pickle of more than tensors")
            return
        buffer = io.BytesIO()
        torch.save(value, buffer)
        self._keep(inner, buffer.getvalue())

    def written(self) -> IO[bytes]:
        """The new archive, ready to be read."""
        file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target:
                for inner, content in self.kept.items():
                    name = inner if self.early else f"package/{inner}"
                    with target.open(name, "w", force_zip64=True) as member:
                        for piece in self._pieces(inner, content):
                            member.write(piece)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _pieces(self, inner: str, content: bytes | None) -> Iterator[bytes]:
        yield from self.archive.chunks(self.root + inner) if content is None else [content]


def _unknown(inner: str) -> str:
    if inner.startswith("models/"):
        return f"{inner} is a graph of another name than *.json"
    if inner.startswith("data/aotinductor/"):
        return f"it holds compiled code, {inner}"
    if inner.endswith((".pt", ".pkl")):
        return f"{inner} is a pickle"
    return f"nothing is known of its member {inner}"
