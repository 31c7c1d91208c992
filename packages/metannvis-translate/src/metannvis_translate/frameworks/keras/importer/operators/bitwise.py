"""Bitwise operators and arithmetic on ``uint64``: Keras' own promote types, which loses its upper half; these keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter


def pair(ctx: KerasImporter, layer: Any, A: Value, B: Value, **options: Any) -> LaidOut:
    """A layer of two operands that broadcast against each other."""
    a, b = ctx.placed(A), ctx.placed(B)
    order = ctx.common_order((a, b))
    return LaidOut(
        ctx.operator_layer(layer, ctx.broadcastable(a, order), ctx.broadcastable(b, order), **options), order
    )


@converter("BitwiseAnd", since=18)
def BitwiseAnd(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return pair(ctx, keras_objects.BitwiseOperation, A, B, operation="and")


@converter("BitwiseOr", since=18)
def BitwiseOr(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return pair(ctx, keras_objects.BitwiseOperation, A, B, operation="or")


@converter("BitwiseXor", since=18)
def BitwiseXor(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    return pair(ctx, keras_objects.BitwiseOperation, A, B, operation="xor")


@converter("BitwiseNot", since=18)
def BitwiseNot(ctx: KerasImporter, X: Value) -> LaidOut:
    x = ctx.placed(X)
    return ctx.keep(x, ctx.operator_layer(keras_objects.BitwiseNot, x.tensor))


@converter("BitShift", since=11)
def BitShift(ctx: KerasImporter, X: Value, Y: Value, *, direction: str) -> LaidOut:
    return pair(ctx, keras_objects.BitShift, X, Y, left=direction == "LEFT")


@converter("BitCast", since=26)
def BitCast(ctx: KerasImporter, input: Value, *, to: int) -> LaidOut:
    x = ctx.placed(input)
    return ctx.keep(x, ctx.operator_layer(keras_objects.BitCast, x.tensor, to=ctx.dtype_named(to)))


def unsigned(ctx: KerasImporter, operation: str, *values: Value) -> LaidOut:
    """Arithmetic on ``uint64``, two operands at a time."""
    found = ctx.placed(values[0])
    for value in values[1:]:
        found = pair(ctx, keras_objects.Unsigned64, found, value, operation=operation)
    return found


def is_unsigned_64(ctx: KerasImporter) -> bool:
    """Whether the current node works on ``uint64``."""
    return any(
        value is not None and value.dtype is not None and value.dtype.name == "UINT64" for value in ctx.node.inputs
    )
