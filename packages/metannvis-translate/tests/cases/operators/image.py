"""Rows of windows over images, of reading between pixels, of signals, losses and integer products."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .case import IMAGE, Case, _ints, _positive, _random

__all__ = ["IMAGE_CASES"]

Array = np.ndarray[Any, Any]
BYTES = np.random.default_rng(3).integers(0, 255, (2, 3, 7, 8)).astype(np.uint8)
SIGNED = np.random.default_rng(4).integers(-128, 127, (4, 3, 3, 2)).astype(np.int8)
#: Two products of these do not fit into 16 bits, where kernels of processors without VNNI saturate.
BRIGHT = np.random.default_rng(5).integers(250, 256, (2, 3, 7, 8)).astype(np.uint8)
STEEP = np.random.default_rng(6).choice([-128, -120, 127], (4, 3, 3, 2), p=[0.2, 0.1, 0.7]).astype(np.int8)


def _windows(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int], fill: float
) -> Array:
    """All windows of a padded image, shape (N, C, *out, taps)."""
    n = len(kernel)
    x = np.pad(x, [(0, 0), (0, 0), *((pads[k], pads[k + n]) for k in range(n))], constant_values=fill)
    rows = zip(x.shape[2:], kernel, strides, dilations, strict=True)
    out = [(size - (k - 1) * d - 1) // s + 1 for size, k, s, d in rows]
    parts = []
    for tap in np.ndindex(*kernel):
        cut = zip(tap, dilations, strides, out, strict=True)
        parts.append(x[(..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in cut))])
    return np.stack(parts, axis=-1)


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


def _folded(x: Array) -> Array:
    """Blocks of 2 x 3, stride (2, 1), dilation (1, 2), into 6 x 7 with one column of padding before."""
    canvas = np.zeros((x.shape[0], x.shape[1] // 6, 6, 8))
    parts = x.reshape(x.shape[0], -1, 2, 3, 3, 4)
    for u, v, i, j in np.ndindex(2, 3, 3, 4):
        canvas[:, :, 2 * i + u, j + 2 * v] += parts[:, :, u, v, i, j]
    return canvas[..., 1:]


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


def _unpooled(x: Array, index: Array) -> Array:
    result = np.zeros(x.shape[0] * x.shape[1] * 16)
    result[index.ravel()] = x.ravel()
    return result.reshape(*x.shape[:2], 4, 4)


def _rfft(x: Array) -> Array:
    return _pairs(np.fft.rfft(x[..., 0], 6, axis=1))


def _pairs(y: Array) -> Array:
    return np.stack([y.real, y.imag], -1)


def _stft(x: Array, window: Array) -> Array:
    frames = np.stack([x[:, k : k + 6, 0] for k in range(0, 13 - 6 + 1, 3)], 1) * window
    return _pairs(np.fft.rfft(frames, axis=-1))


def _log_softmax(x: Array) -> Array:
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def _nll(x: Array, target: Array, weight: Array, ignored: int = -1) -> tuple[Array, Array]:
    picked = -np.take_along_axis(x, np.clip(target, 0, None)[:, None], axis=1)[:, 0]
    shares = np.where(target == ignored, 0, weight[np.clip(target, 0, None)])
    return picked * shares, shares


_LABELS = np.array([[0, 2, 1], [2, -1, 2]])
_GRID = _random(2, 3, 4, 2, low=-1.4, high=1.4)
_CELLS = np.arange(2 * 3 * 4).reshape(2, 3, 2, 2) * 4 + np.array([[0, 3], [1, 2]])
_MAPS = _random(2, 2, 3)


def _affine(theta: Array) -> Array:
    ys, xs = (2 * np.arange(4) + 1) / 4 - 1, (2 * np.arange(5) + 1) / 5 - 1
    points = np.stack([*np.meshgrid(xs, ys), np.ones((4, 5))], -1)
    return np.einsum("hwk,nik->nhwi", points, theta)


IMAGE_CASES: list[Case] = [
    Case("Conv", (IMAGE, _random(4, 6, 3, 3), _random(4)), {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 11, 3, tag="computed"),
    Case("Conv", (IMAGE, _random(12, 1, 3, 3)), {"group": 6}, 11, 2, tag="computed-depthwise", batch_is_free=False),
    Case("Conv", (IMAGE, _random(4, 3, 3, 3)), {"group": 2, "dilations": [2, 2], "strides": [2, 1]}, 11, 2, tag="computed-grouped", batch_is_free=False),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3), _random(4)), {"strides": [2, 1], "pads": [1, 0, 0, 1], "output_padding": [1, 0]}, 11, 3, tag="computed", batch_is_free=False, formula=lambda x, w, b: np.pad(_transposed(x, w, (2, 1)), [(0, 0), (0, 0), (0, 1), (0, 0)])[..., 1:, :-1] + b[:, None, None]),
    Case("ConvTranspose", (_random(2, 4, 5), _random(4, 3, 2)), {"group": 2, "strides": [2], "dilations": [2]}, 11, 2, tag="computed-grouped", batch_is_free=False, formula=lambda x, w: _transposed(x, w, (2,), (2,), 2)),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3), _random(4)), {"strides": [2, 2], "output_shape": [18, 22]}, 11, tag="output-shape", formula=lambda x, w, b: _transposed(x, w, (2, 2))[..., 1:, 1:] + b[:, None, None]),
    Case("DeformConv", (_random(2, 4, 5, 6), _random(4, 2, 3, 2), _random(2, 24, 5, 7), _random(4), _positive(2, 12, 5, 7)), {"pads": [1, 1, 1, 1], "group": 2, "offset_group": 2}, 19, 5, batch_is_free=False, formula=_deformed),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]}, 12, outputs=2, tag="indices"),
    Case("MaxPool", (BYTES,), {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1]}, 12, tag="bytes", formula=lambda x: _windows(x, (3, 2), (1, 1), (1, 1), (1, 0, 0, 1), 0).max(-1)),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 1]}, 19, tag="dilated", formula=lambda x: _windows(x, (3, 2), (1, 1), (2, 1), (0,) * 4, 0).mean(-1)),
    Case("LpPool", (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2]}, 18, formula=lambda x: np.sqrt((_windows(x, (3, 2), (2, 1), (1, 2), (1, 0, 0, 1), 0) ** 2).sum(-1))),
    Case("LpPool", (_positive(2, 3, 9),), {"kernel_shape": [3], "p": 3}, 18, tag="3", formula=lambda x: (_windows(x, (3,), (1,), (1,), (0, 0), 0) ** 3).sum(-1) ** (1 / 3)),
    Case("GlobalLpPool", (IMAGE,), {}, 13, formula=lambda x: np.sqrt((x**2).sum((2, 3), keepdims=True))),
    Case("MaxUnpool", (_random(2, 3, 2, 2), _CELLS), {"kernel_shape": [2, 2], "strides": [2, 2]}, 11, 2, batch_is_free=False, formula=_unpooled),
    Case("Col2Im", (_random(2, 12, 12), _ints(6, 7), _ints(2, 3)), {"strides": [2, 1], "dilations": [1, 2], "pads": [0, 1, 0, 0]}, 18, formula=lambda x, *_: _folded(x)),
    Case("CenterCropPad", (IMAGE, _ints(12, 4)), {"axes": [2, 3]}, 18),
    Case("GridSample", (_random(2, 3, 5, 6), _GRID), {}, 20, 2, formula=_grid_sample),
    Case("GridSample", (_random(2, 2, 3, 4, 5), _random(2, 2, 3, 2, 3, low=-1.4, high=1.4)), {}, 20, 2, tag="3d", formula=_grid_sample),
    Case("GridSample", (_random(2, 3, 5, 6), _GRID), {"padding_mode": "reflection", "align_corners": 1}, 16, 2, tag="reflection", formula=_torch_grid_sample("bilinear", "reflection", True)),
    Case("GridSample", (_random(2, 3, 5, 6), _GRID), {"padding_mode": "border"}, 20, 2, tag="border", formula=_torch_grid_sample("bilinear", "border", False)),
    Case("GridSample", (_random(2, 3, 5, 6), _GRID), {"mode": "nearest"}, 20, 2, tag="nearest", formula=_torch_grid_sample("nearest", "zeros", False)),
    Case("GridSample", (_random(2, 3, 5, 6), _GRID), {"mode": "cubic"}, 20, 2, tag="cubic", formula=_torch_grid_sample("bicubic", "zeros", False)),
    Case("AffineGrid", (_MAPS, _ints(2, 3, 4, 5)), {}, 20, formula=lambda theta, size: _affine(theta)),
    Case("RoiAlign", (_random(2, 3, 7, 8), np.array([[3.0, 2, 11, 9], [2, 3, 7.5, 8]]), _ints(1, 0)), {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.5}, 16, 3, batch_is_free=False, formula=_roi_align),
    Case("RoiAlign", (_random(2, 3, 7, 8), np.array([[3.0, 2, 11, 9], [2, 3, 7.5, 8]]), _ints(1, 0)), {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.5}, 10, 3, tag="pixels", batch_is_free=False, formula=lambda x, rois, b: _roi_align(x, rois + 1, b)),
    Case("Resize", (IMAGE, np.array([0, 0, 0.1, 0.2, 1, 1, 0.9, 1.3]), None, _ints(2, 6, 5, 7)), {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 0.5}, 19, tag="crop", keep=(1,), batch_is_free=False),
    Case("Resize", (IMAGE, None, None, _ints(20, 16)), {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger", "mode": "linear"}, 19, tag="not-larger"),
    Case("DFT", (_random(2, 8, 3, 1), np.array(6)), {"axis": 1, "onesided": 1}, 17, formula=lambda x, n: _rfft(x)),
    Case("DFT", (_random(2, 4, 5, 2), None, np.array(2)), {"inverse": 1}, 20, tag="inverse", formula=lambda x, a: _pairs(np.fft.ifft(x[..., 0] + 1j * x[..., 1], axis=2))),
    Case("DFT", (_random(2, 4, 2), np.array(7), np.array(1)), {"inverse": 1, "onesided": 1}, 20, tag="real", formula=lambda x, n, a: np.fft.irfft(x[..., 0] + 1j * x[..., 1], 7, axis=1)[..., None]),
    Case("STFT", (_random(2, 13, 1), np.array(3), _positive(6)), {}, 17, formula=lambda x, s, w: _stft(x, w)),
    Case("NegativeLogLikelihoodLoss", (_random(2, 3, 3), np.abs(_LABELS), _positive(3)), {}, 13, 2, formula=lambda x, t, w: np.divide(*(part.sum() for part in _nll(x, t, w)))),
    Case("NegativeLogLikelihoodLoss", (_random(2, 3, 3), np.abs(_LABELS)), {"reduction": "sum"}, 13, 2, tag="sum", formula=lambda x, t: _nll(x, t, np.ones(3))[0].sum()),
    Case("SoftmaxCrossEntropyLoss", (_random(2, 3, 3), _LABELS, _positive(3)), {"ignore_index": -1}, 13, 2, 2, formula=lambda x, t, w: (np.divide(*(part.sum() for part in _nll(_log_softmax(x), t, w))), _log_softmax(x))),
    Case("SoftmaxCrossEntropyLoss", (_random(2, 3, 3), _LABELS), {"ignore_index": -1, "reduction": "none"}, 13, 2, tag="none", formula=lambda x, t: _nll(_log_softmax(x), t, np.ones(3))[0]),
    Case("MatMulInteger", (BYTES, SIGNED[:1, :, :, 0].reshape(1, 9)[:, :8].T.copy(), np.array(120, np.uint8)), {}, 10),
    Case("ConvInteger", (BYTES, SIGNED.view(np.uint8), np.array(120, np.uint8), np.array(3, np.uint8)), {"pads": [1, 0, 1, 0]}, 10),
    Case("QLinearMatMul", (BYTES, np.array(0.02), np.array(120, np.uint8), SIGNED[0, 0, :2].T.repeat(4, 0)[:8].copy(), np.array(0.03), np.array(2, np.int8), np.array(0.5), np.array(100, np.uint8)), {}, 10, keep=(1, 4, 6)),
    Case("QLinearConv", (BYTES, np.array(0.02, np.float32), np.array(120, np.uint8), SIGNED, np.array([0.03, 0.02, 0.01, 0.04], np.float32), np.zeros(4, np.int8), np.array(0.5, np.float32), np.array(100, np.uint8), np.array([5, -7, 100, 3], np.int32)), {"strides": [2, 1]}, 10, keep=(1, 4, 6)),
    Case("MatMulInteger", (BRIGHT, STEEP.reshape(8, 9)), {}, 10, tag="beyond-16-bits"),
    Case("QLinearMatMul", (BRIGHT, np.array(0.02, np.float32), np.array(3, np.uint8), STEEP.reshape(8, 9), np.array(0.03, np.float32), np.array(0, np.int8), np.array(2.3, np.float32), np.array(100, np.uint8)), {}, 10, keep=(1, 4, 6), tag="beyond-16-bits"),
    Case("QLinearConv", (BRIGHT, np.array(0.02, np.float32), np.array(3, np.uint8), STEEP, np.array([0.03, 0.02, 0.01, 0.04], np.float32), np.zeros(4, np.int8), np.array(9.7, np.float32), np.array(100, np.uint8)), {"pads": [1, 1, 1, 1]}, 10, keep=(1, 4, 6), tag="beyond-16-bits"),
    Case("TfIdfVectorizer", (np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]]),), {"mode": "TF", "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 5, "ngram_counts": [0, 4], "ngram_indexes": list(range(7)), "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]}, 9),
]  # fmt: skip
