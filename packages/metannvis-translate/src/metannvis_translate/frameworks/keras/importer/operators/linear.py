"""Dense layers, products of matrices, Einsum and determinants."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters, ascii_lowercase
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate import keras_objects
from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.einsum import explicit
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops

Array = np.ndarray[Any, Any]


@converter("Gemm", since=1)
def Gemm(
    ctx: KerasImporter,
    A: Value,
    B: Value,
    C: Value | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    broadcast: int = 0,
    transA: int = 0,
    transB: int = 0,
) -> LaidOut:
    """Native ``Dense`` for a constant matrix and a bias vector, else ``alpha · A' B' + beta · C``."""
    a = ctx.plain(A)
    if is_whole(ctx):
        alpha, beta = int(alpha), int(beta)
    bias = C.array if isinstance(C, ConstantValue) else None
    plain = alpha == 1.0 and (C is None or beta == 1.0) and not transA
    if (
        isinstance(B, ConstantValue)
        and plain
        and not is_whole(ctx)
        and not ctx.in_other_forms(B)
        and (C is None or (bias is not None and bias.ndim <= 2 and bias.size == max(bias.shape or (1,))))
    ):
        kernel = B.array.T if transB else B.array
        if bias is None or bias.size == kernel.shape[1]:
            return dense(ctx, a, kernel, None if bias is None else bias.reshape(-1))
    left = ops.transpose(a.tensor) if transA else a.tensor
    right = ctx.plain(B).tensor
    product = product_of(ctx, left, ops.transpose(right) if transB else right)
    if alpha != 1.0:
        product = ops.multiply(product, alpha)
    if C is not None:
        is_plain = isinstance(C, ConstantValue) and not C.trainable
        third = C.array if is_plain else ctx.plain(C).tensor  # type: ignore[union-attr]
        product = add(product, third if beta == 1.0 else ops.multiply(third, beta))
    return ctx.keep(a, product)


@converter("Linear", since=1, domain="metannvis")
def Linear(ctx: KerasImporter, X: Value, W: Value, B: Value | None = None) -> LaidOut:
    """``X @ W + B`` over the last logical axis: a native ``Dense``."""
    x = ctx.plain(X)
    if ctx.in_other_forms(W) or is_whole(ctx) or x.rank < 2:  # a layer takes a batch
        product = ctx.keep(x, product_of(ctx, x.tensor, ctx.plain(W).tensor))
        return product if B is None else ctx.keep(x, add(product.tensor, ctx.plain(B).tensor))
    return dense(ctx, x, ctx.known(W, "weight"), None if B is None else ctx.known(B, "bias"))


def product_of(ctx: KerasImporter, a: Any, b: Any) -> Any:
    """NumPy's ``matmul``; of integers by a layer of ours, since Keras' own computes it in single precision."""
    if "int" not in keras.backend.standardize_dtype(a.dtype):
        return ops.matmul(a, b)
    return ctx.operator_layer(keras_objects.IntegerProduct, a, b)


def is_whole(ctx: KerasImporter) -> bool:
    """Whether the current node works on integers, of which no ``Dense`` layer is made."""
    first = ctx.node.inputs[0]
    return first is not None and first.dtype is not None and first.dtype.is_integer()


def dense(ctx: KerasImporter, x: LaidOut, kernel: Array, bias: Array | None) -> LaidOut:
    """A ``Dense`` layer; kernel (in, out)."""
    if x.tensor.shape[-1] is None:
        x = _of_features(ctx, x, kernel.shape[0])
    weights = {"kernel": kernel}
    if bias is not None:
        weights["bias"] = bias
    return ctx.keep(
        x, ctx.layer_of(layers.Dense, x.tensor, weights=weights, units=kernel.shape[1], use_bias=bias is not None)
    )


def _of_features(ctx: KerasImporter, x: LaidOut, features: int) -> LaidOut:
    """The same value, whose last axis Keras does not know the size of, but the kernel does."""
    sizes = [-1 if size is None else size for size in x.tensor.shape[:-1]]
    # with the batch alone free, the number is the kernel's; with another size it is that for one size of several
    if sizes[1:].count(-1) or any(None in port.shape[1:] for port in ctx.hub.inputs):
        ctx.refuse(f"it takes {features} features, and their number depends on a free size")
    return LaidOut(ctx.layer_of(layers.Reshape, x.tensor, target_shape=(*sizes[1:], features)), x.order)


@converter("MatMul", since=1)
def MatMul(ctx: KerasImporter, A: Value, B: Value) -> LaidOut:
    """NumPy's ``matmul``; a constant matrix on the right is a ``Dense`` without a bias."""
    is_dense = isinstance(B, ConstantValue) and B.rank == 2 and not ctx.in_other_forms(B) and not is_whole(ctx)
    if isinstance(A, LaidOut) and isinstance(B, ConstantValue) and is_dense and A.rank > 1:
        return dense(ctx, ctx.plain(A), B.array, None)
    a, b = ctx.plain(A), ctx.plain(B)
    product = product_of(ctx, a.tensor, b.tensor)
    return LaidOut(product, tuple(range(len(product.shape))))


@converter("Einsum", since=12)
def Einsum(ctx: KerasImporter, *Inputs: Value, equation: str) -> LaidOut:
    """The sum of products that the equation tells, natively."""
    values = [ctx.plain(value).tensor for value in Inputs]
    if any("int" in keras.backend.standardize_dtype(tensor.dtype) for tensor in values):
        ctx.refuse("integers are not summed exactly")
    equation = without_dots(explicit(equation), [len(tensor.shape) for tensor in values])
    result = ops.einsum(in_small_letters(equation), *values)
    return LaidOut(result, tuple(range(len(result.shape))))


def without_dots(equation: str, ranks: Sequence[int]) -> str:
    """The same equation with letters for dots that the result has not, along which it is summed; TensorFlow refuses those."""
    terms, _, result = equation.partition("->")
    if "..." not in terms or "..." in result:
        return equation
    free = [letter for letter in ascii_letters if letter not in equation]
    written = []
    for term, rank in zip(terms.split(","), ranks, strict=True):
        several = rank - sum(letter.isalpha() for letter in term)
        written.append(term.replace("...", "".join(reversed(free[:several]))))
    return f"{','.join(written)}->{result}"


def in_small_letters(equation: str) -> str:
    """The same equation with the letters that Keras knows."""
    letters = dict.fromkeys(letter for letter in equation if letter.isalpha())
    return equation.translate({ord(old): new for old, new in zip(letters, ascii_lowercase, strict=False)})


@converter("Det", since=11)
def Det(ctx: KerasImporter, X: Value) -> LaidOut:
    x = ctx.plain(X)
    return LaidOut(ops.det(x.tensor), tuple(range(x.rank - 2)))
