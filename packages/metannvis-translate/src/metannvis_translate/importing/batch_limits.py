"""Limits of sizes: those of the first axis, and of axes that are fixed, that a translation computes rightly."""

from __future__ import annotations

from dataclasses import dataclass

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.graph.model import HubPort

__all__ = ["BatchLimit", "limits_of"]


@dataclass(frozen=True)
class BatchLimit:
    """What an axis of an input has to be.

    Attributes
    ----------
    exact
        Its only size; ``None`` if there are several.
    least
        Its least size.
    text
        What it is told for, without the size that was given.
    axis
        Which axis it is.
    """

    exact: int | None
    least: int
    text: str
    axis: int = 0

    def allows(self, size: int) -> bool:
        """Whether it may be that size."""
        return size == self.exact if self.exact is not None else size >= self.least

    def check(self, size: int) -> None:
        """Refuse another size.

        Raises
        ------
        InvalidArgumentError
            It says which size it has to be, and why.
        """
        if not self.allows(size):
            place = "the first axis" if self.axis == 0 else f"axis {self.axis}"
            raise InvalidArgumentError(f"a size of {size} on {place}: {self.text}")


def limits_of(port: HubPort) -> list[BatchLimit]:
    """The limits of an input's axes, as the source counts them; none where any size is right."""
    limits = []
    exact = port.shape[0] if port.shape else None
    if exact is not None or port.least_batch > 1:
        sizes = f"exactly {exact}" if exact is not None else f"{port.least_batch} or more"
        reason = port.batch_reason or "the model says so itself"
        limits.append(BatchLimit(exact, port.least_batch, f"the input {port.name!r} takes {sizes} there: {reason}"))
    for axis in port.fixed:
        text = f"the input {port.name!r} takes exactly {port.shape[axis]} there: the model was translated for that size alone"
        limits.append(BatchLimit(port.shape[axis], 1, text, axis))
    return limits
