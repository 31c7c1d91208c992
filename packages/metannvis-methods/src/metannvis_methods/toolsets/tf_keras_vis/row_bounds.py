"""A bound on the rows of a pass for methods of tf-keras-vis that look at what goes into a model and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from metannvis_methods.models.keras_view import Held, operations

__all__ = ["in_pieces"]


def in_pieces(model: Any, rows: int, tell: Callable[[int], None]) -> Any:
    """A model that computes the same, so many rows at a time, its gradients as well.

    The gradients of a piece are worked out from a pass of their own, so that no two pieces are held at once. ``tell`` is called
    with the number of rows in front of each.
    """
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in model.inputs]
    pieces = _Pieces(model, rows, tell)
    return keras.Model(inputs, keras.tree.flatten(pieces(inputs)))


class _Pieces(keras.layers.Layer):
    def __init__(self, model: Any, rows: int, tell: Callable[[int], None]) -> None:
        super().__init__(autocast=False)
        self.model, self.rows, self.tell = model, rows, tell
        self.held = [operation for operation in operations(model) if isinstance(operation, Held)]

    def compute_output_spec(self, given: Any, training: Any = None) -> Any:
        return [keras.KerasTensor((None, *x.shape[1:]), x.dtype) for x in self.model.outputs]

    def call(self, given: Any, training: Any = None) -> Any:
        tensors = keras.tree.flatten(given)
        if len(tensors[0]) <= self.rows:
            self.tell(len(tensors[0]))
            return self._run(tensors, training, None)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def computed(*whole: Any) -> Any:
            arrays = [tf.constant(x.numpy()) for x in whole]  # apart from the tape of the toolkit
            starts = range(0, len(arrays[0]), self.rows)
            parts = [self._run(arrays, training, slice(start, start + self.rows)) for start in starts]
            outputs = [tf.concat(items, axis=0) for items in zip(*parts, strict=True)]

            def gradient(*upstream: Any, variables: Any = None) -> Any:
                found = []
                for start in starts:
                    rows = slice(start, start + self.rows)
                    with tf.GradientTape(watch_accessed_variables=False) as tape:
                        pieces = [x[rows] for x in arrays]
                        tape.watch(pieces)
                        self.tell(len(pieces[0]))
                        results = self._run(pieces, training, rows, cut=True)
                    cotangents = [x[rows] for x in upstream]
                    zero = tf.UnconnectedGradients.ZERO
                    found.append(tape.gradient(results, pieces, cotangents, unconnected_gradients=zero))
                joined = [tf.concat(items, axis=0) for items in zip(*found, strict=True)]
                return joined if variables is None else (joined, [None] * len(variables))

            return outputs, gradient

        return computed(*tensors)

    def _run(self, tensors: list[Any], training: Any, rows: slice | None, *, cut: bool = False) -> list[Any]:
        """One pass of some rows, which the tensors are cut to already or are not."""
        tensors = tensors if rows is None or cut else [x[rows] for x in tensors]
        for layer in self.held:
            layer.rows = rows
        try:
            return list(
                keras.tree.flatten(self.model(tensors[0] if len(tensors) == 1 else tensors, training=bool(training)))
            )
        finally:
            for layer in self.held:
                layer.rows = None
