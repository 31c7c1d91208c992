"""Reference evaluation: ONNX's evaluator, with what it would do beside computing taken out, and in the precision of its inputs.

It hands the bytes of an ``ImageDecoder`` to Pillow, which asks every reader it has; the one for PostScript starts Ghostscript.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["reference_evaluator"]

Array = np.ndarray[Any, Any]
#: The formats of the standard's ImageDecoder, as Pillow calls them.
FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


def reference_evaluator(proto: Any, operators: Sequence[type] = ()) -> Any:
    """ONNX's evaluator of a graph, with our operators and those given, in the functions and branches of the graph as well."""
    return _evaluator_class()(proto, new_ops=[*_replaced_operators(), *operators])


@functools.cache
def _evaluator_class() -> type:
    from onnx.reference import ReferenceEvaluator

    class Evaluator(ReferenceEvaluator):
        """Operators that the standard defines by others (``Gelu``) are run by an evaluator of this class, without operators."""

        def __init__(self, proto: Any, *, new_ops: Any = None, **kwargs: Any) -> None:
            super().__init__(proto, new_ops=list(_replaced_operators()) if new_ops is None else new_ops, **kwargs)

    return Evaluator


@functools.cache
def _replaced_operators() -> tuple[type, ...]:
    from onnx.reference.op_run import OpRun

    class ImageDecoder(OpRun):
        op_domain = ""

        def _run(self, encoded: Array, pixel_format: str | None = None) -> tuple[Array]:
            from PIL import Image

            form = pixel_format or getattr(self, "pixel_format", None) or "RGB"
            with Image.open(io.BytesIO(encoded.tobytes()), formats=FORMATS) as image:
                pixels = np.array(image.convert("L") if form == "Grayscale" else image)
            if form == "Grayscale":
                return (pixels[:, :, None],)
            return (pixels[:, :, ::-1] if form == "BGR" else pixels,)

    erf = np.vectorize(math.erf, otypes=[np.float64])

    class Erf(OpRun):  # the evaluator's own is in single precision whatever it is given
        op_domain = ""

        def _run(self, x: Array) -> tuple[Array]:
            return (erf(x).astype(x.dtype),)

    return (Erf, ImageDecoder, _grid_sample())


def _grid_sample() -> type:
    from onnx.reference.ops.op_grid_sample import GridSample as Standard

    standard: Any = Standard

    class GridSample(standard):
        """With the modes' names of before opset 20; bicubic as PyTorch and ONNX Runtime compute it, in double precision."""

        op_domain = ""

        def _run(
            self, image: Array, grid: Array, mode: Any = None, padding_mode: Any = None, align_corners: Any = None
        ) -> Any:
            mode = (mode or self.mode).removeprefix("bi")
            padding, corners = padding_mode or self.padding_mode, align_corners or self.align_corners
            if mode == "cubic":
                return (_bicubic(image, grid.astype(np.float64), padding, bool(corners)).astype(image.dtype),)
            return super()._run(image, grid, mode, padding, corners)

    return GridSample


def _bicubic(image: Array, grid: Array, padding: str, corners: bool) -> Array:
    """Samples by Keys' formula (a = −0.75), padded pixel by pixel."""
    sizes = image.shape[2:]
    axes = []
    for k, size in enumerate(sizes):
        at = grid[..., len(sizes) - 1 - k]
        place = (at + 1) / 2 * (size - 1) if corners else ((at + 1) * size - 1) / 2
        low = np.floor(place)
        taps = []
        for step in range(-1, 3):
            far = np.abs(place - low - step)
            near = (1.25 * far - 2.25) * far**2 + 1
            weight = np.where(far <= 1, near, ((-0.75 * far + 3.75) * far - 6) * far + 3)
            pixel = low + step
            if padding == "zeros":
                weight = np.where((pixel >= 0) & (pixel < size), weight, 0)
            elif padding == "reflection":
                pixel = _folded(pixel, size, corners)
            taps.append((np.clip(pixel, 0, size - 1).astype(np.int64), weight))
        axes.append(taps)
    result = np.zeros((*image.shape[:2], *grid.shape[1:-1]))
    for sample in range(len(image)):
        for corner in itertools.product(*axes):
            index = tuple(pixel[sample] for pixel, _ in corner)
            weight = math.prod((w[sample] for _, w in corner), start=np.ones(()))
            result[sample] += image[sample][(slice(None), *index)] * weight
    return result


def _folded(pixel: Array, size: int, corners: bool) -> Array:
    """Pixels reflected at the border until they lie within."""
    low, span = (0.0, size - 1.0) if corners else (-0.5, float(size))
    if span == 0:
        return np.zeros_like(pixel)
    away = np.abs(pixel - low)
    rest = np.mod(away, span)
    return low + np.where(np.floor(away / span) % 2 == 0, rest, span - rest)
