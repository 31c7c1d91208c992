"""Recurrent layers: ``LSTM``, ``GRU`` and ``RNN`` of ONNX where a cell is one of those, else step by step.

A masked step leaves the states as they are. So the steps that count are moved to the front, in order, the recurrence runs over
them, and its outputs are moved to where they belong: the recurrence itself needs to know of no mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.builder import array_of
from metannvis_translate.frameworks.keras.exporter.layers.recurrent_steps import Compaction, flipped, stepwise
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer
from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.graph.metadata import FROZEN

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

#: ONNX operator of each cell, and where Keras' gates stand in its order.
CELLS = {"LSTMCell": ("LSTM", (0, 3, 1, 2)), "GRUCell": ("GRU", (0, 1, 2)), "SimpleRNNCell": ("RNN", (0,))}
#: Keras' activations in ONNX: name, alpha, beta.
ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "softsign": ("Softsign", None, None),
    "softplus": ("Softplus", None, None),
    "linear": ("Affine", 1.0, 0.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "elu": ("Elu", 1.0, None),
}


@dataclass(frozen=True)
class Run:
    """A recurrence over (N, time, features).

    Attributes
    ----------
    y
        What it returns at each step.
    last
        What it returns at the last one.
    states
        What it carries on.
    """

    y: ir.Value
    last: ir.Value
    states: list[ir.Value]


def _is_native(cell: Any) -> bool:
    """Whether ONNX has an operator that computes what the cell does."""
    if not type(cell).__module__.startswith("keras.src.") or type(cell).__name__ not in CELLS:
        return False
    return all(_name(function) in ACTIVATIONS for function in _functions(cell))


def _functions(cell: Any) -> list[Any]:
    """Its activations in ONNX' order."""
    if type(cell).__name__ == "SimpleRNNCell":
        return [cell.activation]
    if type(cell).__name__ == "GRUCell":
        return [cell.recurrent_activation, cell.activation]
    return [cell.recurrent_activation, cell.activation, cell.activation]


def _name(function: Any) -> str:
    is_keras = getattr(function, "__module__", "").startswith("keras.src.activations")
    return getattr(function, "__name__", "") if is_keras else "linear" if function is None else ""


def _cells(cell: Any) -> list[Any]:
    is_stack = type(cell).__name__ == "StackedRNNCells" and type(cell).__module__.startswith("keras.src.")
    return list(cell.cells) if is_stack else [cell]


def weights(e: KerasEmitter, cells: Sequence[Any]) -> list[ir.Value]:
    """W, R and B of ONNX for cells of one kind, one a direction."""
    kind, order = CELLS[type(cells[0]).__name__]
    found: list[ir.Value] = []
    dtype = cells[0].compute_dtype

    def gates(array: Any, axis: int) -> Any:
        parts = np.split(array, len(order), axis)
        return np.concatenate([parts[k] for k in order], axis)

    def add(name: str, arrays: list[Any]) -> None:
        key = (kind, name, *(id(cell.kernel) for cell in cells))
        value = e.weight(key, f"{e.path}/{name}", np.ascontiguousarray(np.stack(arrays)), trainable=True)
        if not any(getattr(cell, name).trainable for cell in cells):
            value.metadata_props[FROZEN] = "1"
        found.append(e.cast(value, dtype))

    for name in ("kernel", "recurrent_kernel"):
        add(name, [gates(array_of(getattr(cell, name)), 1).T for cell in cells])
    if cells[0].use_bias:
        biases = [array_of(cell.bias) for cell in cells]
        halves = [b if b.ndim == 2 else np.stack([b, np.zeros_like(b)]) for b in biases]
        add("bias", [np.concatenate([gates(half, 0) for half in pair]) for pair in halves])
    return found


