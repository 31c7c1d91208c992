"""Module scopes: the path of the module that made a node, as an exporter writes it down."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["PREFIX", "scope_of", "torchscript_scope"]

#: What the wrapper around the model puts before the path of every module.
PREFIX = "model."


def scope_of(name_scopes: str) -> str:
    """Path of the innermost module from the exporter's list of scopes."""
    scopes = re.findall(r"'([^']*)'", name_scopes)[:-1]
    inner = [scope for scope in scopes if scope.startswith(PREFIX)]
    return inner[-1].removeprefix(PREFIX) if inner else ""


def torchscript_scope(name: str, known: set[str]) -> str:
    """Path of the innermost module from a TorchScript node name, ``/model/blk/blk.0/conv/Conv``."""
    parts = [part for part in name.split("/")[:-1] if part]
    if parts and parts[0] == PREFIX.rstrip("."):
        parts = parts[1:]
    path = ""
    for part in parts:
        bare = re.sub(r"_\d+$", "", part)
        # the children of a sequence that is the whole model are called after the wrapper's attribute
        spellings = (part, bare, part.removeprefix(PREFIX), bare.removeprefix(PREFIX)) if not path else (part, bare)
        found = (longer for spelt in spellings for longer in _joined(path, spelt) if longer in known)
        path = next(found, path)
    return path


def _joined(path: str, part: str) -> Iterator[str]:
    """A path continued by a part, which says the end of the path again where modules stand in nested sequences."""
    have, more = path.split(".") if path else [], part.split(".")
    for again in reversed(range(len(more))):
        if have[len(have) - again :] == more[:again]:
            yield ".".join((*have, *more[again:]))
    yield part
