"""Reference evaluation: ONNX's evaluator, with what it would do beside computing taken out, and in the precision of its inputs.

It hands the bytes of an ``ImageDecoder`` to Pillow, which asks every reader it has; the one for PostScript starts Ghostscript.
"""

from __future__ import annotations

import functools
import io
import math
from typing import Any

import numpy as np

__all__ = ["replaced_operators"]

Array = np.ndarray[Any, Any]
#: The formats of the standard's ImageDecoder, as Pillow calls them.
FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


@functools.cache
def replaced_operators() -> tuple[type, ...]:
    """Operators to give to an evaluator as ``new_ops=``, as a list."""
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
