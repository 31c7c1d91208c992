"""Constants, sizes, ranges and triangles; and what hands its input on: identity, dropout, stopped gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.constants import constant_array
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@converter("Shape", since=1)
def Shape_1(ctx: KerasImporter, data: Value) -> LaidOut:
    return shape(ctx, data, 0, None)


@converter("Shape", since=15)
def Shape(ctx: KerasImporter, data: Value, *, end: int | None = None, start: int = 0) -> LaidOut:
    return shape(ctx, data, start, end)


def shape(ctx: KerasImporter, data: Value, start: int, end: int | None) -> LaidOut:
    return LaidOut(ctx.operator_layer(keras_objects.Shape, ctx.plain(data).tensor, start=start, end=end), (0,))


@converter("Size", since=1)
def Size(ctx: KerasImporter, data: Value) -> LaidOut:
    return LaidOut(ctx.operator_layer(keras_objects.Size, ctx.placed(data).tensor), ())


@converter("ConstantOfShape", since=9)
def ConstantOfShape(ctx: KerasImporter, input: Value, *, value: Any = None) -> LaidOut:
    """Of a shape that is computed when the model runs."""
    array = np.zeros(1, np.float32) if value is None else value.numpy()
    tensor = ctx.operator_layer(
        keras_objects.Filled, ctx.plain(input).tensor, value=array.item(), to=ctx.float_dtype(array.dtype.name)
    )
    return LaidOut(tensor, layout.identity(len(tensor.shape)))


@converter("EyeLike", since=9)
def EyeLike(ctx: KerasImporter, input: Value, *, dtype: int | None = None, k: int = 0) -> LaidOut:
    x = ctx.plain(input)
    to = x.tensor.dtype if dtype is None else ctx.dtype_named(dtype)
    return LaidOut(ctx.operator_layer(keras_objects.EyeLike, x.tensor, k=k, to=to), x.order)


@converter("Range", since=11)
def Range(ctx: KerasImporter, start: Value, limit: Value, delta: Value, *, stash_type: int = 1) -> LaidOut:
    tensors = [ctx.plain(value).tensor for value in (start, limit, delta)]
    return LaidOut(ctx.operator_layer(keras_objects.Range, *tensors), (0,))


@converter("Trilu", since=14)
def Trilu(ctx: KerasImporter, input: Value, k: Value | None = None, *, upper: int = 1) -> LaidOut:
    x = ctx.plain(input)
    shift = 0 if k is None else int(ctx.known(k, "k").reshape(()).item())
    rows, columns = x.tensor.shape[-2:]
    if rows is None or columns is None:
        ones = ops.ones_like(x.tensor, dtype="int32")
        beyond = ops.cumsum(ones, axis=-1) - ops.cumsum(ones, axis=-2)  # column less row
        kept = beyond >= shift if upper else beyond <= shift
    else:
        inside = np.tri(rows, columns, shift - 1 if upper else shift, dtype=bool)
        kept = np.logical_not(inside) if upper else inside
    return ctx.keep(x, ops.where(kept, x.tensor, ops.zeros_like(x.tensor)))


def sizes(ctx: KerasImporter, x: LaidOut) -> tuple[int, int, int]:
    """Height, width and channels of an image whose channels lie last."""
    found = tuple(x.tensor.shape[1:])
    if None in found:
        ctx.refuse("its image has a free size")
    return found


@converter("Constant", since=1)
def Constant(
    ctx: KerasImporter,
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Any = None,
    value_int: int | None = None,
    value_ints: Any = None,
    value_string: Any = None,
    value_strings: Any = None,
    sparse_value: Any = None,
) -> ConstantValue:
    return ctx.constant_node(constant_array(ctx.node))


@converter("Identity", since=1)
def Identity(ctx: KerasImporter, input: Value) -> Value:
    return input


@converter("StopGradient", since=1, domain=DOMAIN)
def StopGradient(ctx: KerasImporter, X: Value) -> Value:
    x = ctx.placed(X)
    return ctx.keep(x, keras.ops.stop_gradient(x.tensor))


@converter("Dropout", since=1)
def Dropout(
    ctx: KerasImporter,
    data: Value,
    ratio: Value | None = None,
    training_mode: Value | None = None,
    *,
    seed: int = 0,
    is_test: int = 1,
) -> tuple[Value, Value]:
    """The input itself, and a mask that lets all of it pass."""
    if training_mode is not None and bool(ctx.known(training_mode, "mode")):
        share = 0.5 if ratio is None else float(ctx.known(ratio, "ratio"))
        if share:
            ctx.refuse("dropout in training mode is random")
    x = ctx.placed(data)
    mask = ctx.node.outputs[1].dtype if len(ctx.node.outputs) > 1 else None
    if mask is None:
        return data, data
    return data, ctx.keep(x, ops.ones_like(x.tensor, dtype=ctx.float_dtype(mask.name)))
