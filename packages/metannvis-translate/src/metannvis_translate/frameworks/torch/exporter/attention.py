"""Scaled dot product attention: PyTorch's exporter knows four axes only, and a query that sees nothing not at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import stop

__all__ = ["translations"]


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def attention(  # type: ignore[no-untyped-def]
    query, key, value, attn_mask=None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
):  # fmt: skip
    if dropout_p:
        raise NotImplementedError("scaled_dot_product_attention drops at random (dropout_p), in inference too")
    mask = _causal(query, key) if is_causal else attn_mask
    if enable_gqa:
        key, value = (_repeated(part, query) for part in (key, value))
    root = math.sqrt(1 / math.sqrt(query.shape[-1]) if scale is None else abs(scale))
    sign = -1.0 if scale is not None and scale < 0 else 1.0
    return _attention(query, key, value, mask, root, sign)


def attention_and_sums(  # type: ignore[no-untyped-def]
    query, key, value, dropout_p: float = 0.0, is_causal: bool = False, attn_mask=None, scale: float | None = None
):
    found = attention(query, key, value, attn_mask, dropout_p, is_causal, scale)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = _scores(query, key, math.sqrt(abs(factor)), math.copysign(1.0, factor))
    if is_causal:
        scores = op.Where(_causal(query, key), scores, _number(-math.inf, query))
    elif attn_mask is not None:
        scores = op.Add(scores, attn_mask)
    # which PyTorch gives no derivative
    return found, stop(op.ReduceLogSumExp(scores, op.Constant(value_ints=[-1]), keepdims=0))


def _number(x: float, like: Any) -> Any:
    return op.Constant(value=ir.tensor(x, dtype=like.dtype))


def _scores(query: Any, key: Any, root: float, sign: float) -> Any:
    """Q · kᵀ · scale; as in PyTorch, ``root`` of the scale goes to the query and to the key."""
    rank = len(query.shape)
    turned = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    return op.MatMul(op.Mul(query, _number(sign * root, query)), op.Mul(turned, _number(root, query)))


def _attention(query: Any, key: Any, value: Any, mask: Any, root: float, sign: float) -> Any:
    """softmax(q · kᵀ · scale + mask) · v over the last two axes, the others batches; zero for a query that sees nothing."""

    def number(x: float) -> Any:
        return _number(x, query)

    scores = _scores(query, key, root, sign)
    if mask is None:
        return op.MatMul(op.Softmax(scores, axis=-1), value)
    if mask.dtype == ir.DataType.BOOL:
        seen = mask
        scores = op.Where(mask, scores, number(query.dtype.min))
    else:
        scores = op.Add(scores, mask)
        best = op.ReduceMax(mask, op.Constant(value_ints=[-1]), keepdims=1)
        seen = op.Greater(best, number(-math.inf))
        scores = op.Where(seen, scores, number(0.0))  # a row of minus infinities has no softmax, nor a derivative
    weights = op.Where(seen, op.Softmax(scores, axis=-1), number(0.0))
    return op.MatMul(weights, value)


def _causal(query: Any, key: Any) -> Any:
    """Which keys each query sees: those up to its own place, both counted from the beginning."""
    lengths = [x.shape[-2] for x in (query, key)]
    if not all(isinstance(length, int) for length in lengths):
        raise NotImplementedError("causal attention over a free length")
    mask = op.Constant(value=ir.tensor(np.tri(*lengths, dtype=bool)))
    mask.dtype = ir.DataType.BOOL
    return mask


def _repeated(part: Any, query: Any) -> Any:
    """Keys or values with each head as often as there are heads of the query to share it."""
    heads, wanted = part.shape[-3], query.shape[-3]
    if heads == wanted:
        return part
    places = np.repeat(np.arange(heads), wanted // heads).tolist()
    return op.Gather(part, op.Constant(value_ints=places), axis=len(part.shape) - 3)


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.scaled_dot_product_attention.default: attention,
        aten._scaled_dot_product_flash_attention_for_cpu.default: attention_and_sums,
    }
