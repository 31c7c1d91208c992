"""Constants, sizes, ranges and triangles; and what hands its input on: identity, dropout, stopped gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from metannvis_translate.frameworks.torch.importer.calls import call, torch_dtype
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.frameworks.torch.importer.sizes import Size as DynamicSize
from metannvis_translate.frameworks.torch.importer.sizes import Sizes
from metannvis_translate.graph.constants import constant_array
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.graph.metadata import DOMAIN, exact_value
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


@converter("Constant", since=1)
def Constant(
    ctx: TorchImporter,
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
    value_string: str | None = None,
    value_strings: Sequence[str] | None = None,
    sparse_value: Any = None,
) -> ConstantValue:
    """A value that is known; the double behind a float32 number, where the exporter kept it."""
    if sparse_value is not None:
        ctx.refuse("it is sparse")
    array = constant_array(ctx.node)
    return ConstantValue(ctx._floats(array), name=ctx.node.outputs[0].name or "", exact=exact_value(ctx.node, "value"))


@converter("Identity", since=1)
def Identity(ctx: TorchImporter, input: Value) -> Value:
    """What went in."""
    return input


@converter("StopGradient", domain=DOMAIN)
def StopGradient(ctx: TorchImporter, X: Value) -> LaidOut:
    """What went in, without its gradient."""
    x = ctx.placed(X)
    return LaidOut(ctx.function(torch.detach, x.tensor), x.order)


@converter("Dropout", since=7)
def Dropout_7(ctx: TorchImporter, data: Value, *, ratio: float = 0.5) -> LaidOut | tuple[LaidOut, LaidOut]:
    """``nn.Dropout``, which does nothing in inference."""
    x = ctx.placed(data)
    result = LaidOut(ctx.module(nn.Dropout(ratio), x.tensor), x.order)
    if ctx.used_outputs() == 1:
        return result
    dtype = torch.bool if ctx.opset >= 10 else None
    return result, LaidOut(ctx.function(torch.ones_like, x.tensor, dtype=dtype), x.order)


@converter("Dropout", since=12)
def Dropout(
    ctx: TorchImporter,
    data: Value,
    ratio: Value | None = None,
    training_mode: Value | None = None,
    *,
    seed: int | None = None,
) -> LaidOut | tuple[LaidOut, LaidOut]:
    """``nn.Dropout``, which does nothing in inference."""
    if training_mode is not None and ctx.known(training_mode, "training_mode").any():
        share = 0.5 if ratio is None else float(ctx.known(ratio, "ratio").reshape(-1)[0])
        if share:
            ctx.refuse("it is in training mode")
    return Dropout_7(ctx, data, ratio=float(ratio.array.reshape(())) if isinstance(ratio, ConstantValue) else 0.5)


@converter("Shape", since=1)
def Shape(ctx: TorchImporter, data: Value, *, start: int = 0, end: int | None = None) -> Value:
    """Sizes, those that are free taken from the tensor when the model runs."""
    if ctx.node.outputs[0].is_graph_output():
        return call(ctx, shape_of, data, rank=1, start=start, end=end)
    if isinstance(data, ConstantValue):
        return ConstantValue(np.array(data.array.shape[start:end], dtype=np.int64), name=ctx.node.outputs[0].name or "")
    shape = ctx.shape(0) or (None,) * data.rank
    axes = range(data.rank)[start:end]
    if all(shape[axis] is not None for axis in axes):
        return ConstantValue(
            np.array([shape[axis] for axis in axes], dtype=np.int64), name=ctx.node.outputs[0].name or ""
        )
    sizes = np.empty(len(axes), dtype=object)
    for k, axis in enumerate(axes):
        size = shape[axis]
        sizes[k] = size if size is not None else DynamicSize(ctx, ctx.method("size", data.tensor, data.axis(axis)))
    return Sizes(sizes, name=ctx.node.outputs[0].name or "")


def shape_of(x: torch.Tensor, *, start: int, end: int | None) -> torch.Tensor:
    """The sizes of some axes, as a tensor."""
    return torch.tensor(x.shape[start:end], dtype=torch.int64, device=x.device)


def size_of(x: torch.Tensor) -> torch.Tensor:
    """The number of elements, as a tensor."""
    return torch.tensor(x.numel(), dtype=torch.int64, device=x.device)


@converter("Size", since=1)
def Size(ctx: TorchImporter, data: Value) -> Value:
    """``Tensor.numel``."""
    return call(ctx, size_of, data, rank=0)


def filled(shape: Tensor, *, value: Any, dtype: torch.dtype) -> Tensor:
    """A tensor of a computed shape with one value everywhere."""
    return torch.full(tuple(shape.tolist()), value, dtype=dtype, device=shape.device)


@converter("ConstantOfShape", since=9)
def ConstantOfShape(ctx: TorchImporter, input: Value, *, value: Any = None) -> Value:
    """``torch.full``."""
    fill = np.zeros(1, np.float32) if value is None else np.asarray(value.numpy())
    if isinstance(input, LaidOut):
        rank = (ctx.shape(0) or (None,))[0]
        if rank is None:
            ctx.refuse("how many axes it has is computed when the model runs")
        to = getattr(torch, ctx.float_dtype(str(fill.dtype)))
        return call(ctx, filled, input, rank=rank, value=fill.reshape(()).item(), dtype=to)
    sizes = ctx.sizes(input, "shape")
    array = ctx._floats(fill)
    if not any(isinstance(size, fx.Node) for size in sizes):
        return ConstantValue(np.full(sizes, array.reshape(()), dtype=array.dtype), name=ctx.node.outputs[0].name or "")
    dtype = getattr(torch, str(array.dtype))
    tensor = ctx.function(torch.full, tuple(sizes), array.reshape(()).item(), dtype=dtype)
    return LaidOut(tensor, identity(len(sizes)))


def steps_between(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Numbers from ``start`` up or down to ``limit``, without it; of floats in double precision, as many as that says."""
    wide = torch.float64 if start.is_floating_point() else torch.int64
    first, last, step = (x.to(wide).reshape(()) for x in (start, limit, delta))
    count = int(((last - first).double() / step.double()).ceil())
    return (first + torch.arange(max(count, 0), dtype=wide, device=start.device) * step).to(start.dtype)


