"""Constants, shapes, and integers computed from shapes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from metannvis_translate.constants import constant_array
from metannvis_translate.hub import DOMAIN, exact_value
from metannvis_translate.layout import Placed, identity
from metannvis_translate.onnx_to_torch.calls import call
from metannvis_translate.onnx_to_torch.registry import converter
from metannvis_translate.symbols import evaluate_symbols
from metannvis_translate.values import Const, Value

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.onnx_to_torch.importer import TorchImporter

__all__ = ["SIZE_OPERATORS", "Size", "Sizes", "calculate"]

#: What is calculated with sizes.
SIZE_OPERATORS = {
    "Identity", "Cast", "Concat", "Gather", "Unsqueeze", "Squeeze", "Reshape", "Slice", "ReduceProd", "Add", "Sub", "Mul",
    "Div", "Neg",
}  # fmt: skip

HIGHEST_DEGREE = 64


@dataclass(frozen=True)
class Size:
    """A size that is known when the model runs; calculating with it adds to the model's graph."""

    ctx: TorchImporter
    node: fx.Node
    #: How many sizes are multiplied in it. Python's integers have as many digits as that takes, and no tensor has them.
    degree: int = 1

    def _with(self, function: Any, *operands: Any) -> Size:
        degrees = [o.degree if isinstance(o, Size) else 0 for o in operands]
        degree = sum(degrees) if function is operator.mul else max(degrees)
        if degree > HIGHEST_DEGREE:
            self.ctx.refuse(f"it computes a size that is a product of {degree} sizes")
        made = self.ctx.function(function, *(o.node if isinstance(o, Size) else o for o in operands))
        return Size(self.ctx, made, degree)

    def __add__(self, other: Any) -> Size:
        return self._with(operator.add, self, other)

    def __radd__(self, other: Any) -> Size:
        return self._with(operator.add, other, self)

    def __sub__(self, other: Any) -> Size:
        return self._with(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Size:
        return self._with(operator.sub, other, self)

    def __mul__(self, other: Any) -> Size:
        return self._with(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Size:
        return self._with(operator.mul, other, self)

    def __floordiv__(self, other: Any) -> Size:
        return self._with(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Size:
        return self._with(operator.floordiv, other, self)

    def __neg__(self) -> Size:
        return self._with(operator.neg, self)


@dataclass(frozen=True, eq=False)
class Sizes(Const):
    """A tensor some of whose elements are sizes known when the model runs: an array of ``int`` and :class:`Size`."""

    dtype: str = "int64"


def calculate(node: ir.Node, values: Sequence[Const]) -> Sizes | None:
    """What a node computes from sizes; ``None`` if it computes something else."""
    if node.op_type == "Reshape" and not isinstance(values[0], Sizes):
        return None
    elements = evaluate_symbols(node, [value.array.astype(object) for value in values])
    if elements is None:
        return None
    dtype = node.outputs[0].dtype
    before = next(value.dtype for value in values if isinstance(value, Sizes))
    return Sizes(elements, name=node.outputs[0].name or "", dtype=before if dtype is None else dtype.numpy().name)


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
) -> Const:
    """A value that is known; the double behind a float32 number, where the exporter kept it."""
    if sparse_value is not None:
        ctx.refuse("it is sparse")
    array = constant_array(ctx.node)
    return Const(ctx._floats(array), name=ctx.node.outputs[0].name or "", exact=exact_value(ctx.node, "value"))


@converter("Identity", since=1)
def Identity(ctx: TorchImporter, input: Value) -> Value:
    """What went in."""
    return input


@converter("StopGradient", domain=DOMAIN)
def StopGradient(ctx: TorchImporter, X: Value) -> Placed:
    """What went in, without its gradient."""
    x = ctx.placed(X)
    return Placed(ctx.function(torch.detach, x.tensor), x.order)


@converter("Dropout", since=7)
def Dropout_7(ctx: TorchImporter, data: Value, *, ratio: float = 0.5) -> Placed | tuple[Placed, Placed]:
    """``nn.Dropout``, which does nothing in inference."""
    x = ctx.placed(data)
    result = Placed(ctx.module(nn.Dropout(ratio), x.tensor), x.order)
    if ctx.used_outputs() == 1:
        return result
    dtype = torch.bool if ctx.opset >= 10 else None
    return result, Placed(ctx.function(torch.ones_like, x.tensor, dtype=dtype), x.order)


@converter("Dropout", since=12)
def Dropout(
    ctx: TorchImporter,
    data: Value,
    ratio: Value | None = None,
    training_mode: Value | None = None,
    *,
    seed: int | None = None,
) -> Placed | tuple[Placed, Placed]:
    """``nn.Dropout``, which does nothing in inference."""
    if training_mode is not None and ctx.known(training_mode, "training_mode").any():
        ctx.refuse("it is in training mode")
    return Dropout_7(ctx, data, ratio=float(ratio.array.reshape(())) if isinstance(ratio, Const) else 0.5)


@converter("Shape", since=1)
def Shape(ctx: TorchImporter, data: Value, *, start: int = 0, end: int | None = None) -> Value:
    """Sizes, those that are free taken from the tensor when the model runs."""
    if ctx.node.outputs[0].is_graph_output():
        return call(ctx, shape_of, data, rank=1, start=start, end=end)
    if isinstance(data, Const):
        return Const(np.array(data.array.shape[start:end], dtype=np.int64), name=ctx.node.outputs[0].name or "")
    shape = ctx.shape(0) or (None,) * data.rank
    axes = range(data.rank)[start:end]
    if all(shape[axis] is not None for axis in axes):
        return Const(np.array([shape[axis] for axis in axes], dtype=np.int64), name=ctx.node.outputs[0].name or "")
    sizes = np.empty(len(axes), dtype=object)
    for k, axis in enumerate(axes):
        size = shape[axis]
        sizes[k] = size if size is not None else Size(ctx, ctx.method("size", data.tensor, data.axis(axis)))
    return Sizes(sizes, name=ctx.node.outputs[0].name or "")


def shape_of(x: torch.Tensor, *, start: int, end: int | None) -> torch.Tensor:
    """The sizes of some axes, as a tensor."""
    return torch.tensor(x.shape[start:end], dtype=torch.int64, device=x.device)


def size_of(x: torch.Tensor) -> torch.Tensor:
    """The number of elements, as a tensor."""
    return torch.tensor(x.numel(), dtype=torch.int64, device=x.device)


@converter("Size", since=1)
def Size_1(ctx: TorchImporter, data: Value) -> Value:
    """``Tensor.numel``."""
    return call(ctx, size_of, data, rank=0)


@converter("ConstantOfShape", since=9)
def ConstantOfShape(ctx: TorchImporter, input: Value, *, value: Any = None) -> Value:
    """``torch.full``."""
    fill = np.zeros(1, np.float32) if value is None else np.asarray(value.numpy())
    sizes = ctx.sizes(input, "shape")
    array = ctx._floats(fill)
    if not any(isinstance(size, fx.Node) for size in sizes):
        return Const(np.full(sizes, array.reshape(()), dtype=array.dtype), name=ctx.node.outputs[0].name or "")
    dtype = getattr(torch, str(array.dtype))
    tensor = ctx.function(torch.full, tuple(sizes), array.reshape(()).item(), dtype=dtype)
    return Placed(tensor, identity(len(sizes)))


@converter("Range", since=11)
def Range(ctx: TorchImporter, start: Value, limit: Value, delta: Value) -> Value:
    """``torch.arange``."""
    dtype = ctx.numpy_dtype(ctx.node.outputs[0]) or ctx.known(delta, "delta").dtype
    ends = [ctx.sizes(value, "bounds")[0] for value in (start, limit, delta)]
    if not any(isinstance(end, fx.Node) for end in ends):
        return Const(np.arange(*ends, dtype=dtype), name=ctx.node.outputs[0].name or "")
    return Placed(ctx.function(torch.arange, *ends, dtype=getattr(torch, str(dtype))), identity(1))
