"""Random number generators that all threads share: Python's, NumPy's and those of the frameworks that are loaded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from metannvis_translate.frameworks.registry import frameworks

__all__ = ["generators_kept", "generators_seeded"]


@contextmanager
def generators_kept() -> Iterator[None]:
    """Afterwards every generator goes on as if nothing had been drawn: layers that are made draw weights and seeds."""
    with _put_back(None):
        yield


@contextmanager
def generators_seeded(seed: int) -> Iterator[None]:
    """Inside, every generator starts from the seed; afterwards each goes on as if nothing had been drawn."""
    with _put_back(seed):
        yield


@contextmanager
def _put_back(seed: int | None) -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  # what toolkits draw from
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
        for framework in frameworks():
            stack.enter_context(framework.generators(seed))
        yield
