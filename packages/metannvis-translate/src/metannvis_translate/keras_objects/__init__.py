"""Keras layers for what neither ``keras.layers`` nor ``keras.ops`` has.

A saved model that holds one of them is loaded, in safe mode, after ``import metannvis_translate.keras_objects``. Importing this
module imports Keras and TensorFlow; nothing of MetaNNvis does so before a model is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from metannvis_translate.importing import batch_limits, recurrence
from metannvis_translate.keras_objects import boxes, resampling, windows

__all__ = [
    "BatchLimit",
    "BitCast",
    "BitShift",
    "BitwiseNot",
    "BitwiseOperation",
    "Compress",
    "EyeLike",
    "Filled",
    "GatherND",
    "IntegerProduct",
    "InverseFourier",
    "MelWeights",
    "NonMaxSuppression",
    "NonZero",
    "OneHot",
    "OperatorLayer",
    "Range",
    "Resample",
    "ReverseSequence",
    "RoiAlign",
    "ScatterElements",
    "ScatterND",
    "Shape",
    "Size",
    "TensorScatter",
    "Unique",
    "Unsigned64",
    "WholeSequence",
    "Window",
    "operator_layer",
]


class OperatorLayer(keras.layers.Layer):
    """A layer without weights that applies a function to one or several tensors.

    The function's keyword arguments are the layer's configuration; its tensors keep their types.
    """

    function: Callable[..., Any]

    def __init__(self, *, name: str | None = None, dtype: Any = None, trainable: bool = True, **options: Any) -> None:
        super().__init__(name=name, dtype=dtype, trainable=trainable, autocast=False)
        self._options = tuple(options.items())

    @property
    def options(self) -> dict[str, Any]:
        """The function's keyword arguments."""
        return dict(self._options)

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        return self.function(*tensors, **self.options)

    def compute_output_spec(self, inputs: Any) -> Any:
        """What comes out of tensors that are dense: Keras takes the product with a constant for a sparse one."""
        dense = keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, x.dtype) if isinstance(x, keras.KerasTensor) else x, inputs
        )
        return super().compute_output_spec(dense)

    def get_config(self) -> dict[str, Any]:
        """The function's keyword arguments beside the layer's own."""
        return {**super().get_config(), **self.options}


def operator_layer(function: Callable[..., Any]) -> Any:
    """The layer class of a function of tensors, serialisable under the package ``metannvis``."""
    members = {"function": staticmethod(function), "__doc__": function.__doc__, "__module__": __name__}
    made = type(function.__name__, (OperatorLayer,), members)
    return keras.saving.register_keras_serializable(package="metannvis")(made)


@operator_layer
def BatchLimit(x: Any, *, axis: int, exact: int | None, least: int, text: str) -> Any:  # noqa: N802
    """A tensor as it is, if its size along an axis is the exact one or at least the least one."""
    limit = batch_limits.BatchLimit(exact, least, text, axis)
    size = x.shape[axis]
    if size is not None:
        limit.check(size)
        return tf.identity(x)
    size = tf.shape(x)[axis]
    with tf.control_dependencies([tf.debugging.Assert(limit.allows(size), [text, size])]):
        return tf.identity(x)


@operator_layer
def WholeSequence(x: Any, lengths: Any, *, axis: int) -> Any:  # noqa: N802
    """Padded sequences as they are, of which one has to be as long as there are steps."""
    if tf.executing_eagerly():
        recurrence.check_longest(int(tf.reduce_max(lengths)), int(x.shape[axis]))
        return tf.identity(x)
    longest, steps = tf.cast(tf.reduce_max(lengths), tf.int32), tf.shape(x)[axis]
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.equal(longest, steps), [recurrence.TOO_SHORT, longest, steps])]
    ):
        return tf.identity(x)


# --- integers -----------------------------------------------------------------------------------------------------------------

#: What Keras computes in 32 bits: its type promotion has no ``uint64``.
_UNSIGNED = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "divide": tf.math.floordiv,
    "mod": tf.math.floormod,
    "power": tf.pow,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "equal": tf.equal,
    "greater": tf.greater,
    "greater_equal": tf.greater_equal,
    "less": tf.less,
    "less_equal": tf.less_equal,
}
_BITWISE = {"and": tf.bitwise.bitwise_and, "or": tf.bitwise.bitwise_or, "xor": tf.bitwise.bitwise_xor}


