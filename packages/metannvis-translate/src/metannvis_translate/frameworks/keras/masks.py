"""Masks, as Keras passes them from layer to layer outside the graph.

A mask is no argument in the graph of a Keras model: it hangs on a tensor, ``Layer.__call__`` hands it to a ``call`` that
takes one, and hangs a mask on what the layer returns. A walk through the graph has to do the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from metannvis_translate.frameworks.requirements import require

__all__ = ["Masks", "TensorMasks", "hand_on", "masks_for", "quiet_masks", "sets_masks"]

_SETTING = frozenset(["MultiHeadAttention", "ReversibleEmbedding"])


class Masks(Protocol):
    """Where the masks of a walk's values are kept."""

    def get(self, x: Any) -> Any:
        """Mask of a value, ``None`` if it has none."""

    def set(self, x: Any, mask: Any) -> None:
        """Hang a mask on a value; ``None`` takes it off."""

    def computed(self, layer: Any, first: Any, previous: Any) -> Any:
        """What ``layer.compute_mask(first, previous)`` gives."""


def sets_masks(layer: Any) -> bool:
    """Whether a layer of Keras' own, with layers inside or without a converter, hangs a mask on its outputs in its ``call``."""
    return type(layer).__module__.startswith("keras.src.") and type(layer).__name__ in _SETTING


class TensorMasks:
    """Masks of tensors and KerasTensors, kept where Keras keeps them."""

    def get(self, x: Any) -> Any:
        """Mask of a tensor."""
        return getattr(x, "_keras_mask", None)

    def set(self, x: Any, mask: Any) -> None:
        """Hang a mask on a tensor."""
        if mask is not None or self.get(x) is not None:
            x._keras_mask = mask

    def computed(self, layer: Any, first: Any, previous: Any) -> Any:
        """Mask of what a layer returns."""
        return layer.compute_mask(first, previous)


def masks_for(
    layer: Any, args: Sequence[Any], kwargs: dict[str, Any], masks: Masks, is_value: Callable[[Any], bool]
) -> tuple[dict[str, Any], Any, Any]:
    """What ``Layer.__call__`` adds to the arguments of ``call``.

    Returns
    -------
    tuple
        The masks to be handed to ``call``, by argument name; the first argument; and the mask (or structure of masks) that
        ``compute_mask`` is to be given.
    """
    tree = require("keras").tree
    signature = layer._call_signature
    given = {name: value for name, value in kwargs.items() if name in signature.parameters}
    bound = signature.bind(*args, **given)
    bound.apply_defaults()
    arguments = bound.arguments

    def is_tensors(value: Any) -> bool:
        if is_value(value):
            return True
        flat = tree.flatten(value) if tree.is_nested(value) else []
        return bool(flat) and all(x is None or is_value(x) for x in flat)

    def of(value: Any) -> Any:
        return tree.map_structure(lambda x: None if x is None else masks.get(x), value)

    tensors = {name: value for name, value in arguments.items() if is_tensors(value)}
    added: dict[str, Any] = {}
    if len(tensors) == 1 and "mask" in arguments and arguments["mask"] is None:
        added["mask"] = of(next(iter(tensors.values())))
    elif len(tensors) > 1:
        for name, value in tensors.items():
            if arguments.get(f"{name}_mask", 0) is None:
                added[f"{name}_mask"] = of(value)
    first = next(iter(arguments.values()), None)
    previous = added.get("mask", kwargs.get("mask"))
    if previous is None:
        previous = of(first) if is_tensors(first) else None
    return {name: value for name, value in added.items() if _any(value)}, first, previous


def hand_on(layer: Any, outputs: Any, first: Any, previous: Any, masks: Masks) -> None:
    """Hang masks on what a layer returned, as ``Layer.__call__`` does, where none hangs there yet."""
    flat = [x for x in require("keras").tree.flatten(outputs) if x is not None]
    if not layer.supports_masking or all(masks.get(x) is not None for x in flat):
        return
    found = masks.computed(layer, first, previous)
    if found is None:
        return
    for x, mask in zip(flat, require("keras").tree.flatten(found), strict=False):
        if mask is not None and masks.get(x) is None:
            masks.set(x, mask)


@contextmanager
def quiet_masks() -> Iterator[None]:
    """Keras says of a layer that loses a mask that it does, which its author knows; runs of ours do not say it again.

    Nor that a softmax over one entry is 1, which comes of the inputs and would be an error where warnings are.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was passed an input with a mask attached", UserWarning)
        warnings.filterwarnings("ignore", "(?s).*You are using a softmax over axis", UserWarning)
        yield


def _any(value: Any) -> bool:
    return any(x is not None for x in require("keras").tree.flatten(value))
