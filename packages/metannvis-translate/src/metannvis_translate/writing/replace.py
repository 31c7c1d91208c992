"""Replacement of files and folders in one step."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.writing.disk_errors import told
from metannvis_translate.writing.exchange import exchanged

__all__ = ["check_target", "replacing", "replacing_folder", "write_bytes"]

LONGEST = 255  # bytes of a name, on nearly every file system
ACCESS_LIST = "system.posix_acl_access"
NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def replacing(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    path
        The file to make or to replace. Symbolic links are followed; what is there keeps its permissions.
    overwrite
        Whether a file that exists may be replaced; one that somebody else makes in the meantime counts.

    Yields
    ------
    Path
        A new, empty file in the same folder and with the same ending, to be written in the block. It takes the place of
        ``path`` when the block ends, and is removed if the block raises. Pipes and devices hold nothing that could be lost:
        they are handed out themselves.

    Raises
    ------
    InvalidArgumentError
        The file exists and ``overwrite`` is not set.
    WriteError
        It cannot be written; the message says why. An ``OSError`` too.
    """
    with told(path):
        target, status = check_target(path, overwrite=overwrite)
    if status is not None and not stat.S_ISREG(status.st_mode):
        with told(path, within=target):
            yield target
        return
    new = _hidden(target)
    try:
        with told(path, within=new):
            os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # told before the work, not after it
            yield new
            _keep_permissions(new, target, status)
            _sync(new)
            _place(new, target, overwrite=overwrite, shown=path)
            _sync(target.parent)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


@contextmanager
def replacing_folder(
    path: str | os.PathLike[str], *, overwrite: bool = True, replaceable: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Write a folder whole or not at all; see :func:`replacing`.

    Parameters
    ----------
    path
        The folder to make or to replace; an empty one is taken without asking.
    overwrite
        Whether a folder that holds something may be replaced.
    replaceable
        Whether a folder that is there is of the kind that is written, and may go. All that it holds goes with it.

    Yields
    ------
    Path
        A new, empty folder beside it, to be filled in the block. Where the system can swap two folders in one step (Linux),
        there is always one of the two at ``path``; elsewhere none for a moment.

    Raises
    ------
    InvalidArgumentError
        The folder holds something and ``overwrite`` is not set, or is not ``replaceable``.
    WriteError
        It cannot be written; the message says why.
    """
    with told(path):
        target = Path(os.path.realpath(path))
        status = _status(target)
        if status is not None:
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.EEXIST, "a file of that name is there", str(target))
            _may_go(target, path, overwrite=overwrite, replaceable=replaceable)
    new = _hidden(target)
    try:
        with told(path, within=new):
            new.mkdir()
            yield new
            _keep_permissions(new, target, status)
            _sync_tree(new)
            if not _place_folder(new, target):  # it holds something
                _may_go(target, path, overwrite=overwrite, replaceable=replaceable)
                exchanged(new, target)  # what was there bears the hidden name now, and goes
            _sync(target.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview, *, overwrite: bool = True) -> None:
    """Write a file of these bytes, whole or not at all; see :func:`replacing`."""
    with replacing(path, overwrite=overwrite) as new:
        new.write_bytes(content)


def check_target(path: str | os.PathLike[str], *, overwrite: bool = True) -> tuple[Path, os.stat_result | None]:
    """Refuse a file that could not be written, before the work for it is done.

    Returns
    -------
    tuple
        The file that links lead to, and what the system says of it; ``None`` if it is not there yet.

    Raises
    ------
    InvalidArgumentError
        It exists and ``overwrite`` is not set.
    WriteError
        Its folder is missing or may not be written to, it is a folder itself, write-protected, or has too long a name.
    """
    with told(path):
        target = Path(os.path.realpath(path))
        status = _status(target)
        if status is None:
            folder = target.parent
            if not stat.S_ISDIR(folder.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "", str(folder))
            _check_right(folder)
            return target, None
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "", str(target))
        if not overwrite:
            raise _exists(path)
        # renaming asks for rights on the folder only; a file that its owner protected stays
        for needed in (target, target.parent) if stat.S_ISREG(status.st_mode) else (target,):
            _check_right(needed)
        return target, status


def _status(target: Path) -> os.stat_result | None:
    try:
        return target.stat()
    except FileNotFoundError:
        return None


def _exists(path: str | os.PathLike[str]) -> InvalidArgumentError:
    return InvalidArgumentError(f"{os.fspath(path)} exists already; give overwrite=True (--overwrite) to replace it")


def _check_right(path: Path) -> None:
    mode = os.W_OK | os.X_OK if path.is_dir() else os.W_OK
    if os.access(path, mode, effective_ids=os.access in os.supports_effective_ids):
        return
    fixed = hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY
    raise OSError(errno.EROFS if fixed else errno.EACCES, "", str(path))


def _may_go(
    target: Path, shown: str | os.PathLike[str], *, overwrite: bool, replaceable: Callable[[Path], bool] | None
) -> None:
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise _exists(shown)
    if replaceable is not None and not replaceable(target):
        raise InvalidArgumentError(
            f"the folder {os.fspath(shown)} holds other files, which would be lost: write to a new folder"
        )


def _hidden(target: Path) -> Path:
    """A name that nobody has, hidden, beside the target and with its ending, by which libraries choose a format."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) < LONGEST // 2 else ""
    rest = f"~{secrets.token_hex(6)}~tmp{suffix}"
    room = LONGEST - 1 - len(os.fsencode(rest))
    stem = os.fsencode(target.stem.lstrip("."))[:room].decode(errors="ignore")
    return target.with_name(f".{stem}{rest}")


def _keep_permissions(new: Path, target: Path, status: os.stat_result | None) -> None:
    if status is None:
        return
    own = new.stat()
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid) and hasattr(os, "chown"):
        with suppress(OSError):  # only root gives files away
            os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))
    if hasattr(os, "getxattr"):
        with suppress(OSError):  # it has none, or its file system does not
            os.setxattr(new, ACCESS_LIST, os.getxattr(target, ACCESS_LIST))


def _place(new: Path, target: Path, *, overwrite: bool, shown: str | os.PathLike[str]) -> None:
    if overwrite:
        new.replace(target)
        return
    try:
        os.link(new, target)  # the one call that never replaces
    except FileExistsError:
        raise _exists(shown) from None
    except OSError:  # no hard links on this file system
        if os.path.lexists(target):
            raise _exists(shown) from None
        new.rename(target)


def _place_folder(new: Path, target: Path) -> bool:
    """Rename to a name that is free or an empty folder; whether it was."""
    try:
        if os.name == "nt":
            with suppress(FileNotFoundError):
                target.rmdir()
        new.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk."""
    folder = path.is_dir()
    try:
        handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    except OSError:
        if folder:  # one that may be written but not read, and Windows, which opens none
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if not folder and error.errno not in NOT_SUPPORTED:
            raise
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(root, name))
        _sync(Path(root))