@operator_layer
def Unsigned64(a: Any, b: Any, *, operation: str) -> Any:  # noqa: N802
    """Arithmetic and comparison of ``uint64``."""
    return _UNSIGNED[operation](a, b)


@operator_layer
def BitwiseOperation(a: Any, b: Any, *, operation: str) -> Any:  # noqa: N802
    """``and``, ``or``, ``xor`` of the bits of integers of any width."""
    return _BITWISE[operation](a, b)


@operator_layer
def BitwiseNot(a: Any) -> Any:  # noqa: N802
    """Every bit turned over."""
    return tf.bitwise.invert(a)


@operator_layer
def BitShift(a: Any, b: Any, *, left: bool) -> Any:  # noqa: N802
    """Bits shifted; by their number or more, or by less than none, nothing is left but the sign to the right."""
    most = a.dtype.size * 8 - 1
    inside = tf.logical_and(tf.less_equal(b, tf.constant(most, b.dtype)), tf.greater_equal(b, tf.zeros([], b.dtype)))
    amount = tf.where(inside, b, tf.constant(most, b.dtype))
    if left:
        return tf.where(inside, tf.bitwise.left_shift(a, amount), tf.zeros([], a.dtype))
    shifted = tf.bitwise.right_shift(a, amount)
    return shifted if not a.dtype.is_unsigned else tf.where(inside, shifted, tf.zeros([], a.dtype))


@operator_layer
def BitCast(x: Any, *, to: str) -> Any:  # noqa: N802
    """The same bits read as another type of the same width."""
    x = tf.cast(x, tf.uint8) if x.dtype == tf.bool else x
    if to == "bool":
        return tf.cast(tf.bitcast(x, tf.uint8), tf.bool)
    return tf.bitcast(x, tf.as_dtype(to))


@operator_layer
def IntegerProduct(a: Any, b: Any) -> Any:  # noqa: N802
    """NumPy's ``matmul`` of integers, in 64 bits."""
    kind = a.dtype
    x, y = (tf.bitcast(v, tf.int64) if kind == tf.uint64 else tf.cast(v, tf.int64) for v in (a, b))
    if len(a.shape) == 1:
        x = x[None]
    if len(b.shape) == 1:
        y = y[:, None]
    product = tf.linalg.matmul(x, y)
    if len(b.shape) == 1:
        product = product[..., 0]
    if len(a.shape) == 1:
        product = product[..., 0] if len(b.shape) == 1 else product[..., 0, :]
    return tf.bitcast(product, tf.uint64) if kind == tf.uint64 else tf.cast(product, kind)


# --- sizes that depend on data, and sizes as data -----------------------------------------------------------------------------


@operator_layer
def Shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:  # noqa: N802
    """The sizes of a tensor's axes."""
    return tf.shape(x, out_type=tf.int64)[start:end]


@operator_layer
def Size(x: Any) -> Any:  # noqa: N802
    """The number of a tensor's elements."""
    return tf.size(x, out_type=tf.int64)


@operator_layer
def EyeLike(x: Any, *, k: int, to: str) -> Any:  # noqa: N802
    """Ones on the ``k``-th diagonal of a matrix of the shape of ``x``."""
    rows, columns = tf.shape(x)[0], tf.shape(x)[1]
    same = tf.equal(tf.range(rows)[:, None] + k, tf.range(columns)[None, :])
    return tf.ensure_shape(tf.cast(same, to), x.shape)


@operator_layer
def Filled(shape: Any, *, value: float, to: str) -> Any:  # noqa: N802
    """A tensor of that shape with one value everywhere."""
    return tf.fill(shape, tf.constant(value, to))


@operator_layer
def OneHot(indices: Any, depth: Any, values: Any, *, axis: int) -> Any:  # noqa: N802
    """Rows of as many classes as a tensor says, with the values that a tensor holds."""
    count = tf.cast(tf.reshape(depth, []), tf.int64)
    index = tf.expand_dims(tf.cast(indices, tf.int64), axis)
    classes = tf.reshape(tf.range(count), [-1 if k == axis else 1 for k in range(len(index.shape))])
    return tf.where(tf.equal(tf.where(index < 0, index + count, index), classes), values[1], values[0])


