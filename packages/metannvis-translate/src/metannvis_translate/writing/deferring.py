"""Deferred errors: a stream for writers that cannot bear an error."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["deferring"]


@contextmanager
def deferring(path: Path) -> Iterator[io.RawIOBase]:
    """A binary stream into a file whose errors are raised when the block ends.

    PyTorch's C++ writer ends the process if it meets a full disk while it cleans up after having met it. So it writes on, into
    nothing.
    """
    stream = _Deferring(path)
    try:
        yield stream
    except Exception as error:
        if stream.error is not None:
            raise stream.error from error
        raise
    finally:
        stream.close()
    if stream.error is not None:
        raise stream.error


class _Deferring(io.RawIOBase):
    """The stream of :func:`deferring`."""

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._file = path.open("wb", buffering=0)
        self._at = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if self.error is None:
            self._at = self._file.seek(offset, whence)
        elif whence != os.SEEK_END:  # nobody reads what is written from here on
            self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        done = 0
        while self.error is None and done < len(view):
            try:
                done += self._file.write(view[done:]) or 0
            except OSError as error:
                self.error = error
        self._at += len(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            try:
                self._file.close()
            except OSError as error:  # some network disks tell it only here
                self.error = self.error or error
        super().close()
