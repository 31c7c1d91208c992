"""Convolutions whose kernel is no weight but a tensor of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["dynamic_conv", "dynamic_conv_transpose"]

ops = keras.ops


def dynamic_conv(tensor: Any, kernel: Any, strides: Sequence[int], padding: str, dilations: Sequence[int]) -> Any:
    """Convolution with a kernel (O, I/group, *k); the number of groups shows in its shape."""
    if keras.backend.standardize_dtype(tensor.dtype) == "float16":  # TensorFlow adds up halves in half precision
        wide = dynamic_conv(ops.cast(tensor, "float32"), ops.cast(kernel, "float32"), strides, padding, dilations)
        return ops.cast(wide, "float16")
    n = len(strides)
    group = tensor.shape[-1] // kernel.shape[1]
    if group > 1 and kernel.shape[1] == 1 and n <= 2 and len(set(strides)) == len(set(dilations)) == 1:
        each = ops.reshape(kernel, (group, kernel.shape[0] // group, *kernel.shape[2:]))  # (C·m, 1, *k) → (*k, C, m)
        return ops.depthwise_conv(
            tensor, ops.moveaxis(each, (0, 1), (-2, -1)), strides=strides[0], padding=padding,
            data_format="channels_last", dilation_rate=dilations[0],
        )  # fmt: skip  # plain numbers: what a file gives back as a list it does not take
    images = [tensor] if group == 1 else ops.split(tensor, group, axis=-1)
    kernels = [kernel] if group == 1 else ops.split(kernel, group, axis=0)
    results = [
        ops.conv(
            image, ops.transpose(part, (*range(2, n + 2), 1, 0)), strides=tuple(strides), padding=padding,
            data_format="channels_last", dilation_rate=tuple(dilations),
        )
        for image, part in zip(images, kernels, strict=True)
    ]  # fmt: skip
    return results[0] if group == 1 else ops.concatenate(results, axis=-1)


def dynamic_conv_transpose(
    tensor: Any, kernel: Any, group: int, strides: Sequence[int], dilations: Sequence[int]
) -> Any:
    """Transposed convolution with a kernel (I, O/group, *k) that is computed when the model runs.

    It is the convolution of the image, spread out by the strides, with the kernel turned round: ``ops.conv_transpose`` of
    Keras 3.15 loses its padding argument in a functional model.
    """
    n = len(strides)
    inputs, outputs, *size = kernel.shape
    for axis, stride in enumerate(strides, start=1):
        shape, apart = tensor.shape, [(0, 0)] * (n + 3)
        if stride == 1:
            continue
        apart[axis + 1] = (0, stride - 1)
        wide = [-1, *shape[1:axis], shape[axis] * stride, *shape[axis + 1 :]]
        tensor = ops.reshape(ops.pad(ops.expand_dims(tensor, axis + 1), apart), wide)
        tensor = tensor[(slice(None),) * axis + (slice(0, (shape[axis] - 1) * stride + 1),)]
    around = [((k - 1) * d,) * 2 for k, d in zip(size, dilations, strict=True)]
    tensor = ops.pad(tensor, [(0, 0), *around, (0, 0)])
    kernel = ops.flip(kernel, axis=tuple(range(2, n + 2)))
    parts = ops.reshape(kernel, (group, inputs // group, outputs, *size))
    kernel = ops.reshape(ops.moveaxis(parts, 2, 1), (group * outputs, inputs // group, *size))
    return dynamic_conv(tensor, kernel, (1,) * n, "valid", dilations)
