"""Attention and rotary embeddings, as plain arithmetic: exact in double precision, with masks, caches and windows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.operators.softmax import softmax
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.attention import Visible, feature_pairs, root_of_scale
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Attention", since=23)
def Attention(
    ctx: KerasImporter,
    Q: Value,
    K: Value,
    V: Value,
    attn_mask: Value | None = None,
    past_key: Value | None = None,
    past_value: Value | None = None,
    nonpad_kv_seqlen: Value | None = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int = 0,
    left_window_size: int = -1,
    q_num_heads: int = 0,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> tuple[LaidOut, ...]:
    """softmax(Q √s · (K √s)ᵀ + bias) · V over heads; a query that may attend to nothing gets zeros.

    Q ``(batch, heads, length, size)`` or ``(batch, length, heads · size)``, K and V likewise with their own lengths.
    """
    rank = Q.rank
    q, k, v = (
        split_heads(ctx, value, heads)
        for value, heads in ((Q, q_num_heads), (K, kv_num_heads), (V, kv_num_heads))
    )  # fmt: skip
    if past_key is not None and past_value is not None:
        k = ops.concatenate([ctx.plain(past_key).tensor, k], axis=2)
        v = ops.concatenate([ctx.plain(past_value).tensor, v], axis=2)
    present = k, v
    repeats = q.shape[1] // k.shape[1]
    if repeats > 1:
        k, v = ops.repeat(k, repeats, axis=1), ops.repeat(v, repeats, axis=1)
    root = root_of_scale(scale, q.shape[3])
    scores = ops.matmul(ops.multiply(q, root), ops.transpose(ops.multiply(k, root), (0, 1, 3, 2)))
    shown = [scores]
    if softcap > 0:
        scores = ops.multiply(ops.tanh(ops.divide(scores, softcap)), softcap)
    shown.append(scores)
    seen = Visible.of(is_causal=is_causal, left_window_size=left_window_size, right_window_size=right_window_size)
    allowed = visible(ctx, q, k, past_key, nonpad_kv_seqlen, seen)
    bias = None
    if attn_mask is not None:
        mask = fill_up(ctx.plain(attn_mask).tensor, k.shape[2])
        if keras.backend.standardize_dtype(mask.dtype) == "bool":
            allowed.append(mask)
        else:
            bias = mask
    scores, open_to = masked(scores, bias, allowed)
    shown.append(scores)
    weights = attention_weights(ctx, scores, open_to, softmax_precision)
    shown.append(weights)
    result = ops.matmul(weights, v)
    if rank == 3:
        result = join_heads(ctx, result)
    tensors = (result, *present, shown[qk_matmul_output_mode])
    return tuple(LaidOut(tensor, identity(len(tensor.shape))) for tensor in tensors)


def split_heads(ctx: KerasImporter, value: Value, heads: int) -> Any:
    """``(batch, length, heads · size)`` as ``(batch, heads, length, size)``, which a tensor of four axes is already."""
    x = ctx.plain(value)
    if x.rank == 4:
        return x.tensor
    if heads < 1 or x.tensor.shape[2] is None:
        ctx.refuse("the number of its heads or the size of a token is not known")
    size = x.tensor.shape[2] // heads
    apart = layers.Reshape((-1, heads, size), name=ctx.unique(ctx.name("heads")), dtype=x.tensor.dtype)(x.tensor)
    return ops.transpose(apart, (0, 2, 1, 3))


def join_heads(ctx: KerasImporter, tensor: Any) -> Any:
    """``(batch, heads, length, size)`` as ``(batch, length, heads · size)``."""
    width = tensor.shape[1] * tensor.shape[3]
    tensor = ops.transpose(tensor, (0, 2, 1, 3))
    return layers.Reshape((-1, width), name=ctx.unique(ctx.name("tokens")), dtype=tensor.dtype)(tensor)


def places(tensor: Any) -> Any:
    """0, 1, 2 … along axis 2 of a tensor of four axes, shape (length,); computed if the length is free."""
    if tensor.shape[2] is not None:
        return np.arange(tensor.shape[2], dtype="int32")
    ones = ops.ones_like(tensor[0, 0, :, 0], dtype="int32")
    return ops.subtract(ops.cumsum(ones), 1)


def visible(
    ctx: KerasImporter,
    q: Any,
    k: Any,
    past_key: Value | None,
    lengths: Value | None,
    seen: Visible,
) -> list[Any]:
    """Which keys each query may see by its place, as boolean tensors that broadcast to (batch, heads, queries, keys).

    A query's place counts from the keys' beginning: behind those of the cache, or at the end of the ones in use.
    """
    allowed = []
    column, row = places(k)[None, :], places(q)[:, None]
    if lengths is not None:
        used = ops.cast(ops.reshape(ctx.plain(lengths).tensor, (-1, 1, 1, 1)), "int32")
        allowed.append(ops.less(column, used))
        if past_key is None:
            length = q.shape[2]
            if length is None:
                length = ops.max(row, axis=0, keepdims=True) + 1
            row = add(row, ops.subtract(used, length))
    if past_key is not None:
        before = ctx.placed(past_key)
        cached = before.tensor.shape[before.axis(2)]
        if cached is None and not seen.is_all:
            ctx.refuse("the length of its cache is free")
        row = row + (cached or 0)
    if seen.behind == 0:
        allowed.append(ops.less_equal(column, row))
    if seen.before is not None:
        allowed.append(ops.less_equal(ops.subtract(row, column), seen.before))
    if seen.behind:
        allowed.append(ops.less_equal(ops.subtract(column, row), seen.behind))
    return allowed


def fill_up(mask: Any, keys: int | None) -> Any:
    """A mask as long as there are keys: those beyond its own length may not be seen."""
    missing = 0 if keys is None or mask.shape[-1] is None else keys - mask.shape[-1]
    if missing <= 0:
        return mask
    if keras.backend.standardize_dtype(mask.dtype) == "bool":
        whole = ops.pad(ops.cast(mask, "int32"), [(0, 0)] * (len(mask.shape) - 1) + [(0, missing)])
        return ops.cast(whole, "bool")
    return ops.pad(mask, [(0, 0)] * (len(mask.shape) - 1) + [(0, missing)], constant_values=-math.inf)


def masked(scores: Any, bias: Any, allowed: list[Any]) -> tuple[Any, Any]:
    """Scores with a bias and without what may not be seen; and which queries see anything, ``None``: all of them."""
    dtype = keras.backend.standardize_dtype(scores.dtype)
    nothing = np.asarray(-math.inf, dtype)
    seen = bias
    if bias is not None:
        scores = add(scores, bias)
    for part in allowed:
        scores = ops.where(part, scores, nothing)
        seen = ops.where(part, np.zeros((), dtype) if seen is None else seen, nothing)
    if seen is None:
        return scores, None
    return scores, ops.greater(ops.max(seen, axis=-1, keepdims=True), nothing)


def attention_weights(ctx: KerasImporter, scores: Any, open_to: Any, precision: int | None) -> Any:
    """Softmax over the last axis, zero for queries that see nothing, computed in ``precision``."""
    import onnx_ir as ir

    own = keras.backend.standardize_dtype(scores.dtype)
    dtype = own if precision is None else ctx.float_dtype(ir.DataType(precision).name)
    if dtype != own:
        scores = ops.cast(scores, dtype)
    if open_to is None:
        weights = softmax(scores, -1)
    else:
        # a row of minus infinities alone has no softmax, nor a derivative
        weights = softmax(ops.where(open_to, scores, np.zeros((), dtype)), -1)
        weights = ops.where(open_to, weights, np.zeros((), dtype))
    return weights if dtype == own else ops.cast(weights, own)


@converter("RotaryEmbedding", since=23)
def RotaryEmbedding(
    ctx: KerasImporter,
    X: Value,
    cos_cache: Value,
    sin_cache: Value,
    position_ids: Value | None = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> LaidOut:
    """Turns pairs of a token's features by an angle that grows with its place.

    References
    ----------
    J. Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021.
    """
    x = ctx.plain(X)
    tensor = split_heads(ctx, x, num_heads)  # (batch, heads, length, size)
    width = rotary_embedding_dim or tensor.shape[3]
    angles = []
    for cache in (cos_cache, sin_cache):
        table = ctx.plain(cache).tensor
        if position_ids is not None:
            table = ops.take(table, ctx.plain(position_ids).tensor, axis=0)
        angles.append(ops.expand_dims(table, 1))  # (batch, 1, length, width / 2)
    cosine, sine = angles
    turned, rest = tensor[..., :width], tensor[..., width:]
    first, second = (turned[..., half] for half in feature_pairs(width, interleaved=bool(interleaved)))
    real = ops.subtract(ops.multiply(cosine, first), ops.multiply(sine, second))
    imaginary = ops.add(ops.multiply(sine, first), ops.multiply(cosine, second))
    if interleaved:
        pairs = ops.stack([real, imaginary], axis=-1)
        if tensor.shape[2] is None:
            ctx.refuse("interleaved pairs need to know the sequence's length")
        turned = layers.Reshape(
            (*tensor.shape[1:3], width), name=ctx.unique(ctx.name("pairs")), dtype=pairs.dtype
        )(pairs)  # fmt: skip
    else:
        turned = ops.concatenate([real, imaginary], axis=-1)
    result = turned if width == tensor.shape[3] else ops.concatenate([turned, rest], axis=-1)
    return ctx.keep(x, join_heads(ctx, result) if x.rank == 3 else result)
