"""Sizes and axes as they are written on a command line."""

from __future__ import annotations

import click

__all__ = ["axes_of", "shape_of"]


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """``"1,3,224,224"`` as numbers."""
    return None if text is None else _numbers(text, "sizes such as 1,3,224,224")


def axes_of(text: str | None) -> tuple[int, ...]:
    """``"2,3"`` as numbers; the batch, axis 0, is none of them."""
    return () if text is None else _numbers(text, "axes beside the batch such as 2,3")


def _numbers(text: str, what: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise click.BadParameter(f"{text!r} is no list of {what}")
    return numbers
