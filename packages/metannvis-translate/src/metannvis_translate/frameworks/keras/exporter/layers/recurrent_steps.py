"""Recurrence with masks, and of cells that ONNX has no operator for: step by step, over a known number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

#: More steps than these are not written out one by one.
MOST_STEPS = 128


def flipped(e: KerasEmitter, x: ir.Value) -> ir.Value:
    """Backwards in time, which is axis 1."""
    return cut(e, x, {1: slice(None, None, -1)})


@dataclass(frozen=True)
class Compaction:
    """Steps that count, moved to the front, and back.

    Attributes
    ----------
    mask
        Which steps count, (N, time).
    place
        Where each step is moved to, a permutation of the steps of each sample.
    number
        How many steps up to this one count.
    counts
        How many count in all, (N,).
    """

    mask: ir.Value
    place: ir.Value
    number: ir.Value
    counts: ir.Value

    @classmethod
    def of(cls, e: KerasEmitter, mask: ir.Value) -> Compaction:
        """From a mask (N, time)."""
        shape = e.shape(mask)
        mask = e.cast(mask, "bool")
        kept = e.cast(mask, "int64")
        axis = e.constant(np.asarray(1, np.int64))
        one = e.scalar(1, kept)
        number, left_out = (
            e.emit("CumSum", x, axis) for x in (kept, e.emit("Sub", one, kept, shape=shape))
        )  # fmt: skip
        # of the steps left out, the first comes right behind the last that counts
        total = e.reduce("ReduceSum", kept, [1], keepdims=True)
        behind = e.emit("Sub", left_out, e.emit("Neg", total), shape=shape)
        place = e.emit("Sub", e.emit("Where", mask, number, behind, shape=shape, dtype="int64"), one, shape=shape)
        return cls(mask, place, number, e.squeeze(total, [1]))

    def moved_to_front(self, e: KerasEmitter, x: ir.Value) -> ir.Value:
        """(N, time, features) with the steps that count in front, in order."""
        return e.emit("ScatterElements", x, self._wide(e, self.place, x), x, axis=1, shape=e.shape(x))

    def moved_back(self, e: KerasEmitter, y: ir.Value, *, zeros: bool) -> ir.Value:
        """At each step what was returned there; at a masked one zeros, or what was returned last, zeros if nothing was."""
        shape = e.shape(self.mask)
        zero = e.scalar(0, self.number)
        some = e.emit("Greater", self.number, zero, shape=shape)
        before = e.emit("Sub", self.number, e.scalar(1, self.number), shape=shape)
        from_where = e.emit("Where", some, before, zero, shape=shape, dtype="int64")
        found = e.emit("GatherElements", y, self._wide(e, from_where, y), axis=1, shape=e.shape(y))
        has = self.mask if zeros else some
        return e.emit("Where", e.unsqueeze(has, [2]), found, e.scalar(0.0, y), shape=e.shape(y), dtype=y.dtype)

    @staticmethod
    def _wide(e: KerasEmitter, index: ir.Value, x: ir.Value) -> ir.Value:
        features = int(e.shape(x)[2] or 1)
        return e.emit("Expand", e.unsqueeze(index, [2]), e.ints(1, 1, features), shape=(*e.shape(index), features))


def stepwise(
    e: KerasEmitter,
    layer: Any,
    x: ir.Value,
    states: Sequence[ir.Value] | None,
    mask: ir.Value | None,
    step: Callable[[ir.Value, list[ir.Value]], tuple[ir.Value, list[ir.Value]]] | None = None,
    *,
    zeros: bool | None = None,
) -> tuple[ir.Value, ir.Value, list[ir.Value]]:
    """Outputs (N, time, …), the last of them, and the last states.

    ``step(x, states)`` gives what one step returns and the new states; by default what the layer's cell does is traced.
    ``zeros``: zeros come out at masked steps, not what came before; by default as the layer has it.
    """
    zeros = layer.zero_output_for_mask if zeros is None else zeros
    step = step or _cell_step(e, layer)
    shape = e.shape(x)
    if shape[1] is None or shape[1] > MOST_STEPS:
        e.refuse(
            f"its cell {type(layer.cell).__name__} has no operator in ONNX, and {shape[1] or 'an unknown number of'} "
            "steps are not written out one by one"
        )
    steps = int(shape[1])
    current = list(states) if states is not None else _zeros(e, layer, x)
    outputs: list[ir.Value] = []
    masks = [None if mask is None else cut_step(e, e.cast(mask, "bool"), t) for t in range(steps)]
    before: ir.Value | None = None
    for t in range(steps):
        output, new = step(cut_step(e, x, t), current)
        counts = masks[t]
        if counts is not None:
            is_zero = before is None or zeros
            output = _chosen(e, counts, output, e.scalar(0.0, output) if is_zero or before is None else before)
            new = [_chosen(e, counts, n, c) for n, c in zip(new, current, strict=True)]
        before, current = output, new
        outputs.append(e.unsqueeze(output, [1]))
    y = e.emit("Concat", *outputs, axis=1, shape=(shape[0], steps, *e.shape(outputs[0])[2:]))
    last = before
    if last is None:
        e.refuse("it runs over no step")
    return y, last, current


def cut_step(e: KerasEmitter, x: ir.Value, t: int) -> ir.Value:
    """Step ``t`` of (N, time, …)."""
    return e.squeeze(cut(e, x, {1: slice(t, t + 1)}), [1])


def _chosen(e: KerasEmitter, mask: ir.Value, new: ir.Value, old: ir.Value) -> ir.Value:
    wide = e.unsqueeze(mask, range(1, e.rank(new)))
    return e.emit("Where", wide, new, old, shape=e.shape(new), dtype=new.dtype)


def _cell_step(e: KerasEmitter, layer: Any) -> Callable[[ir.Value, list[ir.Value]], tuple[ir.Value, list[ir.Value]]]:
    import keras

    states = layer.get_initial_state(1)
    structure = list(states) if isinstance(states, (list, tuple)) else [states]

    def step(x: ir.Value, current: list[ir.Value]) -> tuple[ir.Value, list[ir.Value]]:
        output, new = e.traced(layer.cell, x, keras.tree.pack_sequence_as(structure, current))
        return output, list(keras.tree.flatten(new))

    return step


def _zeros(e: KerasEmitter, layer: Any, x: ir.Value) -> list[ir.Value]:
    """The states that the layer starts from, one row a sample."""
    import keras

    found = []
    for k, state in enumerate(keras.tree.flatten(layer.get_initial_state(1))):
        array = np.asarray(state)
        row = e.buffer(f"state_{k}", array) if array.any() else e.constant(np.zeros((1,) * array.ndim, array.dtype))
        sizes = e.emit("Shape", x, start=0, end=1, dtype="int64", shape=[1])
        sizes = e.emit("Concat", sizes, e.ints(*array.shape[1:]), axis=0, shape=[array.ndim])
        found.append(e.emit("Expand", row, sizes, shape=(e.shape(x)[0], *array.shape[1:])))
    return found
