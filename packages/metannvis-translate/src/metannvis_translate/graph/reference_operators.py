"""Reference evaluation: ONNX's evaluator, with what it would do beside computing taken out, and in the precision of its inputs.

It hands the bytes of an ``ImageDecoder`` to Pillow, which asks every reader it has; the one for PostScript starts Ghostscript.
"""

from __future__ import annotations

import functools
import io
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

    return (Erf, ImageDecoder)
