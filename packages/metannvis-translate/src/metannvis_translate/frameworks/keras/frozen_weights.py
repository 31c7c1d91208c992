"""Frozen weights in saved Keras models: single weights of a layer that are not trained, which Keras' formats do not hold.

Keras stores ``trainable`` of a layer. Of a layer that is trained in part, the names of the weights that are not stand beside
the configuration, where Keras passes over them: in a member of a ``.keras`` archive, in an attribute of an ``.h5`` file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process.limits import check_limit
from metannvis_translate.reading.text_files import parse_json

__all__ = ["FROZEN", "freeze_again", "frozen_weights", "trained_as_layers", "write_frozen"]

#: Name of the member, and of the attribute.
FROZEN = "metannvis_frozen.json"


def frozen_weights(model: Any) -> list[str]:
    """Weights that are not trained though their layer is and would train them, by place and name: paths change with loading."""
    return [f"{place} {variable.name}" for place, variable in enumerate(_own(model)) if not variable.trainable]


@contextmanager
def trained_as_layers(model: Any) -> Iterator[None]:
    """Inside, every weight of a layer that is trained is: Keras writes an ``.h5`` file's weights in an order by that.

    It reads them in the order of a new layer, so that a frozen scale and a bias would change places.
    """
    frozen = [variable for variable in _own(model) if not variable.trainable]
    for variable in frozen:
        variable.trainable = True
    try:
        yield
    finally:
        for variable in frozen:
            variable.trainable = False


def write_frozen(path: Path, names: list[str]) -> None:
    """Add the names to a ``.keras`` archive that Keras wrote."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(FROZEN, json.dumps(names))


def freeze_again(model: Any, path: Path) -> None:
    """Train none of the weights that a file names, beside those that its layers do not train."""
    text = _text(path)
    if text is None:
        return
    names = parse_json(text, f"{FROZEN} in {path.name}")
    wanted = set(map(str, names)) if isinstance(names, list) else set()
    for place, variable in enumerate(list(_own(model))):
        if f"{place} {variable.name}" in wanted:
            variable.trainable = False


def _text(path: Path) -> str | None:
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            if FROZEN not in archive.namelist():
                return None
            check_limit("text_bytes", archive.getinfo(FROZEN).file_size, f"{FROZEN} in {path.name} has bytes:")
            return archive.read(FROZEN).decode("utf-8", "replace")
    with require("h5py").File(path, "r") as file:
        found = file.attrs.get(FROZEN)
    return None if found is None else str(found)


def _own(model: Any) -> Iterator[Any]:
    """Weights that the layers of a model would train, of layers that are trained."""
    seen: set[int] = set()
    for layer in model._flatten_layers():
        if not layer.trainable:
            continue
        for variable in getattr(layer, "_trainable_variables", ()):
            if id(variable) not in seen:
                seen.add(id(variable))
                yield variable
