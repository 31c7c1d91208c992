"""Model state: buffers, plain tensors, numbers and lists of them that a PyTorch model holds beside its parameters.

``forward`` may change any of it (streaming caches, counters, moving averages). A translation holds the state that the model is
in, so every run, trace and comparison has to start from it, and has to put it back.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.torch.changing_parameters import is_changing

if TYPE_CHECKING:
    import torch

__all__ = ["DEPTH", "IGNORED", "ModelState", "is_followed", "is_plain"]

#: Registries of a module that ``forward`` may put something else into.
REGISTRIES = ("_parameters", "_buffers", "_modules")
#: What holds no state of a model: code, and objects of these packages (graphs, devices, generators, records of provenance).
CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
OPAQUE = ("torch", "metannvis_translate", "logging", "threading", "weakref", "enum", "inspect", "re")
#: What cannot change but by being replaced; most of what a module keeps is that.
PLAIN = frozenset((type(None), bool, int, float, str))
#: Parts of what has none.
NOTHING: dict[Any, Any] = {}
#: How far objects are followed into one another: a cache is an object with a list of objects with tensors.
DEPTH = 8


class ModelState:
    """What a model holds now.

    Parameters
    ----------
    values
        Keep copies of the tensors; without, only which tensor stands where, as a trace needs it.
    parameters
        Keep copies of the parameters as well. Hardly any model changes one, and they may be large: without, only those that are
        known to change (:func:`~.changing_parameters.mark_changing`).
    """

    def __init__(self, model: torch.nn.Module, *, values: bool = True, parameters: bool = False) -> None:
        self._values = values
        self._parameters = parameters
        self._known: dict[int, _Kept] = {}
        self._kept: list[tuple[str, _Kept]] = []
        for path, module in model.named_modules():
            for name, content in _attributes(module):
                where = f"{path}.{name}" if path and name else path or name
                self._kept.append((where, self._keep(content, 0)))

    def changes(self) -> list[str]:
        """Names of what is not as it was, ``block.cache``; a list or an object by the attribute that holds it."""
        found: dict[str, None] = {}
        for where, kept in self._kept:
            if kept.kind in ("registry", "attributes"):
                for key in dict.fromkeys((*kept.parts, *kept.value)):
                    name = f"{where}.{key}" if where else str(key)
                    if key in IGNORED and kept.kind == "attributes":
                        continue
                    if key not in kept.parts or key not in kept.value or not _same(kept.parts[key], kept.value[key]):
                        found[name] = None
        return list(found)

    def put_back(self) -> None:
        """Put back what was changed: first which objects stand where, then what is in the tensors."""
        for _, kept in self._kept:
            _restore(kept, set())

    def renew(self, names: Iterable[str]) -> None:
        """Put copies in the place of the tensors below these names, so that changes in place reach nothing else."""
        wanted = set(names)
        copies: dict[int, torch.Tensor] = {}
        for where, kept in self._kept:
            for key in list(kept.parts):
                if (f"{where}.{key}" if where else str(key)) in wanted and key in kept.value:
                    kept.value[key] = _renewed(kept.value[key], copies, 0)

    def _keep(self, value: Any, depth: int) -> _Kept:
        import torch

        if id(value) in self._known:
            return self._known[id(value)]
        if isinstance(value, torch.Tensor):
            kept = _Kept("tensor", value, {})
            is_parameter = isinstance(value, torch.nn.Parameter) and not self._parameters and not is_changing(value)
            kept.copy = _copy(value) if self._values and not is_parameter else None
            kept.version = _version(value)
            kept.memory = value.detach() if is_parameter and self._values and is_plain(value) else None
        elif isinstance(value, _Registry):
            return self._within(_Kept(value.kind, value.content, {}), value.content.items(), depth)
        elif isinstance(value, dict):
            return self._within(_Kept("dict", value, {}), value.items(), depth)
        elif isinstance(value, (list, deque)):
            return self._within(_Kept("list", value, {}), enumerate(value), depth)
        elif isinstance(value, tuple):
            return self._within(_Kept("tuple", value, {}), enumerate(value), depth)
        elif isinstance(value, set):
            kept = _Kept("set", value, {})
            kept.copy = set(value)
        elif type(value).__module__ == "numpy" and type(value).__name__ == "ndarray":
            kept = _Kept("array", value, {})
            kept.copy = value.copy()
        elif is_followed(value) and depth < DEPTH:
            return self._within(_Kept("object", value, {}), vars(value).items(), depth)
        else:
            kept = _Kept("leaf", value, {})
        self._known[id(value)] = kept
        return kept

    def _within(self, kept: _Kept, items: Iterable[tuple[Any, Any]], depth: int) -> _Kept:
        self._known[id(kept.value)] = kept  # before its parts, which may hold it
        if depth < DEPTH:
            kept.parts = {
                key: _Kept("leaf", part, NOTHING) if type(part) in PLAIN else self._keep(part, depth + 1)
                for key, part in list(items)
                if kept.kind != "attributes" or key not in IGNORED
            }
        else:
            kept.kind = "leaf"
        return kept


class _Registry:
    """A dict of a module's own."""

    def __init__(self, kind: str, content: dict[Any, Any]) -> None:
        self.kind = kind
        self.content = content


