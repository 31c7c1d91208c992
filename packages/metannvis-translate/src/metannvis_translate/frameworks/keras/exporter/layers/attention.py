"""Einsum, dense layers that are one, and attention over heads. Attention layers themselves are opened or traced."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.add import keras_sum, line_of
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

#: What TensorFlow's attention puts where a mask leaves something out.
LARGE_NEGATIVE = {"float16": np.float16(-0.7 * 65500.0)}


@keras_op("Einsum")
def Einsum(e: KerasEmitter, op: Any, *operands: Any) -> ir.Value:
    values = [e.tensor(x, e.dtype) for x in operands]
    return e.emit("Einsum", *values, equation=op.subscripts.replace(" ", ""), shape=e.output_shape())


def _letters(equation: str, rank: int) -> tuple[str, str, str]:
    """Subscripts of input, kernel and output, the ellipsis spelt out."""
    left, output = equation.replace(" ", "").split("->")
    given, kernel = left.split(",")
    free = [c for c in string.ascii_letters if c not in equation]
    fill = "".join(free[: rank - len(given.replace("...", ""))]) if "..." in given else ""
    return given.replace("...", fill), kernel, output.replace("...", fill)


@keras_layer("EinsumDense")
def EinsumDense(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    """One matrix product where it sums over the last axes of its input and returns new ones behind the others."""
    given, kernel, output = _letters(layer.equation, e.rank(x))
    known = dict(zip(given, e.shape(x), strict=True)) | dict(zip(kernel, map(int, layer.kernel.shape), strict=True))
    shape = tuple(known[c] for c in output)  # Keras declares free what the caller's output_shape leaves free
    summed = "".join(c for c in kernel if c in given)
    new = "".join(c for c in kernel if c not in given)
    free = given[: len(given) - len(summed)]
    is_product = given == free + summed and kernel == summed + new and output == free + new and bool(summed and new)
    if not is_product:
        kernel_value = e.weight_of(layer, "kernel")
        y = e.emit("Einsum", x, kernel_value, equation=layer.equation.replace(" ", ""), shape=shape)
        y = y if layer.bias is None else keras_sum(e, y, e.weight_of(layer, "bias"), shape=shape)
        return e.activate(layer.activation, y)
    sizes = [int(size) for size in layer.kernel.shape]
    rows, columns = math.prod(sizes[: len(summed)]), math.prod(sizes[len(summed) :])
    kept = e.shape(x)[: len(free)]
    if len(summed) > 1:
        x = e.reshape(x, [*[0] * len(free), rows], result=(*kept, rows))
    y = e.emit("MatMul", x, e.weight_of(layer, "kernel", shape=(rows, columns)), shape=(*kept, columns))
    is_whole = layer.bias is not None and tuple(layer.bias.shape) == tuple(sizes[len(summed) :])
    is_whole = is_whole and line_of((*kept, *sizes[len(summed) :]), tuple(layer.bias.shape)) is None
    if is_whole:
        y = e.emit("Add", y, e.weight_of(layer, "bias", shape=(columns,)), shape=(*kept, columns))
    if len(new) > 1:
        y = e.reshape(y, [*[0] * len(free), *sizes[len(summed) :]], result=shape)
    if layer.bias is not None and not is_whole:
        y = keras_sum(e, y, e.weight_of(layer, "bias"), shape=shape)
    return e.activate(layer.activation, y)


@keras_op("DotProductAttention")
def DotProductAttention(
    e: KerasEmitter,
    op: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
) -> ir.Value:
    """Of (N, steps, heads, features); Keras computes the weights in single precision at least."""
    if op.attn_logits_soft_cap is not None:
        e.refuse("attn_logits_soft_cap")
    q, k, v = (e.tensor(x, e.dtype) for x in (query, key, value))
    batch, steps, heads, size = e.shape(q)
    others = e.shape(k)[1]
    k, v = (_repeated(e, x, heads) for x in (k, v))
    wide = "float32" if e.dtype in ("float16", "bfloat16") else e.dtype
    logits = e.emit(
        "MatMul", e.transpose(q, (0, 2, 1, 3)), e.transpose(k, (0, 2, 3, 1)), shape=(batch, heads, steps, others)
    )
    logits = e.cast(logits, wide)
    if scale is None and size is None:
        e.refuse("the size of its features is not known")
    # TensorFlow makes a float32 of the number first, in double precision too.
    factor = np.float32(1) / np.sqrt(np.float32(size)) if scale is None else np.float32(scale)
    logits = e.emit("Mul", logits, e.scalar(float(factor), logits), shape=e.shape(logits))
    if bias is not None:
        logits = e.emit("Add", logits, e.tensor(bias, wide), shape=e.shape(logits))
    for allowed in (None if mask is None else e.tensor(mask, "bool"), _causal(e, logits) if op.is_causal else None):
        if allowed is not None:
            lowest = e.scalar(float(LARGE_NEGATIVE.get(wide, np.float32(-0.7 * 3.38953e38))), logits)
            if wide == "float64":
                lowest = e.scalar(-0.7 * 3.38953e38, logits)
            logits = e.emit("Where", allowed, logits, lowest, shape=e.shape(logits), dtype=wide)
    weights = e.cast(e.emit("Softmax", logits, axis=-1), e.dtype)
    y = e.emit("MatMul", weights, e.transpose(v, (0, 2, 1, 3)), shape=(batch, heads, steps, e.shape(v)[3]))
    return e.transpose(y, (0, 2, 1, 3))


def _repeated(e: KerasEmitter, x: ir.Value, heads: int | None) -> ir.Value:
    """Keys or values once for each head of the query that shares them."""
    batch, steps, own, size = e.shape(x)
    if own == heads or own == 1 or own is None or heads is None:
        return x
    times = heads // own
    y = e.emit("Tile", e.unsqueeze(x, [3]), e.ints(1, 1, 1, times, 1), shape=(batch, steps, own, times, size))
    return e.reshape(y, [0, 0, heads, -1 if size is None else size], result=(batch, steps, heads, size))


def _causal(e: KerasEmitter, logits: ir.Value) -> ir.Value:
    """Whether a step (row) may see another (column): itself and those before it."""
    return band(e, (logits, 2), (logits, 3), causal=True, width=None)


@keras_op("Band")
def Band(e: KerasEmitter, op: Any, one: ir.Value, other: ir.Value) -> ir.Value:
    """What Keras' attention layers compute of the sizes of their inputs."""
    return band(e, (one, op.axes[0]), (other, op.axes[1]), causal=op.causal, width=op.width)


