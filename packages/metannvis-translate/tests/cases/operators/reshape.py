"""Rows of operators that rearrange values: shapes, axes, repetitions, blocks."""

from __future__ import annotations

import numpy as np

from .arrays import IMAGE, ints, uniform
from .case import Case

__all__ = ["CASES"]


CASES: list[Case] = [
    Case("Roll", (uniform(2, 3, 5, 4),), {"shifts": [1, -2], "dims": [2, 3]}, 20, domain="metannvis", formula=lambda x: np.roll(x, (1, -2), (2, 3))),
    Case("Roll", (uniform(2, 3, 4),), {"shifts": [5]}, 20, tag="line", domain="metannvis", formula=lambda x: np.roll(x, 5), batch_is_free=False),
    Case("Transpose", (uniform(2, 3, 4, 5),), {"perm": [0, 2, 3, 1]}, 13),
    Case("Transpose", (uniform(2, 3, 4),), {"perm": [0, 2, 1]}, 13, tag="swap"),
    Case("Flatten", (uniform(2, 3, 4, 5),), {}, 13),
    Case("Flatten", (uniform(2, 3, 4),), {"axis": 2}, 13, tag="axis2"),
    Case("Flatten", (uniform(2, 3, 4),), {"axis": 0}, 13, tag="axis0", batch_is_free=False),
    Case("Flatten", (uniform(2, 3, 4),), {"axis": 3}, 13, tag="axis3", batch_is_free=False),
    Case("Reshape", (uniform(2, 3, 4, 5), ints(0, -1)), {}, 14, tag="flatten"),
    Case("Reshape", (uniform(2, 6, 4), ints(-1, 2, 3, 4)), {}, 14, tag="split"),
    Case("Reshape", (uniform(2, 6, 4), ints(-1, 4)), {}, 14, tag="batch-moves"),
    Case("Reshape", (uniform(2, 3, 4), ints(0, 0, 2, 2)), {}, 14, tag="zeros"),
    Case("Reshape", (np.zeros((0, 3)), ints(3, 0)), {"allowzero": 1}, 14, tag="empty", batch_is_free=False),
    Case("Squeeze", (uniform(2, 3, 1, 1), ints(2, 3)), {}, 13),
    Case("Squeeze", (uniform(2, 3, 1),), {"axes": [2]}, 11, tag="attribute"),
    Case("Squeeze", (uniform(2, 1, 3, 1),), {}, 13, tag="all", batch_is_free=False),
    Case("Unsqueeze", (uniform(2, 3), ints(1, -1)), {}, 13),
    Case("Unsqueeze", (uniform(2, 3),), {"axes": [2]}, 11, tag="attribute"),
    Case("Expand", (uniform(2, 1, 3), ints(1, 4, 1)), {}, 13),
    Case("Expand", (uniform(3, 1), ints(2, 1, 4)), {}, 13, tag="front", batch_is_free=False),
    Case("Tile", (uniform(2, 3), ints(1, 2)), {}, 13),
    Case("Tile", (IMAGE, ints(1, 2, 1, 3)), {}, 13, tag="image"),
    Case("SpaceToDepth", (uniform(2, 3, 4, 6),), {"blocksize": 2, "mode": "CRD"}, 28, tag="crd", formula=lambda x: x.reshape(2, 3, 2, 2, 3, 2).transpose(0, 1, 3, 5, 2, 4).reshape(2, 12, 2, 3)),
    Case("SpaceToDepth", (uniform(2, 3, 4, 6),), {"blocksize": 2}, opset=12, tag="old"),
    Case("SpaceToDepth", (uniform(2, 3, 4, 6),), {"blocksize": 2}, opset=13),
    Case("SpaceToDepth", (uniform(2, 3, 4, 6),), {"blocksize": 2}, 13),
    Case("DepthToSpace", (uniform(2, 8, 3, 4),), {"blocksize": 2}, opset=10, tag="old"),
    Case("DepthToSpace", (uniform(2, 8, 3, 4),), {"blocksize": 2}, opset=13),
    Case("DepthToSpace", (uniform(2, 8, 3, 4),), {"blocksize": 2, "mode": "CRD"}, opset=13, tag="crd"),
    Case("DepthToSpace", (uniform(2, 8, 3, 4),), {"blocksize": 2}, 13),
    Case("DepthToSpace", (uniform(2, 8, 3, 4),), {"blocksize": 2, "mode": "CRD"}, 13, tag="crd"),
]  # fmt: skip
