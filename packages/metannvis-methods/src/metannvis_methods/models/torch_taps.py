"""Taps: modules that return one tensor of what a layer returns (recurrent layers, attention with its weights)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from metannvis_methods.models.structures import with_leaf

__all__ = ["tapped"]


def tapped(layer: nn.Module, place: int) -> nn.Module:
    """An identity through which that tensor of what the layer returns passes from now on.

    What guards the model takes it out again. The last states of a recurrent layer are taken from the sequence then, which
    they are steps of, so that what reads them is seen to read it.
    """
    tap, forward = nn.Identity(), layer.forward

    def through(*inputs: Any, **options: Any) -> Any:
        returned = with_leaf(forward(*inputs, **options), torch.is_tensor, place, tap)
        plain = isinstance(layer, nn.RNNBase) and not place and torch.is_tensor(returned[0])  # no packed sequence
        return _with_last_states(layer, *returned) if plain else returned

    layer.__dict__["forward"] = through
    return tap


def _with_last_states(layer: Any, sequence: Any, states: Any) -> Any:
    if isinstance(states, tuple):
        return sequence, (_last_states(layer, sequence, states[0]), *states[1:])
    return sequence, _last_states(layer, sequence, states)


def _last_states(layer: Any, sequence: Any, states: Any) -> Any:
    """The last states, those of the last layer's cells taken from the sequence; a projection's size is the sequence's."""
    time = 1 if layer.batch_first and sequence.ndim == 3 else 0
    directions = 2 if layer.bidirectional else 1
    size = sequence.shape[-1] // directions
    steps = [sequence.select(time, -1)[..., :size]]
    if layer.bidirectional:
        steps.append(sequence.select(time, 0)[..., size:])
    return torch.cat([states[:-directions], torch.stack(steps)])
