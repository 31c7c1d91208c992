"""Padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from metannvis_translate.frameworks.keras.importer.operators.conv import ZERO_PADDING
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.importing.windows import axis_pads, pad_index

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops


@converter("Pad", since=2)
def Pad_2(
    ctx: KerasImporter, data: Value, *, mode: str = "constant", pads: Sequence[int], value: float = 0.0
) -> LaidOut:
    return pad(ctx, data, pads, value, None, mode)


@converter("Pad", since=11)
def Pad(
    ctx: KerasImporter,
    data: Value,
    pads: Value,
    constant_value: Value | None = None,
    axes: Value | None = None,
    *,
    mode: str = "constant",
) -> LaidOut:
    value: Any = constant_value.scalar() if isinstance(constant_value, ConstantValue) else 0.0
    if isinstance(constant_value, LaidOut):
        value = ops.reshape(constant_value.tensor, ())
    known = None if axes is None else ctx.known(axes, "axes").tolist()
    return pad(ctx, data, ctx.known(pads, "pads").tolist(), 0.0 if value is None else value, known, mode)


def pad(
    ctx: KerasImporter, data: Value, pads: Sequence[int], value: Any, axes: Sequence[int] | None, mode: str
) -> LaidOut:
    """Native ``ZeroPadding`` for zeros around an image, ``ops.pad`` else. A negative amount cuts."""
    x = ctx.placed(data)
    amounts = list(x.arrange(axis_pads(pads, axes, x.rank)))
    tensor = x.tensor
    cuts_off = any(a < 0 or b < 0 for a, b in amounts)
    if cuts_off and mode == "constant":
        cuts = tuple(slice(-a if a < 0 else None, b if b < 0 else None) for a, b in amounts)
        tensor = tensor[cuts]
        amounts = [(max(a, 0), max(b, 0)) for a, b in amounts]
    if all(amount == (0, 0) for amount in amounts):
        return ctx.keep(x, tensor)
    n = x.rank - 2
    image = n in ZERO_PADDING and amounts[0] == (0, 0) == amounts[-1]
    if (
        mode == "constant"
        and isinstance(value, (int, float))
        and value == 0
        and image
        and x.order == layout.channels_last(x.rank)
    ):
        inner = amounts[1:-1]
        return ctx.keep(x, ctx.layer_of(ZERO_PADDING[n], tensor, padding=inner[0] if n == 1 else tuple(inner)))
    if mode == "constant":
        return ctx.keep(x, ops.pad(tensor, amounts, constant_values=value))
    if mode == "reflect" and not cuts_off and 0 not in tensor.shape:  # TensorFlow mirrors nothing
        return ctx.keep(x, ops.pad(tensor, amounts, mode=mode))
    return ctx.keep(x, by_index(ctx, tensor, amounts, mode))


def by_index(ctx: KerasImporter, tensor: Any, amounts: Sequence[tuple[int, int]], mode: str) -> Any:
    """Padding with other entries, by picking them."""
    if mode not in ("edge", "wrap", "reflect"):
        ctx.refuse(f"its mode {mode!r} is not known")
    for axis, amount in enumerate(amounts):
        if amount == (0, 0):
            continue
        size = tensor.shape[axis]
        if size is None:
            ctx.refuse("an axis of free size cannot be padded this way")
        tensor = ops.take(tensor, pad_index(size, amount, mode).tolist(), axis=axis)
    return tensor
