"""The caller's model, tensors and random numbers are left as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from metannvis_translate.process import generators_seeded

from metannvis_methods.native import Native

__all__ = ["guarded", "seeded"]


@contextmanager
def guarded(native: Native, *models: Any) -> Iterator[None]:
    """Inference mode for every model within; each is put back as it was, also if the toolkit fails.

    Inputs need no guard: the toolkit is given copies (:meth:`metannvis_methods.native.Native.as_input`).
    """
    with ExitStack() as stack:
        for model in dict.fromkeys(models) if all(type(m).__hash__ for m in models) else models:
            stack.enter_context(native.guarded(model))
        yield


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seed every global generator within, and put each one's state back afterwards.

    ``None``: touch nothing. A method that draws at random goes on where the process' generators stand, as its toolkit does.
    """
    if seed is None:
        yield
        return
    with generators_seeded(seed):
        yield
