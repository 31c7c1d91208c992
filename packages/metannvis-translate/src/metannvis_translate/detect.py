"""Which framework a model belongs to, found out without importing any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metannvis_translate.errors import InvalidArgumentError, UnknownFrameworkError

__all__ = ["class_names", "detect_framework", "framework_key", "is_a"]

ALIASES = {"pytorch": "torch", "keras": "tensorflow", "tf": "tensorflow", "tf2": "tensorflow"}


def class_names(value: Any) -> tuple[str, ...]:
    """Full names (``module.Class``) of a value's class and of its bases."""
    return tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__)


def is_a(value: Any, *names: str) -> bool:
    """Whether a class of that full name is among the value's; imports nothing.

    An instance of a class can only exist if its module is loaded, so comparing names decides what
    ``isinstance`` would, without paying for the import.
    """
    return not set(names).isdisjoint(class_names(value))


def framework_key(name: str) -> str:
    """Key of a framework from a name or an alias (``"keras"`` → ``"tensorflow"``)."""
    from metannvis_translate.frameworks import framework_keys

    if not isinstance(name, str):
        raise InvalidArgumentError(f"a framework is named by a string, not {type(name).__name__}")
    key = ALIASES.get(name.lower(), name.lower())
    known = framework_keys()
    if key not in known:
        raise InvalidArgumentError(f"unknown framework {name!r}; there are: {', '.join(known)}")
    return key


def detect_framework(model: Any) -> str:
    """Key of the framework a model (or model file) belongs to: ``"torch"``, ``"tensorflow"``, ``"onnx"``.

    Raises
    ------
    UnknownFrameworkError
        The object is no model of a known framework; the message says what was given.
    """
    from metannvis_translate.frameworks import frameworks

    if isinstance(model, (str, Path)):
        from metannvis_translate.files import framework_of_file

        return framework_of_file(model)
    for framework in frameworks():
        if framework.detect(model):
            return framework.key
    given = f"a class ({model.__name__}), not an instance of it" if isinstance(model, type) else class_names(model)[0]
    raise UnknownFrameworkError(
        f"no model: {given}. Give a torch.nn.Module, a torch.export.ExportedProgram, a keras.Model, a SavedModel, an "
        "onnx.ModelProto, or the path of a model file."
    )
