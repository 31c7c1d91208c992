"""Targets of a command: the index of a class, its name, or a position in a dense output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from metannvis_translate.errors import InvalidArgumentError

from metannvis_cli.options.vocabulary import VocabularyOptions
from metannvis_cli.requests import Aim

__all__ = ["position", "read_aims", "read_labels", "read_targets"]


def read_labels(path: Path | None) -> tuple[str, ...] | None:
    """Names of the classes from the file that ``--labels`` names; see :func:`metannvis_methods.inputs.read_labels`.

    Raises
    ------
    click.BadParameter
        The file holds no list of names.
    """
    if path is None:
        return None
    from metannvis_methods.inputs import read_labels as read_file

    try:
        return read_file(path)
    except InvalidArgumentError as error:
        raise click.BadParameter(str(error), param_hint="--labels") from error


def read_targets(texts: Sequence[str], labels: Sequence[str] | None) -> Any:
    """What ``explain`` takes as ``target``: ``None``, an index, a position, ``"negative"``, or a list of one a sample.

    Raises
    ------
    click.BadParameter
        A text is no index, no position and no name in ``labels``.
    """
    if list(texts) == ["negative"] and "negative" not in (labels or ()):
        return "negative"
    found = [_target(text, labels) for text in texts]
    if not found:
        return None
    return found[0] if len(found) == 1 else found


def read_aims(texts: Sequence[str], labels: Sequence[str] | None, vocabulary: VocabularyOptions) -> list[Aim]:
    """Each target by itself, over the region if there is one.

    Raises
    ------
    click.BadParameter
        As :func:`read_targets`.
    """
    if not texts:
        return [Aim("", vocabulary.aimed(None))] if vocabulary.region is not None else []
    return [Aim(text, vocabulary.aimed(read_targets([text], labels))) for text in texts]


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
