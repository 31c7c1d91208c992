"""Model state: buffers, plain tensors, numbers and lists of them that a PyTorch model holds beside its parameters.

``forward`` may change any of it (streaming caches, counters, moving averages). A translation holds the state that the model is
in, so every run, trace and comparison has to start from it, and has to put it back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.changing_parameters import any_changing, is_changing
from metannvis_translate.frameworks.torch.kept_state import (
    DEPTH,
    IGNORED,
    PLAIN,
    TENSORS,
    Kept,
    KeptModule,
    is_followed,
    renewed,
    restore,
)
from metannvis_translate.frameworks.torch.module_walk import walk
from metannvis_translate.frameworks.torch.tensor_copies import Copies, is_plain

if TYPE_CHECKING:
    import torch

__all__ = ["ModelState"]


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
        self._any_changing = any_changing()
        self._known: dict[int, Kept] = {}
        self._tensors: list[Kept] = []
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
                restore(part, seen)
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
                        now[key] = renewed(now[key], copies, 0)

    def _module(self, path: str, module: torch.nn.Module) -> KeptModule:
        kept = KeptModule(path, module.__dict__, self._known)
        for key in kept.keep_registries():
            value = kept.items[key]
            if type(value) is not tuple or not PLAIN.issuperset(map(type, value)):
                part = self._keep(value, 1)
                if part.kind not in ("leaf", "tensor"):
                    kept.parts[id(value)] = part
        for name, _, content in kept.filled:
            if name in TENSORS:
                for tensor in content.values():
                    if tensor is not None:
                        self._keep(tensor, 1)
        return kept

    def _compiled(self, path: str, module: torch.nn.Module) -> KeptModule:
        """A module that is no object of Python's: only what is in its tensors can change."""
        kept = KeptModule(path, module.__dict__ if self._whole else {}, self._known)
        kept.keep_registries()
        tensors = [tensor for _, tensor in module.named_buffers(recurse=False)]
        tensors += module.parameters(recurse=False) if self._whole else ()
        for tensor in tensors:
            self._keep(tensor, 1)
        return kept

    def _keep(self, value: Any, depth: int) -> Kept:
        import torch

        known = self._known.get(id(value))
        if known is not None:
            return known
        if isinstance(value, torch.Tensor):
            kept = Kept("tensor", value)
            kind = type(value)
            kept.is_parameter = kind is torch.nn.Parameter or (
                kind is not torch.Tensor and isinstance(value, torch.nn.Parameter)
            )
            if self._values and is_plain(value):
                is_changed = self._parameters or (self._any_changing and is_changing(value))
                kept.is_copied = is_changed or not kept.is_parameter
                kept.memory = None if kept.is_copied else value.detach()
            kept.version = None if value.is_inference() else value._version
            self._tensors.append(kept)
        elif isinstance(value, torch.nn.Module):  # those of the model are walked by themselves
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
