"""Examples in the help of commands."""

from __future__ import annotations

__all__ = ["example"]

BACKSPACE = "\b"  # click leaves the lines of a paragraph that begins with it as they are


def example(*lines: str) -> str:
    """Command lines for the end of a help text; one that is too long for 78 columns goes on in the next."""
    return "\n\n".join(["Example:", f"{BACKSPACE}\n" + "\n".join(f"  {line}" for line in lines)])
