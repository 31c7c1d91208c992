"""Placement of values: transposed, in one order, broadcastable, as an operator of the target needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut, Order
from metannvis_translate.importing.values import ConstantValue, Value

__all__ = ["LayoutTracking"]


class LayoutTracking:
    """The part of an importer that moves axes; a framework says how one tensor of it is transposed, made and extended."""

    # --- what a framework says -------------------------------------------------------------------------------------

    def transpose(self, tensor: Any, perm: Order) -> Any:
        """Move a tensor's axes, as ``numpy.transpose`` does."""
        raise NotImplementedError

    def constant(self, const: ConstantValue, order: Order) -> Any:
        """A constant as a tensor of the target's graph, lying as ``order`` says."""
        raise NotImplementedError

    def lift(self, value: LaidOut, order: Order) -> Any:
        """A tensor of lower rank with axes of size one added so that it broadcasts against ``order``."""
        raise NotImplementedError

    def materialized(self, const: ConstantValue) -> LaidOut:
        """What is computed of weights alone (it has a recipe), as a tensor of the target."""
        raise NotImplementedError

    # --- what converters use ---------------------------------------------------------------------------------------

    def placed(self, value: Value) -> LaidOut:
        """A value as a tensor of the target's graph."""
        if isinstance(value, LaidOut):
            return value
        if value.recipe is not None:
            return self.materialized(value)
        order = layout.identity(value.rank)
        return LaidOut(self.constant(value, order), order)

    def reorder(self, value: LaidOut, order: Order) -> LaidOut:
        """The value lying as ``order`` says, transposed if it does not."""
        perm = layout.transpose(value.order, order)
        return value if perm is None else LaidOut(self.transpose(value.tensor, perm), order)

    def plain(self, value: Value) -> LaidOut:
        """The value with its logical axes in order."""
        value = self.placed(value)
        return self.reorder(value, layout.identity(value.rank))

    def common_order(self, values: Sequence[Value]) -> Order:
        """Order for elementwise work on several values: that of the largest one that is placed, first come."""
        rank = max(value.rank for value in values)
        full = [v.order for v in values if isinstance(v, LaidOut) and v.rank == rank]
        moved = [order for order in full if not layout.is_identity(order)]
        return (moved or full or [layout.identity(rank)])[0]

    def broadcastable(self, value: Value, order: Order) -> Any:
        """A tensor (or NumPy array, for a constant) that broadcasts against tensors lying as ``order`` says.

        Operands of lower rank get leading axes of size one where the order moves axes past them.
        """
        if isinstance(value, ConstantValue) and value.recipe is not None:
            value = self.placed(value)
        if isinstance(value, ConstantValue):
            array = value.array
            if array.ndim == 0 or layout.is_identity(order):
                return array
            array = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
            return array.transpose(order)
        if value.rank == len(order):
            return self.reorder(value, order).tensor
        if layout.is_identity(order) or value.rank == 0:
            return self.plain(value).tensor
        wanted = layout.broadcast_order(order, value.rank)
        return self.lift(self.reorder(value, wanted), order)

    def aligned(self, value: Value, order: Order) -> Any:
        """The former name of :meth:`broadcastable`, which converters of others may call."""
        return self.broadcastable(value, order)
