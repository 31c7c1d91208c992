"""Nested inputs: models whose ``forward`` takes lists and dicts of tensors, as detectors' heads and feature pyramids do.

A graph takes tensors one by one. So does the module that stands for such a model: it shares everything with it, puts the
tensors together again and calls it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.frameworks.torch.program import is_program

if TYPE_CHECKING:
    import torch

__all__ = ["flattened"]


class Place:
    """Where in the structure the tensor of that number goes."""

    def __init__(self, number: int) -> None:
        self.number = number


def flattened(model: Any, values: Any) -> tuple[Any, Any]:
    """A module that takes the tensors in lists and dicts one by one, and these; both as given where there are none.

    Parameters
    ----------
    model
        A module, whose class says what ``forward`` is, or an exported program, which takes tensors one by one as it is.
    values
        Arguments: a tuple or list of them, or a dict by keyword. What is no tensor inside a list or dict stays what it is.

    Raises
    ------
    InvalidArgumentError
        The lists hold tensors, but the model is neither.
    """
    import torch

    arguments = values.values() if isinstance(values, Mapping) else values if isinstance(values, (tuple, list)) else ()
    if not any(_is_nest(argument) for argument in arguments):
        return model, values
    named = values if isinstance(values, Mapping) else dict(zip(_parameters(model, len(values)), values, strict=True))
    flat: dict[str, Any] = {}
    structure = {name: _structure(value, name, flat) for name, value in named.items()}
    if is_program(model):
        return model, list(flat.values())
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule) or "forward" in vars(model):
        raise InvalidArgumentError(
            f"example inputs in a list or dict are put together for a plain nn.Module only, not for {type(model).__name__}: "
            "translate the module that it was made from, or one that takes the tensors one by one"
        )
    return _taking(model, structure, tuple(flat), by_name=isinstance(values, Mapping)), list(flat.values())


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_nest(value: Any) -> bool:
    """Whether it is a list or dict that holds a tensor somewhere."""
    entries = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return any(_is_tensor(entry) or _is_nest(entry) for entry in entries)


def _parameters(model: Any, count: int) -> list[str]:
    parameters = () if is_program(model) else inspect.signature(model.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"input_{k}" for k in range(len(names), count)]


def _structure(value: Any, name: str, flat: dict[str, Any]) -> Any:
    """The structure of a value with places for tensors, which go into ``flat`` under names that tell where they stand."""
    if _is_tensor(value):
        unique = next(spelt for spelt in _spellings(name) if spelt not in flat)
        flat[unique] = value
        return Place(len(flat) - 1)
    if isinstance(value, Mapping):
        entries = {key: _structure(entry, f"{name}_{key}", flat) for key, entry in value.items()}
        return type(value)(entries)  # type: ignore[call-arg]  # mappings are made from mappings
    if type(value) in (tuple, list):
        return type(value)(_structure(entry, f"{name}_{place}", flat) for place, entry in enumerate(value))
    return value


def _spellings(name: str) -> Iterator[str]:
    """The name as an identifier, then with numbers behind it."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    yield plain
    number = 2
    while True:
        yield f"{plain}_{number}"
        number += 1


def _put(structure: Any, tensors: tuple[Any, ...]) -> Any:
    if isinstance(structure, Place):
        return tensors[structure.number]
    if isinstance(structure, Mapping):
        return type(structure)({key: _put(entry, tensors) for key, entry in structure.items()})  # type: ignore[call-arg]
    if type(structure) in (tuple, list):
        return type(structure)(_put(entry, tensors) for entry in structure)
    return structure


def _taking(
    model: torch.nn.Module, structure: dict[str, Any], names: tuple[str, ...], *, by_name: bool
) -> torch.nn.Module:
    """The model as one that takes the tensors: another object of a class of the same name, with the same parts and weights."""
    kind = type(model)

    def forward(self: Any, *tensors: Any) -> Any:
        arguments = _put(structure, tensors)
        return kind.forward(self, **arguments) if by_name else kind.forward(self, *arguments.values())

    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, positional) for name in ("self", *names)]
    )
    made: torch.nn.Module = object.__new__(
        type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
    )
    vars(made).update(vars(model))
    return made
