"""Adaptive pooling."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metannvis_translate.frameworks.torch.importer.operators.pool import GLOBAL_AVERAGE, GLOBAL_MAX, image
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("AdaptiveAveragePool", domain=DOMAIN)
def AdaptiveAveragePool(ctx: TorchImporter, X: Value, *, output_size: Sequence[int]) -> LaidOut:
    """``nn.AdaptiveAvgPool1d`` and its siblings."""
    x, rank = image(ctx, X, "average pool")
    return LaidOut(ctx.module(GLOBAL_AVERAGE[rank - 1](_size(output_size)), x.tensor), identity(x.rank))


@converter("AdaptiveMaxPool", domain=DOMAIN)
def AdaptiveMaxPool(ctx: TorchImporter, X: Value, *, output_size: Sequence[int]) -> LaidOut | tuple[LaidOut, LaidOut]:
    """``nn.AdaptiveMaxPool1d`` and its siblings."""
    x, rank = image(ctx, X, "max pool")
    if ctx.used_outputs() > 1:
        both = ctx.module(GLOBAL_MAX[rank - 1](_size(output_size), return_indices=True), x.tensor)
        largest, index = (ctx.function(operator.getitem, both, k) for k in range(2))
        return LaidOut(largest, identity(x.rank)), LaidOut(index, identity(x.rank))
    return LaidOut(ctx.module(GLOBAL_MAX[rank - 1](_size(output_size)), x.tensor), identity(x.rank))


def _size(output_size: Sequence[int]) -> int | tuple[int, ...]:
    """As people write it: one number where all are equal."""
    return output_size[0] if len(set(output_size)) == 1 else tuple(output_size)