def native(
    e: KerasEmitter,
    cells: Sequence[Any],
    x: ir.Value,
    states: Sequence[ir.Value] | None,
    lengths: ir.Value | None = None,
) -> tuple[ir.Value, list[ir.Value]]:
    """ONNX' operator over (N, time, features): its output (N, time, directions · units) and its last states.

    ``states`` are (N, units), those of the first direction first. The last states come back as (directions, N, units).
    """
    cell = cells[0]
    kind = CELLS[type(cell).__name__][0]
    batch, time, _ = e.shape(x)
    count, units = len(cells), int(cell.units)
    w, r, *b = weights(e, cells)
    names = [ACTIVATIONS[_name(function)] for one in cells for function in _functions(one)]
    alpha, beta = ([name[k] for name in names if name[k] is not None] for k in (1, 2))
    is_default = all(name[1] is None and name[2] is None for name in names)
    each = len(states) // count if states else 0
    given: list[ir.Value | None] = [lengths] if lengths is not None or states else []
    for k in range(each):
        parts = [e.unsqueeze(states[direction * each + k], [0]) for direction in range(count)]  # type: ignore[index]
        given.append(parts[0] if count == 1 else e.emit("Concat", *parts, axis=0, shape=(count, batch, units)))
    without_bias: list[ir.Value | None] = [*b] if b or not given else [None]
    outputs = e.emit_many(
        kind,
        e.transpose(x, (1, 0, 2)),
        w,
        r,
        *without_bias,
        *given,
        outputs=3 if kind == "LSTM" else 2,
        shapes=[(time, count, batch, units), *[(count, batch, units)] * (2 if kind == "LSTM" else 1)],
        hidden_size=units,
        direction="bidirectional" if count == 2 else None,
        activations=[name[0] for name in names],
        activation_alpha=[float(v) for v in alpha if v is not None] or None,
        activation_beta=[float(v) for v in beta if v is not None] or None,
        linear_before_reset=int(cell.reset_after) if kind == "GRU" else None,
        exact=None if is_default else {"activation_alpha": alpha, "activation_beta": beta},
    )
    y = e.transpose(outputs[0], (2, 0, 1, 3))
    y = e.squeeze(y, [2]) if count == 1 else e.reshape(y, [0, 0, count * units], result=(batch, time, count * units))
    return y, list(outputs[1:])


def run(e: KerasEmitter, layer: Any, x: ir.Value, states: Sequence[ir.Value] | None, mask: ir.Value | None) -> Run:
    """A layer's recurrence, in the order of time in which it goes."""
    zeros = bool(layer.zero_output_for_mask)
    if mask is None or not (zeros and layer.unroll and layer.go_backwards):
        return _run(e, layer, x, states, mask, zeros=zeros)
    # unrolled, Keras looks the steps to put zeros at up in the mask as it came, though it went through both backwards
    ran = _run(e, layer, x, states, mask, zeros=False)
    mask, zero = e.cast(mask, "bool"), e.scalar(0.0, ran.y)
    y = e.emit("Where", e.unsqueeze(mask, [2]), ran.y, zero, shape=e.shape(ran.y), dtype=ran.y.dtype)
    first = cut(e, mask, {1: slice(0, 1)})
    return Run(y, e.emit("Where", first, ran.last, zero, shape=e.shape(ran.last), dtype=ran.y.dtype), ran.states)


def _run(
    e: KerasEmitter, layer: Any, x: ir.Value, states: Sequence[ir.Value] | None, mask: ir.Value | None, *, zeros: bool
) -> Run:
    cells = _cells(layer.cell)
    if layer.go_backwards:
        x = flipped(e, x)
        mask = None if mask is None else flipped(e, mask)
    if layer.stateful and states is None:
        e.note("it starts every call from the state that it held when it was translated (stateful=True)")
        states = [e.variable(v, f"state_{k}", layer=layer) for k, v in enumerate(_flat(layer.states))]
    if not all(_is_native(cell) for cell in cells):
        return Run(*stepwise(e, layer, x, states, mask, zeros=zeros))
    compaction = None if mask is None else Compaction.of(e, mask)
    y = x if compaction is None else compaction.moved_to_front(e, x)
    left, ends = list(states or []), []
    for cell in cells:
        number = 2 if CELLS[type(cell).__name__][0] == "LSTM" else 1
        own, left = (left[:number], left[number:]) if left else (None, [])
        lengths = None
        if compaction is not None and layer.return_state:
            lengths = e.cast(compaction.counts, "int32")
        y, last = native(e, [cell], y, own, lengths)
        ends += [e.squeeze(state, [0]) for state in last]
    top = ends[-2 if CELLS[type(cells[-1]).__name__][0] == "LSTM" else -1]
    if compaction is None:
        return Run(y, top, ends)
    y = compaction.moved_back(e, y, zeros=zeros)
    if layer.return_state and states is None and not zeros:
        return Run(y, top, ends)
    step = cut(e, y, {1: slice(-1, None)})
    batch, _, units = e.shape(y)
    e.set_shape(step, (batch, 1, units))
    return Run(y, e.squeeze(step, [1]), ends)


