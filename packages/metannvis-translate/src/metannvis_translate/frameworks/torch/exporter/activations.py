"""Activations that PyTorch's exporter takes apart, which keeps what they compute but not what a method hooks on.

Relevance and DeepLift look for the module; and a multiplication by one between an activation and the pool behind it changes
what Captum makes of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import operator

__all__ = ["translations"]

curved = operator("Softplus", ("beta", "threshold"), kinds=("FLOAT", "FLOAT"))
gated = operator("GLU", ("axis",), kinds=("INT",))
cut = operator("Threshold", ("threshold", "value"), kinds=("FLOAT", "FLOAT"))


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def elu(self, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0):  # type: ignore[no-untyped-def]
    x = self if input_scale == 1 else op.Mul(self, _like(self, input_scale))
    y = op.Elu(x, alpha=alpha)
    return y if scale == 1 else op.Mul(y, _like(self, scale))


def _like(x, number: float):  # type: ignore[no-untyped-def]
    return op.CastLike(op.Constant(value_float=number), x)


def softplus(self, beta: float = 1.0, threshold: float = 20.0):  # type: ignore[no-untyped-def]
    return curved(self, beta=beta, threshold=threshold)


def glu(self, dim: int = -1):  # type: ignore[no-untyped-def]
    return gated(self, axis=dim)


def threshold(self, threshold: float, value: float):  # type: ignore[no-untyped-def]
    return cut(self, threshold=threshold, value=value)


def safe_softmax(self, dim: int, dtype: int | None = None):  # type: ignore[no-untyped-def]
    # of minus infinity alone it is zero, and so is its derivative
    x = self if dtype in (None, -1) else op.Cast(self, to=dtype)
    lowest = _like(x, -float("inf"))
    none = op.Equal(op.ReduceMax(x, op.Constant(value_ints=[dim]), keepdims=1), lowest)
    zero = _like(x, 0.0)
    return op.Where(none, zero, op.Softmax(op.Where(none, zero, x), axis=dim))


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten._safe_softmax.default: safe_softmax,
        aten.elu.default: elu,
        aten.softplus.default: softplus,
        aten.glu.default: glu,
        aten.threshold.default: threshold,
    }
