"""Rows of reading between pixels: grids, regions, deformed convolutions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .arrays import IMAGE, Array, ints, positive, uniform
from .case import Case

__all__ = ["CASES"]


def _read(image: Array, *places: Array) -> Array:
    """Linear interpolation with zeros beyond the image, one channel, places of one shape."""
    result = np.zeros(places[0].shape)
    for corner in itertools.product((0, 1), repeat=len(places)):
        weight, index, inside = 1.0, [], True
        for at, c, size in zip(places, corner, image.shape, strict=True):
            pixel = np.floor(at).astype(int) + c
            weight = weight * (1 - np.abs(at - pixel))
            inside = inside & (pixel >= 0) & (pixel < size)
            index.append(np.clip(pixel, 0, size - 1))
        result += np.where(inside, weight * image[tuple(index)], 0)
    return result


def _grid_sample(x: Array, grid: Array) -> Array:
    """Linear, zero padding, corners not aligned."""
    sizes = x.shape[2:]
    places = [((grid[..., len(sizes) - 1 - k] + 1) * size - 1) / 2 for k, size in enumerate(sizes)]
    return np.stack([[_read(c, *(p[b] for p in places)) for c in image] for b, image in enumerate(x)])


def _torch_grid_sample(mode: str, padding: str, corners: bool) -> Any:
    def sample(x: Array, grid: Array) -> Array:
        import torch

        arrays = torch.from_numpy(x), torch.from_numpy(grid)
        return torch.nn.functional.grid_sample(*arrays, mode, padding, corners).numpy()

    return sample


def _deformed(x: Array, w: Array, offset: Array, b: Array, mask: Array) -> Array:
    """3 x 2 kernel, stride 1, dilation 1, one pixel of padding, two groups of offsets and of channels."""
    n, (outputs, inputs, kh, kw), (oh, ow) = x.shape[0], w.shape, offset.shape[2:]
    offset, mask = offset.reshape(n, 2, kh, kw, 2, oh, ow), mask.reshape(n, 2, kh, kw, oh, ow)
    result = np.zeros((n, outputs, oh, ow)) + b[:, None, None]
    rows, columns = np.mgrid[:oh, :ow] - 1.0
    for sample, o, i, u, v in np.ndindex(n, outputs, inputs, kh, kw):
        channel = i + inputs * (o // (outputs // 2))
        g = channel // (x.shape[1] // 2)
        at = rows + u + offset[sample, g, u, v, 0], columns + v + offset[sample, g, u, v, 1]
        result[sample, o] += w[o, i, u, v] * mask[sample, g, u, v] * _read(x[sample, channel], *at)
    return result


def _roi_align(x: Array, rois: Array, batch: Array) -> Array:
    """Half pixels, 2 x 3 cells of 2 x 2 points, all within the images."""
    result = np.zeros((len(rois), x.shape[1], 2, 3))
    for r, ((x1, y1, x2, y2), b) in enumerate(zip(rois * 0.5 - 0.5, batch, strict=True)):
        ys = y1 + (np.arange(4) + 0.5) * (y2 - y1) / 4
        xs = x1 + (np.arange(6) + 0.5) * (x2 - x1) / 6
        for c in range(x.shape[1]):
            points = _read(x[b, c], *np.meshgrid(ys, xs, indexing="ij"))
            result[r, c] = points.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    return result


_GRID = uniform(2, 3, 4, 2, low=-1.4, high=1.4)
_MAPS = uniform(2, 2, 3)


def _affine(theta: Array) -> Array:
    ys, xs = (2 * np.arange(4) + 1) / 4 - 1, (2 * np.arange(5) + 1) / 5 - 1
    points = np.stack([*np.meshgrid(xs, ys), np.ones((4, 5))], -1)
    return np.einsum("hwk,nik->nhwi", points, theta)


#: Regions within, partly and wholly beside the images, of no size, and turned over.
_REGIONS = np.array([[3.0, 2, 11, 9], [-3, -2, 5, 20], [5, 5, 5, 5], [6, 6, 2, 1], [100, 100, 120, 130]])

CASES: list[Case] = [
    Case("DeformConv", (uniform(2, 4, 5, 6), uniform(4, 2, 3, 2), uniform(2, 24, 5, 7), uniform(4), positive(2, 12, 5, 7)), {"pads": [1, 1, 1, 1], "group": 2, "offset_group": 2}, 19, 5, batch_is_free=False, formula=_deformed),
    Case("GridSample", (uniform(2, 3, 5, 6), _GRID), {}, 20, 2, formula=_grid_sample),
    Case("GridSample", (uniform(2, 2, 3, 4, 5), uniform(2, 2, 3, 2, 3, low=-1.4, high=1.4)), {}, 20, 2, tag="3d", formula=_grid_sample),
    Case("GridSample", (uniform(2, 3, 5, 6), _GRID), {"padding_mode": "reflection", "align_corners": 1}, 16, 2, tag="reflection", formula=_torch_grid_sample("bilinear", "reflection", True)),
    Case("GridSample", (uniform(2, 3, 5, 6), _GRID), {"padding_mode": "border"}, 20, 2, tag="border", formula=_torch_grid_sample("bilinear", "border", False)),
    Case("GridSample", (uniform(2, 3, 5, 6), _GRID), {"mode": "nearest"}, 20, 2, tag="nearest", formula=_torch_grid_sample("nearest", "zeros", False)),
    Case("GridSample", (uniform(2, 3, 5, 6), _GRID), {"mode": "cubic"}, 20, 2, tag="cubic", formula=_torch_grid_sample("bicubic", "zeros", False)),
    Case("GridSample", (IMAGE, uniform(2, 3, 4, 2, low=-1.2, high=1.2)), {"align_corners": 1}, 20, 2),
    Case("GridSample", (IMAGE, uniform(2, 3, 4, 2)), {"padding_mode": "border", "mode": "nearest"}, 20, 2, tag="border"),
    Case("AffineGrid", (_MAPS, ints(2, 3, 4, 5)), {}, 20, formula=lambda theta, size: _affine(theta)),
    Case("RoiAlign", (uniform(2, 3, 7, 8), np.array([[3.0, 2, 11, 9], [2, 3, 7.5, 8]]), ints(1, 0)), {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.5}, 16, 3, batch_is_free=False, formula=_roi_align),
    Case("RoiAlign", (uniform(2, 3, 7, 8), np.array([[3.0, 2, 11, 9], [2, 3, 7.5, 8]]), ints(1, 0)), {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.5}, 10, 3, tag="pixels", batch_is_free=False, formula=lambda x, rois, b: _roi_align(x, rois + 1, b)),
    *(
        Case("GridSample", (uniform(2, 3, 5, 6), _GRID * 2), {"mode": "cubic", "padding_mode": padding, "align_corners": corners}, 20, 2, tag=f"cubic-{padding}-{corners}", formula=_torch_grid_sample("bicubic", padding, bool(corners)))
        for padding in ("border", "reflection")
        for corners in (0, 1)
    ),
    *(
        Case("RoiAlign", (uniform(2, 3, 7, 8), _REGIONS, ints(1, 0, 1, 0, 1)), {"output_height": 2, "output_width": 3, "sampling_ratio": ratio, "spatial_scale": 0.5, "mode": mode, "coordinate_transformation_mode": place}, 16, 3, tag=f"{mode}-{ratio}-{place}", batch_is_free=False)
        for mode in ("avg", "max")
        for ratio in (0, 3)
        for place in ("half_pixel", "output_half_pixel")
    ),
]  # fmt: skip
