"""Convolutions. Kernels are transposed once, into ONNX' order; a channels-last image is transposed around the operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer, keras_op
from metannvis_translate.graph import layout

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter
    from metannvis_translate.graph.builder import Shape

__all__ = ["as_tuple", "image", "padding_of", "restore"]


def as_tuple(value: int | Sequence[int] | None, rank: int, default: int = 1) -> tuple[int, ...]:
    """An argument that Keras takes as one number or one an axis."""
    if value is None:
        return (default,) * rank
    return (int(value),) * rank if isinstance(value, int) else tuple(int(v) for v in value)


def image(e: KerasEmitter, x: ir.Value, data_format: str | None) -> ir.Value:
    """The value channels first, as ONNX wants images."""
    return e.transpose(x, layout.channels_first(e.rank(x))) if data_format != "channels_first" else x


def restore(e: KerasEmitter, x: ir.Value, data_format: str | None) -> ir.Value:
    """Undo :func:`image`."""
    return e.transpose(x, layout.channels_last(e.rank(x))) if data_format != "channels_first" else x


def padding_of(
    padding: str, sizes: Shape, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> dict[str, Any]:
    """ONNX' padding attributes for Keras' ``valid``, ``same`` and ``causal``.

    TensorFlow's ``same`` pads by what the size leaves over, one more behind than in front where that is odd.
    """
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if padding == "valid":
        return {"pads": [0] * (2 * len(spans))}
    if padding == "causal":
        return {"pads": [span - 1 for span in spans] + [0] * len(spans)}
    if any(size is None and stride > 1 for size, stride in zip(sizes, strides, strict=True)):
        return {"auto_pad": "SAME_UPPER"}
    before, after = [], []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        total = span - 1 if size is None else max((-(-size // stride) - 1) * stride + span - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return {"pads": before + after}


def output_sizes(
    padding: dict[str, Any],
    sizes: Shape,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Shape:
    """Spatial sizes behind a window that moves, floor mode."""
    if "pads" not in padding:
        return tuple(None if size is None else -(-size // s) for size, s in zip(sizes, strides, strict=True))
    rank = len(kernel)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    padded = [(size, padding["pads"][i] + padding["pads"][i + rank]) for i, size in enumerate(sizes)]
    return tuple(
        None if size is None else (size + pads - span) // stride + 1
        for (size, pads), span, stride in zip(padded, spans, strides, strict=True)
    )


def convolution(
    e: KerasEmitter,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    *,
    group: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str,
) -> ir.Value:
    """``Conv`` of a channels-first image; ``weight`` is (out, in / group, kernel…)."""
    batch, _, *sizes = e.shape(x)
    out, _, *kernel = e.shape(weight)
    kernel_shape = [int(k) for k in kernel if k is not None]
    pads = padding_of(padding, tuple(sizes), kernel_shape, strides, dilations)
    return e.emit(
        "Conv",
        *([x, weight] if bias is None else [x, weight, bias]),
        group=group,
        kernel_shape=kernel_shape,
        strides=list(strides),
        dilations=list(dilations),
        shape=(batch, out, *output_sizes(pads, tuple(sizes), kernel_shape, strides, dilations)),
        **pads,
    )


def kernel_perm(rank: int) -> tuple[int, ...]:
    """Keras' (kernel…, in, out) to ONNX' (out, in, kernel…)."""
    return (rank + 1, rank, *range(rank))


def depthwise_shape(kernel: Any) -> tuple[list[int], list[int]]:
    """Shape and permutation that make (kernel…, in, multiplier) a grouped kernel (in · multiplier, 1, kernel…)."""
    *sizes, channels, multiplier = (int(k) for k in kernel.shape)
    rank = len(sizes)
    return [*sizes, 1, channels * multiplier], [rank + 1, rank, *range(rank)]


def _bias(e: KerasEmitter, layer: Any) -> ir.Value | None:
    return e.weight_of(layer, "bias") if layer.use_bias else None


def _moved(e: KerasEmitter, layer: Any, x: ir.Value, kernel: ir.Value, bias: ir.Value | None, group: int) -> ir.Value:
    """A convolution whose window moves as the layer says."""
    moves = {"strides": layer.strides, "dilations": layer.dilation_rate, "padding": layer.padding}
    return convolution(e, x, kernel, bias, group=group, **moves)


@keras_layer("Conv1D", "Conv2D", "Conv3D")
def Conv(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    x = image(e, x, layer.data_format)
    kernel = e.weight_of(layer, "kernel", perm=kernel_perm(layer.rank))
    y = _moved(e, layer, x, kernel, _bias(e, layer), layer.groups)
    return e.activate(layer.activation, restore(e, y, layer.data_format))


@keras_layer("DepthwiseConv1D", "DepthwiseConv2D")
def DepthwiseConv(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    x = image(e, x, layer.data_format)
    shape, perm = depthwise_shape(layer.kernel)
    kernel = e.weight_of(layer, "kernel", shape=shape, perm=perm)
    y = _moved(e, layer, x, kernel, _bias(e, layer), int(layer.kernel.shape[-2]))
    return e.activate(layer.activation, restore(e, y, layer.data_format))


@keras_layer("SeparableConv1D", "SeparableConv2D")
def SeparableConv(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    x = image(e, x, layer.data_format)
    shape, perm = depthwise_shape(layer.depthwise_kernel)
    kernel = e.weight_of(layer, "depthwise_kernel", shape=shape, perm=perm)
    y = _moved(e, layer, x, kernel, None, int(layer.depthwise_kernel.shape[-2]))
    ones = (1,) * layer.rank
    y = convolution(
        e,
        y,
        e.weight_of(layer, "pointwise_kernel", perm=kernel_perm(layer.rank)),
        _bias(e, layer),
        group=1,
        strides=ones,
        dilations=ones,
        padding="valid",
    )
    return e.activate(layer.activation, restore(e, y, layer.data_format))


def transposed(
    e: KerasEmitter,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str,
    output_padding: Sequence[int] | None,
) -> ir.Value:
    """``ConvTranspose`` as TensorFlow means it: the gradient of the convolution that would pad as it says.

    ``weight`` is (in, out, kernel…). Padding and output padding follow from the size that Keras asks for; both are the
    same whatever the size of the input.
    """
    batch, _, *sizes = e.shape(x)
    _, out, *kernel = e.shape(weight)
    begin, end, extra, result = [], [], [], []
    for axis, (size, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        span = (int(k or 1) - 1) * d + 1
        free = None if output_padding is None else output_padding[axis]
        # size of the output beyond (n - 1) * stride
        if padding == "valid":
            beyond = span + (max(span, s) - span if free is None else free)
            before = 0
        else:
            beyond = s if free is None else span % 2 + free
            # the forward convolution, of an output that large, pads to ceil(size / stride) windows
            large = 15 * s + beyond
            before = max((-(-large // s) - 1) * s + span - large, 0) // 2
        left = span - before - beyond
        begin.append(before)
        end.append(max(left, 0))
        extra.append(max(-left, 0))
        result.append(None if size is None else (size - 1) * s + beyond)
    return e.emit(
        "ConvTranspose",
        *([x, weight] if bias is None else [x, weight, bias]),
        kernel_shape=[int(k or 1) for k in kernel],
        strides=list(strides),
        dilations=list(dilations),
        pads=begin + end,
        output_padding=extra if any(extra) else None,
        shape=(batch, out, *result),
    )


@keras_layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def ConvTranspose(e: KerasEmitter, layer: Any, x: ir.Value) -> ir.Value:
    y = transposed(
        e,
        image(e, x, layer.data_format),
        e.weight_of(layer, "kernel", perm=kernel_perm(layer.rank)),
        _bias(e, layer),
        strides=layer.strides,
        dilations=layer.dilation_rate,
        padding=layer.padding,
        output_padding=layer.output_padding,
    )
    return e.activate(layer.activation, restore(e, y, layer.data_format))


@keras_op("Conv")
def ConvOp(e: KerasEmitter, op: Any, x: ir.Value, kernel: Any) -> ir.Value:
    rank = e.rank(x) - 2
    x = image(e, x, op.data_format)
    weight = e.transpose(e.tensor(kernel), kernel_perm(rank))
    channels, inside = e.shape(x)[1], e.shape(weight)[1]
    if channels is None or inside is None:
        e.refuse("the number of channels is not known")
    y = convolution(
        e,
        x,
        weight,
        None,
        group=channels // inside,
        strides=as_tuple(op.strides, rank),
        dilations=as_tuple(op.dilation_rate, rank),
        padding=op.padding.lower(),
    )
    return restore(e, y, op.data_format)


@keras_op("DepthwiseConv")
def DepthwiseConvOp(e: KerasEmitter, op: Any, x: ir.Value, kernel: Any) -> ir.Value:
    rank = e.rank(x) - 2
    shape, perm = depthwise_shape(kernel)
    y = convolution(
        e,
        image(e, x, op.data_format),
        e.transpose(e.reshape(e.tensor(kernel), shape, result=shape), perm),
        None,
        group=int(kernel.shape[-2]),
        strides=as_tuple(op.strides, rank),
        dilations=as_tuple(op.dilation_rate, rank),
        padding=op.padding.lower(),
    )
    return restore(e, y, op.data_format)


@keras_op("SeparableConv")
def SeparableConvOp(e: KerasEmitter, op: Any, x: ir.Value, depthwise_kernel: Any, pointwise_kernel: Any) -> ir.Value:
    rank = e.rank(x) - 2
    shape, perm = depthwise_shape(depthwise_kernel)
    ones = (1,) * rank
    y = convolution(
        e,
        image(e, x, op.data_format),
        e.transpose(e.reshape(e.tensor(depthwise_kernel), shape, result=shape), perm),
        None,
        group=int(depthwise_kernel.shape[-2]),
        strides=as_tuple(op.strides, rank),
        dilations=as_tuple(op.dilation_rate, rank),
        padding=op.padding.lower(),
    )
    weight = e.transpose(e.tensor(pointwise_kernel), kernel_perm(rank))
    y = convolution(e, y, weight, None, group=1, strides=ones, dilations=ones, padding="valid")
    return restore(e, y, op.data_format)


@keras_op("ConvTranspose")
def ConvTransposeOp(e: KerasEmitter, op: Any, x: ir.Value, kernel: Any) -> ir.Value:
    rank = e.rank(x) - 2
    extra = op.output_padding
    y = transposed(
        e,
        image(e, x, op.data_format),
        e.transpose(e.tensor(kernel), kernel_perm(rank)),
        None,
        strides=as_tuple(op.strides, rank),
        dilations=as_tuple(op.dilation_rate, rank),
        padding=op.padding.lower(),
        output_padding=None if extra is None else as_tuple(extra, rank),
    )
    return restore(e, y, op.data_format)


@keras_op("Unfold")
def Unfold(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    """Windows of an image, channels first, as columns: a convolution whose kernels are one at a single place each."""
    size, strides, dilations, padding = (as_tuple(v, 2) for v in (op.kernel_size, op.stride, op.dilation, op.padding))
    batch, channels, *sizes = e.shape(x)
    if channels is None:
        e.refuse("the number of channels is not known")
    count = int(np.prod(size)) * channels
    kind = x.dtype.numpy() if x.dtype is not None else np.dtype("float32")
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    after = [
        None if n is None else (n + 2 * p - span) // s + 1
        for n, p, span, s in zip(sizes, padding, spans, strides, strict=True)
    ]
    y = e.emit(
        "Conv",
        x,
        e.buffer("windows", np.eye(count, dtype=kind).reshape(count, channels, *size)),
        group=1,
        kernel_shape=list(size),
        strides=list(strides),
        dilations=list(dilations),
        pads=list(padding) * 2,
        shape=(batch, count, *after),
    )
    return e.reshape(y, [0, count, -1], result=e.output_shape())


@keras_op("ExtractPatches")
def ExtractPatches(e: KerasEmitter, op: Any, x: ir.Value) -> ir.Value:
    """A convolution whose kernels are one at a single place each, as in Keras."""
    size = as_tuple(op.size, len(op.size))
    rank = len(size)
    is_single = e.rank(x) == rank + 1
    x = image(e, e.unsqueeze(x, [0]) if is_single else x, op.data_format)
    channels = e.shape(x)[1]
    if channels is None:
        e.refuse("the number of channels is not known")
    count = int(np.prod(size)) * channels
    kind = x.dtype.numpy() if x.dtype is not None else np.dtype("float32")
    kernel = np.eye(count, dtype=kind).reshape(*size, channels, count).transpose(kernel_perm(rank))
    y = convolution(
        e,
        x,
        e.buffer("patches", np.ascontiguousarray(kernel)),
        None,
        group=1,
        strides=size if not op.strides else as_tuple(op.strides, rank),
        dilations=as_tuple(op.dilation_rate, rank),
        padding=op.padding.lower(),
    )
    y = restore(e, y, op.data_format)
    return e.squeeze(y, [0]) if is_single else y
