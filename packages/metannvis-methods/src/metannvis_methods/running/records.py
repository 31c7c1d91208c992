"""Records of calls: the words, the model's file, the packages."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from metannvis_methods.errors import InvalidArgumentError, UnknownToolsetError
from metannvis_methods.registry.table import registry
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.record import Record
from metannvis_methods.running.translation_cache import stamp

__all__ = ["record_of", "recorded_file"]


def record_of(model: Any, words: Mapping[str, Any], result: Explanation) -> Record:
    """What a call was: words that were given, the file, versions of the packages that took part."""
    about: dict[str, Any] = {"framework": result.framework}
    if isinstance(model, (str, Path)):
        about |= {"file": str(model), "sha256": file_digest(Path(model))}
    return Record(words, about, versions(result.toolset))


def recorded_file(record: Record) -> Path:
    """The model file of a record.

    Raises
    ------
    InvalidArgumentError
        The record names none, or the file is gone or is another one by now.
    """
    if "file" not in record.model:
        raise InvalidArgumentError("the explanation is of a model in memory: give it, rerun(model)")
    path = Path(record.model["file"])
    if not path.exists():
        raise InvalidArgumentError(f"the model file {path} is gone: give the model, rerun(model)")
    if file_digest(path) != record.model.get("sha256"):
        raise InvalidArgumentError(
            f"{path} is not the file that was explained (its SHA-256 differs): give the model to mean, rerun(model)"
        )
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file, or of the files that a folder holds, in the order of their names."""
    return _digest(path.resolve(), stamp(path))


@functools.lru_cache(maxsize=64)
def _digest(path: Path, changed: tuple[int, int]) -> str:
    found = hashlib.sha256()
    for part in sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]:
        with part.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest() if path.is_dir() else b"")
            if not path.is_dir():
                return hashlib.file_digest(file, "sha256").hexdigest()
    return found.hexdigest()


@functools.lru_cache(maxsize=64)
def versions(toolset: str) -> Mapping[str, str]:
    """Versions of our packages, of the toolset's, and of those that they compute with."""
    try:
        theirs = registry.toolset(toolset).packages
    except UnknownToolsetError:  # one that was registered for this call, and is not any more
        theirs = ()
    packages = ("metannvis-translate", "metannvis-methods", "numpy", *theirs)
    known = metadata.packages_distributions()
    found = {}
    for package in packages:
        for name in dict.fromkeys([package, *known.get(package, ())]):
            try:
                found[name] = metadata.version(name)
                break
            except metadata.PackageNotFoundError:
                continue
    return found
