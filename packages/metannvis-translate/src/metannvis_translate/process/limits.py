"""Limits: how much a file or a graph that others made may cost before it is refused.

A few bytes can state a tensor of a terabyte, unpack to gigabytes, or call themselves a thousand million times. What it comes
to is worked out first, and held against these figures. They are far beyond ordinary models; who needs more says so::

    with limits(nodes=200_000, unpacked_bytes=8 << 30):
        translate("large.onnx", "torch")

They hold in the thread that set them, until the block ends. The command line has ``--limit nodes=200000``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from metannvis_translate.errors import InvalidArgumentError, LimitError

__all__ = ["Limits", "check_limit", "current_limits", "limits"]


@dataclass(frozen=True)
class Limits:
    """What a model, or another file, may come to.

    Attributes
    ----------
    nodes
        Operators of an ONNX graph, those of graphs inside and of functions counted once a call.
    depth
        Graphs in graphs, functions that call functions.
    value_bytes
        The largest tensor of an ONNX graph, on the inputs that it runs on.
    total_bytes
        All tensors of an ONNX graph together. The check of a translation takes up to six times as much memory.
    weight_bytes
        What a ``.keras`` or ``.h5`` file makes of weights, unless it holds as many.
    unpacked_bytes
        What a compressed file unpacks to, unless the file itself is larger.
    image_pixels
        Width times height of an image.
    text_bytes
        A file of labels, or another text that is read whole.
    """

    nodes: int = 50_000
    depth: int = 40
    value_bytes: int = 1 << 30
    total_bytes: int = 2 << 30
    weight_bytes: int = 1 << 30
    unpacked_bytes: int = 1 << 30
    image_pixels: int = 50_000_000
    text_bytes: int = 64 << 20


_current: ContextVar[Limits] = ContextVar("metannvis_limits", default=Limits())  # noqa: B039  # it is frozen


def current_limits() -> Limits:
    """The limits that hold here."""
    return _current.get()


def limits(**figures: int) -> AbstractContextManager[Limits]:
    """Other limits inside a ``with`` block, by the names of :class:`Limits`; those that are not named stay.

    Parameters
    ----------
    figures
        Positive integers, by name.

    Returns
    -------
    context manager
        It gives the :class:`Limits` that hold inside.

    Raises
    ------
    InvalidArgumentError
        There is no limit of that name, or the figure is no positive integer.
    """
    known = [field.name for field in dataclasses.fields(Limits)]
    for name, figure in figures.items():
        if name not in known:
            raise InvalidArgumentError(f"there is no limit {name!r}; there are: {', '.join(known)}")
        if not isinstance(figure, int) or isinstance(figure, bool) or figure < 1:
            raise InvalidArgumentError(f"the limit {name}={figure!r} has to be a positive integer")
    return _changed(figures)


@contextmanager
def _changed(figures: Mapping[str, int]) -> Iterator[Limits]:
    token = _current.set(dataclasses.replace(_current.get(), **figures))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def check_limit(name: str, figure: int, what: str, *, at_least: int = 0) -> None:
    """Refuse what comes to more than a limit.

    Parameters
    ----------
    name
        Of the limit.
    figure
        What it comes to.
    what
        What comes to that, as the message's first words: ``"bomb.npz unpacks to"``.
    at_least
        A figure that is allowed in any case, as the bytes that a file has on the disk.

    Raises
    ------
    LimitError
        It is more.
    """
    bound = max(getattr(_current.get(), name), at_least)
    if figure > bound:
        raise LimitError(name, figure, bound, what)
