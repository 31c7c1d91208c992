"""Weights from a layer of one framework to the same layer of the other, as somebody without MetaNNvis copies them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

__all__ = ["copy_weights", "dtype_of_layers"]

Array = np.ndarray[Any, Any]


def _arrays(layer: Any) -> list[Array]:
    """Weights of a layer of either framework, as Keras has them."""
    if not isinstance(layer, nn.Module):
        return [np.asarray(weight) for weight in layer.get_weights()]
    names = ("weight", "bias", "running_mean", "running_var")
    state = {key: value.detach().numpy() for key, value in layer.state_dict().items()}
    found = [state[name] for name in names if name in state]
    if isinstance(layer, nn.Conv2d):
        found[0] = found[0].transpose(2, 3, 1, 0)
    elif isinstance(layer, nn.Linear):
        found[0] = found[0].T
    return found


def _set(layer: Any, arrays: list[Array]) -> None:
    """Give a layer of either framework weights as Keras has them."""
    if not isinstance(layer, nn.Module):
        layer.set_weights(arrays)
        return
    arrays = list(arrays)
    if isinstance(layer, nn.Conv2d):
        arrays[0] = arrays[0].transpose(3, 2, 0, 1)
    elif isinstance(layer, nn.Linear):
        arrays[0] = arrays[0].T
    tensors = [layer.weight, layer.bias, *(b for b in layer.buffers() if b.is_floating_point())]
    with torch.no_grad():
        for tensor, value in zip([t for t in tensors if t is not None], arrays, strict=True):
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _find(model: Any, path: str) -> Any:
    """A layer of either framework by a path like ``block.conv1``."""
    if isinstance(model, nn.Module):
        return model.get_submodule(path)
    for part in path.split("."):
        model = model.get_layer(part)
    return model


def copy_weights(source: Any, target: Any, names: Mapping[str, str]) -> None:
    """Give layers of ``target`` the weights of those of ``source``, by names of both."""
    for of_source, of_target in names.items():
        _set(_find(target, of_target), _arrays(_find(source, of_source)))


@contextmanager
def dtype_of_layers(name: str) -> Iterator[None]:
    """Keras layers made inside compute in this dtype."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
