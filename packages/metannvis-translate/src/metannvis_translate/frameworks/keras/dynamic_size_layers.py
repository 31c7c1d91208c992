"""Dynamic sizes: what Keras' own layers compute of the sizes of their inputs, as operations on sizes known only at run time.

``call`` of an attention layer asks for the number of steps as a Python number. Where its graph is made before it runs there
may be none.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from metannvis_translate.frameworks.requirements import require

__all__ = ["band_class", "overrides"]


@cache
def band_class() -> type:
    """The operation: whether step (row) of the first sequence sees a step (column) of the second, (1, rows, columns)."""
    keras = require("keras")
    ops = keras.ops

    base: Any = keras.Operation

    class Band(base):
        """``causal``: those not behind it; ``width``: those nearer than that. Steps are axis ``axes`` of both."""

        def __init__(self, causal: bool, width: int | None = None, axes: tuple[int, int] = (1, 1)) -> None:
            super().__init__()  # a graph may hold several, each with a name of its own
            self.causal, self.width, self.axes = causal, width, axes

        def call(self, one: Any, other: Any) -> Any:
            rows, columns = (ops.shape(x)[axis] for x, axis in zip((one, other), self.axes, strict=True))
            row, column = ops.reshape(ops.arange(rows), (1, -1, 1)), ops.reshape(ops.arange(columns), (1, 1, -1))
            return ops.greater_equal(row, column) if self.causal else ops.less(ops.abs(row - column), self.width)

        def compute_output_spec(self, one: Any, other: Any) -> Any:
            sizes = [x.shape[axis] for x, axis in zip((one, other), self.axes, strict=True)]
            return keras.KerasTensor((1, *sizes), dtype="bool")

    Band.__qualname__ = "Band"
    return Band


def _within(width: int, query: Any, value: Any) -> Any:
    return band_class()(False, width)(query, value)


def overrides(layer: Any) -> dict[str, Any]:
    """Methods to take instead of a layer's own while its ``call`` is traced."""
    keras = require("keras")
    ops, attention = keras.ops, keras.layers.Attention
    kind = type(layer)
    found: dict[str, Any] = {}
    for owner in (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention):
        if not isinstance(layer, owner):
            continue
        if kind._compute_causal_mask is owner._compute_causal_mask:
            found["_compute_causal_mask"] = lambda query, value=None: band_class()(True)(
                query, query if value is None else value
            )
        window = getattr(layer, "_sliding_window", None) or getattr(layer, "sliding_window", None)
        if kind._compute_sliding_window_mask is owner._compute_sliding_window_mask:
            found["_compute_sliding_window_mask"] = partial(_within, window or 0)
    if isinstance(layer, attention) and kind._calculate_score_mask is attention._calculate_score_mask:

        def score_mask(scores: Any, v_mask: Any, use_causal_mask: bool) -> Any:
            if not use_causal_mask:
                return v_mask
            causal = band_class()(True, axes=(1, 2))(scores, scores)
            return causal if v_mask is None else ops.logical_and(ops.expand_dims(v_mask, axis=-2), causal)

        found["_calculate_score_mask"] = score_mask
    return found
