"""IDX files, the format of MNIST and its kin, plain or compressed by gzip."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import DamagedFileError, LimitError
from metannvis_translate.process import check_limit, current_limits

__all__ = ["is_idx", "read_idx"]

Array = np.ndarray[Any, Any]
#: Numbers, by the third byte of a file, the most significant byte first.
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
#: ``t10k-images-idx3-ubyte``, ``t10k-images.idx3-ubyte.gz``, ``digits.idx``.
_NAME = re.compile(r".*(?:[-.]idx\d?(?:[-.]u?byte)?|[-.]ubyte)(?:\.gz)?", re.IGNORECASE)


def is_idx(path: Path) -> bool:
    """Whether a file's name is that of an IDX file."""
    return _NAME.fullmatch(path.name) is not None


def read_idx(path: Path) -> Array:
    """The array in an IDX file, in the machine's order of bytes.

    Raises
    ------
    DamagedFileError
        It is none, or is longer or shorter than it says.
    LimitError
        It unpacks to more than the limit ``unpacked_bytes``.
    """
    data = _unpacked(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in DTYPES or not 1 <= data[3] <= 8:
        raise DamagedFileError(f"{path.name} is no IDX file: it begins with {data[:4].hex(' ') or 'nothing'}")
    dtype, axes = np.dtype(DTYPES[data[2]]), data[3]
    head = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(data[4:head], ">u4")) if len(data) >= head else ()
    if len(shape) != axes or head + math.prod(shape) * dtype.itemsize != len(data):
        raise DamagedFileError(
            f"{path.name} is damaged: it says that it holds {' × '.join(map(str, shape))} numbers, and has {len(data)} bytes"
        )
    found: Array = np.frombuffer(data, dtype, offset=head).reshape(shape)
    return found.astype(dtype.newbyteorder("="))


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    size = path.stat().st_size
    if not packed:
        check_limit("unpacked_bytes", size, f"{path.name} has bytes:", at_least=size)
        return path.read_bytes()
    most = max(current_limits().unpacked_bytes, size)
    try:
        with gzip.open(path, "rb") as file:
            data = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(f"{path.name} cannot be unpacked: {error}") from error
    if len(data) > most:
        raise LimitError("unpacked_bytes", len(data), most, f"{path.name} unpacks to bytes, at least:")
    return data