class _Kept:
    """A value as it was."""

    __slots__ = ("copy", "kind", "memory", "parts", "value", "version")

    def __init__(self, kind: str, value: Any, parts: dict[Any, _Kept]) -> None:
        self.kind = kind
        self.value = value
        self.parts = parts
        self.copy: Any = None
        self.memory: Any = None
        self.version: int | None = None


#: Attributes that every module has, and runs of ours change: mode and hooks.
IGNORED = frozenset((
    "training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_backward_pre_hooks",
    "_backward_hooks", "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
))  # fmt: skip


def _attributes(module: torch.nn.Module) -> Iterator[tuple[str, _Registry]]:
    import torch

    if isinstance(
        module, torch.jit.ScriptModule
    ):  # which is no object of Python's: only what is in its tensors can change
        yield "", _Registry("dict", dict(module.named_buffers(recurse=False)))
        return
    attributes = vars(module)
    yield "", _Registry("attributes", attributes)
    for name in REGISTRIES:
        if attributes.get(name):
            yield "", _Registry("registry", attributes[name])


def is_followed(value: Any) -> bool:
    """Whether an object may hold a part of a model's state."""
    import torch

    if isinstance(value, CODE) or not hasattr(value, "__dict__") or isinstance(value, torch.fx.GraphModule):
        return False
    if isinstance(value, torch.nn.Module):
        return False  # those of the model are walked by themselves
    return type(value).__module__.partition(".")[0] not in OPAQUE


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether it has elements that can be looked at: no lazy parameter, nothing on ``meta``, no tensor of a trace."""
    import torch

    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
        and tensor.layout == torch.strided
        and not tensor.is_meta
        and not tensor.is_quantized
    )


def _copy(tensor: torch.Tensor) -> torch.Tensor | None:
    return tensor.detach().clone() if is_plain(tensor) else None


def _version(tensor: torch.Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    import torch

    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    if torch.equal(a, b):
        return True
    return a.is_floating_point() and bool(torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).all())


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
        return _equal(before, value.detach())
    if kept.kind in ("dict", "list", "tuple", "object", "registry", "attributes"):
        if type(value) is not type(kept.value):
            return False
        items = vars(value) if kept.kind == "object" else value
        now = dict(items.items() if isinstance(items, dict) else enumerate(items))
        return now.keys() == kept.parts.keys() and all(_same(kept.parts[k], now[k], depth + 1) for k in now)
    if kept.kind == "set":
        return bool(kept.copy == value)
    if kept.kind == "array":
        return type(value) is type(kept.value) and np.array_equal(value, kept.copy)
    if value is kept.value:
        return True
    if isinstance(value, (int, float, complex, str, bytes)) or value is None:
        return type(value) is type(kept.value) and bool(
            value == kept.value or (value != value and kept.value != kept.value)
        )
    return type(value) is type(kept.value)  # made anew: what is within is not for us to see


def _restore(kept: _Kept, seen: set[int]) -> None:
    if id(kept) in seen:
        return
    seen.add(id(kept))
    if kept.kind == "tensor":
        _restore_tensor(kept)
        return
    if kept.kind == "set" and kept.value != kept.copy:
        kept.value.clear()
        kept.value.update(kept.copy)
    elif kept.kind == "array" and not np.array_equal(kept.value, kept.copy):
        kept.value[...] = kept.copy
    elif kept.kind in ("dict", "object", "registry", "attributes"):
        content = vars(kept.value) if kept.kind == "object" else kept.value
        ignored = IGNORED if kept.kind == "attributes" else ()
        for key in [key for key in content if key not in kept.parts and key not in ignored]:
            del content[key]
        for key, part in kept.parts.items():
            if key not in content or content[key] is not part.value:
                content[key] = part.value
    elif kept.kind == "list":
        items = [part.value for part in kept.parts.values()]
        if len(items) != len(kept.value) or any(a is not b for a, b in zip(items, kept.value, strict=True)):
            kept.value.clear()
            kept.value.extend(items)
    for part in kept.parts.values():
        if part.kind != "leaf":
            _restore(part, seen)


def _restore_tensor(kept: _Kept) -> None:
    import torch

    tensor = kept.value
    if kept.memory is not None and kept.memory.data_ptr() != tensor.data_ptr():
        tensor.data = kept.memory  # another tensor was assigned to its ``.data``
    before = kept.copy
    if before is None or not is_plain(tensor):
        return
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        if tensor.shape != before.shape or tensor.dtype != before.dtype:
            tensor.data = before.clone()
        elif not _equal(before, tensor.detach()):
            tensor.copy_(before)


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
