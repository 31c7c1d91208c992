"""Layers that return more than one tensor (recurrent ones, attention), for methods of Captum, which ask a layer for its tensor.

A layer's value is its first tensor, as in Keras and in layer maps: the sequence, before the last states or the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from metannvis_methods.registry.toolset import MethodCall

__all__ = ["first_tensors"]


@contextmanager
def first_tensors(call: MethodCall) -> Iterator[Mapping[str, Any]]:
    """The arguments for constructing a method, in which a module that returns a tensor stands for such a layer."""
    import torch
    from torch import nn

    arguments = dict(call.init_arguments)
    handles = []

    def stand_in(layer: Any) -> Any:
        if not isinstance(layer, (nn.RNNBase, nn.MultiheadAttention)):
            return layer
        first = nn.Identity()

        def hook(module: Any, given: Any, returned: Any) -> Any:
            if not isinstance(returned, tuple) or not isinstance(returned[0], torch.Tensor):
                return None  # a packed sequence
            sequence = first(returned[0])
            if not isinstance(module, nn.RNNBase):
                return (sequence, *returned[1:])
            states = returned[1]
            if isinstance(states, tuple):
                return sequence, (_last_states(module, sequence, states[0]), *states[1:])
            return sequence, _last_states(module, sequence, states)

        handles.append(layer.register_forward_hook(hook))
        return first

    try:
        if not call.call_arguments.get("attribute_to_layer_input"):
            for argument in call.spec.init:
                value = arguments.get(argument.name)
                if argument.role == "layer":
                    arguments[argument.name] = (
                        list(map(stand_in, value)) if isinstance(value, list) else stand_in(value)
                    )
        yield arguments
    finally:
        for handle in handles:
            handle.remove()


def _last_states(layer: Any, sequence: Any, states: Any) -> Any:
    """The last states of a recurrent layer, those of its last cells taken from the sequence, which they are steps of."""
    import torch

    time = 1 if layer.batch_first and sequence.ndim == 3 else 0
    directions = 2 if layer.bidirectional else 1
    size = sequence.shape[-1] // directions
    steps = [sequence.select(time, -1)[..., :size]]
    if layer.bidirectional:
        steps.append(sequence.select(time, 0)[..., size:])
    return torch.cat([states[:-directions], torch.stack(steps)])
