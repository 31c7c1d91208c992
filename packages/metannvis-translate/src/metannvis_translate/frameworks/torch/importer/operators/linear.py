"""Dense layers, products of matrices, Einsum and determinants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from metannvis_translate.frameworks.torch.importer.calls import call
from metannvis_translate.frameworks.torch.importer.operators.elementwise import add
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.einsum import explicit
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def dense(
    ctx: TorchImporter, X: Value, W: ConstantValue, B: ConstantValue | None, *, transposed: bool = False
) -> LaidOut:
    """``nn.Linear`` over the last axis; ``transposed``: the weight lies (out, in), as PyTorch has it."""
    x = ctx.placed(X)
    if x.order[-1] != x.rank - 1:
        x = ctx.plain(x)
    weight = ctx.weight(W) if transposed else ctx.weight(W, "transposed", W.array.T)
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=B is not None, device="meta")
    module.weight = weight
    if B is not None:
        module.bias = ctx.weight(B) if B.rank == 1 else ctx.weight(B, "flat", B.array.reshape(-1))
    return LaidOut(ctx.module(module, x.tensor), x.order)


@converter("Linear", domain="metannvis")
def Linear(ctx: TorchImporter, X: Value, W: Value, B: Value | None = None) -> LaidOut:
    """``nn.Linear``."""
    if not isinstance(W, ConstantValue) or not (B is None or isinstance(B, ConstantValue)):
        ctx.refuse("its weights are computed when the model runs")
    if ctx.is_integer():  # of which no module has weights
        product = MatMul(ctx, X, W)
        return product if B is None else add(ctx, product, B)
    return dense(ctx, X, W, B)


@converter("MatMul", since=1)
def MatMul(ctx: TorchImporter, A: Value, B: Value) -> LaidOut:
    """``nn.Linear`` with a weight, ``torch.matmul`` with what is computed."""
    if isinstance(B, ConstantValue) and B.rank == 2 and isinstance(A, LaidOut) and not ctx.is_integer():
        return dense(ctx, A, B, None)
    a, b = ctx.plain(A), ctx.plain(B)
    rank = max(a.rank, b.rank)
    rank -= (a.rank == 1) + (b.rank == 1) if rank > 1 else 1
    return LaidOut(ctx.function(torch.matmul, a.tensor, b.tensor), identity(rank))


@converter("Gemm", since=7)
def Gemm(
    ctx: TorchImporter,
    A: Value,
    B: Value,
    C: Value | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> LaidOut:
    """``nn.Linear`` with a weight, ``torch.matmul`` with what is computed."""
    if transA:
        a = ctx.placed(A)
        A = LaidOut(a.tensor, tuple(1 - axis for axis in a.order))
    is_bias = False
    if ctx.is_integer():
        alpha, beta = int(alpha), int(beta)
    if isinstance(B, ConstantValue) and isinstance(A, LaidOut) and alpha == 1 and not ctx.is_integer():
        width = B.array.shape[0 if transB else 1]
        is_bias = (
            isinstance(C, ConstantValue) and beta == 1 and C.array.size == width and C.array.shape[-1:] == (width,)
        )
        bias = C if is_bias and isinstance(C, ConstantValue) else None
        result = dense(ctx, A, B, bias, transposed=bool(transB))
    else:
        if transB:
            b = ctx.placed(B)
            B = LaidOut(b.tensor, tuple(1 - axis for axis in b.order))
        product = ctx.function(torch.matmul, ctx.plain(A).tensor, ctx.plain(B).tensor)
        result = LaidOut(product if alpha == 1 else ctx.function(torch.mul, product, alpha), identity(2))
    if C is None or is_bias:
        return result
    if beta != 1:
        c = ctx.placed(C)
        C = LaidOut(ctx.function(torch.mul, c.tensor, beta), c.order)
    return add(ctx, result, C)


@converter("Einsum", since=12)
def Einsum(ctx: TorchImporter, *Inputs: Value, equation: str) -> LaidOut:
    """``torch.einsum``."""
    equation = equation.replace(" ", "")
    inputs, _, output = explicit(equation).partition("->")
    rank = len(output.replace("...", ""))
    if "..." in output:
        terms = zip(inputs.split(","), Inputs, strict=True)
        rank += max(value.rank - len(term.replace("...", "")) for term, value in terms if "..." in term)
    tensors = [ctx.plain(value).tensor for value in Inputs]
    return LaidOut(ctx.function(torch.einsum, equation, *tensors), identity(rank))


def determinant(x: Tensor) -> Tensor:
    """Of each matrix."""
    return torch.linalg.det(x)


@converter("Det", since=11)
def Det(ctx: TorchImporter, X: Value) -> LaidOut:
    """``torch.linalg.det``."""
    return call(ctx, determinant, X, rank=X.rank - 2)
