"""Option values: what an option of a method takes, so that a call is refused before a model is opened."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, near_misses

__all__ = [
    "Values",
    "fitted_model",
    "function",
    "number",
    "one_of",
    "one_or_several",
    "options_by_name",
    "pair",
    "sizes",
    "text",
    "true_or_false",
    "whole",
]


@dataclass(frozen=True)
class Values:
    """What an option takes.

    Attributes
    ----------
    says
        What that is, as it stands behind "is": ``"a whole number of at least 1"``.
    fits
        Whether a value is such.
    names
        Texts that fit, if it takes one of several: those near a wrong one are named.
    """

    says: str
    fits: Callable[[Any], bool]
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.says

    def check(self, value: Any, where: str) -> None:
        """Refuse a value that does not fit.

        Raises
        ------
        InvalidArgumentError
            The message says where it stood and what fits.
        """
        if not self.fits(value):
            close = near_misses(value, self.names) if isinstance(value, str) else []
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise InvalidArgumentError(f"{where} is {self.says}, not {value!r}{meant}")


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return bool(math.isfinite(value))


def whole(least: int | None = None) -> Values:
    """A whole number, of at least so much."""
    says = "a whole number" + ("" if least is None else f" of at least {least}")

    def fits(value: Any) -> bool:
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return is_whole and (least is None or bool(value >= least))

    return Values(says, fits)


def number(least: float | None = None, *, above: float | None = None) -> Values:
    """A finite number, of at least so much, or above so much."""
    says = (
        "a number" + ("" if least is None else f" of at least {least}") + ("" if above is None else f" above {above}")
    )

    def fits(value: Any) -> bool:
        return _is_number(value) and not (
            (least is not None and value < least) or (above is not None and value <= above)
        )

    return Values(says, fits)


def true_or_false() -> Values:
    """True or false, and nothing that counts as such."""
    return Values("true or false", lambda value: isinstance(value, (bool, np.bool_)))


def text(what: str) -> Values:
    """A text that is not empty."""
    return Values(what, lambda value: isinstance(value, str) and bool(value))


def one_of(*names: str) -> Values:
    """One of several texts."""
    return Values(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names, names)


def pair(of: Values, says: str) -> Values:
    """Two values, in order."""

    def fits(value: Any) -> bool:
        return isinstance(value, (tuple, list)) and len(value) == 2 and all(of.fits(item) for item in value)

    return Values(says, fits)


def one_or_several(of: Values) -> Values:
    """One value, or a tuple of them, one an input."""

    def fits(value: Any) -> bool:
        return of.fits(value) or (isinstance(value, (tuple, list)) and bool(value) and all(map(of.fits, value)))

    return Values(f"{of.says}, or a tuple of them, one an input", fits)


def sizes(says: str, *, single: bool = False) -> Values:
    """Whole numbers of at least 1, one an axis, or such a tuple an input."""
    size = whole(1)

    def fits(value: Any) -> bool:
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if size.fits(value):
            return single
        return (
            isinstance(value, (tuple, list)) and bool(value) and all(size.fits(part) or _tuple(part) for part in value)
        )

    def _tuple(value: Any) -> bool:
        return isinstance(value, (tuple, list)) and bool(value) and all(map(size.fits, value))

    return Values(says, fits)


def function() -> Values:
    """Something that can be called."""
    return Values(
        "a function", lambda value: callable(value) or (isinstance(value, tuple) and all(map(callable, value)))
    )


def options_by_name() -> Values:
    """A dict."""
    return Values("a dict of options by their names", lambda value: isinstance(value, dict))


def fitted_model() -> Values:
    """A linear model of Captum's."""
    return Values("a model with a method fit()", lambda value: callable(getattr(value, "fit", None)))
