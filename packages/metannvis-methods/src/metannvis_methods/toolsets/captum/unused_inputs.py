"""Unused inputs: what is explained may depend on some of a model's inputs only, and its derivative by the others is zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from metannvis_translate.process import patched

__all__ = ["zero_gradients_of_unused"]


@contextmanager
def zero_gradients_of_unused() -> Iterator[None]:
    """Inside, ``torch.autograd.grad`` returns zeros for what the outputs do not depend on, where it would raise an error."""
    theirs = torch.autograd.grad

    def grad(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("allow_unused"):
            kwargs |= {"allow_unused": True, "materialize_grads": True}
        return theirs(*args, **kwargs)

    with patched(torch.autograd, "grad", grad):
        yield
