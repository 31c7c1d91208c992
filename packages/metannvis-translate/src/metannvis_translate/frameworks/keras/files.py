"""``.keras`` and ``.h5`` files: what they state is held against what they hold, before Keras makes weights of it.

A ``.keras`` file is a zip archive of JSON and an HDF5 file; an ``.h5`` file is the latter alone, with its configuration in it.
HDF5 stores a data set of a terabyte in a few bytes if nothing was written to it, and a layer of a terabyte is a number in the
configuration.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from metannvis_translate.errors import DamagedFileError, InvalidModelError, MetannvisError
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process import patched
from metannvis_translate.process.limits import check_limit
from metannvis_translate.reading.text_files import parse_json

__all__ = ["check_keras_file", "loading"]

WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
#: What zipfile raises on bytes that are no archive, or another one than they say.
NO_ZIP = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, KeyError, IndexError, OSError, RuntimeError,
    OverflowError, MemoryError,
)  # fmt: skip

#: What Keras says of a class or a function that nobody registered.
UNKNOWN = re.compile(r"Could not locate (class|function) '([^']+)'")


def check_keras_file(path: Path) -> int:
    """Refuse a file that cannot be read, or that comes to more than the limits; bytes of the weights in it otherwise.

    Raises
    ------
    DamagedFileError
        It is no archive, is cut off, or a part of it cannot be read.
    InvalidModelError
        It is HDF5 and holds weights alone.
    LimitError
        It unpacks to more than ``unpacked_bytes``, its configuration is longer than ``text_bytes``.
    """
    if path.suffix.lower() != ".keras":
        with path.open("rb") as file:
            held = _check_weights(file, path.name, path.stat().st_size)
        _check_is_model(path)
        return held
    try:
        with zipfile.ZipFile(path) as archive:
            return _check_archive(archive, path)
    except MetannvisError:
        raise
    except zipfile.BadZipFile as error:
        cut = "not a zip" in str(error)
        raise DamagedFileError(
            f"{path.name} is damaged: " + ("it is no zip archive, or is cut off" if cut else _said(error))
        ) from error
    except NO_ZIP as error:
        raise DamagedFileError(f"{path.name} cannot be read as a Keras model: {_said(error)}") from error


def _check_archive(archive: zipfile.ZipFile, path: Path) -> int:
    members = {member.filename: member for member in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise DamagedFileError(f"{path.name} is damaged: two members of it have one name")
    total = sum(member.file_size for member in members.values())
    length = path.stat().st_size
    check_limit("unpacked_bytes", total, f"{path.name} unpacks to bytes:", at_least=length)
    if CONFIG not in members:
        raise DamagedFileError(f"{path.name} is no Keras model: there is no {CONFIG} in it")
    check_limit("text_bytes", members[CONFIG].file_size, f"{CONFIG} in {path.name} has bytes:")
    text = archive.read(CONFIG).decode("utf-8")
    if not isinstance(parse_json(text, f"{CONFIG} in {path.name}"), dict):
        raise DamagedFileError(f"{CONFIG} in {path.name} is no configuration of a model")
    for name in set(members) - {CONFIG, WEIGHTS}:  # every checksum, a piece at a time
        with archive.open(name) as member:
            while member.read(1 << 20):
                pass
    if WEIGHTS not in members:
        return 0
    # HDF5 reads here and there, which a zip archive's reader does by starting anew
    return _check_weights(io.BytesIO(archive.read(WEIGHTS)), f"{WEIGHTS} in {path.name}", max(total, length))


def _check_is_model(path: Path) -> None:
    """Refuse weights without a model, which Keras finds out only when it has loaded a framework."""
    h5py = require("h5py")
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise InvalidModelError(
                f"{path.name} holds weights alone, not what is computed of them: load them where the network is made "
                "(net.load_weights) and save that as .keras (`metannvis export-help FILE` has the lines)"
            )


def _check_weights(file: IO[bytes], name: str, size: int) -> int:
    """Bytes of the data sets in an HDF5 file."""
    h5py = require("h5py")
    total = 0

    def visit(path: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            total += math.prod(item.shape or ()) * item.dtype.itemsize

    try:
        with h5py.File(file, "r") as weights:
            weights.visititems(visit)
    except MetannvisError:
        raise
    except Exception as error:  # of HDF5, which raises whatever its C code calls it
        raise DamagedFileError(f"{name} cannot be read as HDF5: {_said(error)}") from error
    check_limit("unpacked_bytes", total, f"{name} unpacks to bytes:", at_least=size)
    return total


@contextmanager
def loading(path: Path, held: int) -> Iterator[None]:
    """Inside, weights are made only as far as the file holds as many; what Keras raises is said of the file.

    Parameters
    ----------
    path
        The file, which :func:`check_keras_file` has seen.
    held
        Bytes of the weights in it.

    Raises
    ------
    InvalidModelError
        The configuration and the weights make no model.
    LimitError
        The configuration states weights beyond ``weight_bytes`` that the file does not hold.
    """
    from keras.src.layers.layer import Layer

    made = 0
    theirs = Layer.add_weight

    def add_weight(self: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal made
        sizes = [shape] if isinstance(shape, int) else shape or ()
        if all(isinstance(size, int) for size in sizes):
            made += math.prod(sizes) * 4
            what = f"{path.name}: the weights up to the layer {getattr(self, 'name', '')!r} take bytes:"
            check_limit("weight_bytes", made, what, at_least=4 * held)
        return theirs(self, shape, *args, **kwargs)

    with patched(Layer, "add_weight", add_weight):
        try:
            yield
        except MetannvisError:
            raise
        except Exception as error:  # of Keras, whose reader takes a configuration for what it should be
            unknown = UNKNOWN.search(str(error))
            if unknown:
                raise InvalidModelError(
                    f"{path.name} cannot be loaded: it needs the {unknown[1]} {unknown[2]!r}, which Keras does not know here: "
                    "import the module that registers it first, or save the network where it is known as a SavedModel "
                    "folder, by net.export(FOLDER) (`metannvis export-help FILE` has the lines)"
                ) from error
            raise InvalidModelError(
                f"{path.name} cannot be loaded, its configuration and weights make no model: {_said(error)}"
            ) from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
