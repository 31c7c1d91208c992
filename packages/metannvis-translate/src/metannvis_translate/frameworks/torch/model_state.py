"""Model state: buffers, plain tensors, numbers and lists of them that a PyTorch model holds beside its parameters.

``forward`` may change any of it (streaming caches, counters, moving averages). A translation holds the state that the model is
in, so every run, trace and comparison has to start from it, and has to put it back.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.kept_dicts import KeptDicts
from metannvis_translate.frameworks.torch.kept_state import (
    DEPTH,
    IGNORED,
    PLAIN,
    REGISTRIES,
    TENSORS,
    Kept,
    is_followed,
    renewed,
    restore,
    same,
    same_leaf,
)
from metannvis_translate.frameworks.torch.kept_tensors import KeptTensors
from metannvis_translate.frameworks.torch.module_walk import walk

if TYPE_CHECKING:
    import torch

__all__ = ["ModelState"]


class ModelState:
    """What a model holds now.

    A network has hundreds of modules, which are looked at at every call: what is plain stands in lists of all modules
    (:class:`~.kept_dicts.KeptDicts`, :class:`~.kept_tensors.KeptTensors`), and nothing is made for a single one.

    Parameters
    ----------
    values
        Keep copies of the tensors; without, only which tensor stands where, as a trace needs it.
    parameters
        Keep copies of the parameters as well. Hardly any model changes one, and they may be large: without, only those that are
        known to change (:func:`~.changing_parameters.mark_changing`).
    whole
        Keep modes, hooks, and which parameters have and require gradients, too.
    modules
        The modules, if they were looked up already, each once; :meth:`changes` cannot name what is in them.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        values: bool = True,
        parameters: bool = False,
        whole: bool = False,
        modules: Sequence[torch.nn.Module] | None = None,
    ) -> None:
        import torch

        self._whole = whole
        self._known: dict[int, Kept] = {}
        self._found: dict[int, torch.Tensor] = {}
        walked = walk(model) if modules is None else [("", module) for module in modules]
        compiled = [module for _, module in walked if isinstance(module, torch.jit.ScriptModule)]
        if compiled and not whole:  # they are no objects of Python's: only what is in their tensors can change
            walked = [(path, module) for path, module in walked if not isinstance(module, torch.jit.ScriptModule)]
        self._paths = [path for path, _ in walked]
        self._attributes = KeptDicts([module.__dict__ for _, module in walked])
        layout = _layout(tuple(self._attributes.keys), tuple(map(type, self._attributes.values)))
        registries = list(itertools.compress(self._attributes.values, layout.registries if whole else layout.kept))
        self._registries: list[Any] = registries
        filled = [registry for registry in registries if registry]
        self._sets = [(held, held.copy()) for held in filled if isinstance(held, set)]
        self._filled = KeptDicts([held for held in filled if isinstance(held, dict)])
        for held in itertools.compress(self._attributes.values, layout.of_tensors):
            self._found.update((id(tensor), tensor) for tensor in held.values() if tensor is not None)
        for module in compiled:
            tensors = itertools.chain(module.buffers(recurse=False), module.parameters(recurse=False) if whole else ())
            self._found.update((id(tensor), tensor) for tensor in tensors)
        parts: dict[int, Kept] = {}
        for value in itertools.compress(self._attributes.values, layout.others):
            if type(value) is not tuple or not PLAIN.issuperset(map(type, value)):
                part = self._keep(value, 1)
                if part.kind not in ("leaf", "tensor"):
                    parts[id(value)] = part
        self._parts = list(parts.values())
        self._tensors = KeptTensors(list(self._found.values()), values=values, parameters=parameters, gradients=whole)

    def changes(self) -> list[str]:
        """Names of what is not as it was, ``block.cache``; a list or an object by the attribute that holds it."""
        for kept in self._tensors.kept():
            known = self._known.setdefault(id(kept.value), kept)
            known.copy, known.memory, known.version = kept.copy, kept.memory, kept.version
        found: dict[str, None] = {}
        for path, before, now in self._contents():
            for key in dict.fromkeys((*before, *now)):
                if key not in IGNORED and (
                    key not in before or key not in now or not self._same(before[key], now[key])
                ):
                    found[_named(path, key)] = None
        return list(found)

    def put_back(self) -> None:
        """Put back what was changed: first which objects stand where, then what is in the tensors."""
        self._attributes.put_back(() if self._whole else IGNORED)
        self._filled.put_back()
        filled = [registry for registry in self._registries if registry]
        if len(filled) != len(self._filled.dicts) + len(self._sets):
            were_filled = {*map(id, self._filled.dicts), *(id(held) for held, _ in self._sets)}
            for registry in filled:
                if id(registry) not in were_filled:
                    registry.clear()
        for held, content in self._sets:
            held.clear()
            held.update(content)
        seen: set[int] = set()
        for part in self._parts:
            restore(part, seen)
        self._tensors.put_back()

    def renew(self, names: Iterable[str]) -> None:
        """Put copies in the place of the tensors below these names, so that changes in place reach nothing else."""
        wanted = set(names)
        copies: dict[int, torch.Tensor] = {}
        for path, before, now in self._contents():
            for key in before:
                if key not in IGNORED and key in now and _named(path, key) in wanted:
                    now[key] = renewed(now[key], copies, 0)

    def _contents(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """By module, what was in its attributes and in the registries that ``forward`` may fill, and what is there."""
        in_registries = {id(held): before for held, before in self._filled.contents()}
        for path, (attributes, before) in zip(self._paths, self._attributes.contents(), strict=True):
            yield path, before, attributes
            for name in REGISTRIES:
                held: Any = before.get(name)
                if id(held) in in_registries:
                    yield path, in_registries[id(held)], held

    def _same(self, before: Any, value: Any) -> bool:
        part = self._known.get(id(before))
        return same_leaf(before, value) if part is None else same(part, value)

    def _keep(self, value: Any, depth: int) -> Kept:
        import torch

        known = self._known.get(id(value))
        if known is not None:
            return known
        if type(value) is list:  # most of what a layer of PyTorch's keeps beside numbers and tuples
            return self._within(Kept("list", value), enumerate(value), depth)
        if isinstance(value, torch.Tensor):
            kept = Kept("tensor", value)
            self._found[id(value)] = value
        elif isinstance(value, torch.nn.Module):  # those of the model are looked at by themselves
            kept = Kept("leaf", value)
        elif isinstance(value, dict):
            return self._within(Kept("dict", value), value.items(), depth)
        elif isinstance(value, (list, deque)):
            return self._within(Kept("list", value), enumerate(value), depth)
        elif isinstance(value, tuple):
            return self._within(Kept("tuple", value), enumerate(value), depth)
        elif isinstance(value, set):
            kept = Kept("set", value)
            kept.copy = set(value)
        elif type(value).__module__ == "numpy" and type(value).__name__ == "ndarray":
            kept = Kept("array", value)
            kept.copy = value.copy()
        elif is_followed(value) and depth < DEPTH:
            return self._within(Kept("object", value), vars(value).items(), depth)
        else:
            kept = Kept("leaf", value)
        self._known[id(value)] = kept
        return kept

    def _within(self, kept: Kept, items: Iterable[tuple[Any, Any]], depth: int) -> Kept:
        self._known[id(kept.value)] = kept  # before its parts, which may hold it
        if depth >= DEPTH:
            kept.kind = "leaf"
            return kept
        kept.items, kept.parts = dict(items), {}
        for key, part in kept.items.items():
            if type(part) in PLAIN or (type(part) is tuple and PLAIN.issuperset(map(type, part))):
                continue
            found = self._keep(part, depth + 1)
            if found.kind != "leaf":
                kept.parts[key] = found
        return kept


class _Layout:
    """Which of the attributes of all modules are registries of PyTorch's, and which may hold more than plain values.

    Each a mark for every attribute: of all registries, of those that ``forward`` may fill (``kept``), of those of tensors, and
    of what is neither a registry nor plain.
    """

    def __init__(self, names: Sequence[str], kinds: Sequence[type]) -> None:
        self.registries = [
            name in IGNORED and issubclass(kind, (dict, set)) for name, kind in zip(names, kinds, strict=True)
        ]
        marked = list(zip(names, self.registries, strict=True))
        self.kept = [is_registry and name in REGISTRIES for name, is_registry in marked]
        self.of_tensors = [is_registry and name in TENSORS for name, is_registry in marked]
        self.others = [name not in IGNORED and kind not in PLAIN for name, kind in zip(names, kinds, strict=True)]


#: Modules of a network have the same attributes, of the same types, from call to call.
_layout = functools.lru_cache(maxsize=16)(_Layout)


def _named(path: str, key: Any) -> str:
    """Path of something of a module."""
    return f"{path}.{key}" if path else str(key)
