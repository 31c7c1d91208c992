"""Dropout inside PyTorch's attention and recurrent functions: the same in steps, whose dropout can be seen."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["INSIDE", "attention", "recurrent"]


def _seen_through(function: Any) -> Any:
    """A function of PyTorch's own, written in Python, that hands the functions it calls to modes, but not itself again."""
    names = {**function.__globals__, "has_torch_function": lambda _: False}
    copy = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


_SIGNATURE = inspect.signature(functional.multi_head_attention_forward)
_ATTENTION = _seen_through(functional.multi_head_attention_forward)


def attention(_: Any, mode: TorchFunctionMode, *given: Any, **more: Any) -> Any:
    """``multi_head_attention_forward`` as in training, with its weights at hand: they go through ``dropout``."""
    bound = _SIGNATURE.bind(*given, **more)
    bound.apply_defaults()
    if not bound.arguments["dropout_p"]:
        with mode:
            return _ATTENTION(*bound.args, **bound.kwargs)
    asked = bound.arguments["need_weights"]
    bound.arguments |= {"training": True, "need_weights": True}
    with mode:
        output, weights = _ATTENTION(*bound.args, **bound.kwargs)
    return output, weights if asked else None


def recurrent(function: Any, mode: TorchFunctionMode, *given: Any) -> Any:
    """A recurrent function of several layers, one after the other, and what each but the last returns dropped of."""
    packed = torch.is_tensor(given[1]) and not given[1].is_floating_point()
    x, sizes = given[:2] if packed else (given[0], None)
    begin, weights, biased, layers, rate, _, both_ways, *order = given[2:] if packed else given[1:]
    if not rate or layers < 2:
        return function(*given)
    several = isinstance(begin, tuple | list)
    states = list(begin) if several else [begin]
    ways, a_layer = 1 + both_ways, len(weights) // layers
    ends: list[list[Any]] = []
    for layer in range(layers):
        own = [state[layer * ways : (layer + 1) * ways] for state in states]
        part = weights[layer * a_layer : (layer + 1) * a_layer]
        first = (x, sizes) if packed else (x,)
        found = function(*first, own if several else own[0], part, biased, 1, 0.0, False, both_ways, *order)
        x, last = found[0], list(found[1:])
        ends.append(last)
        if layer < layers - 1:
            with mode:
                x = _dropped_of_packed(x, sizes, rate) if packed else functional.dropout(x, rate)
    return x, *(torch.cat(parts) for parts in zip(*ends, strict=True))


def _dropped_of_packed(rows: torch.Tensor, sizes: torch.Tensor, rate: float) -> torch.Tensor:
    """Rows of a packed sequence, shape ``(Σ sizes, features)``, dropped of as if they were ``(time, samples, features)``."""
    counts: Sequence[int] = sizes.tolist()
    time = torch.cat([torch.full((count,), step) for step, count in enumerate(counts)]).to(rows.device)
    sample = torch.cat([torch.arange(count) for count in counts]).to(rows.device)
    whole = rows.new_zeros(len(counts), counts[0], rows.shape[1]).index_put((time, sample), rows)
    return functional.dropout(whole, rate)[time, sample]


#: Functions that drop inside, and what does the same in steps: takes the function, a mode that sees dropout, and its arguments.
INSIDE: dict[Any, Callable[..., Any]] = {
    functional.multi_head_attention_forward: attention,
    **dict.fromkeys((torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu), recurrent),
}
