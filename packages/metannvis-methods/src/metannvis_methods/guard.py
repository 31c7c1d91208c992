"""The caller's model, tensors and random numbers are left as they were."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

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
    """Seed every global generator within, and put each one's state back afterwards. ``None``: touch nothing.

    Frameworks count only if they are loaded already; nothing is imported.
    """
    if seed is None:
        yield
        return
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  # what the toolkits draw from
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        if "torch" in sys.modules:
            stack.enter_context(_torch_seeded(seed))
        if "tensorflow" in sys.modules:
            stack.enter_context(_tensorflow_seeded(seed))
        yield


@contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    import torch

    with torch.random.fork_rng(enabled=True):
        torch.manual_seed(seed)
        yield


@contextmanager
def _tensorflow_seeded(seed: int) -> Iterator[None]:
    import tensorflow as tf
    from tensorflow.python.eager import context  # the only place that can say what the seed was

    eager = context.context()
    before, generator = eager._seed, getattr(eager, "_rng", None)
    state = generator.getstate() if generator is not None else None
    try:
        tf.random.set_seed(seed)
        yield
    finally:
        eager._seed = before
        if generator is not None:
            generator.setstate(state)
            eager._rng = generator
