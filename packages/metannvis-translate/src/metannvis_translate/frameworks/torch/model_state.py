"""Model state: buffers, plain tensors, numbers and lists of them that a PyTorch model holds beside its parameters.

``forward`` may change any of it (streaming caches, counters, moving averages). A translation holds the state that the model is
in, so every run, trace and comparison has to start from it, and has to put it back.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.torch.changing_parameters import is_changing
from metannvis_translate.frameworks.torch.module_walk import walk
from metannvis_translate.frameworks.torch.tensor_copies import Copies, equal, is_plain

if TYPE_CHECKING:
    import torch

__all__ = ["DEPTH", "IGNORED", "ModelState", "is_followed"]

#: Registries of a module that ``forward`` may put something else into.
REGISTRIES = ("_parameters", "_buffers", "_modules")
#: Those that hold tensors.
TENSORS = ("_parameters", "_buffers")
#: What holds no state of a model: code, and objects of these packages (graphs, devices, generators, records of provenance).
CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
OPAQUE = ("torch", "metannvis_translate", "logging", "threading", "weakref", "enum", "inspect", "re")
#: What cannot change but by being replaced; most of what a module keeps is that.
PLAIN = frozenset((type(None), bool, int, float, str))
#: No keys, and what stands at none.
NONE: frozenset[str] = frozenset()
#: What is in that which holds nothing.
NOTHING: dict[Any, Any] = {}
#: How far objects are followed into one another: a cache is an object with a list of objects with tensors.
DEPTH = 8


class ModelState:
    """What a model holds now.

    A network has hundreds of modules, which are walked at every call: nothing is made for what is plain.

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
        The modules, if they were walked already.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        values: bool = True,
        parameters: bool = False,
        whole: bool = False,
        modules: Sequence[tuple[str, torch.nn.Module]] | None = None,
    ) -> None:
        import torch

        self._values, self._parameters, self._whole = values, parameters, whole
        self._known: dict[int, _Kept] = {}
        self._tensors: list[_Kept] = []
        self._modules = [
            self._compiled(path, module) if isinstance(module, torch.jit.ScriptModule) else self._module(path, module)
            for path, module in (walk(model) if modules is None else modules)
        ]
        self._gradients: list[tuple[Any, bool, Any]] = []
        if whole:
            held = (kept.value for kept in self._tensors if kept.is_parameter)
            self._gradients = [(parameter, parameter.requires_grad, parameter.grad) for parameter in held]
        self._copies = Copies([kept.value for kept in self._tensors if kept.is_copied])
        for kept in self._tensors:
            if kept.is_copied:
                kept.copy = self._copies.of(kept.value)

    def changes(self) -> list[str]:
        """Names of what is not as it was, ``block.cache``; a list or an object by the attribute that holds it."""
        found: dict[str, None] = {}
        for module in self._modules:
            for before, now in module.contents():
                for key in dict.fromkeys((*before, *now)):
                    if key in IGNORED:
                        continue
                    if key not in before or key not in now or not module.same(before[key], now[key]):
                        found[module.named(key)] = None
        return list(found)

    def put_back(self) -> None:
        """Put back what was changed: first which objects stand where, then what is in the tensors."""
        seen: set[int] = set()
        for module in self._modules:
            module.put_back(whole=self._whole)
            for part in module.parts.values():
                if part.kind != "tensor":
                    _restore(part, seen)
        for kept in self._tensors:
            if kept.memory is not None and kept.memory.data_ptr() != kept.value.data_ptr():
                kept.value.data = kept.memory  # another tensor was assigned to its ``.data``
        for parameter, requires_grad, grad in self._gradients:
            if parameter.requires_grad is not requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not grad:
                parameter.grad = grad
        self._copies.put_back()

    def renew(self, names: Iterable[str]) -> None:
        """Put copies in the place of the tensors below these names, so that changes in place reach nothing else."""
        wanted = set(names)
        copies: dict[int, torch.Tensor] = {}
        for module in self._modules:
            for before, now in module.contents():
                for key in before:
                    if key not in IGNORED and key in now and module.named(key) in wanted:
                        now[key] = _renewed(now[key], copies, 0)

    def _module(self, path: str, module: torch.nn.Module) -> _Module:
        kept = _Module(path, module.__dict__)
        for key, value in kept.items.items():
            kind = type(value)
            if kind in PLAIN:
                continue
            if key in IGNORED:
                kept.keep_registry(key, value)
            elif kind is not tuple or not all(type(item) in PLAIN for item in value):
                part = self._keep(value, 1)
                if part.kind != "leaf":
                    kept.parts[id(value)] = part
        for key, _, content in kept.filled:
            if key in TENSORS:
                for tensor in content.values():
                    if tensor is not None:
                        kept.parts[id(tensor)] = self._keep(tensor, 1)
        return kept

    def _compiled(self, path: str, module: torch.nn.Module) -> _Module:
        """A module that is no object of Python's: only what is in its tensors can change."""
        kept = _Module(path, module.__dict__ if self._whole else {})
        for key, value in kept.items.items():
            if key in IGNORED:
                kept.keep_registry(key, value)
        tensors = [tensor for _, tensor in module.named_buffers(recurse=False)]
        tensors += module.parameters(recurse=False) if self._whole else ()
        for tensor in tensors:
            kept.parts[id(tensor)] = self._keep(tensor, 1)
        return kept

    def _keep(self, value: Any, depth: int) -> _Kept:
        import torch

        known = self._known.get(id(value))
        if known is not None:
            return known
        if isinstance(value, torch.Tensor):
            kept = _Kept("tensor", value)
            kept.is_parameter = type(value) is torch.nn.Parameter or isinstance(value, torch.nn.Parameter)
            plain = self._values and is_plain(value)
            is_shared = kept.is_parameter and not self._parameters and not is_changing(value)
            kept.is_copied = plain and not is_shared
            kept.memory = value.detach() if plain and is_shared else None
            kept.version = None if value.is_inference() else value._version
            self._tensors.append(kept)
        elif isinstance(value, torch.nn.Module):  # those of the model are walked by themselves
            kept = _Kept("leaf", value)
        elif isinstance(value, dict):
            return self._within(_Kept("dict", value), value.items(), depth)
        elif isinstance(value, (list, deque)):
            return self._within(_Kept("list", value), enumerate(value), depth)
        elif isinstance(value, tuple):
            return self._within(_Kept("tuple", value), enumerate(value), depth)
        elif isinstance(value, set):
            kept = _Kept("set", value)
            kept.copy = set(value)
        elif type(value).__module__ == "numpy" and type(value).__name__ == "ndarray":
            kept = _Kept("array", value)
            kept.copy = value.copy()
        elif is_followed(value) and depth < DEPTH:
            return self._within(_Kept("object", value), vars(value).items(), depth)
        else:
            kept = _Kept("leaf", value)
        self._known[id(value)] = kept
        return kept

    def _within(self, kept: _Kept, items: Iterable[tuple[Any, Any]], depth: int) -> _Kept:
        self._known[id(kept.value)] = kept  # before its parts, which may hold it
        if depth >= DEPTH:
            kept.kind = "leaf"
            return kept
        kept.items, kept.parts = dict(items), {}
        for key, part in kept.items.items():
            if type(part) in PLAIN or (type(part) is tuple and all(type(item) in PLAIN for item in part)):
                continue
            found = self._keep(part, depth + 1)
            if found.kind != "leaf":
                kept.parts[key] = found
        return kept


