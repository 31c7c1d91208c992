"""Recurrent layers: native ``LSTM``, ``GRU``, ``SimpleRNN`` where Keras has what is asked for, else step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.frameworks.keras.importer.unrolled_recurrence import by_steps
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN, WHOLE_SEQUENCE
from metannvis_translate.importing.recurrence import Recurrence
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops

Array = np.ndarray[Any, Any]
Results = tuple[LaidOut, ...]
#: Activations of ONNX that Keras has by the same name with the same constants.
NATIVE = {"tanh", "sigmoid", "relu", "softsign", "softplus"}
#: How the gates of an ONNX weight follow each other in a Keras one: LSTM i o f c → i f c o, GRU z r h.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}
LAYERS: dict[str, Any] = {"LSTM": layers.LSTM, "GRU": layers.GRU, "RNN": layers.SimpleRNN}


@converter(WHOLE_SEQUENCE, since=1, domain=DOMAIN)
def WholeSequence(ctx: KerasImporter, X: Value, lengths: Value, *, axis: int) -> LaidOut:
    """What went in, or an error."""
    x = ctx.placed(X)
    layer = ctx.operator_layer(keras_objects.WholeSequence, x.tensor, ctx.plain(lengths).tensor, axis=x.axis(axis))
    return LaidOut(layer, x.order)


@dataclass(frozen=True)
class Call:
    """A recurrent node: its attributes and its inputs."""

    how: Recurrence
    X: Value
    W: Value
    R: Value
    B: Value | None
    lengths: Value | None
    states: tuple[Value | None, ...]
    P: Value | None


@converter("RNN", since=7)
def RNN(
    ctx: KerasImporter,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
) -> Results:
    """Native ``SimpleRNN``."""
    how = Recurrence.of(
        "RNN", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations, clip=clip,
        direction=direction, layout=layout,
    )  # fmt: skip
    return recurrent(ctx, how, X, W, R, B, sequence_lens, (initial_h,), None)


@converter("GRU", since=7)
def GRU(
    ctx: KerasImporter,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> Results:
    """Native ``GRU``, which resets after the product if ``linear_before_reset``."""
    how = Recurrence.of(
        "GRU", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations, clip=clip,
        direction=direction, layout=layout, linear_before_reset=linear_before_reset,
    )  # fmt: skip
    return recurrent(ctx, how, X, W, R, B, sequence_lens, (initial_h,), None)


@converter("LSTM", since=7)
def LSTM(
    ctx: KerasImporter,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    initial_c: Value | None = None,
    P: Value | None = None,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
) -> Results:
    """Native ``LSTM``; with peepholes or a coupled forget gate step by step."""
    how = Recurrence.of(
        "LSTM", activation_alpha=activation_alpha, activation_beta=activation_beta, activations=activations, clip=clip,
        direction=direction, layout=layout, input_forget=input_forget,
    )  # fmt: skip
    return recurrent(ctx, how, X, W, R, B, sequence_lens, (initial_h, initial_c), P)


def recurrent(
    ctx: KerasImporter,
    how: Recurrence,
    X: Value,
    W: Value,
    R: Value,
    B: Value | None,
    lengths: Value | None,
    states: tuple[Value | None, ...],
    P: Value | None,
) -> Results:
    """The node's outputs: all steps (steps, directions, batch, units), and the last states (directions, batch, units)."""
    if isinstance(R, ConstantValue) and R.array.shape[1] != len(GATES[how.kind]) * R.array.shape[2]:
        ctx.refuse(
            "its recurrent weights belong to a projection of the hidden state, which ONNX's operator does not have"
        )
    states = tuple(None if is_zero(ctx, value, 5 + k) else value for k, value in enumerate(states))
    if how.unknown is not None:
        ctx.refuse(f"its activation {how.unknown!r} is not known")
    count = how.directions
    call = Call(how, X, W, R, B, lengths, states, P)
    x = ctx.reorder(ctx.placed(X), (0, 1, 2) if how.batch_first else (1, 0, 2))
    steps = x.tensor.shape[1]
    if isinstance(lengths, ConstantValue) and steps is not None and (lengths.array == steps).all():
        lengths = None
    if isinstance(P, ConstantValue) and not P.array.any():
        P = None
    tensor, mask = x.tensor, None
    if lengths is not None:
        mask = goes_on(ctx, tensor, lengths)
        # what is behind a sequence may be anything, of which nothing times it is no number
        tensor = ops.where(ops.expand_dims(mask, -1), tensor, ops.zeros_like(tensor))
    known = all(isinstance(value, ConstantValue) for value in (W, R)) and (B is None or isinstance(B, ConstantValue))
    if P is None and known and how.clip is None and not how.input_forget and native_names(how):
        sequence, last = native(ctx, call, tensor, mask)
    else:
        if steps is None:
            ctx.refuse("its number of steps is free, and Keras has no layer that does what its attributes ask for")
        parts = []
        for k in range(count):
            weights = [None if v is None else part_of(ctx, v, k) for v in (W, R, B, P)]
            initial = [None if v is None else state_of(ctx, v, k, call.how.batch_first) for v in states]
            counts = None if lengths is None else ctx.plain(lengths).tensor
            parts.append(by_steps(tensor, weights, initial, counts, how, k))
        sequence = ops.concatenate([part[0] for part in parts], axis=-1) if count > 1 else parts[0][0]
        last = [[part[1 + k] for part in parts] for k in range(len(states))]
    return outputs(call, sequence, last)


