"""Disk errors: what an error says of the disk, whichever library raises it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metannvis_translate.errors import MetannvisError, WriteError

__all__ = ["told"]

#: Errors of the disk; of all others, only those that name the file being written are taken for one.
#: With the words of libraries that bring their own; others take the system's, which are in the user's language.
OF_THE_DISK = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EFBIG: "File too large",
    errno.EIO: "Input/output error",
    errno.EROFS: "Read-only file system",
}


@contextmanager
def told(path: str | os.PathLike[str], within: Path | None = None) -> Iterator[None]:
    """Turn errors of the disk, and those that name the target or what is written for it, into a :class:`WriteError`."""
    try:
        yield
    except Exception as error:
        found = _of_the_disk(error, Path(path), within)
        if found is None:
            raise
        raise WriteError(found, path) from error


def _of_the_disk(error: BaseException, path: Path, within: Path | None) -> OSError | None:
    """The error of the disk behind an error, if that is what it was."""
    first: BaseException | None = error
    seen: list[BaseException] = []
    while first is not None and first not in seen:
        seen.append(first)
        if isinstance(first, OSError) and first.errno is not None:
            named = Path(os.fsdecode(first.filename)) if first.filename else None
            near = within is None or (named is not None and (named == within or within in named.parents))
            if near or (named in (None, path) and first.errno in OF_THE_DISK):
                return first
        first = first.__cause__ or (None if first.__suppress_context__ else first.__context__)
    if within is None or isinstance(error, MetannvisError):
        return None
    # libraries in C++ say it in words, or not at all
    for number, words in OF_THE_DISK.items():
        if words in str(error) or os.strerror(number) in str(error):
            return OSError(number, os.strerror(number))
    return _probe(within)


def _probe(written: Path) -> OSError | None:
    """What the disk says to one more mebibyte."""
    try:
        with (written / ".probe" if written.is_dir() else written).open("ab", buffering=0) as file:
            file.write(bytes(1 << 20))
            os.fsync(file.fileno())
    except OSError as error:
        return error if error.errno in OF_THE_DISK else None
    return None
