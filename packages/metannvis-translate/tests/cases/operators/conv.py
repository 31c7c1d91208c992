"""Rows of convolutions and transposed convolutions; a weight is (outputs, inputs / group, *kernel)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import IMAGE, Array, uniform
from .case import Case, model_of, reference

__all__ = ["CASES"]


def _transposed_in_groups(x: Array, weight: Array, bias: Array) -> Array:
    parts = [
        reference(part, model_of(part, x.dtype.name))[0]
        for part in (
            Case("ConvTranspose", (x[:, :3], weight[:3]), {"strides": [2, 1]}, 11),
            Case("ConvTranspose", (x[:, 3:], weight[3:]), {"strides": [2, 1]}, 11),
        )
    ]
    return np.concatenate(parts, axis=1) + bias[:, None, None]


def _transposed(
    x: Array, w: Array, strides: Sequence[int], dilations: Sequence[int] = (1, 1), groups: int = 1
) -> Array:
    """Transposed convolution by its definition, without padding."""
    each, size = w.shape[1], w.shape[2:]
    rows = zip(x.shape[2:], strides, size, dilations, strict=False)
    result = np.zeros((x.shape[0], each * groups, *((i - 1) * s + (k - 1) * d + 1 for i, s, k, d in rows)))
    for i, o in np.ndindex(x.shape[1], each):
        for tap in np.ndindex(*size):
            cut = zip(tap, dilations, strides, x.shape[2:], strict=False)
            place = tuple(slice(t * d, t * d + (count - 1) * s + 1, s) for t, d, s, count in cut)
            result[(slice(None), o + each * (i * groups // x.shape[1]), *place)] += x[:, i] * w[(i, o, *tap)]
    return result


def _cropped(x: Any, weight: Any) -> Any:
    row = Case("ConvTranspose", (x, weight), {"strides": [2, 2], "pads": [1, 1, 0, 0]}, 11)
    return reference(row, model_of(row, x.dtype.name))[0]


CASES: list[Case] = [
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3), uniform(4)), {"pads": [1, 1, 1, 1]}, 11, tag="same"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 2)), {"pads": [0, 2, 1, 0], "strides": [2, 1]}, 11, tag="asymmetric"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3), uniform(4)), {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 11, tag="strided"),
    Case("Conv", (IMAGE, uniform(4, 3, 3, 3), uniform(4)), {"group": 2}, 11, tag="grouped"),
    Case("Conv", (IMAGE, uniform(6, 1, 3, 3), uniform(6)), {"group": 6, "strides": [2, 2]}, 11, tag="depthwise"),
    Case("Conv", (IMAGE, uniform(12, 1, 3, 3), uniform(12)), {"group": 6}, 11, tag="multiplier"),
    Case("Conv", (IMAGE, uniform(6, 1, 3, 3)), {"group": 6, "strides": [2, 1]}, 11, tag="depthwise-uneven"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3)), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}, 11, tag="dilated"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3)), {"dilations": [2, 2], "strides": [2, 1]}, 11, tag="dilated-strided"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3)), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 11, tag="same-upper"),
    Case("Conv", (IMAGE, uniform(4, 6, 2, 2)), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}, 11, tag="same-lower"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3)), {"auto_pad": "VALID"}, 11, tag="valid"),
    Case("Conv", (uniform(2, 4, 9), uniform(3, 4, 3), uniform(3)), {"pads": [2, 0]}, 11, tag="1d"),
    Case("Conv", (uniform(2, 4, 9), uniform(4, 1, 3)), {"group": 4}, 11, tag="1d-depthwise"),
    Case("Conv", (uniform(2, 2, 5, 6, 7), uniform(3, 2, 2, 3, 3), uniform(3)), {"strides": [1, 2, 1]}, 11, tag="3d"),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3), uniform(4)), {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 11, 3, tag="computed"),
    Case("Conv", (IMAGE, uniform(12, 1, 3, 3)), {"group": 6}, 11, 2, tag="computed-depthwise", batch_is_free=False),
    Case("Conv", (IMAGE, uniform(4, 3, 3, 3)), {"group": 2, "dilations": [2, 2], "strides": [2, 1]}, 11, 2, tag="computed-grouped", batch_is_free=False),
    Case("Conv", (IMAGE, uniform(4, 6, 3, 3), uniform(4)), {"pads": [1, 1, 1, 1]}, 11, 3, tag="computed-weight", batch_is_free=False),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3), uniform(4)), {"strides": [2, 2]}, 11),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3), uniform(4)), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, 11, tag="padded"),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 4, 3)), {"strides": [2, 3], "pads": [1, 0, 2, 1]}, 11, tag="asymmetric"),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 2, 2), uniform(4)), {"strides": [3, 3]}, 11, tag="gaps"),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 2, 2), uniform(4)), {"strides": [2, 2], "output_padding": [1, 0]}, 11, tag="output-padding"),
    Case("ConvTranspose", (IMAGE, uniform(6, 2, 3, 3), uniform(4)), {"group": 2, "strides": [2, 1]}, 11, tag="grouped", formula=_transposed_in_groups),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3)), {"dilations": [2, 2], "strides": [1, 2]}, 11, tag="dilated"),
    Case("ConvTranspose", (uniform(2, 4, 7), uniform(4, 3, 3), uniform(3)), {"strides": [2], "pads": [1, 1]}, 11, tag="1d"),
    Case("ConvTranspose", (uniform(2, 2, 3, 4, 5), uniform(2, 3, 2, 2, 2), uniform(3)), {"strides": [2, 2, 2]}, 11, tag="3d"),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3), uniform(4)), {"strides": [2, 1], "pads": [1, 0, 0, 1], "output_padding": [1, 0]}, 11, 3, tag="computed", batch_is_free=False, formula=lambda x, w, b: np.pad(_transposed(x, w, (2, 1)), [(0, 0), (0, 0), (0, 1), (0, 0)])[..., 1:, :-1] + b[:, None, None]),
    Case("ConvTranspose", (uniform(2, 4, 5), uniform(4, 3, 2)), {"group": 2, "strides": [2], "dilations": [2]}, 11, 2, tag="computed-grouped", batch_is_free=False, formula=lambda x, w: _transposed(x, w, (2,), (2,), 2)),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3), uniform(4)), {"strides": [2, 2], "output_shape": [18, 22]}, 11, tag="output-shape", formula=lambda x, w, b: _transposed(x, w, (2, 2))[..., 1:, 1:] + b[:, None, None]),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3)), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, 11, tag="same-upper"),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3)), {"strides": [2, 2], "pads": [2, 1, 1, 1]}, 11, tag="more-before"),
    Case("ConvTranspose", (IMAGE, uniform(6, 4, 3, 3)), {"strides": [2, 2], "output_shape": [18, 22]}, 11, tag="output-shape", formula=_cropped),
    *(
        Case("ConvTranspose", (uniform(2, 4, 5, 6), uniform(4, 3, 3, 2), uniform(3)), {"strides": [2, 2], "output_shape": [15, 14]}, 11, dynamic, tag=f"larger-{dynamic}", batch_is_free=False, formula=lambda x, w, b: np.pad(_transposed(x, w, (2, 2)), [(0, 0), (0, 0), (2, 2), (1, 1)]) + b[:, None, None])
        for dynamic in (1, 3)
    ),
    Case("ConvTranspose", (uniform(2, 4, 5), uniform(4, 3, 3)), {"group": 2, "strides": [2], "output_shape": [14]}, 11, tag="larger-groups", batch_is_free=False, formula=lambda x, w: np.pad(_transposed(x, w, (2,), (1,), 2), [(0, 0), (0, 0), (1, 2)])),
]  # fmt: skip
