"""Recurrent layers and cells: options, masks, states, both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from metannvis_translate.frameworks.requirements import require

from .case import Network, one_layer

require("torch")  # before TensorFlow
keras = require("keras")

from keras import layers as L  # noqa: E402

__all__ = ["RECURRENT"]

STEPS, FEATURES, UNITS = 7, 5, 4
KINDS = {"LSTM": L.LSTM, "GRU": L.GRU, "SimpleRNN": L.SimpleRNN}
MERGES = ("concat", "sum", "mul", "ave", None)
FRAMES, LINE = (4, 6, 5, 2), (STEPS, FEATURES)


def masked(make: Callable[[], Any], steps: int | None = STEPS) -> Callable[[], Any]:
    """Behind a ``Masking``."""

    def build() -> Any:
        x = keras.Input((steps, FEATURES))
        return keras.Model(x, make()(L.Masking()(x)))

    return build


def with_states(make: Callable[[], Any], count: int, *, words: bool = False) -> Callable[[], Any]:
    def build() -> Any:
        x = keras.Input((STEPS,), dtype="int32") if words else keras.Input(LINE)
        states = [keras.Input((UNITS,)) for _ in range(count)]
        given = L.Embedding(7, FEATURES, mask_zero=True)(x) if words else x
        return keras.Model([x, *states], make()(given, initial_state=states))

    return build


def _of(key: str, kind: Any) -> Iterator[Network]:
    for sequences in (False, True):
        for back in (False, True):
            options = {"return_sequences": sequences, "go_backwards": back}
            name = f"sequences={sequences},back={back}"
            yield Network(key, name, one_layer(lambda o=options: kind(UNITS, **o), LINE))
            yield Network(key, f"masked,{name}", masked(lambda o=options: kind(UNITS, **o)), padded=True)
    both = {"return_sequences": True, "return_state": True}
    yield Network(key, "states", one_layer(lambda: kind(UNITS, **both), LINE))
    yield Network(key, "masked,states", masked(lambda: kind(UNITS, **both)), padded=True)
    yield Network(key, "masked,state", masked(lambda: kind(UNITS, return_state=True)), padded=True)
    yield Network(key, "any length", one_layer(lambda: kind(UNITS, return_sequences=True), (None, FEATURES)))
    yield Network(key, "masked,any length", masked(lambda: kind(UNITS), None), padded=True)
    zero = {"return_sequences": True, "zero_output_for_mask": True}
    yield Network(key, "masked,zeros", masked(lambda: kind(UNITS, **zero)), padded=True)
    unroll = {"unroll": True, "return_sequences": True}
    yield Network("Bidirectional", f"{key},unroll", masked(lambda: L.Bidirectional(kind(UNITS, **unroll))), padded=True)
    back = {"zero_output_for_mask": True, "unroll": True, "go_backwards": True}
    yield Network(key, "masked,zeros,unroll", masked(lambda: kind(UNITS, **back)), padded=True)
    yield Network(key, "unroll", masked(lambda: kind(UNITS, unroll=True, return_sequences=True)), padded=True)
    gate = {} if kind is L.SimpleRNN else {"recurrent_activation": "hard_sigmoid"}
    yield Network(key, "relu", one_layer(lambda: kind(UNITS, activation="relu", **gate), LINE))
    yield Network(key, "linear,no bias", one_layer(lambda: kind(UNITS, activation="linear", use_bias=False), LINE))
    mine = {"activation": "silu", "return_sequences": True}
    yield Network(key, "step by step", masked(lambda: kind(UNITS, **mine)), padded=True)
    yield Network(key, "step by step,states", masked(lambda: kind(UNITS, **mine, return_state=True)), padded=True)
    yield Network(key, "dropout", one_layer(lambda: kind(UNITS, dropout=0.3, recurrent_dropout=0.2), LINE))
    count = 2 if kind is L.LSTM else 1
    yield Network(key, "initial state", with_states(lambda: kind(UNITS, **both), count))
    yield Network(key, "initial state,words", with_states(lambda: kind(UNITS), count, words=True), below=3)
    yield Network(key, "stateful", _stateful(kind), batches=(2,))
    for merge in MERGES:
        for sequences in (False, True):
            options = {"return_sequences": sequences}
            yield Network(
                "Bidirectional",
                f"{key},{merge},sequences={sequences}",
                one_layer(lambda m=merge, o=options: L.Bidirectional(kind(UNITS, **o), merge_mode=m), LINE),
            )
            yield Network(
                "Bidirectional",
                f"{key},{merge},sequences={sequences},masked",
                masked(lambda m=merge, o=options: L.Bidirectional(kind(UNITS, **o), merge_mode=m)),
                padded=True,
            )
    yield Network("Bidirectional", f"{key},states", one_layer(lambda: L.Bidirectional(kind(UNITS, **both)), LINE))
    yield Network(
        "Bidirectional", f"{key},initial", with_states(lambda: L.Bidirectional(kind(UNITS)), 2 * count)
    )  # fmt: skip


def _stateful(kind: Any) -> Callable[[], Any]:
    def build() -> Any:
        x = keras.Input(batch_shape=(2, *LINE))
        model = keras.Model(x, kind(UNITS, stateful=True, return_sequences=True)(x))
        model(np.random.default_rng(0).standard_normal((2, *LINE)).astype("float32"))
        return model

    return build


def _backward_of_its_own() -> Any:
    x = keras.Input(LINE)
    backward = L.LSTM(3, go_backwards=True, activation="relu", return_sequences=True)
    return keras.Model(x, L.Bidirectional(L.LSTM(UNITS, return_sequences=True), backward_layer=backward)(x))


def _cell(make: Callable[[], Any], *sizes: int, pack: Callable[[list[Any]], Any] = list) -> Callable[[], Any]:
    def build() -> Any:
        x, states = keras.Input((FEATURES,)), [keras.Input((size,)) for size in sizes]
        return keras.Model([x, *states], make()(x, pack(states)))

    return build


def _masked_frames() -> Any:
    x, mask = keras.Input(FRAMES), keras.Input((FRAMES[0],), dtype="bool")
    return keras.Model([x, mask], L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(x, mask=mask))


@keras.saving.register_keras_serializable("metannvis-tests")
class Minimal(keras.layers.Layer):
    """A cell that ONNX has no operator for."""

    def __init__(self, units: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.units = self.state_size = units

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.mix = self.add_weight(shape=(self.units, self.units), name="mix")

    def call(self, x: Any, states: Any) -> Any:
        new = keras.ops.tanh(x @ self.kernel + keras.ops.sin(states[0]) @ self.mix)
        return 2.0 * new, [new]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def _stack() -> list[Any]:
    return [L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(5)]


STATES = {"return_sequences": True, "return_state": True}
RECURRENT = [
    *[row for key, kind in KINDS.items() for row in _of(key, kind)],
    Network("GRU", "reset before", one_layer(lambda: L.GRU(4, reset_after=False, return_sequences=True), LINE)),
    Network("Bidirectional", "backward of its own", _backward_of_its_own),
    Network("RNN", "LSTM cell", one_layer(lambda: L.RNN(L.LSTMCell(4)), LINE)),
    Network("RNN", "stack", one_layer(lambda: L.RNN(_stack(), **STATES), LINE)),
    Network("RNN", "stack,masked", masked(lambda: L.RNN(_stack(), return_sequences=True)), padded=True),
    Network("RNN", "stack,masked,last", masked(lambda: L.RNN(_stack(), return_state=True)), padded=True),
    Network("RNN", "own cell", one_layer(lambda: L.RNN(Minimal(4), **STATES), LINE)),
    Network("RNN", "own cell,masked", masked(lambda: L.RNN(Minimal(4), go_backwards=True)), padded=True),
    Network("RNN", "own cell in a stack", one_layer(lambda: L.RNN([L.LSTMCell(3), Minimal(4)]), LINE)),
    Network("Bidirectional", "own cell", one_layer(lambda: L.Bidirectional(L.RNN(Minimal(4))), LINE)),
    Network("LSTMCell", "", _cell(lambda: L.LSTMCell(4), 4, 4)),
    Network("GRUCell", "", _cell(lambda: L.GRUCell(4), 4)),
    Network("GRUCell", "reset before", _cell(lambda: L.GRUCell(4, reset_after=False), 4)),
    Network("SimpleRNNCell", "", _cell(lambda: L.SimpleRNNCell(4, activation="relu"), 4)),
    Network("StackedRNNCells", "", _cell(
        lambda: L.StackedRNNCells([L.LSTMCell(4), L.GRUCell(3)]), 4, 4, 3, pack=lambda s: [s[:2], s[2:]]
    )),
    Network("ConvLSTM1D", "", one_layer(lambda: L.ConvLSTM1D(3, 3, strides=2, use_bias=False, **STATES), (4, 9, 2))),
    Network("ConvLSTM2D", "", one_layer(lambda: L.ConvLSTM2D(3, (3, 2), padding="same"), FRAMES)),
    Network("ConvLSTM2D", "masked", _masked_frames),
    Network("ConvLSTM3D", "", one_layer(
        lambda: L.ConvLSTM3D(2, 2, dilation_rate=2, recurrent_activation="hard_sigmoid", go_backwards=True), (3, 5, 6, 4, 2)
    )),
]  # fmt: skip
