"""Targets as a command line gives them: an index, a name, a position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from metannvis_translate.reading import parse_json, read_text

__all__ = ["position", "read_labels", "read_targets"]


def read_labels(path: Path | None) -> tuple[str, ...] | None:
    """Names of the classes from a file: one a line (empty lines at the end do not count), or a JSON list.

    Raises
    ------
    click.BadParameter
        The file is neither.
    """
    if path is None:
        return None
    try:
        text = read_text(path)
        if text.lstrip().startswith("["):
            names = parse_json(text, path.name)
            if not all(isinstance(name, str) for name in names):
                raise ValueError("its entries are not all text")
        else:
            names = [line.strip() for line in text.rstrip().splitlines()]
    except ValueError as error:  # not UTF-8, not JSON, too long
        raise click.BadParameter(f"{path} holds no list of names: {error}", param_hint="--labels") from error
    if not names:
        raise click.BadParameter(f"{path} is empty", param_hint="--labels")
    return tuple(names)


def read_targets(texts: Sequence[str], labels: Sequence[str] | None) -> Any:
    """What ``explain`` takes as ``target``: ``None``, an index, a position, or a list of one a sample.

    Raises
    ------
    click.BadParameter
        A text is no index, no position and no name in ``labels``.
    """
    found = [_target(text, labels) for text in texts]
    if not found:
        return None
    return found[0] if len(found) == 1 else found


def position(text: str | None, hint: str) -> int | tuple[int, ...] | None:
    """``"3"`` as an int, ``"3,0,2"`` as a tuple."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no position such as 3 or 3,0,2", param_hint=hint) from None
    return numbers if "," in text else numbers[0]


def _target(text: str, labels: Sequence[str] | None) -> int | tuple[int, ...]:
    if _is_position(text):
        target = position(text, "--target")
        assert target is not None
        return target
    if labels is None:
        raise click.BadParameter(f"{text!r} is no index; a name needs --labels FILE", param_hint="--target")
    folded = [label.casefold() for label in labels]
    exact = [k for k, label in enumerate(labels) if label == text]
    found = exact or [k for k, label in enumerate(folded) if label == text.casefold()]
    if not found:
        from metannvis_translate.errors import near_misses

        close = near_misses(text, labels)
        hint = f"; close: {', '.join(close)}" if close else ""
        raise click.BadParameter(f"no class is called {text!r}{hint}", param_hint="--target")
    if len(found) > 1:
        raise click.BadParameter(
            f"{len(found)} classes are called {text!r} ({', '.join(map(str, found))}): give the index",
            param_hint="--target",
        )
    return found[0]


def _is_position(text: str) -> bool:
    parts = [part.strip().removeprefix("-") for part in text.split(",")]
    return all(part.isdecimal() for part in parts)