@operator_layer
def Unique(x: Any, *, axis: int | None, sort: bool) -> Any:  # noqa: N802
    """Different entries; where each stands first; which one each entry is; how often there is each."""
    data = tf.reshape(x, [-1]) if axis is None else x
    where = 0 if axis is None else axis
    kind = x.dtype if x.dtype != tf.bfloat16 else tf.float32
    found, places, counts = tf.raw_ops.UniqueWithCountsV2(x=tf.cast(data, kind), axis=[where], out_idx=tf.int64)
    number = tf.shape(counts)[0]
    found = tf.ensure_shape(found, [None if k == where else size for k, size in enumerate(data.shape)])
    first = tf.math.unsorted_segment_min(tf.range(tf.size(places, tf.int64)), places, number)
    if sort:
        width = math.prod(size for k, size in enumerate(data.shape) if k != where)
        rows = tf.reshape(tf.experimental.numpy.moveaxis(found, where, 0), [-1, width])
        order = tf.range(number)
        for k in reversed(range(width)):  # by the last column first, keeping the order of equal ones
            column = tf.gather(rows[:, k], order)
            if kind.is_floating:  # what is not a number is behind all that are, the infinite ones too
                missing = tf.math.is_nan(column)
                order = tf.gather(order, tf.argsort(tf.where(missing, tf.cast(math.inf, kind), column), stable=True))
                column = tf.cast(tf.math.is_nan(tf.gather(rows[:, k], order)), tf.int32)
            order = tf.gather(order, tf.argsort(column, stable=True))
        found, first, counts = tf.gather(found, order, axis=where), tf.gather(first, order), tf.gather(counts, order)
        places = tf.gather(tf.cast(tf.argsort(order), tf.int64), places)
    return tf.cast(found, x.dtype), first, places, counts


@operator_layer
def TensorScatter(cache: Any, update: Any, start: Any, *, axis: int, circular: bool) -> Any:  # noqa: N802
    """A stretch along an axis replaced, which starts at another place in each row of axis 0."""
    length, most = tf.shape(update)[axis], tf.shape(cache)[axis]
    at = tf.cast(start, tf.int32)[:, None] + tf.range(length)[None, :]
    at = tf.math.floormod(at, most) if circular else at
    data, new = (tf.experimental.numpy.moveaxis(x, axis, 1) for x in (cache, update))
    rows = tf.broadcast_to(tf.range(tf.shape(at)[0])[:, None], tf.shape(at))
    written = tf.tensor_scatter_nd_update(data, tf.stack([rows, at], -1), new)
    return tf.ensure_shape(tf.experimental.numpy.moveaxis(written, 1, axis), cache.shape)


@operator_layer
def Range(start: Any, limit: Any, delta: Any) -> Any:  # noqa: N802
    """Numbers from ``start`` up or down to ``limit``, without it."""
    dtype = start.dtype
    wide = tf.float64 if dtype.is_floating else tf.int64
    first, last, step = (tf.cast(tf.reshape(x, []), wide) for x in (start, limit, delta))
    count = tf.math.ceil(tf.cast(last - first, tf.float64) / tf.cast(step, tf.float64))
    steps = tf.range(tf.maximum(tf.cast(count, tf.int64), 0))
    return tf.cast(first + tf.cast(steps, wide) * step, dtype)


@operator_layer
def NonZero(x: Any) -> Any:  # noqa: N802
    """Positions of what is not zero, one row an axis."""
    return tf.transpose(tf.where(tf.not_equal(x, tf.zeros([], x.dtype)) if x.dtype != tf.bool else x))


@operator_layer
def Compress(x: Any, condition: Any, *, axis: int | None) -> Any:  # noqa: N802
    """Entries along an axis (of all of it, flattened) for which a condition holds; it may be shorter than the axis."""
    places = tf.reshape(tf.where(condition), [-1])
    return tf.gather(tf.reshape(x, [-1]), places) if axis is None else tf.gather(x, places, axis=axis)


