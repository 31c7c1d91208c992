"""Fields of parts that a caller hands in: what each may be, told when the part is made. Importing this loads no framework."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from metannvis_methods.registry.option_values import Values, number, whole

__all__ = ["CHANNEL", "PIXELS", "POSITIVE", "WEIGHT", "CheckedFields", "Takes", "or_none"]

#: What fields have to be, by their names.
Takes = Mapping[str, Values]
POSITIVE, WEIGHT, PIXELS, CHANNEL = number(above=0), number(0), whole(0), whole()


class CheckedFields:
    """A dataclass whose fields are looked at when it is made.

    Attributes
    ----------
    takes
        What some fields have to be, by their names; the words that stand for such an object take the same.
    """

    takes: ClassVar[Takes] = MappingProxyType({})

    def __post_init__(self) -> None:
        for name, values in self.takes.items():
            values.check(getattr(self, name), f"{name} of {type(self).__name__}")


def or_none(values: Values) -> Values:
    """The same, or ``None``."""

    def fits(value: Any) -> bool:
        return value is None or values.fits(value)

    return Values(f"{values.says}, or None", fits, values.names)
