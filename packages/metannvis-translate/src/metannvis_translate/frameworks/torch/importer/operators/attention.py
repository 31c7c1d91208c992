"""Attention and rotary embeddings: their arithmetic, as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import call, calls, torch_dtype
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.attention import Visible, feature_pairs, root_of_scale
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def attention(
    Q: Tensor,
    K: Tensor,
    V: Tensor,
    mask: Tensor | None,
    past_key: Tensor | None,
    past_value: Tensor | None,
    nonpad: Tensor | None,
    *,
    heads: tuple[int | None, int | None],
    scale: float | None,
    causal: bool,
    window: tuple[int, int],
    softcap: float,
    mode: int,
    precision: torch.dtype | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``softmax(Q Kᵀ · scale + bias) V`` over heads, with caches; a row in which everything is masked gives zeros.

    Returns the result, keys and values with those of the past, and the scores as ``mode`` says.
    """
    split = Q.ndim == 3
    if split:
        Q = Q.unflatten(-1, (heads[0], -1)).transpose(1, 2)
        K, V = (x.unflatten(-1, (heads[1], -1)).transpose(1, 2) for x in (K, V))
    dtype = Q.dtype
    root = torch.tensor(root_of_scale(scale, Q.shape[3]), dtype=dtype, device=Q.device)
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        K, V = torch.cat((past_key, K), 2), torch.cat((past_value, V), 2)
    present = K, V
    bias = _bias(Q, K, mask, past, nonpad, causal=causal, window=window)
    if Q.shape[1] != K.shape[1]:
        times = Q.shape[1] // K.shape[1]
        K, V = K.repeat_interleave(times, 1), V.repeat_interleave(times, 1)
    scores = (Q * root) @ (K * root).transpose(-1, -2)
    capped = torch.tanh(scores / softcap) * softcap if softcap > 0 else scores
    biased = capped + bias
    wide = biased if precision is None else biased.to(precision)
    # rows without any key would be NaN, in the derivative even where they are replaced afterwards
    empty = torch.isneginf(bias.amax(-1, True)) | torch.isneginf(wide.amax(-1, True))
    weights = torch.where(empty, 0.0, softmax(torch.where(empty, 0.0, wide))).to(dtype)
    result = weights @ V
    if split:
        result = result.transpose(1, 2).flatten(2)
    return result, *present, (scores, capped, biased, weights)[mode]


def softmax(x: Tensor) -> Tensor:
    """Over the last axis; of 16-bit floats with each step rounded, as the standard's function does it."""
    if x.dtype.itemsize > 2:
        return torch.softmax(x, -1)
    powers = torch.exp(x - x.amax(-1, True))
    return powers / powers.sum(-1, True)


def _bias(
    Q: Tensor,
    K: Tensor,
    mask: Tensor | None,
    past: int,
    nonpad: Tensor | None,
    *,
    causal: bool,
    window: tuple[int, int],
) -> Tensor:
    """What is added to the scores: 0 or −∞ and the caller's mask."""
    queries, keys = Q.shape[2], K.shape[2]
    bias = torch.zeros(queries, keys, dtype=Q.dtype, device=Q.device)
    nothing = torch.full((), -torch.inf, dtype=Q.dtype, device=Q.device)
    zero = torch.zeros((), dtype=Q.dtype, device=Q.device)
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.where(mask, zero, nothing)
        if mask.shape[-1] < keys:
            mask = F.pad(mask, (0, keys - mask.shape[-1]), value=-torch.inf)
        bias = bias + mask
    # how far a query lies behind the key of the same number
    index = torch.arange(queries, device=Q.device)[:, None] - torch.arange(keys, device=Q.device)
    if nonpad is not None:
        index = index + (nonpad.reshape(-1, 1, 1, 1) - queries)
    else:
        index = index + past
    seen = Visible.of(is_causal=causal, left_window_size=window[0], right_window_size=window[1])
    if seen.behind is not None:
        bias = bias + torch.where(-index > seen.behind, nothing, zero)
    if seen.before is not None:
        bias = bias + torch.where(index > seen.before, nothing, zero)
    if nonpad is not None:
        padded = torch.arange(keys, device=Q.device) >= nonpad.reshape(-1, 1, 1, 1)
        bias = bias + torch.where(padded, nothing, zero)
    return bias


@converter("Attention", since=23)
def Attention(
    ctx: TorchImporter,
    Q: Value,
    K: Value,
    V: Value,
    attn_mask: Value | None = None,
    past_key: Value | None = None,
    past_value: Value | None = None,
    nonpad_kv_seqlen: Value | None = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
    left_window_size: int = -1,
    right_window_size: int = -1,
) -> tuple[LaidOut, ...]:
    """Its arithmetic, as a function."""
    if Q.rank == 3 and not (q_num_heads and kv_num_heads):
        ctx.refuse("its number of heads is not given")
    return calls(
        ctx,
        attention,
        *(Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen),
        ranks=(Q.rank, 4, 4, 4),
        heads=(q_num_heads, kv_num_heads),
        scale=scale,
        causal=bool(is_causal),
        window=(left_window_size, right_window_size),
        softcap=softcap,
        mode=qk_matmul_output_mode,
        precision=torch_dtype(ctx, softmax_precision),
    )


def rotate(
    x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | None, *, interleaved: bool, width: int, heads: int
) -> Tensor:
    """Turns pairs of features by angles that depend on the position; ``width`` of them, 0 for all."""
    shape = x.shape
    x = x.unflatten(-1, (heads, -1)) if x.ndim == 3 else x.transpose(1, 2)
    width = width or x.shape[-1]
    turned, rest = x[..., :width], x[..., width:]
    if positions is not None:
        cos, sin = cos[positions], sin[positions]
    cos, sin = cos.unsqueeze(2), sin.unsqueeze(2)
    a, b = (turned[..., half] for half in feature_pairs(width, interleaved=interleaved))
    real, imaginary = cos * a - sin * b, sin * a + cos * b
    turned = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
    x = torch.cat((turned, rest), -1)
    return x.reshape(shape) if len(shape) == 3 else x.transpose(1, 2)


@converter("RotaryEmbedding", since=23)
def RotaryEmbedding(
    ctx: TorchImporter,
    X: Value,
    cos_cache: Value,
    sin_cache: Value,
    position_ids: Value | None = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> LaidOut:
    """Its arithmetic, as a function."""
    if X.rank == 3 and not num_heads:
        ctx.refuse("its number of heads is not given")
    options = {"interleaved": bool(interleaved), "width": rotary_embedding_dim, "heads": num_heads}
    return call(ctx, rotate, X, cos_cache, sin_cache, position_ids, rank=X.rank, **options)
