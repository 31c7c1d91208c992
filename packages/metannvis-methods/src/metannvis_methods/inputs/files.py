"""Input files, images, arrays, tables, tokens, as arrays in the shape and layout that a model declares."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate.reading import read_npy, read_npz

from metannvis_methods.inputs import tables, tokens
from metannvis_methods.inputs.idx_files import is_idx, read_idx
from metannvis_methods.inputs.images import SUFFIXES, read_image, read_pixels
from metannvis_methods.inputs.input_specs import InputSpec
from metannvis_methods.inputs.selections import Selection, selected
from metannvis_methods.inputs.wording import ARGUMENTS, Wording

__all__ = ["ENDINGS", "FileInputs", "is_input", "read_files", "read_inputs"]

Array = np.ndarray[Any, Any]
#: Endings of files that are inputs wherever they lie; texts and IDX files are told by their names.
ENDINGS = (".npy", ".npz", *tables.SUFFIXES, *SUFFIXES)


@dataclass(frozen=True)
class FileInputs:
    """What files hold.

    Attributes
    ----------
    arrays
        As :func:`read_inputs` returns them.
    features
        Names of the features, of a table that has them.
    words
        Those of each sample's tokens, of a text or ids whose vocabulary is known.
    """

    arrays: Array | tuple[Array, ...] | None
    features: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class _Reading:
    """How files are read."""

    specs: Sequence[InputSpec]
    scale: Any
    crop: bool | None
    vocabulary: tokens.Vocabulary | None
    note: Callable[[str], None]
    wording: Wording

    @property
    def by_name(self) -> dict[str, InputSpec]:
        """The model's inputs."""
        return {spec.name: spec for spec in self.specs}


def is_input(path: Path) -> bool:
    """Whether a file is an input by its name; a text may be or not."""
    return path.name.lower().endswith(ENDINGS) or is_idx(path)


def read_inputs(files: Sequence[str], specs: Sequence[InputSpec], **options: Any) -> Array | tuple[Array, ...] | None:
    """What files hold, as the inputs of a model: the arrays of :func:`read_files`, which has the parameters.

    Returns
    -------
    array, or a tuple of one an input
        Batch first, in the model's own layout. Images are float32, arrays of the dtype that their file holds: real numbers,
        whose values stay as they are. ``None`` if no file was named.
    """
    return read_files(files, specs, **options).arrays


