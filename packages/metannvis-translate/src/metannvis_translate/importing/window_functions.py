"""Window functions of signals: the weights that their cosines have."""

from __future__ import annotations

__all__ = ["WINDOWS"]

#: What windows weigh the cosines of 0, 1 and 2 turns with.
WINDOWS: dict[str, tuple[float, float, float]] = {
    "HannWindow": (0.5, 0.5, 0.0),
    "HammingWindow": (25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}
