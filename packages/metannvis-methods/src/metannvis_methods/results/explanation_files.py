"""Explanations in files: what is read is held against what an explanation consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import DamagedFileError

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.plain import jsonable
from metannvis_methods.results.record import Record, decoded, encoded
from metannvis_methods.results.result_files import read_archive
from metannvis_methods.vocabulary import WORDS

__all__ = ["DETAIL", "FORMAT", "KINDS", "Kind", "read_explanation", "recorded"]

FORMAT = 2
#: What the names of arrays that a method found beside its values begin with.
DETAIL = "detail_"
#: Versions that are read: the first had neither prediction, warnings nor record.
READ = (1, 2)
#: Most inputs or output tensors that one explanation has.
MOST_ARRAYS = 1000
NOTHING = type(None)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_axes(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_prediction(value: Any) -> bool:
    kinds: dict[str, Any] = {"class": int, "name": str, "probability": (int, float), "value": (int, float)}
    return isinstance(value, dict) and all(
        name in kinds and (item is None or isinstance(item, kinds[name])) for name, item in value.items()
    )


def _is_position(value: Any) -> bool:
    """One position in a dense output: a list would be a target a sample."""
    return isinstance(value, dict) and set(value) == {"position"} and isinstance(value["position"], list)


#: What each field is, as JSON has it.
FIELDS: dict[str, Callable[[Any], bool]] = {
    "axes": _is_axes,
    "input_axes": lambda value: value is None or _is_axes(value),
    "inputs": lambda value: value is None,  # an array otherwise, which stands beside
    "method": _is_text,
    "toolset": _is_text,
    "framework": _is_text,
    "kind": _is_text,
    "layer": lambda value: isinstance(value, str | NOTHING),
    "target": lambda value: isinstance(value, int | float | str | list | NOTHING) or _is_position(value),
    "labels": lambda value: value is None or (isinstance(value, list) and all(map(_is_text, value))),
    "translation": lambda value: isinstance(value, dict | NOTHING),
    "convergence_delta": lambda value: value is None,
    "seconds": lambda value: isinstance(value, int | float),
    "options": lambda value: isinstance(value, dict),
    "output": lambda value: isinstance(value, str | NOTHING),
    "prediction": lambda value: value is None or (isinstance(value, list) and all(map(_is_prediction, value))),
    "warnings": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "record": lambda value: isinstance(value, dict | NOTHING),
    "output_axes": lambda value: isinstance(value, str | NOTHING),
    "region": lambda value: value is None,
    "deviation": lambda value: value is None,
}
NEEDED = ("axes", "method", "toolset", "framework", "kind")


@dataclass(frozen=True)
class Kind:
    """What a result of its own has beside the fields of an explanation: as JSON holds them, and arrays with their axes."""

    fields: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    arrays: Mapping[str, int | None] = field(default_factory=dict)


#: Results of their own, by their names.
KINDS: dict[str, Kind] = {}


def read_explanation(path: Path) -> tuple[str | None, dict[str, Any]]:
    """The name of the result in an ``.npz`` file, ``None`` for an explanation, and its fields.

    Raises
    ------
    InvalidArgumentError
        The file holds no explanation, or one of another version.
    DamagedFileError
        It cannot be read, or a field is not what it has to be.
    """
    arrays, meta = read_archive(path)
    if meta is None:
        raise InvalidArgumentError(f"{path} holds no explanation")
    if not isinstance(meta, dict):
        raise DamagedFileError(f"{path.name} is damaged: its meta is no table of fields")
    if meta.pop("format", None) not in READ:
        raise InvalidArgumentError(f"{path} was written by another version of metannvis-methods")
    kind_name = meta.pop("type", None)
    if kind_name is not None and (not isinstance(kind_name, str) or kind_name not in KINDS):
        raise DamagedFileError(f"{path.name} is damaged: it holds a {str(kind_name)[:60]!r}, which no result is")
    kind = Kind() if kind_name is None else KINDS[kind_name]
    found: dict[str, Any] = {}
    for name in ("values", "inputs", "deviation"):
        count = meta.pop(f"{name}_count", None)
        if count is not None or name in arrays:
            found[name] = _arrays(arrays, name, count, path)
    for name in ("convergence_delta", "region", *kind.arrays):
        if name in arrays:
            found[name] = _number(arrays, name, path)
        if name in kind.arrays and found.get(name) is None and name not in kind.fields:
            raise DamagedFileError(f"{path.name} is damaged: its {name} is missing")
        axes = kind.arrays.get(name)
        if name in found and axes is not None and found[name].ndim != axes:
            raise DamagedFileError(f"{path.name} is damaged: its {name} has {found[name].ndim} axes, not {axes}")
    details = {name: _number(arrays, name, path) for name in arrays if name.startswith(DETAIL)}
    if details:
        found["details"] = {name.removeprefix(DETAIL): array for name, array in details.items()}
    _check(meta, found, path, kind)
    for name in ("axes", "input_axes", "labels", "prediction", "warnings", *kind.fields):
        if isinstance(meta.get(name), list):
            meta[name] = tuple(meta[name])
    meta["target"] = _read_target(meta.get("target"))
    if meta.get("record") is not None:
        meta["record"] = _record(meta["record"], arrays, path)
    return kind_name, {"inputs": None, "input_axes": None, **meta, **found}


def _arrays(arrays: Mapping[str, Any], name: str, count: Any, path: Path) -> Any:
    if count is None:
        return _number(arrays, name, path)
    if not isinstance(count, int) or not 0 < count <= MOST_ARRAYS:
        raise DamagedFileError(f"{path.name} is damaged: it says that it has {count!r} {name}")
    held = name != "inputs"  # an input that was held has no values
    return tuple(
        None if held and f"{name}_{k}" not in arrays else _number(arrays, f"{name}_{k}", path) for k in range(count)
    )


def _number(arrays: Mapping[str, Any], name: str, path: Path) -> Any:
    array = arrays.get(name)
    if array is None:
        raise DamagedFileError(f"{path.name} is damaged: its {name} is missing")
    if array.dtype.kind not in "biufc" and array.dtype != np.dtype("V2"):  # bfloat16, as NumPy writes it
        raise DamagedFileError(f"{path.name} is damaged: its {name} holds {array.dtype}, not numbers")
    return array


def _check(meta: Mapping[str, Any], found: Mapping[str, Any], path: Path, kind: Kind) -> None:
    fields = {**FIELDS, **kind.fields}
    missing = [name for name in NEEDED if name not in meta] + [name for name in ("values",) if name not in found]
    if missing:
        raise DamagedFileError(f"{path.name} is damaged: it lacks {', '.join(missing)}")
    for name, value in meta.items():
        if name not in fields:
            raise DamagedFileError(f"{path.name} is damaged: it has a field {name[:60]!r}, which no explanation has")
        if not fields[name](value):
            raise DamagedFileError(f"{path.name} is damaged: its {name} is {str(value)[:60]!r}")
    of_values = meta["axes"]
    for name, axes in (("values", of_values), ("inputs", meta.get("input_axes")), ("deviation", of_values)):
        of = found.get(name)
        parts = of if isinstance(of, tuple) else (of,)
        shapes = [() if array is None else array.shape for array in parts]
        letters = axes if isinstance(axes, list) else [axes] if axes is not None else []
        if of is not None and letters and [len(text) for text in letters] != [len(shape) for shape in shapes]:
            raise DamagedFileError(f"{path.name} is damaged: its {name} of the shapes {shapes} have the axes {letters}")


def written_target(target: Any) -> Any:
    """A target as JSON holds it: a position in a dense output is not a list of classes."""
    if isinstance(target, tuple):
        return {"position": jsonable(target)}
    return [written_target(item) for item in target] if isinstance(target, list) else jsonable(target)


def _read_target(found: Any) -> Any:
    if isinstance(found, list):
        return [_read_target(item) for item in found]
    return tuple(found["position"]) if _is_position(found) else found


def recorded(record: Record, arrays: dict[str, Any]) -> dict[str, Any]:
    """A record as JSON holds it; arrays among its words are added to ``arrays``."""

    def store(array: Any) -> str:
        name = f"word_{sum(known.startswith('word_') for known in arrays)}"
        arrays[name] = array
        return name

    words = {name: encoded(value, store, WORDS) for name, value in record.words.items()}
    return {"words": words, "model": dict(record.model), "versions": dict(record.versions)}


def _record(found: Mapping[str, Any], arrays: Mapping[str, Any], path: Path) -> Record:
    known = {name: _number(arrays, name, path) for name in arrays if name.startswith("word_")}
    try:
        words = {str(name): decoded(value, known, WORDS) for name, value in found["words"].items()}
        return Record(words, dict(found["model"]), dict(found["versions"]))
    except (KeyError, TypeError, ValueError, AttributeError, InvalidArgumentError) as error:
        raise DamagedFileError(f"{path.name} is damaged: its record cannot be read: {error}") from error
