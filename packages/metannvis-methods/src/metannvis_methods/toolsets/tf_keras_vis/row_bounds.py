"""A bound on the rows of a pass for methods of tf-keras-vis that look at what goes into a model and what comes out."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["in_pieces"]


def in_pieces(model: Any, rows: int) -> Any:
    """A model that computes the same, so many rows at a time, its gradients as well.

    The gradients of a piece are worked out from a pass of their own, so that no two pieces are held at once.
    """
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
    pieces = _Pieces(model, rows)
    return keras.Model(inputs, keras.tree.flatten(pieces(inputs)))


class _Pieces(keras.layers.Layer):
    def __init__(self, model: Any, rows: int) -> None:
        super().__init__(autocast=False)
        self.model, self.rows = model, rows

    def compute_output_spec(self, given: Any, training: Any = None) -> Any:
        return [keras.KerasTensor(x.shape, x.dtype) for x in self.model.outputs]

    def call(self, given: Any, training: Any = None) -> Any:
        tensors = keras.tree.flatten(given)
        if len(tensors[0]) <= self.rows:
            return self._run(tensors, training)

        @tf.custom_gradient
        def computed(*whole: Any) -> Any:
            arrays = [tf.constant(x.numpy()) for x in whole]  # apart from the tape of the toolkit
            starts = range(0, len(arrays[0]), self.rows)
            parts = [self._run([x[start : start + self.rows] for x in arrays], training) for start in starts]
            outputs = [tf.concat(items, axis=0) for items in zip(*parts, strict=True)]

            def gradient(*upstream: Any, variables: Any = None) -> Any:
                found = []
                for start in starts:
                    with tf.GradientTape(watch_accessed_variables=False) as tape:
                        pieces = [x[start : start + self.rows] for x in arrays]
                        tape.watch(pieces)
                        results = self._run(pieces, training)
                    cotangents = [x[start : start + self.rows] for x in upstream]
                    zero = tf.UnconnectedGradients.ZERO
                    found.append(tape.gradient(results, pieces, cotangents, unconnected_gradients=zero))
                joined = [tf.concat(items, axis=0) for items in zip(*found, strict=True)]
                return joined if variables is None else (joined, [None] * len(variables))

            return outputs, gradient

        return computed(*tensors)

    def _run(self, tensors: list[Any], training: Any) -> list[Any]:
        structure = tensors[0] if len(tensors) == 1 else tensors
        return list(keras.tree.flatten(self.model(structure, training=bool(training))))