@converter("Range", since=11)
def Range(ctx: TorchImporter, start: Value, limit: Value, delta: Value, *, stash_type: int = 1) -> Value:
    """``torch.arange``."""
    if any(isinstance(value, LaidOut) for value in (start, limit, delta)):
        return call(ctx, steps_between, start, limit, delta, rank=1)
    dtype = ctx.numpy_dtype(ctx.node.outputs[0]) or ctx.known(delta, "delta").dtype
    ends = [ctx.sizes(value, "bounds")[0] for value in (start, limit, delta)]
    if not any(isinstance(end, fx.Node) for end in ends):
        return ConstantValue(np.arange(*ends, dtype=dtype), name=ctx.node.outputs[0].name or "")
    return LaidOut(ctx.function(torch.arange, *ends, dtype=getattr(torch, str(dtype))), identity(1))


@converter("Trilu", since=14)
def Trilu(ctx: TorchImporter, input: Value, k: Value | None = None, *, upper: int = 1) -> LaidOut:
    """``torch.triu``, ``torch.tril``."""
    x = ctx.plain(input)
    diagonal = 0 if k is None else int(ctx.known(k, "k").reshape(()))
    return LaidOut(ctx.function(torch.triu if upper else torch.tril, x.tensor, diagonal), x.order)


def eye_like(x: Tensor, *, k: int, dtype: torch.dtype | None) -> Tensor:
    """Ones on a diagonal of a matrix as large as ``x``."""
    ones = torch.ones(x.shape, dtype=dtype or x.dtype, device=x.device)
    return torch.triu(torch.tril(ones, k), k)


@converter("EyeLike", since=9)
def EyeLike(ctx: TorchImporter, input: Value, *, dtype: int | None = None, k: int = 0) -> LaidOut:
    """``torch.tril`` and ``torch.triu`` of ones."""
    return call(ctx, eye_like, input, rank=2, k=k, dtype=torch_dtype(ctx, dtype))
