"""Model files: which framework they belong to, loading them without running their code, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metannvis_translate.data import to_arrays
from metannvis_translate.errors import (
    InvalidArgumentError,
)
from metannvis_translate.frameworks.registry import detect_framework, framework_of_file, get_framework
from metannvis_translate.process import exclusive, generators_kept
from metannvis_translate.writing import replacing

__all__ = ["load_model", "opened", "save_model"]


def load_model(path: str | Path, *, trust: bool = False, architecture: str | None = None) -> Any:
    """Load a model file without running code that it carries.

    Parameters
    ----------
    path
        ``.pt2`` (ExportedProgram), ``.onnx``, ``.keras``, ``.h5``, a SavedModel folder, or a state dict ``.pt``/``.pth``.
    trust
        Also load what runs code when it is opened: whole-module pickles, Keras Lambdas.
    architecture
        ``"package.module:factory"`` of the model that a state dict belongs to.

    Returns
    -------
    torch.nn.Module, torch.export.ExportedProgram, keras.Model, a SavedModel or onnx.ModelProto

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    UnknownFrameworkError
        The ending belongs to no framework.
    UntrustedModelError
        Opening it would run code; the message says why, and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no model file at {path}")
    framework = get_framework(framework_of_file(path))
    with exclusive(), generators_kept():
        return framework.load(path, trust=trust, architecture=architecture)


def save_model(model: Any, path: str | Path, *, example_inputs: Any = None, overwrite: bool = False) -> None:
    """Save a model in the format that the ending names; a Keras model under a name without one as a SavedModel folder.

    Parameters
    ----------
    model
        A model of any framework.
    path
        Where; its ending says how, and belongs to the model's framework.
    example_inputs
        Array, tensor, or several, in the model's layout: a ``.pt2`` file is traced on them.
    overwrite
        Whether a file of that name is replaced.

    Notes
    -----
    A ``.pt2`` file needs ``example_inputs``; ``.pt`` and ``.pth`` hold the state dict alone. The file is replaced whole or not
    at all, see :func:`~metannvis_translate.writing.replacing`.

    Raises
    ------
    InvalidArgumentError
        The file exists and ``overwrite`` is not set, or the ending belongs to another framework.
    WriteError
        The file cannot be written, as on a full disk; what was there is unchanged.
    """
    path = Path(path)
    framework = get_framework(detect_framework(model))
    folders = framework.saves_folders
    if path.suffix.lower() not in (*framework.suffixes, *([""] if folders else [])):
        known = ", ".join(framework.suffixes) + (" or, without an ending, a folder" if folders else "")
        raise InvalidArgumentError(
            f"{path.name!r}: a model of {framework.label} is saved as {known}; translate it first for another format"
        )
    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{path} exists already; give overwrite=True to replace it")
    with exclusive(model), generators_kept():
        given = None if example_inputs is None else to_arrays(example_inputs, framework)
        inputs = list(given.values()) if isinstance(given, dict) else given
        if framework.save_several(model, path, inputs=inputs, overwrite=overwrite):
            return
        with replacing(path, overwrite=overwrite) as new:
            framework.save(model, new, inputs=inputs)


def opened(model: Any) -> Any:
    """The model itself, or what the file at a path holds."""
    if isinstance(model, (str, Path)):
        return load_model(model)
    return model
