"""Inputs from files: images, ``.npy`` and ``.npz``, in the shape and layout that the model declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate.reading import read_npy, read_npz

from metannvis_cli.declared import Declared
from metannvis_cli.images import SUFFIXES, read_image

__all__ = ["read_inputs"]

Array = np.ndarray[Any, Any]


def read_inputs(
    texts: Sequence[str],
    declared: Sequence[Declared],
    *,
    scale: str = "unit",
    crop: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Array | tuple[Array, ...] | None:
    """What ``--input`` options name.

    Parameters
    ----------
    texts
        ``FILE`` or ``NAME=FILE``. Several of one input become one batch.
    declared
        The model's inputs; empty if it declares none.
    scale, crop
        See :func:`~metannvis_cli.images.read_image`.
    note
        Told what was done to images.

    Returns
    -------
    array, or a tuple of one an input
        Batch first, in the model's own layout. ``None`` if no file was named.

    Raises
    ------
    InvalidArgumentError
        A file holds nothing that can be used, or its shape is not the model's.
    DamagedFileError, LimitError
        A file cannot be read, or unpacks to more than a limit.
    MissingArgumentError
        The model has several inputs, and not every one was given.
    """
    if not texts:
        return None
    names = [port.name for port in declared]
    parts: dict[str, list[Array]] = {}
    for text in texts:
        name, path = _named(text, names)
        for key, array in _arrays(path, name, declared, scale, crop, note):
            parts.setdefault(key, []).append(array)
    if len(names) > 1:
        missing = [name for name in names if name not in parts]
        if missing:
            raise MissingArgumentError(
                f"the model has {len(names)} inputs ({', '.join(names)}); without a file are: {', '.join(missing)}. "
                "Say --input NAME=FILE, or give an .npz that holds them by name"
            )
        return tuple(_batch(parts[name], name) for name in names)
    (name, arrays), *others = parts.items()
    if others:
        raise InvalidArgumentError(f"the model has one input, and {len(parts)} were given: {', '.join(parts)}")
    return _batch(arrays, name)


def _named(text: str, names: Sequence[str]) -> tuple[str | None, Path]:
    name, sign, rest = text.partition("=")
    if sign and name in names:
        return name, _existing(rest)
    return None, _existing(text)


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise click.BadParameter(f"no file at {text!r}", param_hint="--input")
    return path


def _arrays(
    path: Path, name: str | None, declared: Sequence[Declared], scale: str, crop: bool, note: Callable[[str], None]
) -> list[tuple[str, Array]]:
    """What a file holds, by the input it is for."""
    ports = {port.name: port for port in declared}
    only = next(iter(ports)) if len(ports) == 1 else "input"
    suffix = path.suffix.lower()
    if suffix == ".npz":
        found = {key: _numbers(array, path) for key, array in read_npz(path).items() if key != "meta"}
        if name is None and set(found) & set(ports):
            unknown = set(found) - set(ports)
            if unknown:
                raise InvalidArgumentError(f"{path.name} holds {', '.join(sorted(unknown))}, which the model has not")
            return [(key, _fitted(array, ports[key], path)) for key, array in found.items()]
        array = found.get("inputs")  # what Explanation.save writes
        if array is None and len(found) != 1:
            raise InvalidArgumentError(f"{path.name} holds {len(found)} arrays ({', '.join(found)}), and one is needed")
        array = array if array is not None else next(iter(found.values()))
    elif suffix == ".npy":
        array = _numbers(read_npy(path), path)
    elif suffix in SUFFIXES:
        key = _key(name, ports, only, path)
        array, done = read_image(path, ports.get(key), scale=scale, crop=crop)
        if done:
            note(done)
        return [(key, array)]
    else:
        raise InvalidArgumentError(f"{path.name}: inputs are .npy, .npz or images ({', '.join(SUFFIXES)})")
    key = _key(name, ports, only, path)
    return [(key, _fitted(array, ports.get(key), path))]


def _key(name: str | None, ports: dict[str, Declared], only: str, path: Path) -> str:
    if name is None and len(ports) > 1:
        raise MissingArgumentError(
            f"the model has inputs {', '.join(ports)}: say which {path.name} is for, NAME={path.name}"
        )
    return name or only


def _numbers(array: Array, path: Path) -> Array:
    if array.dtype.kind not in "biuf":
        raise InvalidArgumentError(f"{path.name} holds {array.dtype}, not real numbers")
    return array


def _fitted(array: Array, port: Declared | None, path: Path) -> Array:
    """The array with a batch axis, if it lacked one; refused if it cannot be what the model takes."""
    if port is None:
        return array
    if array.ndim == len(port.shape) - 1 and _fits(array.shape, port.shape[1:]):
        array = array[None]
    if array.ndim == len(port.shape) and _fits(array.shape[1:], port.shape[1:]):
        return array
    wanted = ", ".join("?" if size is None else str(size) for size in port.shape)
    hint = ""
    if array.ndim == len(port.shape) == 4:
        turned = (0, 3, 1, 2) if port.channels_first else (0, 2, 3, 1)
        if _fits(tuple(array.shape[k] for k in turned)[1:], port.shape[1:]):
            hint = f"; it looks as if it lay the other way round: array.transpose{turned} would fit"
    raise InvalidArgumentError(f"{path.name} has shape {array.shape}, and the model takes ({wanted}){hint}")


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))


def _batch(arrays: Sequence[Array], name: str) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    if len({array.shape[1:] for array in arrays}) > 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InvalidArgumentError(f"the files of input {name!r} differ in shape and make no batch: {shapes}")
    return np.concatenate(arrays)
