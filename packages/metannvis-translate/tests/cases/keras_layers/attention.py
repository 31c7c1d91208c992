"""Attention, and dense layers that are an Einstein sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metannvis_translate.frameworks.requirements import require

from .case import Network, one_layer

require("torch")  # before TensorFlow
keras = require("keras")

from keras import layers as L  # noqa: E402

__all__ = ["ATTENTION"]

STEPS, FEATURES = 5, 6


def over_heads(make: Callable[[], Any], *, words: bool = False, other: bool = False, **call: Any) -> Callable[[], Any]:
    """Attention of a sequence to itself, or to another one."""

    def build() -> Any:
        x = given = keras.Input((STEPS,), dtype="int32") if words else keras.Input((STEPS, FEATURES))
        if words:
            x = L.Embedding(7, FEATURES, mask_zero=True)(given)
        y = keras.Input((4, FEATURES)) if other else x
        return keras.Model([given, y] if other else given, make()(x, y, **call))

    return build


def of_heads(*shape: int | None, **options: Any) -> Callable[[], Any]:
    call = {name: options.pop(name) for name in ("use_causal_mask",) if name in options}

    def build() -> Any:
        x = keras.Input(shape)
        return keras.Model(x, L.MultiHeadAttention(2, 3, **options)(x, x, **call))

    return build


def _with_scores() -> Any:
    """On the scores hangs the causal mask."""
    x = keras.Input((STEPS, FEATURES))
    y, scores = L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True, return_attention_scores=True)
    return keras.Model(x, [y, scores])


def _groups_of_one_step() -> Any:
    """Layers inside forget that there is a single step, the squeeze behind them asks for it."""
    x = keras.Input((FEATURES,))
    step = keras.ops.expand_dims(x, 1)
    y = L.GroupQueryAttention(4, 2, 1)(step, step)
    return keras.Model(x, keras.ops.squeeze(L.Conv1D(3, 1)(y), 1))


def _masked_by_hand() -> Any:
    x, mask = keras.Input((STEPS, FEATURES)), keras.Input((STEPS, STEPS), dtype="bool")
    return keras.Model([x, mask], L.MultiHeadAttention(2, 3)(x, x, attention_mask=mask))


def pair(make: Callable[[], Any], *, words: bool = False, key: bool = False, **call: Any) -> Callable[[], Any]:
    """``Attention`` of one sequence to another."""

    def build() -> Any:
        if words:
            given = [keras.Input((size,), dtype="int32") for size in (STEPS, 4)]
            table = L.Embedding(7, FEATURES, mask_zero=True)
            values = [table(x) for x in given]
        else:
            given = values = [keras.Input((size, FEATURES)) for size in (STEPS, 4, 4)[: 3 if key else 2]]
        return keras.Model(given, make()(values, **call))

    return build


def _heads(key: str, make: Callable[..., Any]) -> list[Network]:
    """What ``MultiHeadAttention`` and ``GroupQueryAttention`` have in common."""
    return [
        Network(key, "", over_heads(make)),
        Network(key, "another", over_heads(make, other=True)),
        Network(key, "causal", over_heads(make, use_causal_mask=True)),
        Network(key, "scores", over_heads(make, return_attention_scores=True)),
        Network(key, "dropout", over_heads(lambda: make(dropout=0.3, use_bias=False))),
        Network(key, "dropout,causal", over_heads(lambda: make(dropout=0.3), use_causal_mask=True)),
        Network(key, "gate", over_heads(lambda: make(use_gate=True))),
        Network(key, "window", over_heads(lambda: make(sliding_window=2))),
        Network(key, "window,causal", over_heads(lambda: make(sliding_window=2), use_causal_mask=True)),
        Network(key, "masked", over_heads(make, words=True), below=3),
        Network(key, "masked,causal", over_heads(make, words=True, use_causal_mask=True), below=3),
        Network(key, "masked,dropout", over_heads(lambda: make(dropout=0.3), words=True), below=3),
        Network(key, "masked,scores", over_heads(make, words=True, return_attention_scores=True), below=3),
    ]


def _pairs(key: str, make: Callable[..., Any]) -> list[Network]:
    return [
        Network(key, "", pair(make)),
        Network(key, "key,scores", pair(make, key=True, return_attention_scores=True)),
        Network(key, "scale,causal", pair(lambda: make(use_scale=True), use_causal_mask=True)),
        Network(key, "masked", pair(make, words=True), below=3),
        Network(key, "masked,causal", pair(make, words=True, use_causal_mask=True), below=3),
    ]


def einsum(
    equation: str, size: Any, shape: tuple[int, ...], bias: str | None = None, activation: str | None = None
) -> Network:
    return Network(
        "EinsumDense",
        equation,
        one_layer(lambda: L.EinsumDense(equation, size, bias_axes=bias, activation=activation), shape),
    )


ATTENTION = [
    *_heads("MultiHeadAttention", lambda **o: L.MultiHeadAttention(2, 3, **o)),
    Network("MultiHeadAttention", "sizes", over_heads(lambda: L.MultiHeadAttention(2, 3, value_dim=4, output_shape=7))),
    Network("MultiHeadAttention", "axis 2", of_heads(3, 4, FEATURES, attention_axes=(2,))),
    Network("MultiHeadAttention", "axes 1 and 2", of_heads(3, 4, FEATURES, attention_axes=(1, 2))),
    Network("MultiHeadAttention", "any length", of_heads(None, FEATURES)),
    Network("MultiHeadAttention", "any length,causal", of_heads(None, FEATURES, use_causal_mask=True)),
    Network(
        "MultiHeadAttention", "any length,causal,dropout", of_heads(None, FEATURES, use_causal_mask=True, dropout=0.1)
    ),
    Network("MultiHeadAttention", "mask", _masked_by_hand),
    Network("MultiHeadAttention", "causal scores", _with_scores),
    Network("GroupQueryAttention", "one step", _groups_of_one_step),
    *_heads("GroupQueryAttention", lambda **o: L.GroupQueryAttention(3, 4, 2, **o)),
    *_pairs("Attention", L.Attention),
    Network("Attention", "concat", pair(lambda: L.Attention(score_mode="concat", use_scale=True))),
    *_pairs("AdditiveAttention", L.AdditiveAttention),
    # Keras takes a bias of as many lines as there are steps for a bias of the steps
    Network("MultiHeadAttention", "as many heads as steps", over_heads(lambda: L.MultiHeadAttention(STEPS, 1))),
    einsum("abc,cde->abde", (None, 4, 1), (4, 3), "de"),
    einsum("ab,bc->ac", 7, (5,), "c", "relu"),
    einsum("abc,cde->abde", (None, 3, 4), (STEPS, 4), "de"),
    einsum("abcd,cde->abe", (None, 4), (STEPS, 3, 2), "e"),
    einsum("...x,xy->...y", 7, (3, 4), "y"),
    einsum("abc,bd->adc", (4, 4), (STEPS, 4), "dc", "tanh"),
    einsum("abc,cd->abd", (None, 4), (STEPS, 4)),
    einsum("abc,bcd->abd", (5, 4), (STEPS, 4)),
    einsum("abc,cde->abde", (None, 3, 4), (STEPS, 4), "e"),
]
