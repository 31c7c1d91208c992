"""SavedModels and Keras files that would run code or touch files are refused before anything happens (``guarded.py``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_translate import DamagedFileError, load_model

from tests import guarded

from .attacks import ATTACKS, Attack, early, keras, saved, tf, write

WHAT = {"to": ["onnx"], "shapes": [[2, 3]]}

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="module")
def outcomes(once: Once) -> dict[str, guarded.Outcome]:
    def make(folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Keras, about old formats and NumPy, and of TensorFlow 1
            saved(tf.Module(), folder / "honest")
            for suffix in (".keras", ".h5"):
                keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(folder / f"honest{suffix}")
            jobs = {attack.name: {"path": str(write(attack, folder)), **WHAT} for attack in ATTACKS}
        honest = [{"path": str(folder / name), **WHAT} for name in ("honest", "honest.keras", "honest.h5")]
        guarded.open_guarded(jobs, honest, folder)

    return guarded.outcomes_in(once("attacks-tensorflow", make))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_runs(attack: Attack, outcomes: dict[str, guarded.Outcome]) -> None:
    guarded.check(outcomes[attack.name], refused=attack.refused)


def networks() -> dict[str, Any]:
    layers = keras.layers
    return {
        "images": [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(),
                   layers.MaxPool2D(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(2, "softmax")],
        "sequences": [keras.Input((6, 4)), layers.LSTM(3, return_sequences=True), layers.GRU(3), layers.Dense(1)],
        "augmented": [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.RandomFlip(), layers.RandomRotation(0.1),
                      layers.Resizing(4, 4), layers.GlobalAveragePooling2D()],
        "tokens": [keras.Input((5,), dtype="int32"), layers.Embedding(10, 4), layers.Bidirectional(layers.LSTM(2)), layers.LayerNormalization()],
    }  # fmt: skip


@pytest.mark.parametrize("name", list(networks()))
def test_honest_models_of_keras_are_opened(name: str, tmp_path: Path) -> None:
    model = keras.Sequential(networks()[name])
    model.export(tmp_path / "saved", verbose=False)
    loaded = load_model(tmp_path / "saved")
    x = np.ones((2, *model.input_shape[1:]), model.inputs[0].dtype)
    np.testing.assert_allclose(loaded.serve(x), model.predict(x, verbose=0), atol=1e-5)


def test_tables_and_initialisers_that_only_compute_are_run(tmp_path: Path) -> None:
    module = tf.Module()
    values = tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1], tf.int64), tf.constant([5.0, 7.0]))
    module.table = tf.lookup.StaticHashTable(values, 0.0)
    saved(module, tmp_path / "saved", lambda x: x + module.table.lookup(tf.constant([1], tf.int64)))
    assert load_model(tmp_path / "saved").call(np.zeros((1, 3), np.float32)).numpy().tolist() == [[7.0] * 3]


def test_models_of_tensorflow_1_are_opened(tmp_path: Path) -> None:
    early(run="nothing")(str(tmp_path / "canary"), tmp_path / "bad")
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((tmp_path / "bad/saved_model.pb").read_bytes())
    nodes = model.meta_graphs[0].graph_def.node
    for node in [node for node in nodes if node.op == "WriteFile"]:
        nodes.remove(node)
    (tmp_path / "bad/saved_model.pb").write_bytes(model.SerializeToString())
    loaded = load_model(tmp_path / "bad")
    assert loaded.signatures["serving_default"](tf.ones((2, 3)))["y"].numpy().tolist() == [[1.0] * 3] * 2


def test_trust_opens_what_was_refused(tmp_path: Path) -> None:
    attack = next(attack for attack in ATTACKS if attack.name == "initialiser")
    path = write(attack, tmp_path)
    load_model(path, trust=True)
    assert (tmp_path / "canary-initialiser").exists()


def test_a_damaged_savedmodel(tmp_path: Path) -> None:
    saved(tf.Module(), tmp_path / "saved")
    path = tmp_path / "saved/saved_model.pb"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedFileError, match="saved_model"):
        load_model(tmp_path / "saved")
