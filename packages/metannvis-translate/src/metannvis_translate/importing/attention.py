"""Attention: what the attributes of ONNX's operators say of heads, places and pairs of features."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Visible", "feature_pairs", "root_of_scale"]


@dataclass(frozen=True)
class Visible:
    """Which keys a query sees: those that lie no further before or behind its own place than this, ``None`` for any.

    Attributes
    ----------
    before
        How far a key may lie before the query.
    behind
        How far a key may lie behind the query; 0 if attention is causal.
    """

    before: int | None = None
    behind: int | None = None

    @classmethod
    def of(cls, *, is_causal: int, left_window_size: int, right_window_size: int) -> Visible:
        """From the attributes as they stand on the node; a negative window is none."""
        right = None if right_window_size < 0 else right_window_size
        return cls(None if left_window_size < 0 else left_window_size, 0 if is_causal else right)

    @property
    def is_all(self) -> bool:
        """Whether places do not matter."""
        return self.before is None and self.behind is None


def root_of_scale(scale: float | None, size: int) -> float:
    """What queries and keys are each multiplied by, so that their product is by the scale: 1 / √size if none is given."""
    return math.sqrt(1 / math.sqrt(size) if scale is None else scale)


def feature_pairs(width: int, *, interleaved: bool) -> tuple[slice, slice]:
    """Where the first and the second features of the pairs stand that a rotary embedding turns."""
    if interleaved:
        return slice(0, None, 2), slice(1, None, 2)
    return slice(width // 2), slice(width // 2, None)
