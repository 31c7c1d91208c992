"""Randomized weights: copies of a model whose layers have weights drawn anew, from the output down or one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for

__all__ = ["SCHEMES", "fixed_layers", "randomized", "weighted_layers"]

Array = np.ndarray[Any, Any]
#: From the output down, each step keeping what was drawn before; or one layer at a time.
SCHEMES = ("cascading", "independent")
#: Layers that a message names.
NAMED = 5


def randomized(
    model: Any, inputs: Any, *, scheme: str = "cascading", seed: int | None = 0, layers: Sequence[str] | None = None
) -> Iterator[tuple[str, Any]]:
    """Copies of a model with random weights, one a layer that has weights, from the output down.

    Each weight is drawn from a normal distribution that has the mean and the standard deviation of its tensor, so that values
    keep their size on the way through the network and what was learnt is gone. What is the same everywhere, such as a bias of
    zeros, stays. Statistics of batch normalisation are data, and stay.

    Parameters
    ----------
    model
        A PyTorch module, a Keras model, or an ONNX model (``onnx.ModelProto``), of which the weights are what convolutions,
        matrix products, recurrent operators, normalisations and embeddings are given; it is left as it was.
    inputs
        A few inputs, NumPy, shape ``(N, …)``: they tell the order in which layers run.
    scheme
        ``"cascading"`` (Adebayo et al., 2018, arXiv:1810.03292): each copy has one more layer drawn; ``"independent"``: one
        layer each.
    seed
        Of the weights; a layer's are the same in both schemes.
    layers
        Names of the layers to draw, in that order; ``None``: all.

    Yields
    ------
    Name of the layer that was drawn last, and the copy. With ``"cascading"`` it is one copy, which goes on changing.

    Raises
    ------
    InvalidArgumentError
        There is no such scheme or layer, or the weights of the model cannot be set.
    """
    if scheme not in SCHEMES:
        raise InvalidArgumentError(f"scheme is one of {', '.join(SCHEMES)}, not {scheme!r}")
    names = weighted_layers(model, inputs)[::-1]
    if layers is not None:
        if unknown := [name for name in layers if name not in names]:
            raise InvalidArgumentError(f"no layer with weights is called {unknown[0]!r}; there are {', '.join(names)}")
        places = {name: place for place, name in enumerate(names)}
        drawn = [(places[name], name) for name in layers]
    else:
        drawn = list(enumerate(names))
    entropy = np.random.SeedSequence(seed).entropy
    copied = None
    for place, name in drawn:
        if copied is None or scheme == "independent":
            copied = _copied(model)
        _draw(copied, name, np.random.default_rng([place, *_words(entropy)]))
        yield name, copied


def weighted_layers(model: Any, inputs: Any) -> list[str]:
    """Names of the layers that have weights of their own, in the order in which they run.

    Raises
    ------
    InvalidArgumentError
        The model is no PyTorch module, Keras model or ONNX model, or has no weights that can be drawn anew.
    """
    adapter = _adapter_of(model)
    given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    known = adapter.weights(model)
    found = [name for name in adapter.order_of_layers(model, [np.asarray(value) for value in given]) if name in known]
    if not found:
        told = "".join(f"; {text}" for text in fixed_layers(model))
        raise InvalidArgumentError(f"the model has no layers with weights that could be drawn anew{told}")
    return found


def fixed_layers(model: Any) -> list[str]:
    """Layers whose weights cannot be drawn anew, each with the reason, for people; at most five are named."""
    reasons = _adapter_of(model).fixed_weights(model)
    told = [f"{name}: {reason}" for name, reason in list(reasons.items())[:NAMED]]
    return [*told, f"and {len(reasons) - NAMED} more"] if len(reasons) > NAMED else told


def _adapter_of(model: Any) -> ModelAdapter:
    from metannvis_translate import detect_framework

    adapter = adapter_for(detect_framework(model))
    if not adapter.has_settable_weights(model):
        raise InvalidArgumentError(
            "weights are drawn anew in PyTorch modules, Keras models and ONNX models: translate this one first, "
            "translate(model, 'torch')"
        )
    return adapter


def _copied(model: Any) -> Any:
    try:
        return _adapter_of(model).copied(model)
    except Exception as error:  # whatever a caller's class raises
        raise InvalidArgumentError(f"the model cannot be copied, so its weights are not drawn anew: {error}") from error


def _draw(model: Any, name: str, generator: np.random.Generator) -> None:
    for weight in _adapter_of(model).weights(model)[name]:
        value = weight.read()
        weight.assign(value.mean() + value.std() * generator.standard_normal(value.shape))


def _words(entropy: Any) -> list[int]:
    return [int(word) for word in (entropy if isinstance(entropy, (list, tuple)) else [entropy])]
