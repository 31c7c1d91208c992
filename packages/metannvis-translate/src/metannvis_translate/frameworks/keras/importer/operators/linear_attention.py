"""Linear attention and causal convolution, which carry a state along a sequence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.add import add
from metannvis_translate.frameworks.keras.importer.dynamic_conv import dynamic_conv
from metannvis_translate.frameworks.keras.importer.operators.attention import join_heads, split_heads
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

ops = keras.ops

#: Longest sequence that is written out step by step.
LONGEST = 256


@converter("LinearAttention", since=27)
def LinearAttention(
    ctx: KerasImporter,
    query: Value,
    key: Value,
    value: Value,
    past_state: Value | None = None,
    decay: Value | None = None,
    beta: Value | None = None,
    *,
    chunk_size: int = 64,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> tuple[LaidOut, LaidOut]:
    """A matrix a head, ``(batch, heads, key size, value size)``, is written by keys and values and read by queries.

    References
    ----------
    S. Yang et al., "Gated delta networks: improving Mamba2 with delta rule", 2024.
    """
    own = keras.backend.standardize_dtype(ctx.placed(query).tensor.dtype)
    compute = "float64" if own == "float64" else "float32"

    def heads(x: Value, count: int) -> Any:
        return ops.cast(split_heads(ctx, ctx.plain(x), count), compute)

    q, k, v = heads(query, q_num_heads), heads(key, kv_num_heads), heads(value, kv_num_heads)
    length, width = q.shape[2], k.shape[3]
    if length is None or length > LONGEST:
        ctx.refuse(f"a sequence of free length, or longer than {LONGEST}, is not written out step by step")
    gates = None if decay is None else ops.exp(heads(decay, kv_num_heads))
    strengths = None
    if beta is not None:
        strengths = heads(beta, kv_num_heads if ctx.plain(beta).tensor.shape[-1] == kv_num_heads else 1)
    if past_state is not None:
        after = keras.backend.standardize_dtype(ctx.placed(past_state).tensor.dtype)
        state = ops.cast(ctx.plain(past_state).tensor, compute)
    else:
        after = own
        state = ops.zeros_like(ops.multiply(k[:, :, 0, :, None], v[:, :, 0, None, :]))
    factor = scale or 1 / math.sqrt(width)
    results = []
    for t in range(length):
        written, token = v[:, :, t, :], k[:, :, t, :]
        if gates is not None:
            state = ops.multiply(state, gates[:, :, t, :, None])
        if strengths is not None:
            read = ops.squeeze(ops.matmul(token[:, :, None, :], state), axis=2)
            written = ops.multiply(strengths[:, :, t, :], ops.subtract(written, read))
        state = add(state, ops.multiply(token[..., None], written[..., None, :]))
        shared = state
        if q_num_heads != kv_num_heads:
            shared = ops.repeat(state, q_num_heads // kv_num_heads, axis=1)
        results.append(ops.matmul(q[:, :, t : t + 1, :], shared))
    result = ops.multiply(results[0] if length == 1 else ops.concatenate(results, axis=2), np.asarray(factor, compute))
    result = join_heads(ctx, ops.cast(result, own))
    return LaidOut(result, identity(3)), LaidOut(ops.cast(state, after), identity(4))


@converter("CausalConvWithState", since=27)
def CausalConvWithState(
    ctx: KerasImporter,
    input: Value,
    weight: Value,
    bias: Value | None = None,
    past_state: Value | None = None,
    *,
    activation: str = "none",
) -> tuple[LaidOut, LaidOut]:
    """Each channel of ``(batch, channels, length)`` with a kernel of its own over what came before, and the last of it."""
    x = ctx.plain(input)
    size = ctx.plain(weight).tensor.shape[2]
    if None in ctx.plain(weight).tensor.shape:
        ctx.refuse("the size of its kernel is free")
    if past_state is not None:
        padded = ops.concatenate([ctx.plain(past_state).tensor, x.tensor], axis=2)
    else:
        padded = ops.pad(x.tensor, [(0, 0), (0, 0), (size - 1, 0)])
    dtype = keras.backend.standardize_dtype(x.tensor.dtype)
    result = dynamic_conv(ops.transpose(padded, (0, 2, 1)), ctx.plain(weight).tensor, (1,), "valid", (1,))
    if bias is not None:
        result = add(result, ctx.plain(bias).tensor)
    if activation in ("silu", "swish"):
        wide = ops.cast(result, "float64" if dtype == "float64" else "float32")
        result = ops.cast(ops.multiply(wide, ops.sigmoid(wide)), dtype)
    elif activation != "none":
        ctx.refuse(f"its activation {activation!r} is not known")
    if padded.shape[2] is None:
        state = padded[:, :, -(size - 1) :] if size > 1 else padded[:, :, :0]
    else:
        state = padded[:, :, padded.shape[2] - (size - 1) :]
    return LaidOut(ops.transpose(result, (0, 2, 1)), identity(3)), LaidOut(state, identity(3))
