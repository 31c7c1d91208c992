"""Keras models as people have them: in mixed precision, in files old and new, with states, with batches reshaped away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_translate import check_equivalence, translate
from metannvis_translate.frameworks.requirements import require

from ..cases.keras_layers.case import inputs_of

require("torch")  # before TensorFlow
keras = require("keras")

from keras import layers as L  # noqa: E402
from keras import ops as K  # noqa: E402

from ..networks.keras import ZOO, randomize  # noqa: E402


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    """The translation computes in half precision as its source does, and is proved equal in double."""
    import torch

    half: dict[str, Any] = {"dtype": policy}
    model = randomize(
        keras.Sequential(
            [
                keras.Input((12, 10, 3)),
                L.Conv2D(8, 3, activation="relu", **half),
                L.BatchNormalization(**half),
                L.MaxPooling2D(2, **half),
                L.LayerNormalization(**half),
                L.Flatten(**half),
                L.Dense(5, activation="softmax"),
            ]
        )
    )
    translation = translate(model, "torch")
    assert translation.report is not None and translation.report.passed
    assert any("half precision" in note for note in translation.notes)
    x = torch.randn(2, 3, 12, 10)
    assert translation.model(x).dtype == torch.float32
    assert any(v.dtype != torch.float32 for v in _values(translation.model, x))
    double = translate(model, "torch", dtype="float64", verify=False)
    for batch in (1, 2, 5):
        assert check_equivalence(model, double, inputs_of(model, batch, "float64"), dtype="float64").passed


def _values(model: Any, x: Any) -> list[Any]:
    """What the modules of a model put out."""
    import torch

    found: list[Any] = []
    hooks = [m.register_forward_hook(lambda m, a, y: found.append(y)) for m in model.modules()]
    model(x)
    for hook in hooks:
        hook.remove()
    return [y for y in found if isinstance(y, torch.Tensor)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, when it saves
@pytest.mark.parametrize("name", ["sequential", "lstm_classifier", "unet"])
def test_legacy_h5(name: str, tmp_path: Path) -> None:
    model = randomize(ZOO[name].make())
    path = tmp_path / "model.h5"
    model.save(str(path))
    translation = translate(str(path), "torch")
    assert translation.report is not None and translation.report.passed


def test_saved_model(tmp_path: Path) -> None:
    """A folder that holds a TensorFlow graph and no layers."""
    import torch

    model = randomize(ZOO["unet"].make())
    model.export(str(tmp_path / "saved"), verbose=False)
    translation = translate(str(tmp_path / "saved"), "torch")
    x = inputs_of(model, 3, "float32")[0]
    with torch.no_grad():
        found = translation.model(translation.to_target(x))
    expected = np.asarray(model(x))
    found = np.asarray(translation.to_source(found, role="output"))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_state_is_kept_and_said() -> None:
    x = keras.Input(batch_shape=(2, 5, 3))
    model = keras.Model(x, L.GRU(4, stateful=True, name="memory")(x))
    model(np.ones((2, 5, 3), "float32"))
    assert any("'memory'" in note or "memory:" in note for note in translate(model, "torch").notes)


def test_batches_reshaped_away() -> None:
    """What a layer puts out has not always the batch of the model's input in front."""
    x = keras.Input((None, 6, 2))
    y = keras.ops.reshape(x, (-1, 6, 2))
    y = L.Conv1D(3, 3)(y)
    model = randomize(keras.Model(x, keras.ops.reshape(L.Dense(4)(y), (-1, 2, 8))))
    translation = translate(model, "torch", dtype="float64", verify=False)
    for batch, steps in ((1, 3), (2, 5), (5, 4)):
        given = [np.random.default_rng(batch).standard_normal((batch, steps, 6, 2))]
        assert check_equivalence(model, translation, given, dtype="float64").passed


def test_layers_that_take_masks_off_are_followed() -> None:
    """The same graph with and without a mask computes different things; the translation follows."""
    for masked in (False, True):
        words = keras.Input((5,), dtype="int32")
        y = L.Embedding(7, 6, mask_zero=masked)(words)
        model = randomize(keras.Model(words, L.LSTM(3)(L.Dense(4)(y))))
        translation = translate(model, "torch", dtype="float64", verify=False)
        given = [np.random.default_rng(0).integers(0, 3, (5, 5)).astype("int32")]
        assert check_equivalence(model, translation, given, dtype="float64").passed


class _Returns(L.Layer):
    """A layer of somebody's own that does not say whether masks pass it, and returns what it is given."""

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    "step",
    [
        lambda x: K.transpose(x, (0, 1, 2)),
        lambda x: K.swapaxes(x, 1, 1),
        lambda x: K.moveaxis(x, 2, 2),
        lambda x: K.reshape(x, (-1, 5, 4)),
        lambda x: K.cast(x, "float32"),
        lambda x: K.convert_to_tensor(x),
        lambda x: K.stop_gradient(x),
        lambda x: K.copy(x),
        lambda x: K.squeeze(K.expand_dims(x, 1), 1),
        lambda x: K.concatenate([x], 1),
        lambda x: K.repeat(x, 1, 1),
        lambda x: K.tile(x, (1, 1, 1)),
        lambda x: K.roll(x, 0, 1),
        lambda x: K.pad(x, ((0, 0), (0, 0), (0, 0))),
        lambda x: K.split(x, 1, 1)[0],
        lambda x: x[:, :],
        L.Permute((1, 2)),
        L.Reshape((5, 4)),
        L.ZeroPadding1D(0),
        L.Cropping1D(0),
        L.UpSampling1D(1),
        L.Dropout(0.1),
        L.Identity(),
        L.Activation("linear"),
        L.GaussianNoise(0.1),
        L.Lambda(lambda x: x),
        L.Concatenate(1),
        _Returns(),
    ],
)
@pytest.mark.filterwarnings("ignore:.*mask attached to it:UserWarning")
def test_what_changes_nothing_takes_a_mask_off_where_keras_does(step: Any) -> None:
    """Most operations make another tensor, on which no mask hangs, also where its values are the same."""
    words = keras.Input((5,), dtype="int32")
    y = L.Dense(4)(L.Embedding(7, 6, mask_zero=True)(words))
    y = step([y]) if isinstance(step, L.Concatenate) else step(y)
    model = randomize(keras.Model(words, L.MultiHeadAttention(2, 3)(y, y)))
    translation = translate(model, "torch", dtype="float64", verify=False)
    given = np.array([[0, 0, 0, 0, 0], [1, 0, 2, 0, 0], [3, 4, 5, 6, 1]], "int32")
    assert check_equivalence(model, translation, given, dtype="float64").passed