def band(
    e: KerasEmitter, one: tuple[ir.Value, int], other: tuple[ir.Value, int], *, causal: bool, width: int | None
) -> ir.Value:
    """Which steps (columns, along an axis of a value) each step (rows, along an axis of another) sees, (1, rows, columns)."""
    rows, columns = (e.shape(x)[axis] for x, axis in (one, other))
    if rows is not None and columns is not None:
        apart = np.subtract.outer(np.arange(rows), np.arange(columns))
        return e.constant((apart >= 0 if causal else np.abs(apart) < (width or 0))[None])
    zero, step = (e.constant(np.asarray(k, np.int64)) for k in (0, 1))
    steps = []
    for x, axis in (one, other):
        size = e.squeeze(e.emit("Shape", x, start=axis, end=axis + 1, dtype="int64", shape=[1]), [0])
        steps.append(e.emit("Range", zero, size, step, shape=[None], dtype="int64"))
    row, column = e.unsqueeze(steps[0], [0, 2]), e.unsqueeze(steps[1], [0, 1])
    shape = (1, rows, columns)
    if causal:
        return e.emit("GreaterOrEqual", row, column, shape=shape)
    distance = e.emit("Abs", e.emit("Sub", row, column, shape=shape))
    return e.emit("Less", distance, e.scalar(width or 0, distance), shape=shape)
