"""Provenance of a loaded module: the exported program that it came from, so that it can be saved as one again."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["PROGRAM", "Remembered", "remembered_program", "restore_kinds"]

#: Key in a module's ``meta`` of the program that it was loaded from.
PROGRAM = "metannvis.program"


class Remembered:
    """A program without its weights, which are the module's.

    Exporting the module anew would lose what the program knows: the classes of its layers, the lines of code behind its nodes,
    the ranges of its free sizes. Copies of the module share it, for nothing in it changes; a pickled module goes without.
    """

    def __init__(self, program: Any = None) -> None:
        self.program = None
        self.weights: dict[str, tuple[Any, Any]] = {}
        if program is not None:
            self.weights = {name: _form(tensor) for name, tensor in program.state_dict.items()}
            self.program = copy.copy(program)
            self.program._state_dict = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Remembered:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (Remembered, ())


def remembered_program(module: Any) -> Any:
    """The program that a module was loaded from, with the module's present weights.

    ``None`` if it was not loaded from one, or has been changed in a way that the program does not know, as to double precision.
    """
    found = (getattr(module, "meta", None) or {}).get(PROGRAM)
    if found is None or found.program is None:
        return None
    weights, constants = {}, dict(found.program.constants)
    try:
        for name, form in found.weights.items():
            weights[name] = _attribute(module, name)
            if _form(weights[name]) != form:
                return None
        for name, old in constants.items():
            if hasattr(old, "dtype"):
                constants[name] = _attribute(module, name)
                if _form(constants[name]) != _form(old):
                    return None
    except AttributeError:
        return None
    program = copy.copy(found.program)
    program._state_dict, program._constants = weights, constants
    return program


def restore_kinds(program: Any, module: Any) -> None:
    """Name the classes of layers in a program that was exported from a module which had been one before.

    Its parts are all of one class, PyTorch's ``InterpreterModule``, and know what they once were.
    """
    kinds = {}
    for path, part in module.named_modules(remove_duplicate=False):
        kind = part.type_name() if hasattr(part, "type_name") else None
        if kind:
            kinds[path] = kind
    for node in program.graph.nodes:
        stack = node.meta.get("nn_module_stack") or {}
        for key, (path, _) in list(stack.items()):
            if path in kinds:
                stack[key] = (path, kinds[path])


def _form(tensor: Any) -> tuple[Any, Any]:
    return tuple(tensor.shape), tensor.dtype


def _attribute(module: Any, path: str) -> Any:
    *parents, name = path.split(".")
    for parent in parents:
        module = getattr(module, parent)
    return getattr(module, name)
