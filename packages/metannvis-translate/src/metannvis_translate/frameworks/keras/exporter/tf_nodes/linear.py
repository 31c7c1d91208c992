"""Matrix products, convolutions and pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.conv import convolution, image, kernel_perm, restore
from metannvis_translate.frameworks.keras.exporter.layers.pool import pooling
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Node, tf_node

if TYPE_CHECKING:
    import onnx_ir as ir


@tf_node("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def MatMul(n: Node) -> ir.Value:
    values = []
    for k, flags in enumerate((("transpose_a", "adj_x"), ("transpose_b", "adj_y"))):
        x = n.value(k)
        if n.attribute(flags[n.kind != "MatMul"]):
            rank = n.e.rank(x)
            x = n.e.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
        values.append(x)
    return n.emit("MatMul", *values)


@tf_node("Einsum")
def Einsum(n: Node) -> ir.Value:
    return n.emit("Einsum", *n.values(), equation=n.attribute("equation"))


def _format(n: Node) -> str:
    return "channels_first" if str(n.attribute("data_format")).startswith("NC") else "channels_last"


def _spatial(n: Node, name: str) -> list[int]:
    """An attribute of an entry an axis, for the spatial ones."""
    each = [int(v) for v in n.operation.get_attr(name)]
    return each[2:] if _format(n) == "channels_first" else each[1:-1]


@tf_node("Conv2D", "Conv3D", "DepthwiseConv2dNative")
def Conv(n: Node) -> ir.Value:
    e, data_format = n.e, _format(n)
    padding = str(n.attribute("padding")).lower()
    if padding not in ("same", "valid"):
        n.refuse(f"padding {padding}")
    x, kernel = image(e, n.value(0), data_format), n.value(1)
    rank = e.rank(x) - 2
    channels = e.shape(x)[1]
    if n.kind == "DepthwiseConv2dNative":
        *sizes, inside, multiplier = (int(size or 0) for size in e.shape(kernel))
        shape = [*sizes, 1, inside * multiplier]
        weight = e.transpose(e.reshape(kernel, shape, result=shape), kernel_perm(rank))
        group = inside
    else:
        weight = e.transpose(kernel, kernel_perm(rank))
        inside = int(e.shape(weight)[1] or 1)
        if channels is None:
            n.refuse("the number of channels is not known")
        group = channels // inside
    y = convolution(
        e,
        x,
        weight,
        None,
        group=group,
        strides=_spatial(n, "strides"),
        dilations=_spatial(n, "dilations"),
        padding=padding,
    )
    return restore(e, y, data_format)


@tf_node("MaxPool", "MaxPool3D", "AvgPool", "AvgPool3D")
def Pool(n: Node) -> ir.Value:
    padding = str(n.attribute("padding")).lower()
    if padding not in ("same", "valid"):
        n.refuse(f"padding {padding}")
    options: dict[str, Any] = {"size": _spatial(n, "ksize"), "strides": _spatial(n, "strides"), "padding": padding}
    operator = "MaxPool" if n.kind.startswith("Max") else "AveragePool"
    return pooling(n.e, operator, n.value(0), data_format=_format(n), **options)
