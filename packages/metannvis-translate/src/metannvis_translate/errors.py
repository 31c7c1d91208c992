"""Errors: one tree for all packages.

::

    MetannvisError
    ├─ UnknownFrameworkError(TypeError)               the object is a model of no framework we know
    ├─ MissingFrameworkError(ImportError)             a framework or library is not installed
    ├─ UnsupportedOperatorError(NotImplementedError)  no converter for an operator or a layer
    ├─ EquivalenceError(ArithmeticError)              source and target disagree
    ├─ DamagedFileError(ValueError)                   the file is cut off, or is not what its name says
    ├─ InvalidModelError(ValueError)                  the file can be read, but what it holds is no valid model
    ├─ LimitError(ValueError)                         a file or graph comes to more than a limit; a caller can raise it
    ├─ UntrustedModelError(ValueError)                opening the file would run code, or cannot be known not to
    ├─ UnknownLayerError(LookupError)                 no layer of that name
    ├─ MissingArgumentError(ValueError)               an argument that is needed was not given
    ├─ InvalidArgumentError(ValueError)               an argument was given that cannot be used
    └─ WriteError(OSError)                            a file cannot be written; what was there is as it was

``metannvis_methods.errors`` adds its own below :class:`MetannvisError`. Every message says what was
wrong, where, and what to do.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metannvis_translate.equivalence.report import EquivalenceReport

__all__ = [
    "DamagedFileError",
    "EquivalenceError",
    "InvalidArgumentError",
    "InvalidModelError",
    "LimitError",
    "MetannvisError",
    "MissingArgumentError",
    "MissingFrameworkError",
    "UnknownFrameworkError",
    "UnknownLayerError",
    "UnsupportedOperatorError",
    "UntrustedModelError",
    "WriteError",
    "first_line",
    "near_misses",
]


class MetannvisError(Exception):
    """Base of every error that MetaNNvis raises on purpose."""


class UnknownFrameworkError(MetannvisError, TypeError):
    """The object is not a model of any framework that is known."""


class MissingFrameworkError(MetannvisError, ImportError):
    """A framework or library that this call needs is not installed."""


class UnsupportedOperatorError(MetannvisError, NotImplementedError):
    """No converter exists for an operator or a layer.

    Attributes
    ----------
    operator
        ONNX operator (``"Einsum"``) or layer class (``"keras.layers.ConvLSTM2D"``).
    opset
        Opset version the model asks for, ``None`` for a layer class.
    layer
        Name of the source layer that needs it, ``None`` if unknown.
    where
        ``file:line in function: code`` of the user's code that calls it, ``None`` if the exporter does not know.
    reason
        Why, ``""`` if it is only that there is none.
    """

    def __init__(
        self,
        operator: str,
        *,
        opset: int | None = None,
        layer: str | None = None,
        where: str | None = None,
        reason: str = "",
        hint: str = "",
    ) -> None:
        self.operator = operator
        self.opset = opset
        self.layer = layer
        self.where = where
        self.reason = reason
        what = f"{operator} (opset {opset})" if opset is not None else operator
        needed = f", needed by layer {layer!r}," if layer else ""
        at = f" [{where}]" if where else ""
        why = f": {reason}" if reason else ""
        super().__init__(f"{what}{needed} cannot be translated{why}{at}. {hint}".strip())


class EquivalenceError(MetannvisError, ArithmeticError):
    """Source and target disagree beyond the tolerance; ``report`` holds every figure."""

    def __init__(self, message: str, report: EquivalenceReport) -> None:
        super().__init__(message)
        self.report = report


class DamagedFileError(MetannvisError, ValueError):
    """A file is cut off or otherwise damaged, or is not what its name says."""


class InvalidModelError(MetannvisError, ValueError):
    """A file can be read, but what it holds is no valid model; the message names the node or the part of it."""


class LimitError(MetannvisError, ValueError):
    """A file or a graph comes to more than a limit, see :class:`metannvis_translate.Limits`.

    Attributes
    ----------
    limit
        Name of the limit (``"nodes"``).
    figure, bound
        What it comes to, and what is allowed.
    """

    def __init__(self, limit: str, figure: int, bound: int, what: str) -> None:
        def shown(number: int) -> str:
            return f"{number:,}" if number < 10**15 else f"{float(min(number, 10**300)):.1e}"

        super().__init__(
            f"{what} {shown(figure)}, and the limit {limit} is {shown(bound)}. If that is meant, raise it: "
            f"with metannvis_translate.limits({limit}=…): … (--limit {limit}=…)"
        )
        self.limit, self.figure, self.bound, self.what = limit, figure, bound, what

    def __reduce__(self) -> tuple[Any, ...]:
        return (LimitError, (self.limit, self.figure, self.bound, self.what))


class UntrustedModelError(MetannvisError, ValueError):
    """Opening the model would run code that it carries or touch files and processes, or cannot be known not to."""


class UnknownLayerError(MetannvisError, LookupError):
    """The model has no layer of that name; the message names close ones."""

    def __init__(self, name: object, known: Iterable[str], *, of: str = "the model") -> None:
        names = list(known)
        close = near_misses(str(name), names)
        if close:
            hint = f"Close: {', '.join(map(repr, close))}."
        elif names:
            shown = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "")
            hint = f"It has: {shown}."
        else:
            hint = "It has no layers."
        shows = " list_layers(model) shows them all." if names else ""
        super().__init__(f"no layer {name!r} in {of}. {hint}{shows}")
        self.name = name
        self.close = tuple(close)

    def __str__(self) -> str:  # LookupError would print the repr of the message
        return str(self.args[0])


class MissingArgumentError(MetannvisError, ValueError):
    """An argument that this call needs was not given."""


class InvalidArgumentError(MetannvisError, ValueError):
    """An argument was given that cannot be used."""


class WriteError(MetannvisError, OSError):
    """A file or folder cannot be written; what was there is as it was.

    ``errno`` is the system's number, ``strerror`` the reason in words, ``filename`` the file asked for.
    """

    def __init__(self, error: OSError, path: str | os.PathLike[str]) -> None:
        path = os.fspath(path)
        super().__init__(error.errno, _reason(error, path), path)

    def __str__(self) -> str:
        kept = " What was there is unchanged." if os.path.lexists(self.filename) else ""
        return f"{self.filename} was not written: {self.strerror}.{kept}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (WriteError, (OSError(self.errno, self.strerror, self.filename), self.filename))


def _reason(error: OSError, path: str) -> str:
    """Why a file cannot be written, and what to do."""
    if isinstance(error, WriteError):
        return str(error.strerror)
    folder = Path(os.path.realpath(path)).parent
    known = {
        errno.ENOSPC: "the disk is full; free some space, or write to another one",
        errno.EDQUOT: "your quota of the disk is used up; free some space, or write to another one",
        errno.EFBIG: "it is larger than a file may be, by the file system or by this process' limit (ulimit -f)",
        errno.EROFS: f"{folder} is on a file system that can only be read",
        errno.ENAMETOOLONG: "its name is too long for the file system",
        errno.ENOENT: f"the folder {folder} does not exist",
        errno.ENOTDIR: f"{folder} is not a folder",
        errno.EISDIR: "a folder of that name is there",
        errno.EEXIST: "a file of that name is there, where a folder is to be",
        errno.ELOOP: "its symbolic links lead in a circle",
    }
    if error.errno in (errno.EACCES, errno.EPERM):
        if error.filename == os.path.realpath(path):
            return "you have no right to write to it; it is write-protected"
        return f"you have no right to write to the folder {folder}"
    return known.get(error.errno or 0, error.strerror or str(error))


def near_misses(name: str, known: Iterable[str], *, most: int = 4) -> list[str]:
    """Names in ``known`` that a typist of ``name`` may have meant, best first."""
    names = list(dict.fromkeys(known))
    folded: dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.lower(), candidate)
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=most, cutoff=0.5)]
    if name:
        close += [c for c in names if name.lower() in c.lower() and c not in close]
    return close[:most]


def first_line(error: BaseException) -> str:
    """The first line of an error's message; empty if it has none."""
    return (str(error).strip().splitlines() or [""])[0]
