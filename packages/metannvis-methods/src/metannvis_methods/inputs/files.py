"""Input files, images, ``.npy`` and ``.npz``, as arrays in the shape and layout that a model declares."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate.reading import read_npy, read_npz

from metannvis_methods.inputs.images import SUFFIXES, read_image
from metannvis_methods.inputs.input_specs import InputSpec
from metannvis_methods.inputs.wording import ARGUMENTS, Wording

__all__ = ["ENDINGS", "read_inputs"]

Array = np.ndarray[Any, Any]
#: Endings of files that are inputs.
ENDINGS = (".npy", ".npz", *SUFFIXES)


def read_inputs(
    files: Sequence[str],
    specs: Sequence[InputSpec],
    *,
    scale: Any = "unit",
    crop: bool | None = None,
    note: Callable[[str], None] = lambda text: None,
    wording: Wording = ARGUMENTS,
) -> Array | tuple[Array, ...] | None:
    """What files hold, as the inputs of a model.

    Parameters
    ----------
    files
        ``FILE`` or ``NAME=FILE`` each, where the name is that of an input. Several of one input become one batch. An ``.npz``
        may hold several inputs by their names; of one that ``Explanation.save`` wrote the inputs are taken.
    specs
        The model's inputs; empty if it declares none.
    scale, crop
        See :func:`~metannvis_methods.inputs.images.read_image`.
    note
        Told what was done to images.
    wording
        How messages name the arguments.

    Returns
    -------
    array, or a tuple of one an input
        Batch first, in the model's own layout. Images are float32, arrays of the dtype that their file holds: real numbers,
        whose values stay as they are. ``None`` if no file was named.

    Raises
    ------
    InvalidArgumentError
        A file holds nothing that can be used, or its shape is not the model's.
    DamagedFileError, LimitError
        A file cannot be read, or unpacks to more than a limit.
    MissingArgumentError
        The model has several inputs, and not every one was given.
    MissingFrameworkError
        A file is an image, and Pillow is not installed.
    FileNotFoundError
        There is no file of that name.
    """
    if not files:
        return None
    names = [spec.name for spec in specs]
    parts: dict[str, list[Array]] = {}
    for text in files:
        name, path = _named(text, names)
        for key, array in _arrays(path, name, specs, scale, crop, note, wording):
            parts.setdefault(key, []).append(array)
    if len(names) > 1:
        missing = [name for name in names if name not in parts]
        if missing:
            raise MissingArgumentError(
                f"the model has {len(names)} inputs ({', '.join(names)}); without a file are: {', '.join(missing)}. "
                f"{wording.name_files}, or give an .npz that holds them by name"
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
        raise FileNotFoundError(errno.ENOENT, "no such file", text)
    return path


def _arrays(
    path: Path,
    name: str | None,
    specs: Sequence[InputSpec],
    scale: Any,
    crop: bool | None,
    note: Callable[[str], None],
    wording: Wording,
) -> list[tuple[str, Array]]:
    """What a file holds, by the input it is for."""
    by_name = {spec.name: spec for spec in specs}
    only = next(iter(by_name)) if len(by_name) == 1 else "input"
    suffix = path.suffix.lower()
    if suffix == ".npz":
        found = {key: _numbers(array, path) for key, array in read_npz(path).items() if key != "meta"}
        if name is None and set(found) & set(by_name):
            unknown = set(found) - set(by_name)
            if unknown:
                raise InvalidArgumentError(f"{path.name} holds {', '.join(sorted(unknown))}, which the model has not")
            return [(key, _fitted(array, by_name[key], path)) for key, array in found.items()]
        array = found.get("inputs")  # what Explanation.save writes
        if array is None and len(found) != 1:
            raise InvalidArgumentError(f"{path.name} holds {len(found)} arrays ({', '.join(found)}), and one is needed")
        array = array if array is not None else next(iter(found.values()))
    elif suffix == ".npy":
        array = _numbers(read_npy(path), path)
    elif suffix in SUFFIXES:
        key = _key(name, by_name, only, path)
        array, done = read_image(path, by_name.get(key), scale=scale, crop=crop, wording=wording)
        if done:
            note(done)
        return [(key, array)]
    else:
        raise InvalidArgumentError(f"{path.name}: inputs are .npy, .npz or images ({', '.join(SUFFIXES)})")
    key = _key(name, by_name, only, path)
    return [(key, _fitted(array, by_name.get(key), path))]


def _key(name: str | None, by_name: dict[str, InputSpec], only: str, path: Path) -> str:
    if name is None and len(by_name) > 1:
        raise MissingArgumentError(
            f"the model has inputs {', '.join(by_name)}: say which {path.name} is for, NAME={path.name}"
        )
    return name or only


def _numbers(array: Array, path: Path) -> Array:
    if array.dtype.kind not in "biuf":
        raise InvalidArgumentError(f"{path.name} holds {array.dtype}, not real numbers")
    return array


def _fitted(array: Array, spec: InputSpec | None, path: Path) -> Array:
    """The array with a batch axis, if it lacked one; refused if it cannot be what the model takes."""
    if spec is None:
        return array
    if array.ndim == len(spec.shape) - 1 and _fits(array.shape, spec.shape[1:]):
        array = array[None]
    if array.ndim == len(spec.shape) and _fits(array.shape[1:], spec.shape[1:]):
        return array
    wanted = ", ".join("?" if size is None else str(size) for size in spec.shape)
    hint = ""
    if array.ndim == len(spec.shape) == 4:
        turned = (0, 3, 1, 2) if spec.channels_first else (0, 2, 3, 1)
        if _fits(tuple(array.shape[k] for k in turned)[1:], spec.shape[1:]):
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