def _flat(value: Any) -> list[Any]:
    import keras

    return list(keras.tree.flatten(value))


def _result(layer: Any, found: Run) -> Any:
    output = found.y if layer.return_sequences else found.last
    return [output, *found.states] if layer.return_state else output


@keras_layer("LSTM", "GRU", "SimpleRNN", "RNN")
def Recurrent(e: KerasEmitter, layer: Any, x: ir.Value, initial_state: Any = None, mask: Any = None) -> Any:
    """One direction."""
    mask = _flat(mask)[0] if mask is not None else None
    return _result(layer, run(e, layer, x, None if initial_state is None else _flat(initial_state), mask))


@keras_layer("Bidirectional")
def Bidirectional(e: KerasEmitter, layer: Any, x: ir.Value, initial_state: Any = None, mask: Any = None) -> Any:
    """Both directions in one operator, where they are of one kind and nothing is masked."""
    forward, backward = layer.forward_layer, layer.backward_layer
    mask = _flat(mask)[0] if mask is not None else None
    states = None if initial_state is None else _flat(initial_state)
    if mask is None and _fits(forward, backward):
        y, ends = native(e, [forward.cell, backward.cell], x, states)
        halves = [[cut_first(e, end, k) for end in ends] for k in range(2)]
        if layer.return_sequences and layer.merge_mode == "concat":
            return [y, *halves[0], *halves[1]] if layer.return_state else y
        units = int(forward.cell.units)
        first, second = (
            [cut(e, y, {2: slice(0, units)}), cut(e, y, {2: slice(units, 2 * units)})]
            if layer.return_sequences
            else [halves[0][0], halves[1][0]]
        )
    else:
        half = None if states is None else len(states) // 2
        there = _run_layer(e, forward, x, None if states is None else states[:half], mask)
        back = _run_layer(e, backward, x, None if states is None else states[half:], mask)
        halves = [there.states, back.states]
        first, second = (there.y, flipped(e, back.y)) if layer.return_sequences else (there.last, back.last)
    merged = _merged(e, layer.merge_mode, first, second)
    return [*merged, *halves[0], *halves[1]] if layer.return_state else merged if len(merged) > 1 else merged[0]


def _run_layer(e: KerasEmitter, layer: Any, x: ir.Value, states: Any, mask: Any) -> Run:
    if type(layer).__name__ not in ("LSTM", "GRU", "SimpleRNN", "RNN") or not type(layer).__module__.startswith(
        "keras.src"
    ):
        e.refuse(f"it holds a {type(layer).__name__}")
    return run(e, layer, x, states, mask)


def _fits(forward: Any, backward: Any) -> bool:
    """Whether two layers are one bidirectional operator."""
    one, two = (getattr(layer, "cell", layer) for layer in (forward, backward))
    if forward.go_backwards or not backward.go_backwards or forward.stateful or type(one) is not type(two):
        return False
    if not _is_native(one) or not _is_native(two) or one.units != two.units or one.use_bias != two.use_bias:
        return False
    return getattr(one, "reset_after", None) == getattr(two, "reset_after", None)


def cut_first(e: KerasEmitter, x: ir.Value, k: int) -> ir.Value:
    """Entry ``k`` along the first axis."""
    return e.squeeze(cut(e, x, {0: slice(k, k + 1)}), [0])


def _merged(e: KerasEmitter, mode: str | None, first: ir.Value, second: ir.Value) -> list[ir.Value]:
    shape = e.shape(first)
    if mode is None:
        return [first, second]
    if mode == "concat":
        both = int(shape[-1] or 0) + int(e.shape(second)[-1] or 0)
        return [e.emit("Concat", first, second, axis=len(shape) - 1, shape=(*shape[:-1], both))]
    y = e.emit("Mul" if mode == "mul" else "Add", first, second, shape=shape)
    return [e.emit("Div", y, e.scalar(2.0, y), shape=shape) if mode == "ave" else y]
