"""Local functions of an ONNX file, written out where they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.errors import InvalidModelError

if TYPE_CHECKING:
    import onnx

__all__ = ["inlined"]


def inlined(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own; the model itself if it has none.

    What it comes to was held against the limits before, see :func:`~metannvis_translate.frameworks.onnx.checks.check_model`.

    Raises
    ------
    InvalidModelError
        A function cannot be written out: it asks for another version of the standard, to which nothing leads.
    """
    if not proto.functions:
        return proto
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(proto, convert_version=True)
    except Exception as error:  # of C++, which has no class of its own for it
        said = " ".join(str(error).split())[:300]
        raise InvalidModelError(f"the functions of the ONNX model cannot be written out: {said}") from error
