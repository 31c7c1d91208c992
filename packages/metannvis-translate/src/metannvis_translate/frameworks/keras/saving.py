"""Saving of Keras models and SavedModels."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metannvis_translate.frameworks.keras.frozen_weights import FROZEN, frozen_weights, trained_as_layers, write_frozen
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.type_names import class_names
from metannvis_translate.writing import replacing_folder

__all__ = ["is_loaded", "save_file", "save_folder"]

#: What a SavedModel folder may hold; TensorFlow's own names.
ENTRIES = {"saved_model.pb", "variables", "assets", "assets.extra", "debug", "fingerprint.pb", "keras_metadata.pb"}


def is_loaded(model: Any) -> bool:
    """Whether it is what TensorFlow makes of a SavedModel folder; imports nothing."""
    return any("saved_model.load" in name for name in class_names(model))


def save_file(model: Any, path: Path) -> None:
    """To ``.keras`` or ``.h5``, by the file's ending."""
    require("keras")
    with _quiet():
        if path.suffix.lower() not in (".h5", ".hdf5"):
            model.save(str(path))
            if names := frozen_weights(model):
                write_frozen(path, names)
            return
        import h5py
        from keras.src.legacy.saving.legacy_h5_format import save_model_to_hdf5

        # HDF5 ends the process, or raises where nobody can catch it, if it meets a full disk. So it writes to memory.
        with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
            with trained_as_layers(model):
                save_model_to_hdf5(model, file)
            if names := frozen_weights(model):
                file.attrs[FROZEN] = json.dumps(names)
            file.flush()
            image = file.id.get_file_image()
    path.write_bytes(image)


def save_folder(model: Any, path: Path, *, overwrite: bool) -> None:
    """To a SavedModel folder, whole or not at all."""
    tensorflow = require("tensorflow")
    with replacing_folder(path, overwrite=overwrite, replaceable=_is_saved_model) as new, _quiet():
        if is_loaded(model):
            tensorflow.saved_model.save(model, str(new), signatures=getattr(model, "signatures", None) or None)
        else:
            model.export(str(new), verbose=False)


def _is_saved_model(folder: Path) -> bool:
    names = {entry.name for entry in folder.iterdir()}
    return "saved_model.pb" in names and names <= ENTRIES


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Keras on TensorFlow asks NumPy 2 for a copy in the way of NumPy 1.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield
