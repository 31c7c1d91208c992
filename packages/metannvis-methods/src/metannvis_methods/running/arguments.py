"""Argument binding: which of the caller's arguments is which of the toolkit's, and which are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError, near_misses
from metannvis_methods.registry.option_values import Values
from metannvis_methods.registry.spec import UNIFORM, MethodSpec, Role

__all__ = ["BoundArguments", "bind", "check_required"]


@dataclass
class BoundArguments:
    """Arguments of one run by the toolkit's names, values still as the caller gave them."""

    spec: MethodSpec
    init: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)

    def side(self, name: str) -> dict[str, Any]:
        """Where an argument of the row belongs: with the constructor's or with the call's."""
        return self.init if any(argument.name == name for argument in self.spec.init) else self.call

    def of(self, *roles: Role) -> Any:
        """Value of the first given argument with one of these roles, ``None`` if there is none."""
        for argument in self.spec.arguments:
            if argument.role in roles and self.side(argument.name).get(argument.name) is not None:
                return self.side(argument.name)[argument.name]
        return None

    def give(self, name: str, value: Any, said: str) -> None:
        """Set an argument that is not set yet; ``said`` is the caller's name for it."""
        side = self.side(name)
        if name in side:
            twice = f"{name!r} is given twice" if said == name else f"{said!r} and {name!r} are the same argument"
            raise InvalidArgumentError(f"{self.spec.key}: {twice}; give one of them")
        side[name] = value

    def pop(self, role: Role) -> Any:
        """Remove the row's argument of that role, and return its value; ``None`` if there is none."""
        argument = self.spec.by_role(role)
        return None if argument is None else self.side(argument.name).pop(argument.name, None)

    def take(self, *roles: Role) -> Any:
        """Like :meth:`of`, and remove every argument of these roles."""
        value = self.of(*roles)
        for argument in self.spec.arguments:
            if argument.role in roles:
                self.side(argument.name).pop(argument.name, None)
        return value


def bind(
    spec: MethodSpec,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    *,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
) -> BoundArguments:
    """Route arguments to the constructor or the call by the row.

    Parameters
    ----------
    arguments
        By the names of the uniform vocabulary (:data:`metannvis_methods.registry.spec.UNIFORM`); ``None`` means not given.
    options
        By the toolkit's names; one that the row does not know is refused.
    init_args, exec_args
        By the toolkit's names or the uniform ones. What the row does not know passes through to the toolkit.

    Raises
    ------
    InvalidArgumentError
        The method has no such argument (the message names close ones), or it was given twice.
    """
    bound, passed = BoundArguments(spec), {*(init_args or {}), *(exec_args or {})}
    for given, unknown in ((init_args or {}, bound.init), (exec_args or {}, bound.call)):
        if not isinstance(given, Mapping):
            raise InvalidArgumentError(f"init_args and exec_args are dicts, not {type(given).__name__}")
        for name, value in given.items():
            argument = spec.argument(name) or spec.argument_for(name)
            if argument is None:
                unknown[name] = value
            else:
                bound.give(argument.name, value, name)
    for name, value in (options or {}).items():
        argument = spec.argument(name)
        if argument is None:
            raise InvalidArgumentError(_unknown(spec, name))
        bound.give(argument.name, value, name)
    for name, value in arguments.items():
        if value is None:
            continue
        argument = spec.argument_for(name)
        if argument is None:
            raise InvalidArgumentError(_takes_no(spec, name))
        bound.give(argument.name, value, name)
    for known in spec.arguments:
        value = bound.side(known.name).get(known.name)
        if known.flag and value is not None and not isinstance(value, (bool, np.bool_)):
            raise InvalidArgumentError(f"{known.name} of {spec.key} is true or false, not {value!r}")
        through = known.name in passed and isinstance(known.takes, Values)  # anything goes to the toolkit
        if known.takes is not None and value is not None and not through:
            known.takes.check(value, f"{known.name} of {spec.key}")
    for name, value in spec.defaults:
        bound.side(name).setdefault(name, value)
    return bound


def _unknown(spec: MethodSpec, name: str) -> str:
    names = [argument.name for argument in spec.arguments if argument.role not in ("input", "layer")]
    close = near_misses(name, [*names, *UNIFORM])
    hint = f"Close: {', '.join(close)}." if close else f"It has: {', '.join(names)}."
    return f"{spec.key} of {spec.toolset} has no option {name!r}. {hint}"


def _takes_no(spec: MethodSpec, name: str) -> str:
    names = [known for known in UNIFORM if spec.argument_for(known)]
    hint = ""
    if name in ("layer", "neuron") and spec.kind == "primary":
        hint = f" and has no {name} variant there"
    return f"{spec.key} of {spec.toolset} takes no {name!r}{hint}; it takes: {', '.join(names)}"


def check_required(bound: BoundArguments, *, target_may_be_found: bool) -> None:
    """Refuse a call that lacks an argument which neither the toolkit nor the row has a default for, the layer left out.

    Raises
    ------
    MissingArgumentError
        The message names every missing argument, by the caller's name for it.
    """
    spec = bound.spec
    missing = []
    by_row = {name for name, _ in spec.defaults}
    for argument in spec.required:
        if argument.name in by_row:
            continue
        if bound.side(argument.name).get(argument.name) is not None:
            continue
        if target_may_be_found and argument.role in ("target", "score"):
            continue
        name = next((name for name in UNIFORM if spec.argument_for(name) is argument), argument.name)
        missing.append(argument.name if name == argument.name else f"{name} (its own name for it: {argument.name})")
    if missing:
        raise MissingArgumentError(f"{spec.key} of {spec.toolset} needs {', '.join(missing)}")
