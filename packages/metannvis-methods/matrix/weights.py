"""Weights of the PyTorch networks: drawn at random, and copied by hand into the Keras networks. Nothing here imports MetaNNvis."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["copy_into", "randomize"]

Array = np.ndarray[Any, Any]


def randomize(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Double precision, of numbers that single precision has too; biases and statistics neither zero nor one, which hide errors."""
    random = np.random.default_rng(seed)
    for name, tensor in model.double().eval().state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            array = random.uniform(0.5, 2.0, tensor.shape)
        elif tensor.ndim < 2:
            array = random.uniform(-0.4, 0.6, tensor.shape)
        else:
            inner = tensor.shape[1:] if name.endswith("weight") else tensor.shape[-1:]
            array = random.normal(0, max(int(np.prod(inner)), 1) ** -0.5, tensor.shape)
        tensor.copy_(torch.from_numpy(np.asarray(array)).float())
    return model


def copy_into(model: Any, twin: torch.nn.Module, flattened: dict[str, tuple[int, ...]]) -> Any:
    """Every module with weights into the layer of its name.

    ``flattened`` has, for a dense layer behind a map that is flattened, the map's shape, channels first.
    """
    own = {name for name, _ in twin.named_parameters(recurse=False)}
    for name, tensor in twin.named_parameters(recurse=False):
        model.get_layer(name).set_weights([tensor.detach().numpy()])
    for name, module in twin.named_children():
        weights = {key: value.detach().numpy() for key, value in module.state_dict().items()}
        if weights:
            found = _ordered(type(module).__name__, weights, flattened.get(name))
            model.get_layer(name).set_weights(found)
    done = {*own, *(name for name, _ in twin.named_children())}
    left = [layer.name for layer in model.layers if layer.weights and layer.name not in done]
    assert not left, f"layers without weights of the twin's: {left}"
    return model


def _ordered(kind: str, weights: dict[str, Array], flattened: tuple[int, ...] | None) -> list[Array]:
    if kind in (
        "Conv1d",
        "Conv2d",
        "ConvTranspose2d",
    ):  # (out, in, places…) to (places…, in, out); transposed the other way round
        arrays = [np.moveaxis(weights["weight"], (0, 1), (-1, -2)), weights.get("bias")]
    elif kind == "Linear":
        matrix = weights["weight"]
        if flattened is not None:
            matrix = matrix.reshape(-1, *flattened)
            matrix = np.moveaxis(matrix, 1, -1).reshape(len(matrix), -1)
        arrays = [matrix.T, weights.get("bias")]
    elif kind.startswith("BatchNorm"):
        arrays = [weights[name] for name in ("weight", "bias", "running_mean", "running_var")]
    elif kind == "LSTM":  # gates in the same order in both: input, forget, cell, output
        arrays = [
            weights["weight_ih_l0"].T,
            weights["weight_hh_l0"].T,
            weights["bias_ih_l0"] + weights["bias_hh_l0"],
        ]
    elif kind == "Attention":  # Keras has (in, heads, size) three times, and (heads, size, out)
        arrays = []
        for name in ("query", "key", "value", "out"):
            kernel, bias = weights[f"{name}.weight"].T, weights[f"{name}.bias"]
            heads = (2, len(kernel) // 2)
            arrays += (
                [kernel.reshape(*heads, -1), bias]
                if name == "out"
                else [kernel.reshape(-1, *heads), bias.reshape(heads)]
            )
    else:  # Embedding, LayerNorm
        arrays = list(weights.values())
    return [array for array in arrays if array is not None]
