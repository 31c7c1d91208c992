"""What hands masks on, what is done with them, and layers that hold others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metannvis_translate.frameworks.requirements import require

from .case import Network, one_layer

require("torch")  # before TensorFlow
keras = require("keras")

from keras import layers as L  # noqa: E402

__all__ = ["MASKS"]

STEPS, FEATURES = 5, 6


def words(*steps: Callable[[Any], Any]) -> Callable[[], Any]:
    """Layers behind an embedding that masks."""

    def build() -> Any:
        given = x = keras.Input((STEPS,), dtype="int32")
        x = L.Embedding(7, FEATURES, mask_zero=True)(x)
        for step in steps:
            x = step(x)
        return keras.Model(given, x)

    return build


def merged(make: Callable[[], Any], *, both: bool) -> Callable[[], Any]:
    """Two sequences merged, and what is done with the mask that comes out."""

    def build() -> Any:
        given = [keras.Input((STEPS,), dtype="int32") for _ in range(2)]
        values = [L.Embedding(7, FEATURES, mask_zero=k == 0 or both)(x) for k, x in enumerate(given)]
        x = make()(values)
        return keras.Model(given, [x, L.LSTM(3)(x), L.GlobalAveragePooling1D()(x)] if len(x.shape) > 2 else x)

    return build


def _softmax(shape: tuple[int, ...], axis: Any, dtype: str) -> Callable[[], Any]:
    def build() -> Any:
        x, mask = keras.Input(shape), keras.Input(shape, dtype=dtype)
        return keras.Model([x, mask], L.Softmax(axis)(x, mask=mask))

    return build


def _into_nested() -> Any:
    x = keras.Input((STEPS,), dtype="int32")
    inner = keras.Sequential([keras.Input((STEPS, FEATURES)), L.Dense(5), L.LSTM(4)], name="inner")
    return keras.Model(x, inner(L.Embedding(7, FEATURES, mask_zero=True)(x)))


def _out_of_nested() -> Any:
    x = keras.Input((STEPS,), dtype="int32")
    encoder = keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            L.Embedding(7, FEATURES, mask_zero=True),
            L.Dropout(0.1),
            L.Dense(5),
            L.LayerNormalization(),
            L.LSTM(4, return_sequences=True),
        ]
    )
    y = L.BatchNormalization()(L.Activation("tanh")(encoder(x)))
    return keras.Model(x, L.Bidirectional(L.GRU(3))(y))


def _attention_takes_masks_off() -> Any:
    """What is called on its input later sees no mask; what it puts out has one."""
    x = keras.Input((STEPS,), dtype="int32")
    y = L.Embedding(7, FEATURES, mask_zero=True)(x)
    attended = L.MultiHeadAttention(2, 3)(y, y)
    return keras.Model(x, [L.LSTM(3)(attended), L.LSTM(3)(y), L.GlobalAveragePooling1D()(L.Add()([y, attended]))])


def _encoder_decoder() -> Any:
    source, target = keras.Input((STEPS,), dtype="int32"), keras.Input((4,), dtype="int32")
    _, h, c = L.LSTM(3, return_state=True)(L.Embedding(7, FEATURES, mask_zero=True)(source))
    y = L.LSTM(3, return_sequences=True)(L.Embedding(7, FEATURES, mask_zero=True)(target), initial_state=[h, c])
    return keras.Model([source, target], L.Dense(5, activation="softmax")(y))


def _time_distributed() -> list[Network]:
    def row(name: str, make: Callable[[], Any], shape: tuple[int | None, ...]) -> Network:
        return Network("TimeDistributed", name, one_layer(lambda: L.TimeDistributed(make()), shape))

    def network() -> Any:
        return keras.Sequential(
            [
                keras.Input((6, 7, 2)),
                L.Conv2D(3, 3, activation="relu"),
                L.BatchNormalization(),
                L.GlobalAveragePooling2D(),
            ]
        )

    def flat() -> Any:
        """Two layers put out one tensor, seen in another order."""
        x = keras.Input((STEPS, FEATURES))
        return keras.Model(x, L.Permute((2, 1))(L.TimeDistributed(L.Flatten())(L.Activation("elu")(x))))

    def sentences() -> Any:
        x = keras.Input((3, STEPS), dtype="int32")
        y = L.Embedding(7, FEATURES, mask_zero=True)(x)
        return keras.Model(x, L.TimeDistributed(L.LSTM(3, return_sequences=True))(y))

    return [
        row("dense", lambda: L.Dense(3, activation="relu"), (STEPS, FEATURES)),
        row("images", lambda: L.Conv2D(3, 3), (STEPS, 6, 7, 2)),
        row("any length", lambda: L.Conv1D(3, 3), (None, 6, 2)),
        row("network", network, (STEPS, 6, 7, 2)),
        row("recurrent", lambda: L.LSTM(3), (STEPS, 6, 2)),
        Network("TimeDistributed", "flatten,permuted", flat),
        Network("TimeDistributed", "masked", sentences, below=3),
    ]


def _reversible(**options: Any) -> Callable[[], Any]:
    def build() -> Any:
        x = keras.Input((STEPS,), dtype="int32")
        table = L.ReversibleEmbedding(9, FEATURES, mask_zero=True, **options)
        y = table(x)
        return keras.Model(x, [table(L.Dense(FEATURES)(y), reverse=True), L.LSTM(3)(y)])

    return build


MERGES = {
    "Add": L.Add, "Subtract": L.Subtract, "Multiply": L.Multiply, "Maximum": L.Maximum, "Minimum": L.Minimum,
    "Average": L.Average, "Concatenate": L.Concatenate,
}  # fmt: skip
MASKS = [
    *[
        Network(key, f"masked,both={both}", merged(make, both=both), below=3)
        for key, make in MERGES.items()
        for both in (True, False)
    ],
    Network("Concatenate", "masked,steps", merged(lambda: L.Concatenate(axis=1), both=True), below=3),
    Network("Dot", "masked", merged(lambda: L.Dot((2, 2)), both=True), below=3),
    Network("Masking", "", one_layer(lambda: L.Masking(), (STEPS, FEATURES)), padded=True),
    Network("Masking", "value", one_layer(lambda: L.Masking(0.5), (STEPS, FEATURES)), padded=True),
    Network("Embedding", "masked", words(), below=3),
    Network("GlobalAveragePooling1D", "masked", words(L.GlobalAveragePooling1D()), below=3),
    Network("GlobalAveragePooling1D", "masked,kept", words(L.GlobalAveragePooling1D(keepdims=True)), below=3),
    Network("Softmax", "masked", _softmax((STEPS, 4), -1, "bool")),
    Network("Softmax", "masked,axes", _softmax((STEPS, 4), (1, 2), "float32")),
    Network("LSTM", "a mask into a nested model", _into_nested, below=3),
    Network("LSTM", "encoder and decoder", _encoder_decoder, below=3),
    Network("Bidirectional", "a mask out of a nested model", _out_of_nested, below=3),
    Network("MultiHeadAttention", "takes masks off", _attention_takes_masks_off, below=3),
    *_time_distributed(),
    Network("ReversibleEmbedding", "", _reversible(), below=3),
    Network("ReversibleEmbedding", "untied", _reversible(tie_weights=False, logit_soft_cap=3.0), below=3),
    Network("SpectralNormalization", "", one_layer(lambda: L.SpectralNormalization(L.Conv2D(3, 3)), (6, 7, 2))),
    Network("Lambda", "", one_layer(lambda: L.Lambda(lambda x: 2 * x + 1), (6, 7, 2))),
]
