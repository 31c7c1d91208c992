"""The layers of :mod:`metannvis_translate.keras_objects`: each becomes the ONNX operator again that it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer
from metannvis_translate.graph.metadata import WHOLE_SEQUENCE
from metannvis_translate.importing.window_functions import WINDOWS

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

F = TypeVar("F", bound=Callable[..., Any])

UNSIGNED = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "mod": "Mod",
    "maximum": "Max",
    "minimum": "Min",
    "equal": "Equal",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
}
BITWISE = {"and": "BitwiseAnd", "or": "BitwiseOr", "xor": "BitwiseXor"}


def own_layer(name: str) -> Callable[[F], F]:
    """Decorator: the function, given every operand as a value, converts the layer of ours of that name."""

    def decorate(function: F) -> F:
        @keras_layer(f"metannvis_translate.keras_objects.{name}")
        def converter(e: KerasEmitter, layer: Any, inputs: Any) -> Any:
            operands = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            return function(e, layer, *(e.tensor(x) for x in operands))

        return function

    return decorate


@own_layer("BatchLimit")
def BatchLimit(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("Identity", x)


@own_layer("WholeSequence")
def WholeSequence(e: KerasEmitter, layer: Any, x: ir.Value, lengths: ir.Value) -> ir.Value:
    return e.emit(WHOLE_SEQUENCE, x, lengths, axis=layer.options["axis"], shape=e.shape(x))


# --- integers -----------------------------------------------------------------------------------------------------------------


@own_layer("Unsigned64")
def Unsigned64(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> ir.Value:
    return e.emit(UNSIGNED[layer.options["operation"]], *inputs, shape=e.output_shape(), dtype=e.dtype)


@own_layer("BitwiseOperation")
def BitwiseOperation(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> ir.Value:
    return e.emit(BITWISE[layer.options["operation"]], *inputs, shape=e.output_shape())


@own_layer("IntegerProduct")
def IntegerProduct(e: KerasEmitter, layer: Any, a: ir.Value, b: ir.Value) -> ir.Value:
    return e.emit("MatMul", a, b, shape=e.output_shape(), dtype=e.dtype)


@own_layer("BitwiseNot")
def BitwiseNot(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("BitwiseNot", x, shape=e.output_shape())


@own_layer("BitShift")
def BitShift(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> ir.Value:
    if not str(e.dtype).startswith("uint"):
        e.refuse(f"ONNX shifts no bits of {e.dtype}, only of unsigned integers")
    return e.emit("BitShift", *inputs, direction="LEFT" if layer.options["left"] else "RIGHT", shape=e.output_shape())


# --- sizes that depend on data, and sizes as data -----------------------------------------------------------------------------


@own_layer("Shape")
def Shape(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("Shape", x, shape=e.output_shape(), dtype="int64", **layer.options)


@own_layer("Size")
def Size(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("Size", x, shape=(), dtype="int64")


@own_layer("EyeLike")
def EyeLike(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.cast(e.emit("EyeLike", x, k=layer.options["k"], shape=e.output_shape()), layer.options["to"])


@own_layer("Filled")
def Filled(e: KerasEmitter, layer: Any, shape: ir.Value) -> ir.Value:
    import onnx_ir as ir

    fill = ir.tensor(np.full(1, layer.options["value"], layer.options["to"]))
    return e.emit("ConstantOfShape", e.cast(shape, "int64"), value=fill, shape=e.output_shape(), dtype=e.dtype)


@own_layer("Range")
def Range(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> ir.Value:
    ends = [e.reshape(value, ()) for value in inputs]
    return e.emit("Range", *ends, shape=e.output_shape(), dtype=e.dtype)


@own_layer("Window")
def Window(e: KerasEmitter, layer: Any, size: ir.Value) -> ir.Value:
    (name,) = (name for name, parts in WINDOWS.items() if list(parts) == list(layer.options["parts"]))
    periodic = int(layer.options["periodic"])
    return e.emit(
        name,
        e.reshape(size, ()),
        periodic=periodic,
        output_datatype=int(e.dtype_of(layer.options["to"])),
        shape=e.output_shape(),
        dtype=layer.options["to"],
    )


@own_layer("MelWeights")
def MelWeights(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> ir.Value:
    sizes = [e.reshape(value, ()) for value in inputs[:3]]
    sizes += [e.reshape(e.cast(value, "float32"), ()) for value in inputs[3:]]
    to = layer.options["to"]
    return e.emit("MelWeightMatrix", *sizes, output_datatype=int(e.dtype_of(to)), shape=e.output_shape(), dtype=to)


@own_layer("OneHot")
def OneHot(e: KerasEmitter, layer: Any, indices: ir.Value, depth: ir.Value, values: ir.Value) -> ir.Value:
    return e.emit("OneHot", indices, depth, values, axis=layer.options["axis"], shape=e.output_shape(), dtype=e.dtype)


@own_layer("NonZero")
def NonZero(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    return e.emit("NonZero", x, shape=e.output_shape(), dtype="int64")


@own_layer("Unique")
def Unique(e: KerasEmitter, layer: Any, x: ir.Value) -> tuple[ir.Value, ...]:
    shapes = [spec.shape for spec in e.specs]
    made = e.emit_many(
        "Unique", x, outputs=4, shapes=shapes, axis=layer.options["axis"], sorted=int(layer.options["sort"])
    )
    for places in made[1:]:
        places.dtype = e.dtype_of("int64")
    return made


@own_layer("Compress")
def Compress(e: KerasEmitter, layer: Any, x: ir.Value, condition: ir.Value) -> ir.Value:
    return e.emit("Compress", x, e.cast(condition, "bool"), shape=e.output_shape(), axis=layer.options["axis"])


# --- gathering and scattering -------------------------------------------------------------------------------------------------


@own_layer("GatherND")
def GatherND(e: KerasEmitter, layer: Any, data: ir.Value, indices: ir.Value) -> ir.Value:
    return e.emit("GatherND", data, e.cast(indices, "int64"), shape=e.output_shape(), **layer.options)


@own_layer("ScatterND")
def ScatterND(e: KerasEmitter, layer: Any, data: ir.Value, indices: ir.Value, updates: ir.Value) -> ir.Value:
    return e.emit("ScatterND", data, e.cast(indices, "int64"), updates, shape=e.output_shape(), **layer.options)


@own_layer("ScatterElements")
def ScatterElements(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> ir.Value:
    return e.emit("ScatterElements", *inputs, shape=e.output_shape(), **layer.options)


@own_layer("ReverseSequence")
def ReverseSequence(e: KerasEmitter, layer: Any, x: ir.Value, lengths: ir.Value) -> ir.Value:
    options = layer.options
    return e.emit(
        "ReverseSequence",
        x,
        e.cast(lengths, "int64"),
        time_axis=options["seq_axis"],
        batch_axis=options["batch_axis"],
        shape=e.output_shape(),
    )


@own_layer("InverseFourier")
def InverseFourier(e: KerasEmitter, layer: Any, *inputs: ir.Value) -> tuple[ir.Value, ...]:
    shape = e.output_shape()
    rank = len(shape)
    pair = e.emit("Concat", *(e.unsqueeze(x, [rank]) for x in inputs), axis=rank, shape=(*shape, 2))
    y = e.emit("DFT", pair, None, np.asarray(rank - 1, np.int64), inverse=1, shape=(*shape, 2))
    parts = e.emit_many("Split", y, axis=rank, num_outputs=2, outputs=2, shapes=[(*shape, 1)] * 2)
    return tuple(e.squeeze(part, [rank]) for part in parts)


# --- boxes --------------------------------------------------------------------------------------------------------------------


@own_layer("NonMaxSuppression")
def NonMaxSuppression(e: KerasEmitter, layer: Any, boxes: ir.Value, scores: ir.Value, *rest: ir.Value) -> ir.Value:
    limit, *bounds = rest
    numbers = [e.reshape(e.cast(limit, "int64"), (1,)), *(e.reshape(e.cast(x, "float32"), (1,)) for x in bounds)]
    tensors = [e.cast(boxes, "float32"), e.cast(scores, "float32"), *numbers]
    centre = int(layer.options["centre"])
    return e.emit("NonMaxSuppression", *tensors, center_point_box=centre, shape=e.output_shape(), dtype="int64")


@own_layer("RoiAlign")
def RoiAlign(e: KerasEmitter, layer: Any, x: ir.Value, rois: ir.Value, batch: ir.Value) -> ir.Value:
    options = layer.options
    regions, height, width, channels = e.output_shape()
    cells = e.emit(
        "RoiAlign",
        e.transpose(x, (0, 3, 1, 2)),
        rois,
        e.cast(batch, "int64"),
        mode="max" if options["largest"] else "avg",
        coordinate_transformation_mode="half_pixel" if options["half"] else "output_half_pixel",
        output_height=height,
        output_width=width,
        sampling_ratio=options["ratio"],
        spatial_scale=options["scale"],
        exact={"spatial_scale": options["scale"]},
        shape=(regions, channels, height, width),
    )
    return e.transpose(cells, (0, 2, 3, 1))


# --- images of free size ------------------------------------------------------------------------------------------------------


@own_layer("Resample")
def Resample(e: KerasEmitter, layer: Any, x: ir.Value, *free: ir.Value) -> ir.Value:
    options = layer.options
    scales = sizes = None
    if options["scales"] is not None:
        scales = e.constant(np.asarray(options["scales"], np.float32))
        if any(np.float32(scale) != scale for scale in options["scales"]):
            e.refuse(f"ONNX holds scales in single precision only, and {options['scales']} are more exact")
    else:
        left = iter(free)
        parts = [
            e.reshape(e.cast(next(left), "int64"), (1,)) if size is None else e.ints(size)
            for size in options["lengths"]
        ]
        sizes = e.emit("Concat", *parts, axis=0, shape=(len(parts),))
    return e.emit(
        "Resize",
        x,
        None,
        scales,
        sizes,
        axes=options["axes"],
        mode=options["mode"],
        coordinate_transformation_mode=options["coordinates"],
        nearest_mode=options["rounding"],
        cubic_coeff_a=options["a"],
        shape=e.output_shape(),
    )
