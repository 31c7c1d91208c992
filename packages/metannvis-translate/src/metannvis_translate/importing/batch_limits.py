"""Batch limits: the sizes of the first axis that a translation computes rightly, where it does not for all."""

from __future__ import annotations

from dataclasses import dataclass

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.graph.model import HubPort

__all__ = ["BatchLimit", "limit_of"]


@dataclass(frozen=True)
class BatchLimit:
    """What an input's first axis has to be.

    Attributes
    ----------
    exact
        Its only size; ``None`` if there are several.
    least
        Its least size.
    text
        What it is told for, without the size that was given.
    """

    exact: int | None
    least: int
    text: str

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
            raise InvalidArgumentError(f"a size of {size} on the first axis: {self.text}")


def limit_of(port: HubPort) -> BatchLimit | None:
    """The limit of an input's first axis; ``None`` if any size is right."""
    exact = port.shape[0] if port.shape else None
    if exact is None and port.least_batch < 2:
        return None
    sizes = f"exactly {exact}" if exact is not None else f"{port.least_batch} or more"
    reason = port.batch_reason or "the model says so itself"
    return BatchLimit(exact, port.least_batch, f"the input {port.name!r} takes {sizes} there: {reason}")
