"""Extension of griffe, which reads the sources for the site: options of figures as their functions' signatures name them.

Functions that ``spelled_out`` decorates have ``**options`` in the source, and the keywords of a ``TypedDict`` when they run,
with the defaults of the class ``Asked`` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe

__all__ = ["SpelledOut"]

DECORATOR, DEFAULTS = "spelled_out", "Asked"


class SpelledOut(griffe.Extension):
    """Gives functions with such options the parameters that they take."""

    def on_package(self, *, pkg: Any, **_: Any) -> None:
        """Every function of a package that has been read."""
        for module in _modules(pkg):
            for function in module.functions.values():
                if not function.is_alias and any(
                    str(item.value).startswith(f"{DECORATOR}(") for item in function.decorators
                ):
                    _spell_out(function)


def _modules(module: Any) -> Iterator[Any]:
    yield module
    for inner in module.modules.values():
        if not inner.is_alias:
            yield from _modules(inner)


def _spell_out(function: Any) -> None:
    (options,) = [item for item in function.parameters if item.kind is griffe.ParameterKind.var_keyword]
    typed = function.modules_collection[options.annotation.slice.canonical_path]
    defaults = typed.parent[DEFAULTS].attributes
    del function.parameters[options.name]
    for name, annotation in _fields(typed).items():
        function.parameters.add(
            griffe.Parameter(
                name, annotation=annotation, kind=griffe.ParameterKind.keyword_only, default=defaults[name].value
            )
        )


def _fields(typed: Any) -> dict[str, Any]:
    """Names and annotations of a ``TypedDict``: those of its bases first."""
    found: dict[str, Any] = {}
    for base in typed.bases:
        if base.canonical_path != "typing.TypedDict":
            found |= _fields(typed.modules_collection[base.canonical_path])
    return found | {name: item.annotation for name, item in typed.attributes.items()}
