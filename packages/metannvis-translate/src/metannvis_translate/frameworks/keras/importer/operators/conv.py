"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.dynamic_conv import dynamic_conv, dynamic_conv_transpose
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.importing.windows import Pads, explicit_pads, extents, same_pads, steps, transposed_pads

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops

CONV = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}
ZERO_PADDING = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}
CROPPING = {1: layers.Cropping1D, 2: layers.Cropping2D, 3: layers.Cropping3D}


@converter("Conv", since=1)
def Conv(
    ctx: KerasImporter,
    X: Value,
    W: Value,
    B: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    """Native ``Conv1D/2D/3D`` or ``DepthwiseConv``; kernel (O, I/group, *k) becomes (*k, I/group, O)."""
    x = ctx.channels_last(X)
    if not isinstance(W, ConstantValue) or not (B is None or isinstance(B, ConstantValue)):
        result = convolution(
            ctx, x.tensor, ctx.plain(W).tensor, auto_pad=auto_pad, dilations=dilations, pads=pads, strides=strides
        )
        return ctx.keep(x, result if B is None else ops.add(result, ctx.plain(B).tensor))
    kernel = W.array
    n = spatial(ctx, kernel.ndim)
    strides, dilations = steps(strides, dilations, n)
    size = kernel.shape[2:]
    sizes = spatial_sizes(ctx, n)
    amounts = declared_pads(ctx, auto_pad, pads, sizes, size, strides, dilations)
    channels = kernel.shape[1] * group
    called = called_strides(ctx, strides, dilations, size, channels=channels, grouped=group > 1)
    padding, tensor = pad_for(ctx, x.tensor, amounts, sizes, size, called, dilations)
    single = all(k == 1 for k in size)
    if single:  # what it would compute in vain is left out
        tensor = thinned(tensor, strides, called)
    bias = {} if B is None else {"bias": B.array}
    depthwise = group == channels > 1 and n <= 2 and kernel.shape[0] % group == 0 and len(set(called)) == 1
    common: dict[str, Any] = {
        "strides": called,
        "padding": padding,
        "dilation_rate": dilations,
        "use_bias": B is not None,
    }
    if depthwise:
        multiplier = kernel.shape[0] // group
        # (C·m, 1, *k) → (*k, C, m)
        weight = np.moveaxis(kernel.reshape(group, multiplier, *size), (0, 1), (-2, -1))
        cls = layers.DepthwiseConv1D if n == 1 else layers.DepthwiseConv2D
        result = ctx.layer_of(
            cls, tensor, weights={"depthwise": weight, **bias}, kernel_size=size, depth_multiplier=multiplier, **common
        )
    else:
        result = ctx.layer_of(
            CONV[n],
            tensor,
            weights={"kernel": kernel.transpose(*range(2, n + 2), 1, 0), **bias},
            filters=kernel.shape[0],
            kernel_size=size,
            groups=group,
            **common,
        )
    return ctx.keep(x, result if single else thinned(result, strides, called))


def spatial(ctx: KerasImporter, rank: int) -> int:
    """How many spatial axes an image of that rank has, if Keras convolves it."""
    if rank - 2 not in CONV:
        ctx.refuse(f"Keras has no convolution over {rank - 2} spatial axes")
    return rank - 2


#: Channels that oneDNN takes at once.
LANES = 16


def called_strides(
    ctx: KerasImporter,
    strides: Sequence[int],
    dilations: Sequence[int],
    size: Sequence[int],
    *,
    channels: int | None,
    grouped: bool,
) -> tuple[int, ...]:
    """Strides to call Keras with, whose result (or image) is thinned out where they are not those asked for.

    Keras takes strides or dilations, not both. And TensorFlow's kernels for the CPU (2.21, oneDNN) leave their memory twice.
    One reads beyond it where one channel goes in, a single column comes out, and the stride over columns alone is more than
    one. The other writes beyond it, on the way to the gradient of the weights, where the kernel is 1 × 1, strided, and fewer
    channels go in than it takes at once: training ends in a crash.
    """
    if any(s > 1 for s in strides) and any(d > 1 for d in dilations):
        return (1,) * len(strides)
    if not grouped and (channels is None or channels < LANES) and all(k == 1 for k in size):
        return (1,) * len(strides)
    shape = ctx.node.outputs[0].shape
    column = shape is None or not isinstance(shape[-1], int) or shape[-1] == 1
    if channels == 1 and column and len(strides) > 1 and strides[-2] == 1 < strides[-1]:
        return (*strides[:-1], 1)
    return tuple(strides)


def thinned(tensor: Any, strides: Sequence[int], called: Sequence[int]) -> Any:
    if tuple(strides) == tuple(called):
        return tensor
    steps = (slice(None, None, s // c) for s, c in zip(strides, called, strict=True))
    return tensor[(slice(None), *steps, slice(None))]


def convolution(
    ctx: KerasImporter,
    tensor: Any,
    kernel: Any,
    *,
    auto_pad: str,
    dilations: Sequence[int],
    pads: Sequence[int],
    strides: Sequence[int],
) -> Any:
    """A channels-last image with a kernel (O, I/group, *k) that is computed when the model runs; groups show in its shape."""
    n = spatial(ctx, len(kernel.shape))
    strides, dilations = steps(strides, dilations, n)
    size = kernel.shape[2:]
    if None in kernel.shape[1:] or (kernel.shape[0] is None and kernel.shape[1] != tensor.shape[-1]):
        ctx.refuse("the size of its kernel is free")
    sizes = spatial_sizes(ctx, n)
    amounts = declared_pads(ctx, auto_pad, pads, sizes, size, strides, dilations)
    grouped = tensor.shape[-1] != kernel.shape[1]
    called = called_strides(ctx, strides, dilations, size, channels=tensor.shape[-1], grouped=grouped)
    padding, tensor = pad_for(ctx, tensor, amounts, sizes, size, called, dilations)
    return thinned(dynamic_conv(tensor, kernel, called, padding, dilations), strides, called)


@converter("ConvTranspose", since=1)
def ConvTranspose(
    ctx: KerasImporter,
    X: Value,
    W: Value,
    B: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    output_padding: Sequence[int] = (),
    output_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> LaidOut:
    """Native ``Conv*DTranspose`` without padding, cropped to ONNX's size; kernel (I, O/group, *k) becomes (*k, O, I)."""
    x = ctx.channels_last(X)
    kernel = W.array if isinstance(W, ConstantValue) else ctx.plain(W).tensor
    n = spatial(ctx, len(kernel.shape))
    strides, dilations = steps(strides, dilations, n)
    more = tuple(output_padding) or (0,) * n
    size = reach(ctx, kernel.shape[2:], dilations)
    amounts = transposed_pads(
        auto_pad, pads, output_shape, spatial_sizes(ctx, n), kernel.shape[2:], strides, dilations, more
    )
    if amounts is None:
        ctx.refuse("its output_shape needs to know the input's size, which is free")
    if not isinstance(W, ConstantValue) or not (B is None or isinstance(B, ConstantValue)):
        ends = [o - p for (_, p), o in zip(amounts, more, strict=True)]
        if None in x.tensor.shape[1:] or None in kernel.shape:
            ctx.refuse("a kernel that is computed when the model runs needs to know its own size and the image's")
        result = dynamic_conv_transpose(x.tensor, ctx.plain(W).tensor, group, strides, dilations)
        return ctx.keep(x, cropped(ctx, result, [begin for begin, _ in amounts], ends, B))
    kernel, bias = spread(W.array, dilations), None if B is None else B.array
    # Keras' own output has max(k − s, 0) more than (i·s): what ONNX lacks or has beyond that is added before the bias
    ends = [o - p - max(s - k, 0) for (_, p), o, s, k in zip(amounts, more, strides, size, strict=True)]
    begins = [begin for begin, _ in amounts]  # less than none where output_shape is larger than the result
    late_bias = bias is not None and (group > 1 or any(end > 0 for end in ends) or min(begins) < 0)
    tensors = [x.tensor] if group == 1 else ops.split(x.tensor, group, axis=-1)
    parts = []
    for index, (tensor, part) in enumerate(zip(tensors, np.split(kernel, group), strict=True)):
        early = bias is not None and not late_bias
        weights: dict[str, Any] = {"kernel": part.transpose(*range(2, n + 2), 1, 0)}
        if early and bias is not None:
            weights["bias"] = bias
        name = None if group == 1 else f"{ctx.name()}.group{index}"
        parts.append(
            ctx.layer_of(
                TRANSPOSED[n], tensor, weights=weights, name=name, filters=part.shape[1], kernel_size=size, strides=strides,
                padding="valid", use_bias=early,
            )
        )  # fmt: skip
    result = (
        parts[0]
        if len(parts) == 1
        else layers.Concatenate(axis=-1, name=ctx.unique(ctx.name("concat")), dtype=ctx.compute)(parts)
    )
    return ctx.keep(x, cropped(ctx, result, begins, ends, B if late_bias else None))


def reach(ctx: KerasImporter, size: Sequence[int | None], dilations: Sequence[int]) -> tuple[int, ...]:
    """Sizes of a kernel with its gaps."""
    known = [k for k in size if k is not None]
    if len(known) < len(size):
        ctx.refuse("the size of its kernel is free")
    return extents(known, dilations)


def cropped(ctx: KerasImporter, tensor: Any, begins: Sequence[int], ends: Sequence[int], bias: Value | None) -> Any:
    """Cut at the beginnings (grown with zeros where negative); grown (cut where negative) at the ends; and the bias."""
    n, dtype = len(begins), tensor.dtype
    crops = [(max(begin, 0), max(-end, 0)) for begin, end in zip(begins, ends, strict=True)]
    if any(begin or end for begin, end in crops):
        crop = CROPPING[n](crops[0] if n == 1 else crops, name=ctx.unique(ctx.name("crop")), dtype=dtype)
        tensor = crop(tensor)
    grow = [(max(-begin, 0), max(end, 0)) for begin, end in zip(begins, ends, strict=True)]
    if any(map(any, grow)):
        pad = ZERO_PADDING[n](grow[0] if n == 1 else grow, name=ctx.unique(ctx.name("pad")), dtype=dtype)
        tensor = pad(tensor)
    return tensor if bias is None else ops.add(tensor, ctx.plain(bias).tensor)


def spread(kernel: np.ndarray[Any, Any], dilations: Sequence[int]) -> np.ndarray[Any, Any]:
    """A dilated kernel written out with its zeros: TensorFlow has no dilated transposed convolution on every device."""
    if all(d == 1 for d in dilations):
        return kernel
    result = np.zeros((*kernel.shape[:2], *extents(kernel.shape[2:], dilations)), dtype=kernel.dtype)
    result[(slice(None), slice(None), *(slice(None, None, d) for d in dilations))] = kernel
    return result


def spatial_sizes(ctx: KerasImporter, n: int) -> tuple[int | None, ...]:
    """Sizes of the spatial axes of the current node's first input, ``None`` if free."""
    shape = ctx.shape(0)
    return (None,) * n if shape is None else shape[2:]


def declared_pads(
    ctx: KerasImporter,
    auto_pad: str,
    pads: Sequence[int],
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pads | None:
    """ONNX's padding (begin, end) an axis; ``None`` if it is what Keras calls ``same``, of a size that is free."""
    amounts = explicit_pads(auto_pad, pads, sizes, kernel, strides, dilations)
    if amounts is None and auto_pad == "SAME_LOWER":
        ctx.refuse("auto_pad=SAME_LOWER with strides needs to know the input's size, which is free")
    return amounts


def pad_for(
    ctx: KerasImporter,
    tensor: Any,
    amounts: list[tuple[int, int]] | None,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[str, Any]:
    """Keras' ``padding`` argument, and the tensor, padded with zeros first where neither ``valid`` nor ``same`` is right.

    A padding layer before a ``valid`` convolution costs a quarter of its time, so ``same`` is used wherever it is equal.
    """
    if amounts is None:
        return "same", tensor
    if all(pad == (0, 0) for pad in amounts):
        return "valid", tensor
    if equals_same(amounts, sizes, kernel, strides, dilations):
        return "same", tensor
    n = len(amounts)
    padding = amounts[0] if n == 1 else tuple(amounts)
    return "valid", ZERO_PADDING[n](padding, name=ctx.unique(ctx.name("pad")), dtype=tensor.dtype)(tensor)


def equals_same(
    amounts: Sequence[tuple[int, int]],
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> bool:
    """Whether TensorFlow's ``same`` pads by just these amounts; for a free size, whether it does for every size."""
    for pad, size, k, s, d in zip(amounts, sizes, kernel, strides, dilations, strict=True):
        if size is None and s != 1:
            return False
        if pad != same_pads(size, k, s, d):
            return False
    return True
