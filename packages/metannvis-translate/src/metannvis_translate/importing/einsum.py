"""Einsum: equations with the axes of their result."""

from __future__ import annotations

__all__ = ["explicit"]


def explicit(equation: str) -> str:
    """The equation with the axes of its result: by the standard those that stand once, in alphabetical order."""
    equation = equation.replace(" ", "")
    if "->" in equation:
        return equation
    letters = equation.replace("...", "").replace(",", "")
    once = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return f"{equation}->{'...' if '...' in equation else ''}{once}"
