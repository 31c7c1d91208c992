"""Colours and projections of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.conv import image, restore
from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.frameworks.keras.exporter.layers.resize import resized
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


@tf_node("ResizeBilinear", "ResizeNearestNeighbor")
def Resize(n: Node) -> ir.Value:
    """Linear weights, or the nearest element; what comes of a linear one is in single precision whatever comes in."""
    corners = "half_pixel" if n.attribute("half_pixel_centers") else "asymmetric"
    if n.attribute("align_corners"):
        corners = "align_corners"
    mode = "bilinear" if n.kind == "ResizeBilinear" else "nearest"
    x = image(n.e, n.value(0), "channels_last")
    y = resized(n.e, x, n.ints(1), mode, corners=corners)
    return n.e.cast(restore(n.e, y, "channels_last"), n.dtype())


@tf_node("ImageProjectiveTransformV3", "ImageProjectiveTransformV2")
def ImageProjectiveTransform(n: Node) -> ir.Value:
    n.refuse("what TensorFlow takes for its derivative is that of the inverse projection")
