"""State of PyTorch models: what decides what they compute, and what is put back after a toolkit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch
from metannvis_translate.frameworks.torch import ModelState

from metannvis_methods.models.base import Array
from metannvis_methods.models.fingerprint import NOTHING, digest, plain_attributes

__all__ = ["fingerprint_of", "state_of", "structure_of"]


def fingerprint_of(model: Any) -> str:
    """Weights, buffers, structure, options that modules print or keep as plain attributes, and modes."""

    def parts() -> Iterator[tuple[str, Array]]:
        if isinstance(model, torch.nn.Module):
            for name, module in model.named_modules():
                yield f"{name}|{type(module).__qualname__}|{module.extra_repr()}", NOTHING
                yield from ((f"{name}.{key}", array) for key, array in plain_attributes(module))
            sources = (model.named_parameters(), model.named_buffers())
        else:  # an ExportedProgram
            yield str(model.graph), NOTHING
            sources = (model.state_dict.items(), model.constants.items())
        for source in sources:
            for name, tensor in source:
                if not isinstance(tensor, torch.Tensor):
                    continue
                lying = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)  # as it lies nothing is copied
                flat = tensor.detach().cpu().permute(lying).contiguous().reshape(-1).view(torch.uint8).numpy()
                yield f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|{lying}", flat

    return digest(parts())


def structure_of(model: Any) -> Hashable:
    """Modules by identity, with what they keep as plain values and functions; nothing of weights is looked at."""
    if not isinstance(model, torch.nn.Module):
        return None
    return tuple(
        (
            id(module),
            type(module),
            *((name, _plain(value)) for name, value in vars(module).items() if name[0] != "_"),
        )
        for module in model.modules()
    )


def state_of(model: Any) -> Callable[[], None]:
    """Modes, hooks, submodules, gradients, and whatever state ``forward`` changes: buffers, plain tensors, lists.

    Each module's ``__dict__`` is kept, registries in it copied: that covers modes, hooks, submodules and
    whatever attributes a toolkit leaves behind (``rule``, ``activations``), also when it fails half-way.
    """
    state = ModelState(model)
    modules = [(module.__dict__, dict(module.__dict__), _registries(module)) for module in model.modules()]
    parameters = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]

    def put_back() -> None:
        for now, attributes, registries in modules:
            for registry, content in registries:
                if registry or content:
                    registry.clear()
                    registry.update(content)
            now.clear()
            now.update(attributes)
        for parameter, requires_grad, grad in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
        state.put_back()

    return put_back


def _registries(module: torch.nn.Module) -> list[tuple[Any, Any]]:
    """The dicts and sets that ``nn.Module`` keeps (parameters, submodules, hooks), each with a copy."""
    return [
        (value, value.copy() if value else ())
        for name, value in module.__dict__.items()
        if isinstance(value, (dict, set)) and name[0] == "_"
    ]


def _plain(value: Any) -> Hashable:
    if value is None or type(value) in (bool, int, float, str):
        return value
    return repr(value) if type(value) in (tuple, list) else id(value)
