"""Folding: windows of an image added up where they were cut from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.operators.pad import pad_pairs
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value
from metannvis_translate.importing.windows import pairs, steps, window_counts

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def put_back(
    x: Tensor,
    *,
    image: Sequence[int],
    block: Sequence[int],
    pads: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Columns added up where they were cut from: ``(N, C · block, windows)`` to ``(N, C, *image)``."""
    amounts = pairs(pads)
    padded = [n + sum(pad) for n, pad in zip(image, amounts, strict=True)]
    counts = window_counts(image, amounts, block, stride, dilation)
    index = torch.zeros(1, 1, dtype=torch.int64, device=x.device)
    for size, b, s, d, count in zip(padded, block, stride, dilation, counts, strict=True):
        at = torch.arange(b, device=x.device)[:, None] * d + torch.arange(count, device=x.device) * s
        # (blocks, windows) of the axes so far, each with those of this one
        index = (index[:, None, :, None] * size + at[None, :, None, :]).flatten(2).flatten(0, 1)
    channels = x.shape[1] // math.prod(block)
    flat = x.reshape(x.shape[0], channels, -1)
    result = x.new_zeros(x.shape[0], channels, math.prod(padded))
    result = result.scatter_add(2, index.reshape(1, 1, -1).expand_as(flat), flat).unflatten(2, padded)
    return F.pad(result, [-amount for amount in pad_pairs(pads)])


@converter("Col2Im", since=18)
def Col2Im(
    ctx: TorchImporter,
    input: Value,
    image_shape: Value,
    block_shape: Value,
    *,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> LaidOut:
    """Sums where windows overlap; ``F.fold`` is the same for two axes."""
    image = tuple(int(n) for n in ctx.known(image_shape, "image_shape"))
    block = tuple(int(n) for n in ctx.known(block_shape, "block_shape"))
    stride, dilation = steps(strides, dilations, len(image))
    options: dict[str, Any] = {"stride": stride, "dilation": dilation}
    padding = tuple(pads or (0,) * (2 * len(image)))
    return call(ctx, put_back, input, rank=len(image) + 2, image=image, block=block, pads=padding, **options)
