"""The table of ONNX operators with sample inputs that both importers are tested on.

A row lies in the file of its operator's family, which is named as the file of the operator's converters in both importers.
"""

from __future__ import annotations

from importlib import import_module

from .case import Case
from .resize import AMBIGUOUS

__all__ = ["AMBIGUOUS", "CASES", "FAMILIES", "ROWS"]

FAMILIES = (
    "activation", "adaptive_pool", "attention", "bitwise", "cast", "conv", "elementwise", "fold", "gather",
    "integer", "linear", "linear_attention", "loss", "normalization", "pad", "pool", "quantization",
    "recurrent", "reduce", "reshape", "resize", "sampling", "scatter", "selection", "shape", "signal",
    "slice", "softmax", "text",
)  # fmt: skip

#: Family -> its rows.
ROWS: dict[str, list[Case]] = {name: import_module(f"{__package__}.{name}").CASES for name in FAMILIES}
CASES: list[Case] = [case for rows in ROWS.values() for case in rows]
