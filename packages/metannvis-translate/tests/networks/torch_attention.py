"""Attention, embeddings, free parameters."""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import nn

from .torch_case import Row

__all__ = ["ATTENTION"]


class Attention(nn.Module):
    """Multi-head attention of a sequence to another, with its weights."""

    def __init__(self, causal: bool = False, **options) -> None:
        super().__init__()
        self.causal = causal
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **options)

    def forward(self, x, y):
        mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=x.dtype) if self.causal else None
        return self.attention(x, y, y, attn_mask=mask)


class Masked(nn.Module):
    """Self-attention; a mask says which tokens there are."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 4)

    def forward(self, x, keep):
        x = x.transpose(0, 1)
        return self.attention(x, x, x, key_padding_mask=keep < 1, need_weights=False)[0].transpose(0, 1)


class Scaled(nn.Module):
    """``scaled_dot_product_attention`` in each of its forms."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.bias = nn.Parameter(torch.randn(1, 2, 5, 5))

    def forward(self, x):
        q, k, v = (t.unflatten(2, (2, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v)
        b = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        c = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias, scale=0.3)
        d = F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(5, 5, dtype=torch.bool).tril(1))
        return torch.cat([t.transpose(1, 2).flatten(2) for t in (a, b, c, d)], -1)


class Encoder(nn.Module):
    def __init__(self, norm_first: bool = False, activation: str = "relu") -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first, activation=activation)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(x)


class Seq2Seq(nn.Module):
    """``nn.Transformer`` whole, the decoder causal, sequence first inside."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():  # a hint that batch first would be faster
            warnings.filterwarnings("ignore", message="enable_nested_tensor", category=UserWarning)
            self.transformer = nn.Transformer(8, 2, 1, 1, 12)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=source.dtype)
        return self.transformer(source.transpose(0, 1), target.transpose(0, 1), tgt_mask=mask).transpose(0, 1)


class VisionTransformer(nn.Module):
    """Class token, position embedding, blocks with layer scale, a learned temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 13, 8))
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.qkv = nn.Linear(8, 24)
        self.scale = nn.Parameter(torch.randn(8))
        self.temperature = nn.Parameter(torch.tensor(0.3))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        q, k, v = self.qkv(self.norm(x)).reshape(x.shape[0], 13, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q @ k.transpose(-2, -1)) * self.temperature.exp()).softmax(-1)
        x = x + self.scale * (weights @ v).transpose(1, 2).reshape(x.shape)
        return self.head(x[:, 0])


class Windows(nn.Module):
    """Attention in shifted windows with a table of relative position biases, as Swin has it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, 2))
        place = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(1)
        offset = (place[:, :, None] - place[:, None]) + 1
        self.register_buffer("index", (offset[0] * 3 + offset[1]).flatten())
        self.qkv = nn.Linear(8, 24)

    def forward(self, x):
        n, h, w, c = x.shape
        x = torch.roll(x, (-1, -1), (1, 2))
        x = x.view(n, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(-1, 4, c)
        q, k, v = self.qkv(x).reshape(x.shape[0], 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index].view(4, 4, 2).permute(2, 0, 1)
        x = ((q * 0.5) @ k.transpose(-2, -1) + bias).softmax(-1) @ v
        x = x.transpose(1, 2).reshape(n, h // 2, w // 2, 2, 2, c).transpose(2, 3).reshape(n, h, w, c)
        return torch.roll(x, (1, 1), (1, 2))


class Bags(nn.Module):
    """Embeddings of several kinds; integers come in."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Embedding(10, 4, max_norm=None)
        self.sum = nn.EmbeddingBag(10, 4, mode="sum")
        self.mean = nn.EmbeddingBag(10, 4, mode="mean")
        self.head = nn.Linear(12, 3)

    def forward(self, words):
        return self.head(torch.cat([self.one(words).amax(1), self.sum(words), self.mean(words)], -1))


class Tied(nn.Module):
    """A language model that ends in its own embedding; positions are looked up too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.place = nn.Embedding(6, 8)
        self.mix = nn.Linear(8, 8)

    def forward(self, words):
        x = self.embed(words) + self.place(torch.arange(words.shape[1], device=words.device))
        x = F.rms_norm(torch.tanh(self.mix(x)), (8,))
        return x @ self.embed.weight.T


ATTENTION: dict[str, Row] = {
    "attention": Row(Attention, ((5, 8), (7, 8))),
    "attention_causal": Row(lambda: Attention(True), ((5, 8), (5, 8))),
    "attention_bias_kv": Row(lambda: Attention(add_bias_kv=True, add_zero_attn=True), ((5, 8), (7, 8))),
    "attention_masked": Row(Masked, ((5, 8), (5,)), below=(0, 2)),
    "scaled_dot_product": Row(Scaled, ((5, 8),)),
    "encoder": Row(Encoder, ((5, 8),)),
    "encoder_norm_first": Row(lambda: Encoder(True, "gelu"), ((5, 8),)),
    "transformer": Row(Seq2Seq, ((5, 8), (4, 8))),
    "vision_transformer": Row(VisionTransformer, ((3, 12, 16),)),
    "windows": Row(Windows, ((4, 6, 8),)),
    "bags": Row(Bags, ((6,),), below=(10,)),
    "tied": Row(Tied, ((6,),), below=(12,)),
}
