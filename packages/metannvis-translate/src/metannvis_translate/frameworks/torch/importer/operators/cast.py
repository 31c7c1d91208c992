"""Casts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from metannvis_translate.frameworks.torch.importer.operators.quantization import FLOAT8, to_float8
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.frameworks.torch.importer.sizes import Sizes
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("Cast", since=6)
def Cast(ctx: TorchImporter, input: Value, *, saturate: int = 1, to: int, round_mode: str = "up") -> Value:
    """To another type; floats stay in the type that the model computes in."""
    return cast(ctx, input, ctx.numpy_dtype(ctx.node.outputs[0]) or _dtype(ctx, to), saturate=bool(saturate))


@converter("CastLike", since=15)
def CastLike(
    ctx: TorchImporter,
    input: Value,
    target_type: Value,
    *,
    saturate: int = 1,
    round_mode: str = "up",
) -> Value:
    dtype = ctx.numpy_dtype(ctx.node.inputs[1])
    if dtype is None:
        like = ctx.placed(target_type)
        x = ctx.placed(input)
        return LaidOut(ctx.method("type_as", x.tensor, like.tensor), x.order)
    return cast(ctx, input, dtype, saturate=bool(saturate))


def cast(ctx: TorchImporter, X: Value, dtype: np.dtype[Any], *, saturate: bool = True) -> Value:
    """A constant is cast now, a tensor when the model runs."""
    if isinstance(X, Sizes):
        return dataclasses.replace(X, name=f"{X.name}.{dtype}", dtype=str(dtype))
    if isinstance(X, ConstantValue):
        return ConstantValue(
            X.array.astype(dtype), name=f"{X.name}.{dtype}", exact=X.exact if dtype.kind == "f" else None
        )
    if ctx.numpy_dtype(ctx.node.inputs[0]) == dtype:
        return X
    if not hasattr(torch, str(dtype)):
        ctx.refuse(f"PyTorch has no type {dtype}")
    if dtype.name.startswith("float8"):
        kind = getattr(torch, dtype.name)
        if kind not in FLOAT8 or ctx.numpy_dtype(ctx.node.inputs[0]) == np.float64:
            ctx.refuse(f"PyTorch does not round to {dtype} as the standard asks")
        return LaidOut(ctx.function(to_float8, ctx.placed(X).tensor, kind, saturate=saturate), X.order)
    return LaidOut(ctx.method("to", X.tensor, getattr(torch, str(dtype))), X.order)


def _dtype(ctx: TorchImporter, to: int) -> np.dtype[Any]:
    from onnx.helper import tensor_dtype_to_np_dtype

    return np.dtype(ctx.float_dtype(tensor_dtype_to_np_dtype(to).name))
