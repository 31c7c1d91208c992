"""Options of the check of a translation: whether it is made, and what passes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options.grouping import as_one

if TYPE_CHECKING:
    from metannvis_translate import Tolerance

__all__ = ["CheckOptions", "check_options", "tolerance_of", "tolerance_option"]


@dataclass(frozen=True)
class CheckOptions:
    """How a translation that a command makes is checked.

    Attributes
    ----------
    no_verify
        Not at all.
    tolerance
        Largest differences by their names in :class:`metannvis_translate.Tolerance`.
    """

    no_verify: bool = False
    tolerance: Mapping[str, float] | None = None

    @property
    def of_translate(self) -> dict[str, Any]:
        """The same as arguments of :func:`metannvis_translate.translate`."""
        limits = {} if self.tolerance is None else {"tolerance": tolerance_of(self.tolerance)}
        return {**({"verify": False} if self.no_verify else {}), **limits}


def _read_tolerance(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> dict[str, float] | None:
    """``NUMBER`` for outputs and layers, ``NAME=NUMBER`` for one of the limits."""
    figures: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            figure = float(number)
        except ValueError:
            raise click.BadParameter(f"{text!r} has to read NUMBER or NAME=NUMBER", param_hint="--tolerance") from None
        figures |= {name.strip(): figure} if equals else {"outputs": figure, "layers": figure}
    if not figures:
        return None
    tolerance_of(figures)
    return figures


def tolerance_of(figures: Mapping[str, float]) -> Tolerance:
    """The tolerance that ``--tolerance`` sets.

    Raises
    ------
    click.BadParameter
        There is no limit of that name, or it is not positive.
    """
    from metannvis_translate import InvalidArgumentError, Tolerance

    try:
        return Tolerance(**figures)
    except TypeError:
        known = ", ".join(field.name for field in fields(Tolerance))
        raise click.BadParameter(
            f"the limits are {known}; not all of {sorted(figures)}", param_hint="--tolerance"
        ) from None
    except InvalidArgumentError as error:
        wrong = next(value for value in figures.values() if not value > 0)
        raise click.BadParameter(f"{wrong:g}: a tolerance is a positive number", param_hint="--tolerance") from error


tolerance_option = click.option(
    "--tolerance",
    multiple=True,
    metavar="[NAME=]NUMBER",
    callback=_read_tolerance,
    help="Largest relative difference of outputs and layers that passes the check; with a NAME another limit: "
    "gradients_l2, float64, differences.",
)

check_options = as_one(
    "check",
    CheckOptions,
    click.option("--no-verify", is_flag=True, help="Do not compare a translation with its model."),
    tolerance_option,
)
