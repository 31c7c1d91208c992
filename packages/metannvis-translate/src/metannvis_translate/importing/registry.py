"""Tables of converters, by ONNX operator and the opset version each starts at."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from metannvis_translate.errors import MetannvisError

__all__ = ["Converter", "Registry"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Converter:
    """One converter. Its function is called ``function(ctx, *inputs, **attributes)``.

    The keyword-only parameters of the function *are* the operator's attributes, with the standard's own defaults.
    """

    operator: str
    since: int
    domain: str
    function: Callable[..., Any]

    @property
    def owner(self) -> str:
        """Full name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @functools.cached_property
    def attributes(self) -> dict[str, Any]:
        """Names of the attributes it understands, with their defaults (``inspect.Parameter.empty``: required)."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


class Registry:
    """Converters from the hub to one framework."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._table: dict[tuple[str, str], dict[int, Converter]] = {}

    def converter(self, operator: str, *, since: int = 1, domain: str = "") -> Callable[[F], F]:
        """Register a function for an operator, from opset ``since`` up to the next registered version.

        Raises
        ------
        MetannvisError
            Another function is registered for that operator and version; the message names both.
        """

        def register(function: F) -> F:
            row = Converter(operator, since, domain, function)
            versions = self._table.setdefault((domain, operator), {})
            if since in versions:
                raise MetannvisError(
                    f"{self.name}: {operator} since opset {since} is registered twice, "
                    f"by {versions[since].owner} and {row.owner}"
                )
            versions[since] = row
            return function

        return register

    def find(self, operator: str, opset: int, domain: str = "") -> Converter | None:
        """Converter of the newest version that is not newer than ``opset``."""
        domain = "" if domain == "ai.onnx" else domain
        versions = self._table.get((domain, operator), {})
        usable = [version for version in versions if version <= opset]
        return versions[max(usable)] if usable else None

    def remove(self, operator: str, *, since: int = 1, domain: str = "") -> None:
        """Take a converter out again (tests, plug-ins that unload)."""
        del self._table[(domain, operator)][since]

    def __iter__(self) -> Iterator[Converter]:
        for versions in self._table.values():
            yield from versions.values()

    def __len__(self) -> int:
        return sum(len(versions) for versions in self._table.values())
