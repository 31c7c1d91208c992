"""Weights of Keras layers, copied by hand into the modules of a PyTorch twin. Nothing here imports MetaNNvis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["copy_into", "randomize"]


def _set(tensor: torch.Tensor, array: Any) -> None:
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(np.asarray(array).copy()))


def _conv(module: Any, layer: Any) -> None:
    """Keras (*space, in, out), PyTorch (out, in, *space)."""
    kernel = np.asarray(layer.kernel)
    _set(module.weight, np.moveaxis(kernel, (-1, -2), (0, 1)))
    if module.bias is not None:
        _set(module.bias, layer.bias)


def _transposed(module: Any, layer: Any) -> None:
    """Keras (*space, out, in), PyTorch (in, out, *space)."""
    _set(module.weight, np.moveaxis(np.asarray(layer.kernel), (-1, -2), (0, 1)))
    _set(module.bias, layer.bias)


def _depthwise(module: Any, layer: Any) -> None:
    """Keras (*space, in, times), PyTorch (in · times, 1, *space)."""
    kernel = np.asarray(layer.kernel)
    _set(module.weight, np.moveaxis(kernel.reshape(*kernel.shape[:-2], -1), -1, 0)[:, None])
    _set(module.bias, layer.bias)


def _separable(module: Any, layer: Any) -> None:
    kernel = np.asarray(layer.depthwise_kernel)
    _set(module[0].weight, np.moveaxis(kernel.reshape(*kernel.shape[:-2], -1), -1, 0)[:, None])
    _set(module[1].weight, np.moveaxis(np.asarray(layer.pointwise_kernel), (-1, -2), (0, 1)))
    _set(module[1].bias, layer.bias)


def _dense(module: Any, layer: Any) -> None:
    _set(module.weight, np.asarray(layer.kernel).T)
    if module.bias is not None:
        _set(module.bias, layer.bias)


def _batch_norm(module: Any, layer: Any) -> None:
    for name, weight in (("weight", layer.gamma), ("bias", layer.beta)):
        _set(getattr(module, name), weight)
    _set(module.running_mean, layer.moving_mean)
    _set(module.running_var, layer.moving_variance)


def _layer_norm(module: Any, layer: Any) -> None:
    _set(module.weight, layer.gamma)
    _set(module.bias, layer.beta)


def _lstm(module: Any, layer: Any) -> None:
    """Gates in the same order in both: input, forget, cell, output. PyTorch has two biases, of which one is enough."""
    _set(module.weight_ih_l0, np.asarray(layer.cell.kernel).T)
    _set(module.weight_hh_l0, np.asarray(layer.cell.recurrent_kernel).T)
    _set(module.bias_ih_l0, layer.cell.bias)
    _set(module.bias_hh_l0, np.zeros(module.bias_hh_l0.shape))


def _attention(module: Any, layer: Any) -> None:
    """Keras has (in, heads, size) for each of query, key and value, and (heads, size, out) behind them."""
    for name in ("query", "key", "value"):
        part, dense = getattr(module, name), getattr(layer, f"_{name}_dense")
        kernel = np.asarray(dense.kernel)
        _set(part.weight, kernel.reshape(kernel.shape[0], -1).T)
        _set(part.bias, np.asarray(dense.bias).reshape(-1))
    kernel = np.asarray(layer._output_dense.kernel)
    _set(module.out.weight, kernel.reshape(-1, kernel.shape[-1]).T)
    _set(module.out.bias, layer._output_dense.bias)


COPIES: dict[str, Callable[[Any, Any], None]] = {
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "LSTM": _lstm,
    "MultiHeadAttention": _attention,
}


def copy_into(twin: nn.Module, model: Any) -> nn.Module:
    """Every layer with weights into the module of the same name; the twin in double precision, ready to be asked.

    Raises
    ------
    AssertionError
        A module of the twin was left out.
    """
    modules = dict(twin.double().named_modules())
    done = 0
    for layer in model.layers:
        if layer.weights and type(layer).__name__ in COPIES:
            COPIES[type(layer).__name__](modules[layer.name], layer)
            done += sum(p.numel() for p in modules[layer.name].parameters())
    left = {name for name, p in twin.named_parameters(recurse=False)}
    for name in left:  # a weight of the network itself, like an embedding of positions
        _set(getattr(twin, name), np.asarray(model.get_layer(name).weights[0]))
        done += getattr(twin, name).numel()
    assert done == sum(p.numel() for p in twin.parameters()), "a module of the twin has no weights of the network's"
    return twin.eval()


def randomize(model: Any, seed: int) -> Any:
    """Weights of a sensible size, biases and batch statistics that are neither zero nor one: those hide errors."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        if "variance" in weight.path:
            weight.assign(random.uniform(0.5, 2.0, weight.shape))
        elif len(weight.shape) < 2:
            weight.assign(random.uniform(-0.4, 0.6, weight.shape))
        else:
            inner = weight.shape[:-1] if weight.path.split("/")[-1] == "kernel" else weight.shape[-1:]
            weight.assign(random.normal(0, max(np.prod(inner), 1) ** -0.5, weight.shape))
    return model