def outputs(call: Call, sequence: Any, last: Sequence[Sequence[Any]]) -> Results:
    """(batch, steps, directions · units) and the states of each direction as the node's outputs."""
    units = sequence.shape[-1] // call.how.directions
    steps = -1 if sequence.shape[1] is None else sequence.shape[1]
    if call.how.directions == 1:
        sequence = ops.expand_dims(sequence, 2)
    else:
        sequence = layers.Reshape((steps, call.how.directions, units), dtype=sequence.dtype)(sequence)
    results = [LaidOut(sequence, (0, 1, 2, 3) if call.how.batch_first else (2, 0, 1, 3))]
    for states in last:
        tensor = ops.stack(states, axis=1) if len(states) > 1 else ops.expand_dims(states[0], 1)
        results.append(LaidOut(tensor, (0, 1, 2) if call.how.batch_first else (1, 0, 2)))
    return tuple(results)


def native_names(how: Recurrence) -> tuple[str, ...] | None:
    """Keras' names of the activations, if it has them and they are the same in both directions."""
    ways = {how.names(k) for k in range(how.directions)}
    if len(ways) > 1:
        return None
    (way,) = ways
    if how.kind == "LSTM" and way[1] != way[2]:
        return None  # Keras has one activation for the cell's input and its output
    return way if NATIVE.issuperset(way) else None


def goes_on(ctx: KerasImporter, tensor: Any, lengths: Value) -> Any:
    """(batch, steps): whether a sequence is as long as that."""
    counts = ops.cast(ctx.plain(lengths).tensor, "int32")
    step = ops.cumsum(ops.ones_like(tensor[:, :, 0], dtype="int32"), axis=1)
    return ops.less_equal(step, ops.expand_dims(counts, 1))


def native(ctx: KerasImporter, call: Call, tensor: Any, mask: Any) -> tuple[Any, list[list[Any]]]:
    """A Keras layer, or ``Bidirectional`` of two; steps that a mask leaves out keep the state and return zero."""
    names = native_names(call.how) or ()
    kind, count = call.how.kind, call.how.directions
    units = call.R.array.shape[-1] if isinstance(call.R, ConstantValue) else 0
    config: dict[str, Any] = {
        "units": units,
        "activation": names[-1],
        "use_bias": call.B is not None,
        "return_sequences": True,
        "return_state": True,
        "go_backwards": call.how.reverse,
        # the weights come from the source; making random orthogonal ones takes time
        "kernel_initializer": "zeros",
        "recurrent_initializer": "zeros",
    }
    if kind != "RNN":
        config["recurrent_activation"] = names[0]
    if kind == "LSTM":
        config["unit_forget_bias"] = False
    if kind == "GRU":
        config["reset_after"] = call.how.linear_before_reset
    initial = None
    if any(value is not None for value in call.states):
        batch = [
            state_of(ctx, value, k, call.how.batch_first) if value is not None else None
            for k in range(count)
            for value in call.states
        ]
        like = next(value for value in batch if value is not None)
        initial = [ops.zeros_like(like) if value is None else value for value in batch]
        if len(initial) == 1:
            initial = initial[0]

    def make(name: str) -> Any:
        layer = LAYERS[kind](name=name, dtype=ctx.compute, **config)
        if count == 1:
            return layer
        return layers.Bidirectional(layer, name=name, dtype=ctx.compute)

    layer, is_new = ctx.layer_for((kind, repr(config)), make)
    given = {"initial_state": initial} if initial is not None else {}
    results = layer(tensor, **given) if mask is None else layer(tensor, mask=mask, **given)
    if is_new:
        cells = [layer.cell] if count == 1 else [layer.forward_layer.cell, layer.backward_layer.cell]
        for k, cell in enumerate(cells):
            W, R = ctx.known(call.W, "weights"), ctx.known(call.R, "weights")
            assign(cell, kind, W[k], R[k], bias_of(call, k))
        freeze(layer, cells, call)
    sequence, *last = results
    if call.how.reverse:
        sequence = ops.flip(sequence, axis=1)
    if mask is not None:
        sequence = ops.where(ops.expand_dims(mask, -1), sequence, ops.zeros_like(sequence))
    each = len(call.states)
    return sequence, [[last[k * each + s] for k in range(count)] for s in range(each)]


