"""Rows of padding."""

from __future__ import annotations

import numpy as np

from .arrays import BIG, IMAGE, integers, ints, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("Pad", (IMAGE, ints(0, 0, 1, 0, 0, 0, 2, 3)), {}, 13, tag="zeros"),
    Case("Pad", (IMAGE, ints(0, 0, 1, 0, 0, 0, 2, 3), np.array(1.5)), {}, 13, tag="value"),
    Case("Pad", (IMAGE, ints(0, 1, 0, 0, 0, 2, 0, 0)), {}, 13, tag="channels"),
    Case("Pad", (IMAGE, ints(0, 0, -1, 0, 0, 0, 2, -3)), {}, 13, tag="cut"),
    Case("Pad", (IMAGE, ints(0, 0, 1, 0, 0, 0, 2, 3)), {"mode": "reflect"}, 13, tag="reflect"),
    Case("Pad", (IMAGE, ints(0, 0, 1, 0, 0, 0, 2, 3)), {"mode": "edge"}, 13, tag="edge"),
    Case("Pad", (IMAGE, ints(0, 0, 1, 0, 0, 0, 2, 3)), {"mode": "wrap"}, 19, tag="wrap"),
    Case("Pad", (uniform(2, 4),), {"pads": [0, 1, 0, 2], "value": 0.5}, 10, tag="attribute"),
    Case("Pad", (uniform(2, 3), ints(1, 0, 2, -1), np.array(1.5)), {}, 18, 1, tag="computed-value", batch_is_free=False),
    Case("Pad", (uniform(2, 3, 4), ints(0, 2, 0, 0, 1, 0)), {"mode": "reflect"}, 18, tag="tokens", batch_is_free=False),
    Case("Pad", (uniform(2, 6), ints(2, 3), np.array(0.0), ints(1)), {}, 18, tag="axes"),
    Case("Pad", (BIG, ints(1, 0, 0, 2), np.array(2**63 + 3, np.uint64)), {}, 13, tag="uint64", batch_is_free=False),
    Case("Pad", (integers(2, 3), ints(1, 0, 0, 2), np.array(2**60 + 3)), {}, 13, tag="large", batch_is_free=False),
]  # fmt: skip