def read_files(
    files: Sequence[str],
    specs: Sequence[InputSpec],
    *,
    scale: Any = "unit",
    crop: bool | None = None,
    vocabulary: tokens.Vocabulary | None = None,
    note: Callable[[str], None] = lambda text: None,
    wording: Wording = ARGUMENTS,
) -> FileInputs:
    """What files hold, as the inputs of a model, and the names of its parts.

    Parameters
    ----------
    files
        ``FILE`` or ``NAME=FILE`` each, where the name is that of an input. Several of one input become one batch. Images,
        ``.npy``, ``.npz``, which may hold several inputs by their names, IDX files (the format of MNIST, whose bytes are
        pixels), tables (``.csv``, ``.tsv``) and tokens (``.txt``, ``.ids``). Of an ``.npz`` that ``Explanation.save`` wrote the
        inputs are taken. ``FILE[3]`` and ``FILE[0:10]`` are samples of a file of several, ``FILE[name]`` is an array of an
        ``.npz``.
    specs
        The model's inputs; empty if it declares none.
    scale, crop
        See :func:`~metannvis_methods.inputs.images.read_image`.
    vocabulary
        Of tokens, see :func:`~metannvis_methods.inputs.tokens.read_vocabulary`.
    note
        Told what was done to images and left out of tables.
    wording
        How messages name the arguments.

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
        return FileInputs(None)
    names = [spec.name for spec in specs]
    how = _Reading(specs, scale, crop, vocabulary, note, wording)
    parts: dict[str, list[Array]] = {}
    features: dict[tuple[str, ...], None] = {}
    words: list[tuple[str, ...]] = []
    for text in files:
        name, selection = _named(text, names)
        for key, found in _arrays(selection, name, how):
            parts.setdefault(key, []).append(found.arrays)  # type: ignore[arg-type]  # one array here
            features[found.features] = None
            words += found.words
    if len(names) > 1:
        missing = [name for name in names if name not in parts]
        if missing:
            raise MissingArgumentError(
                f"the model has {len(names)} inputs ({', '.join(names)}); without a file are: {', '.join(missing)}. "
                f"{wording.name_files}, or give an .npz that holds them by name"
            )
        return FileInputs(tuple(_batch(parts[name], name) for name in names))
    (name, arrays), *others = parts.items()
    if others:
        raise InvalidArgumentError(f"the model has one input, and {len(parts)} were given: {', '.join(parts)}")
    batch = _batch(arrays, name)
    if len(features) > 1 and all(features):
        raise InvalidArgumentError("the tables name their columns differently, and make no batch")
    columns = next(iter(features)) if len(features) == 1 else ()
    return FileInputs(batch, columns, tuple(words) if len(words) == len(batch) else ())


def _named(text: str, names: Sequence[str]) -> tuple[str | None, Selection]:
    name, sign, rest = text.partition("=")
    if sign and name in names:
        return name, _existing(rest)
    if sign and not selected(text).path.is_file() and selected(rest).path.is_file():
        has = f"it has {', '.join(names)}" if names else "it does not say what its inputs are called"
        raise InvalidArgumentError(f"the model has no input {name!r}: {has}")
    return None, _existing(text)


def _existing(text: str) -> Selection:
    found = selected(text)
    if not found.path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such file", text)
    return found


def _arrays(selection: Selection, name: str | None, how: _Reading) -> list[tuple[str, FileInputs]]:
    """What a file holds, by the input it is for."""
    path, by_name = selection.path, how.by_name
    only = next(iter(by_name)) if len(by_name) == 1 else "input"
    suffix = path.suffix.lower()
    if selection.array is not None and suffix != ".npz":
        raise InvalidArgumentError(
            f"{path.name}[{selection.text}]: an .npz has arrays with names; give numbers, [0:10]"
        )
    if suffix == ".npz":
        found = {key: _numbers(array, path) for key, array in read_npz(path).items() if key != "meta"}
        if name is None and selection.array is None and set(found) & set(by_name):
            unknown = set(found) - set(by_name)
            if unknown:
                raise InvalidArgumentError(f"{path.name} holds {', '.join(sorted(unknown))}, which the model has not")
            return [(key, FileInputs(_fitted(selection.of(array), by_name[key], path))) for key, array in found.items()]
        array = _one(found, selection)
    elif suffix == ".npy":
        array = _numbers(read_npy(path), path)
    elif suffix in SUFFIXES:
        key = _key(name, by_name, only, path)
        if selection.samples is not None:
            raise InvalidArgumentError(f"{path.name} is one image: [{selection.text}] is for files of several samples")
        array, done = read_image(path, by_name.get(key), scale=how.scale, crop=how.crop, wording=how.wording)
        if done:
            how.note(done)
        return [(key, FileInputs(array))]
    elif is_idx(path):
        return [_of_idx(selection, _key(name, by_name, only, path), how)]
    elif suffix in tables.SUFFIXES:
        key = _key(name, by_name, only, path)
        spec = by_name.get(key)
        wanted = spec.shape[1] if spec is not None and len(spec.shape) == 2 else None
        array, features = tables.read_table(path, wanted, how.note)
        return [(key, FileInputs(_fitted(selection.of(array), spec, path), features))]
    elif suffix in tokens.SUFFIXES:
        return [_of_tokens(selection, _key(name, by_name, only, path), how)]
    else:
        raise InvalidArgumentError(
            f"{path.name}: inputs are .npy, .npz, tables (.csv, .tsv), tokens (.txt, .ids), IDX files, or images "
            f"({', '.join(SUFFIXES)})"
        )
    key = _key(name, by_name, only, path)
    return [(key, FileInputs(_fitted(selection.of(array), by_name.get(key), path)))]


def _one(found: dict[str, Array], selection: Selection) -> Array:
    """The one array of an ``.npz`` that is meant."""
    name = selection.path.name
    if selection.array is not None:
        if selection.array not in found:
            raise InvalidArgumentError(f"{name} holds no {selection.array!r}; it holds {', '.join(found)}")
        return found[selection.array]
    if "inputs" in found:  # what Explanation.save writes
        return found["inputs"]
    if len(found) != 1:
        raise InvalidArgumentError(
            f"{name} holds {len(found)} arrays ({', '.join(found)}), and one is needed: say which in brackets behind it, "
            f"{name}[{next(iter(found), 'NAME')}]"
        )
    return next(iter(found.values()))


def _of_idx(selection: Selection, key: str, how: _Reading) -> tuple[str, FileInputs]:
    """Bytes in three axes or more are pixels; other numbers are as they are."""
    path, spec = selection.path, how.by_name.get(key)
    array = selection.of(read_idx(path))
    if array.dtype != np.uint8 or array.ndim < 3:
        return key, FileInputs(_fitted(array, spec, path))
    pixels, note = read_pixels(array, spec, path.name, scale=how.scale, crop=how.crop, wording=how.wording)
    if note:
        how.note(note)
    return key, FileInputs(pixels)


def _of_tokens(selection: Selection, key: str, how: _Reading) -> tuple[str, FileInputs]:
    spec = how.by_name.get(key)
    length = spec.shape[1] if spec is not None and len(spec.shape) == 2 else None
    array, words, note = tokens.read_tokens(selection.path, length, how.vocabulary, wording=how.wording)
    if note:
        how.note(note)
    if selection.samples is not None:
        words = words[selection.samples]
    return key, FileInputs(_fitted(selection.of(array), spec, selection.path), words=words)


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