def bias_of(call: Call, direction: int) -> Array | None:
    return call.B.array[direction] if isinstance(call.B, ConstantValue) else None


def freeze(layer: Any, cells: Sequence[Any], call: Call) -> None:
    """Train no weight that the source does not train."""
    values = {"kernel": call.W, "recurrent_kernel": call.R, "bias": call.B}
    frozen = {
        name: isinstance(value, ConstantValue) and value.frozen for name, value in values.items() if value is not None
    }
    if all(frozen.values()):
        layer.trainable = False
        return
    for name in (name for name, is_frozen in frozen.items() if is_frozen):
        for cell in cells:
            getattr(cell, name).trainable = False


def assign(cell: Any, kind: str, W: Array, R: Array, bias: Array | None) -> None:
    """Give a cell its weights: (gates · units, inputs) becomes (inputs, gates · units), gates in Keras' order."""
    order, units = GATES[kind], R.shape[-1]

    def arranged(array: Array) -> Array:
        gates = array.reshape(len(order), units, *array.shape[1:])[list(order)]
        return gates.reshape(array.shape).T

    cell.kernel.assign(arranged(W))
    cell.recurrent_kernel.assign(arranged(R))
    if bias is not None:
        halves = [arranged(half) for half in np.split(bias, 2)]
        separate = kind == "GRU" and cell.reset_after
        cell.bias.assign(np.stack(halves) if separate else halves[0] + halves[1])
    cell.kernel_initializer = keras.initializers.get("glorot_uniform")
    cell.recurrent_initializer = keras.initializers.get("orthogonal")


def state_of(ctx: KerasImporter, value: Value, direction: int, batch_first: bool) -> Any:
    """Initial state of one direction, (batch, units)."""
    x = ctx.placed(value)
    where = x.axis(1 if batch_first else 0)
    tensor = x.tensor[tuple(direction if k == where else slice(None) for k in range(3))]
    left = [axis for axis in x.order if axis != (1 if batch_first else 0)]
    return tensor if left == sorted(left) else ops.transpose(tensor)


def part_of(ctx: KerasImporter, value: Value, direction: int) -> Any:
    """Weights of one direction."""
    return value.array[direction] if isinstance(value, ConstantValue) else ctx.plain(value).tensor[direction]


def is_zero(ctx: KerasImporter, value: Value | None, position: int) -> bool:
    """Whether an initial state is zeros, as which it is left out; also zeros that were spread over a free batch."""
    if value is None:
        return True
    if isinstance(value, ConstantValue):
        return not value.trainable and not value.array.any()
    source = ctx.node.inputs[position] if position < len(ctx.node.inputs) else None
    while source is not None and source.producer() is not None:
        node = source.producer()
        if node is None or node.op_type not in (
            "Expand",
            "Slice",
            "Unsqueeze",
            "Squeeze",
            "Reshape",
            "Transpose",
            "Cast",
        ):
            break
        source = node.inputs[0]
        known = ctx.values.get(source.name or "") if source is not None else None
        if isinstance(known, ConstantValue):
            return not known.trainable and not known.array.any()
    return False
