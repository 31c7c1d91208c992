"""Sizes that are known only when the model runs, and arithmetic with them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from metannvis_translate.graph.symbolic_shapes import evaluate_symbols
from metannvis_translate.importing.batch_limits import BatchLimit
from metannvis_translate.importing.values import ConstantValue

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["SIZE_OPERATORS", "Size", "Sizes", "calculate", "limited"]

#: What is calculated with sizes.
SIZE_OPERATORS = {
    "Identity", "Cast", "Concat", "Gather", "Unsqueeze", "Squeeze", "Reshape", "Slice", "ReduceProd", "Add", "Sub", "Mul",
    "Div", "Mod", "Neg", "Where", "Max", "Min",
}  # fmt: skip


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

    def __truediv__(self, other: Any) -> Size:
        return self._with(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Size:
        return self._with(operator.truediv, other, self)

    def __neg__(self) -> Size:
        return self._with(operator.neg, self)


@dataclass(frozen=True, eq=False)
class Sizes(ConstantValue):
    """A tensor some of whose elements are sizes known when the model runs: an array of ``int`` and :class:`Size`."""

    dtype: str = "int64"


def calculate(node: ir.Node, values: Sequence[ConstantValue]) -> Sizes | None:
    """What a node computes from sizes; ``None`` if it computes something else."""
    if node.op_type == "Reshape" and not isinstance(values[0], Sizes):
        return None
    dtype = node.outputs[0].dtype
    before = next(value.dtype for value in values if isinstance(value, Sizes))
    arrays = [value.array.astype(object) for value in values]
    if node.op_type == "Div" and np.dtype(before).kind == "f":  # that of integers is rounded down
        elements: Any = np.asarray(np.frompyfunc(operator.truediv, 2, 1)(*arrays), dtype=object)
    elif node.op_type in ("Max", "Min"):
        extreme = partial(_extreme, torch.sym_max if node.op_type == "Max" else torch.sym_min)
        elements = np.asarray(reduce(np.frompyfunc(extreme, 2, 1), arrays), dtype=object)
    else:
        elements = evaluate_symbols(node, arrays)
    if elements is None:
        return None
    return Sizes(elements, name=node.outputs[0].name or "", dtype=before if dtype is None else dtype.numpy().name)


def _extreme(function: Any, a: Any, b: Any) -> Any:
    """The larger or smaller of two sizes."""
    size = next((x for x in (a, b) if isinstance(x, Size)), None)
    return function(a, b) if size is None else size._with(function, a, b)


HIGHEST_DEGREE = 64


def limited(x: torch.Tensor, axis: int, exact: int | None, least: int, text: str) -> torch.Tensor:
    """A tensor as it is, if its size along an axis is the exact one or at least the least one."""
    BatchLimit(exact, least, text, axis).check(x.shape[axis])
    return x
