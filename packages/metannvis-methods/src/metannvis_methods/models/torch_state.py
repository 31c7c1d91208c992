"""State of PyTorch models: what decides what they compute, and what is put back after a toolkit."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import torch
from metannvis_translate.frameworks.torch import ModelState, modules_of, tensors_of, walk

from metannvis_methods.models.base import Array
from metannvis_methods.models.fingerprint import NOTHING, PLAIN, digest, plain_attributes

__all__ = ["fingerprint_of", "state_of", "structure_of"]

#: Where classes print nothing but attributes, which are looked at anyway.
PRINT_ATTRIBUTES = "torch.nn.modules."
#: Most tensors are of these, which NumPy has as well.
NUMPY = frozenset((torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool))


def fingerprint_of(model: Any) -> str:
    """Weights, buffers, structure, options that modules print or keep as plain attributes, and modes."""

    def parts() -> Iterator[tuple[str, Array]]:
        if isinstance(model, torch.nn.Module):
            modules, known = walk(model), dict[int, str]()
            for name, module in modules:
                kind = type(module)
                printed = "" if kind.extra_repr.__module__.startswith(PRINT_ATTRIBUTES) else module.extra_repr()
                yield f"{name}|{kind.__qualname__}|{printed}", NOTHING
                for key, array in plain_attributes(module, known):
                    yield f"{name}.{key}", array
            source: Iterable[tuple[str, Any]] = tensors_of(modules)
        else:  # an ExportedProgram
            yield str(model.graph), NOTHING
            source = itertools.chain(model.state_dict.items(), model.constants.items())
        seen: set[int] = set()
        for name, tensor in source:
            if not isinstance(tensor, torch.Tensor):
                continue
            if id(tensor) in seen:
                yield name, NOTHING
                continue
            seen.add(id(tensor))
            tensor = tensor.detach()
            if tensor.dtype in NUMPY and tensor.device.type == "cpu" and tensor.is_contiguous():
                yield name, tensor.numpy()
                continue
            lying = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)  # as it lies nothing is copied
            flat = tensor.cpu().permute(lying).contiguous().reshape(-1).view(torch.uint8).numpy()
            yield f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|{lying}", flat

    return digest(parts())


def structure_of(model: Any) -> Hashable:
    """Modules by identity, with what they keep as plain values and functions; nothing of weights is looked at."""
    if not isinstance(model, torch.nn.Module):
        return None
    modules = modules_of(model)
    attributes = [vars(module) for module in modules]
    names = tuple(itertools.chain.from_iterable(attributes))
    values = tuple(itertools.chain.from_iterable([held.values() for held in attributes]))
    kinds = tuple(map(type, values))
    plain, others = _public(names, kinds)
    found = tuple(map(_plain, itertools.compress(values, others)))
    sizes = tuple(map(len, attributes))
    return tuple(map(id, modules)), sizes, names, kinds, tuple(itertools.compress(values, plain)), found


def state_of(model: Any, modules: Sequence[Any] | None = None) -> Callable[[], None]:
    """Modes, hooks, submodules, gradients, and whatever state ``forward`` changes: buffers, plain tensors, lists.

    That covers whatever attributes a toolkit leaves behind (``rule``, ``activations``), also when it fails half-way.
    ``modules`` are the model's, if they were looked up already.
    """
    return ModelState(model, whole=True, modules=modules).put_back


@functools.lru_cache(maxsize=16)
def _public(names: tuple[str, ...], kinds: tuple[type, ...]) -> tuple[list[bool], list[bool]]:
    """Which of the attributes of all modules are not the framework's: marks of those that are plain, and of the others."""
    public = [name[0] != "_" for name in names]
    plain = [kind in PLAIN for kind in kinds]
    return [a and b for a, b in zip(public, plain, strict=True)], [
        a and not b for a, b in zip(public, plain, strict=True)
    ]


def _plain(value: Any) -> Hashable:
    if type(value) in (tuple, list):
        return tuple(value) if PLAIN.issuperset(map(type, value)) else repr(value)
    return id(value)
