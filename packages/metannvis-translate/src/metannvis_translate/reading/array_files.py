"""``.npy`` and ``.npz`` files that others made: what they state is held against what they hold, before memory is taken.

Plain numbers only; nothing is unpickled.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from metannvis_translate.errors import DamagedFileError, MetannvisError
from metannvis_translate.process.limits import check_limit

__all__ = ["read_npy", "read_npz"]

Array = np.ndarray[Any, Any]
#: Characters of the header of an array; NumPy's own has a hundred or two.
LONGEST_HEADER = 10_000
#: What reading a file raises that is not what it says it is, in NumPy, zipfile and zlib.
DAMAGE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, SyntaxError, OverflowError, RecursionError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError, MemoryError, OSError,
)  # fmt: skip


def read_npy(path: Path) -> Array:
    """The array in a ``.npy`` file.

    Raises
    ------
    DamagedFileError
        It cannot be read as one, or states another size than it has.
    """
    with path.open("rb") as file, _damaged(path, "an array"):
        return _array(file, path.stat().st_size, path.name)


def read_npz(path: Path) -> Mapping[str, Array]:
    """The arrays in an ``.npz`` file, by name.

    Raises
    ------
    DamagedFileError
        It cannot be read as one; an array states another size than it has; two have one name.
    LimitError
        It unpacks to more than the limit ``unpacked_bytes``.
    """
    with path.open("rb") as file, _damaged(path, "arrays"), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        check_limit("unpacked_bytes", total, f"{path.name} unpacks to bytes:", at_least=path.stat().st_size)
        found: dict[str, Array] = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in found:
                raise DamagedFileError(f"{path.name} is damaged: it holds {name!r} twice")
            with archive.open(member) as packed:
                found[name] = _array(packed, member.file_size, f"{name} in {path.name}")
                packed.read(1)  # so that the checksum is looked at
        return found


@contextmanager
def _damaged(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except MetannvisError:
        raise
    except DAMAGE as error:
        said = str(error).strip().split("\n")[0][:300]
        raise DamagedFileError(f"{path.name} cannot be read as {what}: {said or type(error).__name__}") from error


def _array(file: IO[bytes], size: int, name: str) -> Array:
    """One array, its header read first."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    read = readers.get(version)
    if read is None:
        raise ValueError(f"its format is {version}, which is not known")
    shape, fortran, dtype = read(file, max_header_size=LONGEST_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    if any(n < 0 for n in shape):
        raise ValueError(f"it has the shape {shape}")
    needed = math.prod(shape) * dtype.itemsize
    header = file.tell()
    if needed != size - header:
        raise DamagedFileError(
            f"{name} is damaged: it states the shape {shape} of {dtype}, which takes {needed} bytes, but holds {size - header}"
        )
    # what is read is a copy of the file's bytes, which the caller may write to
    content = bytearray(needed)
    view, done = memoryview(content), 0
    while done < needed:
        piece = file.read(min(1 << 22, needed - done))
        if not piece:
            raise EOFError("it is cut off")
        view[done : done + len(piece)] = piece
        done += len(piece)
    array = np.frombuffer(content, dtype=dtype, count=math.prod(shape)) if needed else np.zeros(math.prod(shape), dtype)
    return array.reshape(shape[::-1]).transpose() if fortran else array.reshape(shape)
