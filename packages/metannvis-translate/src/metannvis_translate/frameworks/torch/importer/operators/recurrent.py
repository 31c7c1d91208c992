"""Recurrent layers: PyTorch's own LSTM, GRU and RNN where those do the same, else step by step."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from metannvis_translate.frameworks.torch.importer.calls import calls
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.frameworks.torch.importer.unrolled_recurrence import recurrence
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN, WHOLE_SEQUENCE
from metannvis_translate.importing.recurrence import Recurrence, check_longest
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

Array = np.ndarray[Any, Any]
#: Where ONNX's gates stand in PyTorch's order.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
MODULES: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


def whole(x: torch.Tensor, lengths: torch.Tensor, axis: int) -> torch.Tensor:
    """Padded sequences as they are, of which one has to be as long as there are steps."""
    check_longest(int(lengths.max()), int(x.shape[axis]))
    return x


@converter(WHOLE_SEQUENCE, domain=DOMAIN)
def WholeSequence(ctx: TorchImporter, X: Value, lengths: Value, *, axis: int) -> LaidOut:
    """What went in, or an error."""
    x = ctx.placed(X)
    return LaidOut(ctx.function(whole, x.tensor, ctx.plain(lengths).tensor, x.axis(axis)), x.order)


def layer(ctx: TorchImporter, how: Recurrence, inputs: Sequence[Value | None]) -> tuple[LaidOut, ...]:
    """``inputs`` are X, W, R, B, sequence_lens, initial_h, and for an LSTM initial_c and P."""
    X, W, R, B, lengths, *states = inputs
    peepholes = states.pop() if len(states) > 2 else None
    states = states if how.kind == "LSTM" else states[:1]
    if how.unknown is not None:
        ctx.refuse(f"its activation {how.unknown!r} is not known")
    plain = how.usual or (how.kind == "RNN" and all(how.names(k) == ("relu",) for k in range(how.directions)))
    weights = [W, R] if B is None else [W, R, B]
    known = all(isinstance(weight, ConstantValue) for weight in weights)
    same = not (how.clip or lengths or peepholes or how.activation_alpha or how.activation_beta)
    exact = not how.input_forget and (how.kind != "GRU" or how.linear_before_reset)
    partly = any(state is not None for state in states) and not all(state is not None for state in states)
    assert X is not None
    assert R is not None
    assert W is not None
    if plain and known and same and exact and not partly and isinstance(X, LaidOut):
        return _native(ctx, how, X, [w for w in weights if isinstance(w, ConstantValue)], states)
    if how.input_forget:
        ctx.refuse("it couples input and forget gate (input_forget=1)")
    return calls(
        ctx,
        recurrence,
        *(X, W, R, B, lengths, *states, *([None] * (2 - len(states))), peepholes),
        ranks=(4, 3, 3),
        kind=how.kind,
        direction=how.direction,
        activations=how.activations,
        alpha=how.activation_alpha,
        beta=how.activation_beta,
        clip=how.clip,
        batch_first=how.batch_first,
        linear_before_reset=how.linear_before_reset,
    )


def _native(
    ctx: TorchImporter,
    how: Recurrence,
    X: LaidOut,
    weights: Sequence[ConstantValue],
    states: Sequence[Value | None],
) -> tuple[LaidOut, ...]:
    """``nn.LSTM``, ``nn.GRU``, ``nn.RNN``; PyTorch's results have directions and features on one axis."""
    kind, batch_first, directions = how.kind, how.batch_first, how.directions
    lies_batch_first = not batch_first and X.order == (1, 0, 2)
    time = 1 if batch_first or lies_batch_first else 0
    size, features = weights[1].array.shape[-1], weights[0].array.shape[-1]
    options: dict[str, Any] = {"nonlinearity": how.names(0)[0]} if kind == "RNN" else {}
    module = MODULES[kind](
        features, size, bias=len(weights) > 2, batch_first=bool(time), bidirectional=directions == 2,
        device="meta", **options,
    )  # fmt: skip
    count = len(GATES[kind])
    for k in range(directions):
        end = "_l0_reverse" if k else "_l0"
        for name, const in (("weight_ih", weights[0]), ("weight_hh", weights[1])):
            setattr(module, name + end, ctx.weight(const, f"{kind} {k}", _ordered(const.array[k], kind)))
        if len(weights) > 2:
            halves = np.split(weights[2].array[k], [count * size])
            for name, half in zip(("bias_ih", "bias_hh"), halves, strict=True):
                setattr(module, name + end, ctx.weight(weights[2], f"{kind} {k} {name}", _ordered(half, kind)))
    x = X.tensor if lies_batch_first else ctx.plain(X).tensor
    if how.reverse:
        x = ctx.function(torch.flip, x, (time,))
    first = [ctx.plain(state).tensor for state in states if state is not None]
    if batch_first:
        first = [ctx.function(torch.transpose, state, 0, 1) for state in first]
    given: Any = tuple(first) if kind == "LSTM" else first[0] if first else None
    both = ctx.module(module, x, *([given] if first else []))
    y, last = (ctx.function(operator.getitem, both, k) for k in range(2))
    if how.reverse:
        y = ctx.function(torch.flip, y, (time,))
    y = ctx.function(torch.unflatten, y, 2, (directions, size))
    # (time, batch, directions, features) to ONNX's (time, directions, batch, features), or batch first as it is
    results = [LaidOut(y, (0, 1, 2, 3) if batch_first else (2, 0, 1, 3) if lies_batch_first else (0, 2, 1, 3))]
    ends = [last] if kind != "LSTM" else [ctx.function(operator.getitem, last, k) for k in range(2)]
    results += [LaidOut(end, (1, 0, 2) if batch_first else (0, 1, 2)) for end in ends]
    return tuple(results[: ctx.used_outputs()])


def _ordered(array: Array, kind: str) -> Array:
    """A direction's gates in PyTorch's order."""
    gates = np.split(array, len(GATES[kind]))
    return np.concatenate([gates[k] for k in GATES[kind]])


@converter("LSTM", since=7)
def LSTM(
    ctx: TorchImporter,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    initial_c: Value | None = None,
    P: Value | None = None,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[str] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
) -> tuple[LaidOut, ...]:
    """``nn.LSTM`` where it does the same."""
    how = Recurrence.of(
        "LSTM", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations, clip=clip,
        direction=direction, layout=layout, input_forget=input_forget,
    )  # fmt: skip
    return layer(ctx, how, (X, W, R, B, sequence_lens, initial_h, initial_c, P))


@converter("GRU", since=7)
def GRU(
    ctx: TorchImporter,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[str] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> tuple[LaidOut, ...]:
    """``nn.GRU`` where it does the same (``linear_before_reset=1``)."""
    how = Recurrence.of(
        "GRU", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations, clip=clip,
        direction=direction, layout=layout, linear_before_reset=linear_before_reset,
    )  # fmt: skip
    return layer(ctx, how, (X, W, R, B, sequence_lens, initial_h))


@converter("RNN", since=7)
def RNN(
    ctx: TorchImporter,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[str] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
) -> tuple[LaidOut, ...]:
    """``nn.RNN`` where it does the same."""
    how = Recurrence.of(
        "RNN", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations, clip=clip,
        direction=direction, layout=layout,
    )  # fmt: skip
    return layer(ctx, how, (X, W, R, B, sequence_lens, initial_h))
