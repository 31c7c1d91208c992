"""Exchange of two folders."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

__all__ = ["exchanged"]

AT_FDCWD = -100
RENAME_EXCHANGE = 2
#: What a kernel or a file system answers that cannot.
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def exchanged(new: Path, old: Path) -> None:
    """Give each folder the other's name: in one step on Linux, else in three, and back if one of them fails.

    Raises
    ------
    OSError
        Neither was possible; both are where they were.
    """
    if _at_once(new, old):
        return
    aside = new.with_name(f"{new.name}.old")
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)


def _at_once(new: Path, old: Path) -> bool:
    """By ``renameat2``, which Python has no name for; whether it could."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # glibc from 2.28, musl from 1.2.4
    if rename is None:
        return False
    names = (os.fsencode(new), os.fsencode(old))
    if rename(AT_FDCWD, ctypes.c_char_p(names[0]), AT_FDCWD, ctypes.c_char_p(names[1]), ctypes.c_uint(RENAME_EXCHANGE)):
        number = ctypes.get_errno()
        if number in CANNOT:
            return False
        raise OSError(number, os.strerror(number), str(old))
    return True
