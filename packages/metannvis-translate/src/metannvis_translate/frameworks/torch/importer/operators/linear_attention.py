"""Linear attention and causal convolution with a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from metannvis_translate.frameworks.torch.importer.calls import calls
from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    state: Tensor | None,
    decay: Tensor | None,
    beta: Tensor | None,
    *,
    heads: tuple[int, int],
    scale: float,
) -> tuple[Tensor, Tensor]:
    """A state of key times value, carried over the steps; at least in single precision."""
    dtype = query.dtype
    wide = torch.promote_types(dtype, torch.float32)
    q = query.unflatten(-1, (heads[0], -1)).transpose(1, 2).to(wide)
    k, v = (x.unflatten(-1, (heads[1], -1)).transpose(1, 2).to(wide) for x in (key, value))
    s = torch.zeros(*k.shape[:2], k.shape[3], v.shape[3], dtype=wide, device=k.device)
    kept = dtype
    if state is not None:
        s, kept = state.to(wide), state.dtype
    if decay is not None:
        decay = decay.unflatten(-1, (heads[1], -1)).transpose(1, 2).to(wide).exp()
    if beta is not None:
        beta = beta.transpose(1, 2).unsqueeze(-1).to(wide)
    scale = scale or q.shape[3] ** -0.5
    steps = []
    for t in range(q.shape[2]):
        now, new = k[:, :, t], v[:, :, t]
        if decay is not None:
            s = s * decay[:, :, t, :, None]
        if beta is not None:
            new = beta[:, :, t] * (new - torch.einsum("bhdm,bhd->bhm", s, now))
        s = s + now[..., :, None] * new[..., None, :]
        steps.append(scale * torch.einsum("bhd,bhdm->bhm", q[:, :, t], s.repeat_interleave(heads[0] // heads[1], 1)))
    return torch.stack(steps, 1).flatten(2).to(dtype), s.to(kept)


@converter("LinearAttention", since=27)
def LinearAttention(
    ctx: TorchImporter,
    query: Value,
    key: Value,
    value: Value,
    past_state: Value | None = None,
    decay: Value | None = None,
    beta: Value | None = None,
    *,
    chunk_size: int | None = None,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> tuple[LaidOut, ...]:
    """Its recurrence, as a function."""
    if ("gated" in update_rule) != (decay is not None) or ("delta" in update_rule) != (beta is not None):
        ctx.refuse(f"its inputs do not fit the rule {update_rule!r}")
    inputs = (query, key, value, past_state, decay, beta)
    return calls(ctx, linear_attention, *inputs, ranks=(3, 4), heads=(q_num_heads, kv_num_heads), scale=scale)


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, past: Tensor | None, *, activation: str
) -> tuple[Tensor, Tensor]:
    """A convolution over time of each channel alone, that sees what went before."""
    before = weight.shape[2] - 1
    padded = F.pad(x, (before, 0)) if past is None else torch.cat((past, x), 2)
    y = F.conv1d(padded, weight, bias, groups=x.shape[1])
    if activation != "none":
        y = F.silu(y)
    return y, padded[:, :, padded.shape[2] - before :]


@converter("CausalConvWithState", since=27)
def CausalConvWithState(
    ctx: TorchImporter,
    input: Value,
    weight: Value,
    bias: Value | None = None,
    past_state: Value | None = None,
    *,
    activation: str = "none",
) -> tuple[LaidOut, ...]:
    """``F.conv1d`` behind what went before."""
    if activation not in ("none", "silu", "swish"):
        ctx.refuse(f"its activation {activation!r} is not known")
    return calls(ctx, causal_conv, input, weight, bias, past_state, ranks=(3, 3), activation=activation)
