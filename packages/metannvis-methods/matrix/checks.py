"""What is wrong with a cell of the matrix, for people, and which cells a twentieth is."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from .cells import Cell, Outcome, cells
from .expected import NOTICES, refusal_of

__all__ = ["TOLERANCE", "TWENTIETH", "fault", "tolerance", "twentieth"]

#: Largest max|a − b| / max|b|, in double precision.
TOLERANCE = 1e-9
#: One cell of so many runs with the tests of all packages.
TWENTIETH = 20


def tolerance(cell: Cell) -> float:
    """Recurrent operators of ONNX Runtime, by which a translation is checked, are of single precision."""
    return 1e-5 if (cell.source, cell.network) == ("onnx", "text") else TOLERANCE


def fault(cell: Cell, found: Outcome) -> str:
    """What is not as it should be; empty if nothing."""
    refusal = refusal_of(cell)
    if refusal is not None:
        if not found.error:
            return f"is no longer refused ({refusal.because}): take it off the table of refusals"
        if found.error != refusal.error or not re.search(refusal.words, found.words, re.DOTALL):
            return f"is refused otherwise than with {refusal.error}: {refusal.words!r}: {found.error}: {found.words}"
        return ""
    if found.error or found.wrong or found.difference is None:
        return found.wrong or f"raises {found.error}: {found.words}"
    words = [notice.words for notice in NOTICES if notice.matches(cell)]
    unexpected = [text for text in found.told if not any(re.search(pattern, text) for pattern in words)]
    if unexpected:
        return f"tells of {unexpected}"
    return "" if found.difference <= tolerance(cell) else f"differs by {found.difference:.1e}"


def twentieth() -> Iterator[Cell]:
    """Cells that stand for all: chosen by their names, the same ones on every machine."""
    for cell in cells():
        if zlib.crc32(str(cell).encode()) % TWENTIETH == 0:
            yield cell