class _Module:
    """A module as it was.

    Attributes
    ----------
    path
        Where it is.
    attributes, items
        Its ``__dict__``, and what was in it.
    filled
        Name, object and content of each registry of PyTorch's in which anything was.
    empty
        Those in which nothing was.
    parts
        What can change by itself, in a registry or in the module itself, by its identity.
    """

    __slots__ = ("attributes", "empty", "filled", "items", "parts", "path")

    def __init__(self, path: str, attributes: dict[str, Any]) -> None:
        self.path = path
        self.attributes = attributes
        self.items = attributes.copy()
        self.filled: list[tuple[str, Any, Any]] = []
        self.empty: list[Any] = []
        self.parts: dict[int, _Kept] = {}

    def named(self, key: str) -> str:
        """Path of something of the module."""
        return f"{self.path}.{key}" if self.path else str(key)

    def contents(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """What was in its attributes and in the registries that ``forward`` may put something else into, and what is there."""
        yield self.items, self.attributes
        yield from ((content, registry) for name, registry, content in self.filled if name in REGISTRIES)

    def keep_registry(self, name: str, value: Any) -> None:
        """Keep what is in a registry of PyTorch's."""
        if not isinstance(value, (dict, set)):
            return
        if value:
            self.filled.append((name, value, value.copy()))
        else:
            self.empty.append(value)

    def same(self, before: Any, value: Any) -> bool:
        """Whether something of the module is as it was."""
        part = self.parts.get(id(before))
        return _same_leaf(before, value) if part is None else _same(part, value)

    def put_back(self, *, whole: bool) -> None:
        """Put back which objects stand where."""
        if whole:
            if any(self.empty):
                for registry in self.empty:
                    registry.clear()
            for _, registry, content in self.filled:
                registry.clear()
                registry.update(content)
            self.attributes.clear()
            self.attributes.update(self.items)
            return
        for content, registry in self.contents():
            _stand(registry, content, IGNORED)


class _Kept:
    """A value as it was.

    Attributes
    ----------
    items
        What a container holds, by key or place.
    parts
        Those of them that can change by themselves.
    copy
        Of a tensor, an array or a set; ``None`` if none was made.
    memory
        Shares the memory of a tensor that is not copied.
    """

    __slots__ = ("copy", "is_copied", "is_parameter", "items", "kind", "memory", "parts", "value", "version")

    def __init__(self, kind: str, value: Any) -> None:
        self.kind = kind
        self.value = value
        self.items = self.parts = NOTHING
        self.copy: Any = None
        self.is_copied = self.is_parameter = False
        self.memory: Any = None
        self.version: int | None = None


#: Attributes that every module has, and runs of ours change: mode and hooks.
IGNORED = frozenset((
    "training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_backward_pre_hooks",
    "_backward_hooks", "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
))  # fmt: skip


def is_followed(value: Any) -> bool:
    """Whether an object may hold a part of a model's state."""
    import torch

    if isinstance(value, CODE) or not hasattr(value, "__dict__") or isinstance(value, torch.fx.GraphModule):
        return False
    if isinstance(value, torch.nn.Module):
        return False  # those of the model are walked by themselves
    return type(value).__module__.partition(".")[0] not in OPAQUE


def _version(tensor: torch.Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def _same_item(kept: _Kept, key: Any, value: Any, depth: int = 0) -> bool:
    """Whether what a container holds at a place is as it was."""
    part = kept.parts.get(key)
    return _same_leaf(kept.items[key], value) if part is None else _same(part, value, depth)


def _same_leaf(before: Any, value: Any) -> bool:
    """Whether a value without parts is as it was."""
    if value is before:
        return True
    if isinstance(value, (int, float, complex, str, bytes)) or value is None:
        return type(value) is type(before) and bool(value == before or (value != value and before != before))
    if type(value) is tuple and type(before) is tuple:
        return len(value) == len(before) and all(map(_same_leaf, before, value))
    return type(value) is type(before)  # made anew: what is within is not for us to see


def _same(kept: _Kept, value: Any, depth: int = 0) -> bool:
    """Whether a value is as it was, itself or another one like it."""
    import torch

    if depth > DEPTH:
        return True
    if kept.kind == "tensor":
        if not isinstance(value, torch.Tensor):
            return False
        before = kept.copy if kept.copy is not None else kept.memory
        if value is kept.value and kept.copy is None:
            moved = kept.memory is not None and kept.memory.data_ptr() != value.data_ptr()
            return not moved and kept.version == _version(value)
        if before is None or not is_plain(value):
            return value is kept.value
        return equal(before, value.detach())
    if kept.kind in ("dict", "list", "tuple", "object"):
        if type(value) is not type(kept.value):
            return False
        items = vars(value) if kept.kind == "object" else value
        now = dict(items.items() if isinstance(items, dict) else enumerate(items))
        return now.keys() == kept.items.keys() and all(_same_item(kept, key, now[key], depth + 1) for key in now)
    if kept.kind == "set":
        return bool(kept.copy == value)
    if kept.kind == "array":
        return type(value) is type(kept.value) and np.array_equal(value, kept.copy)
    return _same_leaf(kept.value, value)


def _restore(kept: _Kept, seen: set[int]) -> None:
    """Put back which objects stand where, and what is in sets and arrays."""
    if id(kept) in seen:
        return
    seen.add(id(kept))
    if kept.kind in ("dict", "object"):
        _stand(vars(kept.value) if kept.kind == "object" else kept.value, kept.items, NONE)
    elif kept.kind == "list":
        items = kept.items.values()
        if len(items) != len(kept.value) or any(a is not b for a, b in zip(items, kept.value, strict=True)):
            kept.value.clear()
            kept.value.extend(items)
    elif kept.kind == "set" and kept.value != kept.copy:
        kept.value.clear()
        kept.value.update(kept.copy)
    elif kept.kind == "array" and not np.array_equal(kept.value, kept.copy):
        kept.value[...] = kept.copy
    for part in kept.parts.values():
        if part.kind != "tensor":
            _restore(part, seen)


def _stand(content: dict[Any, Any], items: dict[Any, Any], ignored: frozenset[str]) -> None:
    """Put back what stood in a dict, but for what is ignored."""
    for key in content.keys() - items.keys() - ignored:
        del content[key]
    for key, value in items.items():
        if content.get(key, NONE) is not value and key not in ignored:
            content[key] = value


def _renewed(value: Any, copies: dict[int, torch.Tensor], depth: int) -> Any:
    """A value whose tensors, and the containers of them, are copies."""
    import torch

    if depth > DEPTH:
        return value
    if isinstance(value, torch.Tensor):
        if id(value) not in copies:
            copies[id(value)] = value.clone()
        return copies[id(value)]
    again = functools.partial(_renewed, copies=copies, depth=depth + 1)
    if isinstance(value, dict):
        for key in list(value):
            value[key] = again(value[key])
    elif isinstance(value, list):
        value[:] = [again(item) for item in value]
    elif isinstance(value, deque):
        items = [again(item) for item in value]
        value.clear()
        value.extend(items)
    elif type(value) is tuple:
        return tuple(map(again, value))
    elif is_followed(value):
        for key in list(vars(value)):
            vars(value)[key] = again(vars(value)[key])
    return value
