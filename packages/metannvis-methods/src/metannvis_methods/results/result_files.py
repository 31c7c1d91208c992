"""Results in ``.npz`` files, which run no code when they are read: arrays, and beside them plain values as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import DamagedFileError
from metannvis_translate.reading import parse_json, read_npz
from metannvis_translate.writing import replacing

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.plain import jsonable

__all__ = ["read_archive", "read_result", "write_archive", "write_result"]

FORMAT = 1


def write_archive(
    path: str | PathLike[str], arrays: Mapping[str, Any], meta: Mapping[str, Any], *, overwrite: bool = True
) -> Path:
    """Write arrays and, as the array ``meta``, a table of plain values; the path, with the ending added if it lacked it.

    Raises
    ------
    InvalidArgumentError
        The file exists and ``overwrite`` is off.
    WriteError
        It cannot be written; what was there is unchanged.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        path = path.with_name(path.name + ".npz")
    whole: dict[str, Any] = {**arrays, "meta": np.array(json.dumps(meta))}
    with replacing(path, overwrite=overwrite) as new, new.open("wb") as file:
        np.savez_compressed(file, **whole)
    return path


def read_archive(path: Path) -> tuple[dict[str, Any], Any]:
    """The arrays that :func:`write_archive` wrote, and the plain values.

    These are ``None`` if the file holds none, and an empty text if what stands in their place is no text.

    Raises
    ------
    DamagedFileError
        It cannot be read.
    LimitError
        It unpacks to more than ``metannvis_translate.Limits.unpacked_bytes``.
    """
    arrays = dict(read_npz(path))
    text = arrays.pop("meta", None)
    if text is None:
        return arrays, None
    return arrays, parse_json(str(text), f"meta in {path.name}") if text.dtype.kind == "U" and text.size == 1 else ""


def write_result(result: Any, path: str | PathLike[str], *, overwrite: bool = True) -> Path:
    """Write a dataclass; the path, with the ending added if it lacked it.

    Fields hold arrays, dicts of arrays, or what JSON holds.

    Raises
    ------
    InvalidArgumentError
        The file exists and ``overwrite`` is off.
    WriteError
        It cannot be written; what was there is unchanged.
    """
    arrays: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    for item in dataclasses.fields(result):
        value = getattr(result, item.name)
        if isinstance(value, np.ndarray):
            arrays[item.name] = value
        elif isinstance(value, Mapping) and value and all(isinstance(part, np.ndarray) for part in value.values()):
            arrays |= {f"{item.name}/{k}": part for k, part in enumerate(value.values())}
            meta[item.name] = {"keys": list(value)}
        else:
            meta[item.name] = {"value": jsonable(value)}
    about = {"format": FORMAT, "kind": type(result).__name__, "fields": meta}
    return write_archive(path, arrays, about, overwrite=overwrite)


def read_result(cls: type[Any], path: str | PathLike[str]) -> dict[str, Any]:
    """Fields of what :func:`write_result` wrote of a dataclass; lists are tuples.

    Raises
    ------
    InvalidArgumentError
        The file holds no such result, or one of another version.
    DamagedFileError
        It cannot be read, or a field is missing or too many.
    LimitError
        It unpacks to more than ``metannvis_translate.Limits.unpacked_bytes``.
    """
    path = Path(path)
    arrays, meta = read_archive(path)
    if not isinstance(meta, dict) or meta.get("kind") != cls.__name__:
        raise InvalidArgumentError(f"{path} holds no {cls.__name__}")
    if meta.get("format") != FORMAT:
        raise InvalidArgumentError(f"{path} was written by another version of metannvis-methods")
    found: dict[str, Any] = {}
    fields = meta.get("fields")
    try:
        for name, told in dict(fields or {}).items():
            if "keys" in told:
                found[name] = {key: arrays.pop(f"{name}/{k}") for k, key in enumerate(told["keys"])}
            else:
                found[name] = _tuples(told["value"])
    except (KeyError, TypeError) as error:
        raise DamagedFileError(f"{path.name} is damaged: a field cannot be read: {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biufU":
            raise DamagedFileError(f"{path.name} is damaged: its {name[:60]} holds {array.dtype}, not numbers")
    found |= arrays
    known = {item.name: item for item in dataclasses.fields(cls)}
    strange = sorted(set(found) - set(known))
    lacking = sorted(
        name
        for name, item in known.items()
        if name not in found and item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    )
    if strange or lacking:
        what = f"it lacks {', '.join(lacking)}" if lacking else f"no {cls.__name__} has {', '.join(strange)[:80]}"
        raise DamagedFileError(f"{path.name} is damaged: {what}")
    return found


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {key: _tuples(item) for key, item in value.items()} if isinstance(value, dict) else value