# --- gathering and scattering ----------------------------------------------------------------------------------------------


def _counted(indices: Any, size: Any) -> Any:
    """Indices of which negative ones count from the end."""
    indices, size = tf.cast(indices, tf.int64), tf.cast(size, tf.int64)
    return tf.where(indices < 0, indices + size, indices)


@operator_layer
def GatherND(data: Any, indices: Any, *, batch_dims: int = 0) -> Any:  # noqa: N802
    """Entries or parts of a tensor whose places stand along the last axis of ``indices``."""
    depth = indices.shape[-1]
    sizes = tf.shape(data)[batch_dims : batch_dims + depth]
    return tf.gather_nd(data, _counted(indices, sizes), batch_dims=batch_dims)


def _scatter(flat: Any, places: Any, updates: Any, reduction: str) -> Any:
    """``updates`` put, added, … into rows of ``flat``; of several for one place the last one is put."""
    where = places[:, None]
    if reduction == "add":
        return tf.tensor_scatter_nd_add(flat, where, updates)
    if reduction == "max":
        return tf.tensor_scatter_nd_max(flat, where, updates)
    if reduction == "min":
        return tf.tensor_scatter_nd_min(flat, where, updates)
    if reduction == "mul":
        return flat * tf.math.unsorted_segment_prod(updates, places, tf.shape(flat)[0])
    return tf.tensor_scatter_nd_update(flat, where, updates)


@operator_layer
def ScatterND(data: Any, indices: Any, updates: Any, *, reduction: str) -> Any:  # noqa: N802
    """Entries or parts, whose places stand along the last axis of ``indices``, replaced or added to."""
    depth = indices.shape[-1]
    shape = tf.shape(data, out_type=tf.int64)
    head, tail = shape[:depth], shape[depth:]
    strides = tf.math.cumprod(head, exclusive=True, reverse=True)
    places = tf.reduce_sum(_counted(indices, head) * strides, axis=-1)
    rows = tf.reshape(data, tf.concat([[tf.reduce_prod(head)], tail], 0))
    places = tf.reshape(places, [-1])
    new = tf.reshape(updates, tf.concat([tf.shape(places, out_type=tf.int64), tail], 0))
    return tf.ensure_shape(tf.reshape(_scatter(rows, places, new, reduction), shape), data.shape)


@operator_layer
def ScatterElements(data: Any, indices: Any, updates: Any, *, axis: int, reduction: str) -> Any:  # noqa: N802
    """Elements whose place along one axis stands in ``indices`` replaced or added to."""
    shape = tf.shape(data, out_type=tf.int64)
    strides = tf.math.cumprod(shape, exclusive=True, reverse=True)
    given = tf.shape(indices, out_type=tf.int64)
    place = _counted(indices, shape[axis]) * strides[axis]
    for k in range(len(data.shape)):
        if k != axis:
            line = tf.range(given[k]) * strides[k]
            place += tf.reshape(line, [-1 if j == k else 1 for j in range(len(data.shape))])
    flat = _scatter(tf.reshape(data, [-1]), tf.reshape(place, [-1]), tf.reshape(updates, [-1]), reduction)
    return tf.ensure_shape(tf.reshape(flat, shape), data.shape)


@operator_layer
def ReverseSequence(x: Any, lengths: Any, *, seq_axis: int, batch_axis: int) -> Any:  # noqa: N802
    """The first entries along one axis reversed, as many as ``lengths`` says for each place of another."""
    return tf.reverse_sequence(x, tf.cast(lengths, tf.int64), seq_axis=seq_axis, batch_axis=batch_axis)


@operator_layer
def InverseFourier(real: Any, imaginary: Any) -> Any:  # noqa: N802
    """Inverse discrete Fourier transform along the last axis."""
    found = tf.signal.ifft(tf.complex(real, imaginary))
    return tf.math.real(found), tf.math.imag(found)


# --- images of free size, boxes, windows --------------------------------------------------------------------------------

Resample = operator_layer(resampling.Resample)
NonMaxSuppression = operator_layer(boxes.NonMaxSuppression)
RoiAlign = operator_layer(boxes.RoiAlign)
Window = operator_layer(windows.Window)
MelWeights = operator_layer(windows.MelWeights)
