"""Sums of Shapley values in the precision of the model: Captum 0.9 adds up single precision, whatever the inputs are.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from metannvis_methods.models.registry import adapter_for

__all__ = ["summed_as", "summed_as_computed"]


class _TorchOf:
    """PyTorch as Captum's module sees it: ``torch.float``, which it names for its sums only, is another type."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.float = dtype

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@contextmanager
def summed_as(dtype: torch.dtype) -> Iterator[None]:
    """Within, ``ShapleyValueSampling`` and ``ShapleyValues`` add up numbers of this type.

    One thread at a time runs a toolkit, so that its module may be changed.
    """
    from captum.attr._core import shapley_value

    module: Any = shapley_value
    before = module.torch
    module.torch = _TorchOf(dtype)
    try:
        yield
    finally:
        module.torch = before


def summed_as_computed(model: Any) -> AbstractContextManager[None]:
    """Within, they add up double precision if the model computes in it, and Captum's single otherwise."""
    return summed_as(torch.float64) if adapter_for("torch").float_dtype(model) == "float64" else nullcontext()
