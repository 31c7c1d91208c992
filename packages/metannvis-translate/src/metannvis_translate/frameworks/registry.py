"""Registry of frameworks: which there are, which one a model or a file belongs to, found without importing any."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from metannvis_translate.errors import (
    InvalidArgumentError,
    MetannvisError,
    UnknownFrameworkError,
)
from metannvis_translate.frameworks.protocol import Framework, FrameworkBase, Importer
from metannvis_translate.frameworks.requirements import entry_points
from metannvis_translate.frameworks.type_names import class_names

__all__ = ["detect_framework", "framework_key", "framework_keys", "framework_of_file", "frameworks", "get_framework"]


def framework_key(name: str) -> str:
    """Key of a framework from a name or an alias (``"keras"`` → ``"tensorflow"``)."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a framework is named by a string, not {type(name).__name__}")
    aliases = {alias: framework.key for framework in frameworks() for alias in framework.aliases}
    key = aliases.get(name.lower(), name.lower())
    known = framework_keys()
    if key not in known:
        raise InvalidArgumentError(f"unknown framework {name!r}; there are: {', '.join(known)}")
    return key


def detect_framework(model: Any) -> str:
    """Key of the framework a model (or model file) belongs to: ``"torch"``, ``"tensorflow"``, ``"onnx"``.

    Parameters
    ----------
    model
        An object, or a path.

    Returns
    -------
    str

    Raises
    ------
    UnknownFrameworkError
        The object is no model of a known framework; the message says what was given.
    """
    if isinstance(model, (str, Path)):
        return framework_of_file(model)
    for framework in frameworks():
        if framework.detect(model):
            return framework.key
    given = f"a class ({model.__name__}), not an instance of it" if isinstance(model, type) else class_names(model)[0]
    raise UnknownFrameworkError(
        f"no model: {given}. Give a torch.nn.Module, a torch.export.ExportedProgram, a keras.Model, a SavedModel, an "
        "onnx.ModelProto, or the path of a model file."
    )


@cache
def _plugins() -> dict[str, Framework]:
    found: dict[str, tuple[str, Framework]] = {}
    for entry in entry_points(group="metannvis.frameworks"):
        owner = entry.dist.name if entry.dist else entry.value
        framework: Framework = entry.load()
        if framework.key in found and found[framework.key][0] != owner:
            raise MetannvisError(
                f"two packages register the framework {framework.key!r}: {found[framework.key][0]} and {owner}. Uninstall one."
            )
        found[framework.key] = (owner, framework)
    return {key: framework for key, (_, framework) in found.items()}


class _Completed(FrameworkBase):
    """A plug-in that does not inherit :class:`FrameworkBase`, with its members in place of those that the plug-in lacks."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def __getattribute__(self, name: str) -> Any:
        plugin = object.__getattribute__(self, "__dict__")["plugin"]
        own = _has_its_own(plugin, name) or not hasattr(FrameworkBase, name)
        return getattr(plugin, name) if own else object.__getattribute__(self, name)


def _has_its_own(plugin: Any, name: str) -> bool:
    """Whether a plug-in has a member; what a subclass of the protocol inherits from it has a description and no body."""
    described = getattr(Framework, name, None)
    return hasattr(plugin, name) and (described is None or getattr(type(plugin), name, None) is not described)


def _completed(plugin: Any) -> Framework:
    return cast(Framework, plugin if isinstance(plugin, FrameworkBase) else _Completed(plugin))


def frameworks() -> tuple[Framework, ...]:
    """Every registered framework plug-in, with all members."""
    return tuple(map(_completed, _plugins().values()))


def framework_keys() -> tuple[str, ...]:
    """Keys of every registered framework."""
    return tuple(_plugins())


def get_framework(key: str) -> Framework:
    """Plug-in by key or alias, with all members."""
    return _completed(_plugins()[framework_key(key)])


def framework_of_file(path: str | Path) -> str:
    """Key of the framework that a model file belongs to, by its ending; that of a folder by what the folder holds."""
    path = Path(path)
    if path.is_dir():
        for framework in frameworks():
            if framework.opens_folder(path):
                return framework.key
        raise UnknownFrameworkError(f"{path} is a folder, but no SavedModel: it holds no saved_model.pb")
    for framework in frameworks():
        if path.suffix.lower() in framework.suffixes:
            return framework.key
    endings = ", ".join(suffix for framework in frameworks() for suffix in framework.suffixes)
    raise UnknownFrameworkError(
        f"{path.name!r} has no ending of a model file; known are {endings}, and SavedModel folders"
    )


def exporters_and_importer(engine: str, source: Framework, target: Framework) -> tuple[tuple[str, ...], Importer]:
    """What ``engine=`` asks for: the exporters to try, in order, and the importer.

    ``"auto"`` are all exporters of the source and the target's own importer; any other name is that of one exporter, or of one
    importer.

    Raises
    ------
    InvalidArgumentError
        There is no engine of that name between the two frameworks.
    """
    importers = target.importers
    exporter = source.former_engines.get(engine, engine)
    if engine in importers:
        return source.engines, importers[engine]
    if engine == "auto":
        return source.engines, target.build
    if exporter in source.engines:
        return (exporter,), target.build
    known = ", ".join(map(repr, ("auto", *source.engines, *importers)))
    raise InvalidArgumentError(f"engine={engine!r}: from {source.label} to {target.label} there are {known}")
