"""What was kept of a PyTorch model's state beside its registries: containers, objects, tensors, compared and put back."""

from __future__ import annotations

import functools
import types
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.torch.kept_dicts import stand
from metannvis_translate.frameworks.torch.tensor_copies import equal, is_plain

if TYPE_CHECKING:
    import torch

__all__ = [
    "DEPTH",
    "IGNORED",
    "PLAIN",
    "REGISTRIES",
    "TENSORS",
    "Kept",
    "is_followed",
    "renewed",
    "restore",
    "same",
    "same_leaf",
]

#: Registries of a module that ``forward`` may put something else into.
REGISTRIES = ("_parameters", "_buffers", "_modules")
#: Those that hold tensors.
TENSORS = ("_parameters", "_buffers")
#: What holds no state of a model: code, and objects of these packages (graphs, devices, generators, records of provenance).
CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
OPAQUE = ("torch", "metannvis_translate", "logging", "threading", "weakref", "enum", "inspect", "re")
#: What cannot change but by being replaced; most of what a module keeps is that.
PLAIN = frozenset((type(None), bool, int, float, str))
#: What is in that which holds nothing.
NOTHING: dict[Any, Any] = {}
#: How far objects are followed into one another: a cache is an object with a list of objects with tensors.
DEPTH = 8
#: Attributes that every module has, and runs of ours change: mode and hooks.
IGNORED = frozenset((
    "training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_backward_pre_hooks",
    "_backward_hooks", "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
))  # fmt: skip


class Kept:
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

    __slots__ = ("copy", "items", "kind", "memory", "parts", "value", "version")

    def __init__(self, kind: str, value: Any) -> None:
        self.kind = kind
        self.value = value
        self.items = self.parts = NOTHING
        self.copy: Any = None
        self.memory: Any = None
        self.version: int | None = None


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


def _same_item(kept: Kept, key: Any, value: Any, depth: int = 0) -> bool:
    """Whether what a container holds at a place is as it was."""
    part = kept.parts.get(key)
    return same_leaf(kept.items[key], value) if part is None else same(part, value, depth)


def same_leaf(before: Any, value: Any) -> bool:
    """Whether a value without parts is as it was."""
    if value is before:
        return True
    if isinstance(value, (int, float, complex, str, bytes)) or value is None:
        return type(value) is type(before) and bool(value == before or (value != value and before != before))
    if type(value) is tuple and type(before) is tuple:
        return len(value) == len(before) and all(map(same_leaf, before, value))
    return type(value) is type(before)  # made anew: what is within is not for us to see


def same(kept: Kept, value: Any, depth: int = 0) -> bool:
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
    return same_leaf(kept.value, value)


def restore(kept: Kept, seen: set[int]) -> None:
    """Put back which objects stand where, and what is in sets and arrays."""
    if id(kept) in seen:
        return
    seen.add(id(kept))
    if kept.kind in ("dict", "object"):
        stand(vars(kept.value) if kept.kind == "object" else kept.value, kept.items)
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
            restore(part, seen)


def renewed(value: Any, copies: dict[int, torch.Tensor], depth: int) -> Any:
    """A value whose tensors, and the containers of them, are copies."""
    import torch

    if depth > DEPTH:
        return value
    if isinstance(value, torch.Tensor):
        if id(value) not in copies:
            copies[id(value)] = value.clone()
        return copies[id(value)]
    again = functools.partial(renewed, copies=copies, depth=depth + 1)
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
