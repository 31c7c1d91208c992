"""Layers that merge several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.normalization import unit
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

FOLDS = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Maximum": "Max",
    "Minimum": "Min",
    "Average": "Add",
}


def _aligned(e: KerasEmitter, inputs: Sequence[ir.Value]) -> list[ir.Value]:
    """Inputs of one rank: Keras puts axes of size one behind the batch."""
    rank = max(e.rank(x) for x in inputs)
    return [e.unsqueeze(x, range(1, 1 + rank - e.rank(x))) for x in inputs]


def _broadcast(e: KerasEmitter, x: ir.Value, y: ir.Value) -> list[int | None]:
    pairs = zip(e.shape(x), e.shape(y), strict=True)
    return [b if a == 1 else a if b == 1 else (a if a is not None else b) for a, b in pairs]


@keras_layer("Add", "Subtract", "Average")
def Merge(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    result, *rest = _aligned(e, inputs)
    for x in rest:
        result = e.emit(FOLDS[type(layer).__name__], result, x, shape=_broadcast(e, result, x))
    if type(layer).__name__ == "Average":
        return e.emit("Div", result, e.scalar(float(len(inputs)), result), shape=e.shape(result))
    return result


@keras_layer("Multiply")
def Multiply(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    """What is masked is one; zero in the end, where all inputs are masked."""
    values = _aligned(e, inputs)
    masks = [_mask(e, x) for x in values]
    factors = [_where(e, mask, x, e.scalar(1.0, x)) for mask, x in zip(masks, values, strict=True)]
    result = factors[0]
    for x in factors[1:]:
        result = e.emit("Mul", result, x, shape=_broadcast(e, result, x))
    counts = _either(e, masks)
    return _marked(e, _where(e, counts, result, e.scalar(0.0, result)), counts)


@keras_layer("Maximum", "Minimum")
def Extremum(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    """Where one is masked, it is the other."""
    result, *rest = _aligned(e, inputs)
    so_far = _mask(e, result)
    for x in rest:
        mask = _mask(e, x)
        x = _where(e, mask, x, result)
        result = _where(e, so_far, result, x)
        so_far = _either(e, [so_far, mask])
        result = e.emit(FOLDS[type(layer).__name__], result, x, shape=_broadcast(e, result, x))
    return _marked(e, result, so_far)


def _mask(e: KerasEmitter, x: ir.Value) -> ir.Value | None:
    """Mask of an input, with an axis for the features."""
    mask = e.mask_of(x)
    if mask is None:
        return None
    if e.rank(mask) + 1 != e.rank(x):
        e.refuse(f"a mask of {e.rank(mask)} axes on an input of {e.rank(x)}")
    return e.unsqueeze(e.cast(mask, "bool"), [e.rank(mask)])


def _where(e: KerasEmitter, mask: ir.Value | None, x: ir.Value, other: ir.Value) -> ir.Value:
    return x if mask is None else e.emit("Where", mask, x, other, shape=e.shape(x), dtype=x.dtype)


def _either(e: KerasEmitter, masks: Sequence[ir.Value | None]) -> ir.Value | None:
    """Where any of them counts; ``None`` if one of them is missing."""
    result, *rest = masks
    for mask in rest:
        if result is None or mask is None:
            return None
        result = e.emit("Or", result, mask, shape=e.shape(mask))
    return result


def _marked(e: KerasEmitter, x: ir.Value, mask: ir.Value | None) -> ir.Value:
    """The value with the mask that ``call`` itself hangs on it."""
    if mask is not None:
        e.set_mask(x, e.squeeze(mask, [e.rank(mask) - 1]))
    return x


@keras_layer("Concatenate")
def Concatenate(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    return e.emit("Concat", *inputs, axis=int(layer.axis), shape=e.output_shape())


@keras_op("Concatenate")
def ConcatenateOp(e: KerasEmitter, op: Any, xs: Sequence[Any]) -> ir.Value:
    return e.emit("Concat", *(e.tensor(x, e.dtype) for x in xs), axis=int(op.axis), shape=e.output_shape())


@keras_layer("Dot")
def Dot(e: KerasEmitter, layer: Any, inputs: Sequence[ir.Value]) -> ir.Value:
    x, y = inputs
    axes = [layer.axes] * 2 if isinstance(layer.axes, int) else list(layer.axes)
    axes = [int(axis) % e.rank(v) for axis, v in zip(axes, inputs, strict=True)]
    if layer.normalize:
        x, y = (unit(e, v, [axis], 1e-12) for v, axis in zip((x, y), axes, strict=True))
    if max(e.rank(x), e.rank(y)) > 3:
        e.refuse("its inputs have more than three axes")
    flat = e.rank(x) == e.rank(y) == 2
    x = _contracted_last(e, x, axes[0])
    y = e.transpose(_contracted_last(e, y, axes[1]), (0, 2, 1))
    result = e.emit("MatMul", x, y, shape=(e.shape(x)[0], e.shape(x)[1], e.shape(y)[2]))
    ones = [axis for axis, v in ((1, inputs[0]), (2, inputs[1])) if e.rank(v) == 2]
    return e.squeeze(result, [1] if flat else ones)


def _contracted_last(e: KerasEmitter, x: ir.Value, axis: int) -> ir.Value:
    """(N, rows, contracted), with one row for a vector."""
    if e.rank(x) == 2:
        return e.unsqueeze(x, [1])
    return e.transpose(x, (0, 3 - axis, axis))
