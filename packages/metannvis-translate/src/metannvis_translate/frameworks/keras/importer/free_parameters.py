"""Free parameters: class tokens, position embeddings, layer scales, temperatures.

A Keras graph has no tensor that does not come from an input, and an array among the arguments of an operation cannot be
trained. A free parameter is therefore the only row of an ``Embedding``, which is a native layer: whoever loads the model needs
nothing but Keras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import Order
from metannvis_translate.importing.values import ConstantValue

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

__all__ = ["LARGE", "Parameters"]

layers, ops = keras.layers, keras.ops
#: Constants with more elements than this are kept as weights (not trainable) instead of in the model's configuration.
LARGE = 2048


class Parameters:
    """The free parameters of a model that is being built, each one layer however often and in whatever form it is used."""

    def __init__(self, ctx: KerasImporter) -> None:
        self.ctx = ctx
        self._flat: dict[Any, tuple[Any, tuple[int, ...], Order]] = {}
        self._formed: dict[Any, Any] = {}
        self._row: Any = None

    @staticmethod
    def takes(const: ConstantValue) -> bool:
        """Whether a constant is kept as a weight."""
        return const.recipe is None and (
            const.trainable or (const.array.dtype.kind == "f" and const.array.size > LARGE)
        )

    def has(self, const: ConstantValue) -> bool:
        """Whether a weight is a free parameter already, of which all that reads it has to be computed."""
        return const.trainable and const.name in self._flat

    def _looked_up(self, const: ConstantValue) -> Any:
        """A weight that an embedding of the model holds: all its rows, looked up."""
        rows = ops.add(np.arange(const.array.shape[0], dtype="int32"), self.row())
        return self.ctx.tables[const.name](rows)

    def tensor(self, const: ConstantValue, shape: Sequence[int], order: Order) -> Any:
        """The constant as a tensor of logical shape ``shape`` (that of its array with axes of size one added)."""
        key = const.name or id(const)
        shape = tuple(shape)
        if (key, shape, order) in self._formed:
            return self._formed[key, shape, order]
        if key not in self._flat and const.name in self.ctx.tables:
            self._flat[key] = (self._looked_up(const), const.array.shape, layout.identity(const.rank))
        if key not in self._flat:
            self._flat[key] = (self._layer(const, const.array.reshape(shape).transpose(order)), shape, order)
        flat, first_shape, first_order = self._flat[key]
        if order == first_order and shape == first_shape:
            tensor = self._reshaped(flat, [shape[axis] for axis in order])
        else:
            tensor = self._reshaped(flat, [first_shape[axis] for axis in first_order])
            if not layout.is_identity(first_order):
                tensor = ops.transpose(tensor, layout.inverse(first_order))
            tensor = self._reshaped(tensor, shape)
            if not layout.is_identity(order):
                tensor = ops.transpose(tensor, order)
        self._formed[key, shape, order] = tensor
        return tensor

    @staticmethod
    def _reshaped(tensor: Any, shape: Sequence[int]) -> Any:
        return tensor if tuple(tensor.shape) == tuple(shape) else ops.reshape(tensor, tuple(shape))

    def _layer(self, const: ConstantValue, array: np.ndarray[Any, Any]) -> Any:
        ctx = self.ctx
        name = const.name if const.trainable else ctx.name("constant")
        return ctx.layer_of(
            layers.Embedding,
            self.row(),
            weights={"embeddings": array.reshape(1, -1)},
            input_dim=1,
            output_dim=math.prod(array.shape),
            name=name,
            dtype=str(array.dtype),
            shared=False,
            **({} if const.trainable and not const.frozen else {"trainable": False}),
        )

    def row(self) -> Any:
        """The number 0, computed from an input: where the parameters are found."""
        if self._row is None:
            tensor = self.ctx.inputs[0]
            first = tensor[(slice(0, 1),) * len(tensor.shape)] if len(tensor.shape) else tensor
            zeros = ops.zeros_like(first, dtype="int32")
            self._row = ops.sum(zeros)
            for part, result in (("first", first), ("zero", zeros), ("row", self._row)):
                self.ctx.rename(result, f"parameters.{part}")
        return self._row
