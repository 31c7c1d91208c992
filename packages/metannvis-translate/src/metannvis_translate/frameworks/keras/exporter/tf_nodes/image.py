"""Colours and projections of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, tf_node
from metannvis_translate.graph.metadata import STOP_GRADIENT

if TYPE_CHECKING:
    import onnx_ir as ir


def _channels(n: Node) -> tuple[list[ir.Value], Any]:
    """The three channels of an image, channels last, and what emits a node of their shape."""
    e, x = n.e, n.value(0)
    axis = e.rank(x) - 1
    shape = (*e.shape(x)[:-1], 1)

    def emit(operator: str, *inputs: Any, dtype: Any = None) -> ir.Value:
        values = [e.scalar(v, x) if isinstance(v, (int, float)) else v for v in inputs]
        return e.emit(operator, *values, shape=shape, dtype=dtype or (None if operator in LOGIC else x.dtype))

    return [cut(e, x, {axis: slice(k, k + 1)}) for k in range(3)], emit


LOGIC = ("Equal", "Greater", "Less", "And", "Or", "Not")


@tf_node("RGBToHSV")
def RGBToHSV(n: Node) -> ir.Value:
    """Hue, saturation and value as TensorFlow's kernel computes them: of equal channels the red one counts first."""
    (red, green, blue), emit = _channels(n)
    value = emit("Max", emit("Max", red, green), blue)
    spread = emit("Sub", value, emit("Min", emit("Min", red, green), blue))
    is_bright = emit("Greater", value, 0.0)
    saturation = emit("Where", is_bright, emit("Div", spread, emit("Where", is_bright, value, 1.0)), 0.0)
    is_coloured = emit("Greater", spread, 0.0)
    sixth = emit("Div", 1 / 6, emit("Where", is_coloured, spread, 1.0))

    def hue_of(one: ir.Value, other: ir.Value, start: float) -> ir.Value:
        return emit("Add", emit("Mul", sixth, emit("Sub", one, other)), start)

    is_red, is_green = emit("Equal", red, value), emit("Equal", green, value)
    hue = emit("Where", is_green, hue_of(blue, red, 2 / 6), hue_of(red, green, 4 / 6))
    hue = emit("Where", is_red, hue_of(green, blue, 0.0), hue)
    hue = emit("Where", is_coloured, hue, 0.0)
    hue = emit("Where", emit("Less", hue, 0.0), emit("Add", hue, 1.0), hue)
    return n.emit("Concat", hue, saturation, value, axis=n.e.rank(n.value(0)) - 1)


@tf_node("HSVToRGB")
def HSVToRGB(n: Node) -> ir.Value:
    """Each channel is a clipped distance of the hue from where that channel is full."""
    (hue, saturation, value), emit = _channels(n)
    six = emit("Mul", hue, 6.0)
    red = emit("Sub", emit("Abs", emit("Sub", six, 3.0)), 1.0)
    green = emit("Sub", 2.0, emit("Abs", emit("Sub", six, 2.0)))
    blue = emit("Sub", 2.0, emit("Abs", emit("Sub", six, 4.0)))
    share = emit("Sub", 1.0, saturation)
    parts = []
    for colour in (red, green, blue):
        clipped = emit("Min", emit("Max", colour, 0.0), 1.0)
        parts.append(emit("Mul", emit("Add", share, emit("Mul", saturation, clipped)), value))
    y = n.emit("Concat", *parts, axis=n.e.rank(n.value(0)) - 1)
    return n.emit(STOP_GRADIENT, y)  # TensorFlow has no derivative of it


@tf_node("ImageProjectiveTransformV3", "ImageProjectiveTransformV2")
def ImageProjectiveTransform(n: Node) -> ir.Value:
    """Entries of the image at the places that a projection takes each place of the result to; beyond the image, a number."""
    if n.attribute("fill_mode") != "CONSTANT":
        n.refuse(f"fill mode {n.attribute('fill_mode')}")
    e, x = n.e, n.value(0)
    batch, height, width, channels = e.shape(x)
    rows, columns = n.ints(2)
    transforms = n.value(1)
    count = e.shape(transforms)[0]
    if height is None or width is None or count is None or (count != 1 and count != batch):
        n.refuse("images of free size, or a projection each for a free number of images")
    fill = n.value(3) if n.kind.endswith("V3") else e.scalar(0.0, x)
    shape = (count, rows * columns)
    kind = np.float32
    across = np.tile(np.arange(columns, dtype=kind), rows)[None]
    down = np.repeat(np.arange(rows, dtype=kind), columns)[None]

    def emit(operator: str, *inputs: Any, dtype: Any = None) -> ir.Value:
        values = [e.scalar(v, transforms) if isinstance(v, (int, float)) else v for v in inputs]
        return e.emit(operator, *values, shape=shape, dtype=dtype or (None if operator in LOGIC else transforms.dtype))

    def line(first: int, constant: Any) -> ir.Value:
        a, b = (cut(e, transforms, {1: slice(k, k + 1)}) for k in (first, first + 1))
        return emit("Add", emit("Add", emit("Mul", a, across), emit("Mul", b, down)), constant)

    scale = line(6, 1.0)
    place_x = emit("Div", line(0, cut(e, transforms, {1: slice(2, 3)})), scale)
    place_y = emit("Div", line(3, cut(e, transforms, {1: slice(5, 6)})), scale)
    flat = e.reshape(x, [0, height * width, channels], result=(batch, height * width, channels))

    def read(y: ir.Value, x_: ir.Value) -> ir.Value:
        """Entries at whole places (as floats), and what stands beyond the image."""
        inside = None
        for place, size in ((y, height), (x_, width)):
            for operator, bound in (("Less", -0.5), ("Greater", size - 0.5)):
                is_in = emit("Not", emit(operator, place, bound))
                inside = is_in if inside is None else emit("And", inside, is_in)
        near_y = emit("Min", emit("Max", y, 0.0), height - 1.0)
        near_x = emit("Min", emit("Max", x_, 0.0), width - 1.0)
        index = e.cast(emit("Add", emit("Mul", near_y, float(width)), near_x), "int64")
        full = (batch, rows * columns, channels)
        if count == 1:
            found = e.emit("Gather", flat, e.squeeze(index, [0]), axis=1, shape=full)
        else:
            found = e.emit("GatherND", flat, e.unsqueeze(index, [2]), batch_dims=1, shape=full)
        return e.emit("Where", e.unsqueeze(inside, [2]), found, fill, shape=full, dtype=x.dtype)

    def blend(weight: ir.Value, value: ir.Value) -> ir.Value:
        return e.emit("Mul", e.cast(e.unsqueeze(weight, [2]), x.dtype), value, shape=e.shape(value))

    def total(one: ir.Value, other: ir.Value) -> ir.Value:
        return e.emit("Add", one, other, shape=e.shape(one))

    if n.attribute("interpolation") == "NEAREST":
        y = read(emit("Floor", emit("Add", place_y, 0.5)), emit("Floor", emit("Add", place_x, 0.5)))
    else:
        y0, x0 = emit("Floor", place_y), emit("Floor", place_x)
        y1, x1 = emit("Add", y0, 1.0), emit("Add", x0, 1.0)
        left, right = emit("Sub", x1, place_x), emit("Sub", place_x, x0)
        above = total(blend(left, read(y0, x0)), blend(right, read(y0, x1)))
        below = total(blend(left, read(y1, x0)), blend(right, read(y1, x1)))
        y = total(blend(emit("Sub", y1, place_y), above), blend(emit("Sub", place_y, y0), below))
    return e.reshape(y, [0, rows, columns, channels], result=(batch, rows, columns, channels))
