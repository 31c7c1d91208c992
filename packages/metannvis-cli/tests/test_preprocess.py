"""What an image's pixels become: by ``--preprocess``, or by what the model does with them first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from metannvis_methods import Explanation
from metannvis_translate import save_model, translate
from metannvis_translate.frameworks.requirements import require
from PIL import Image

keras = require("keras")
L = keras.layers
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
UNSAID = "images become 0…1 (--preprocess unit): the model does not say what it was trained on"
ITSELF = "the model normalises pixels of 0…255 itself, so images are left as they are (--preprocess none)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``scaled`` and ``plain``, each as ``.keras`` and ``.onnx``, and ``photo.png``."""
    folder = tmp_path_factory.mktemp("scaled")
    for name, first in (("scaled", [L.RandomFlip(), L.Rescaling(1 / 127.5, -1)]), ("plain", [])):
        keras.utils.set_random_seed(0)
        layers = [*first, L.Conv2D(4, 3, padding="same", name="conv"), L.Flatten(), L.Dense(4, activation="softmax")]
        network = keras.Sequential([keras.Input((6, 5, 3)), *layers])
        save_model(network, folder / f"{name}.keras")
        translate(network, "onnx", example_inputs=np.zeros((2, 6, 5, 3), "float32")).save(folder / f"{name}.onnx")
    Image.fromarray(PIXELS).save(folder / "photo.png")
    return folder


@pytest.mark.parametrize("suffix", ["keras", "onnx"])
@pytest.mark.parametrize("name", ["scaled", "plain"])
def test_a_model_that_normalises_itself_gets_pixels_as_they_are(name, suffix, metannvis, folder, tmp_path):
    arguments = ("explain", folder / f"{name}.{suffix}", "-m", "saliency", "--toolset", "captum", "-t", 1)
    result = metannvis(*arguments, "-i", folder / "photo.png", "--output", tmp_path / "out.npz")
    found = Explanation.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found.inputs[0], PIXELS / (1 if name == "scaled" else 255), rtol=1e-6)
    assert result.stderr.splitlines() == [ITSELF if name == "scaled" else UNSAID]
    assert found.record.words["preprocess"].divisor == (1 if name == "scaled" else 255)
    said = metannvis(*arguments, "-i", folder / "photo.png", "--preprocess", "symmetric").stderr
    assert said == ""


def test_a_file_of_a_preprocessing(metannvis, folder, tmp_path):
    (tmp_path / "own.json").write_text(json.dumps({"divisor": 255, "mean": [0.5, 0.4, 0.3], "std": 0.25}))
    arguments = ("explain", folder / "plain.keras", "-m", "integrated_gradients", "-i", folder / "photo.png", "-t", 1)
    words = ("--preprocess", tmp_path / "own.json", "--baseline", "black", "-o", "n_steps=4", "--quiet")
    metannvis(*arguments, *words, "--output", tmp_path / "out.npz")
    found = Explanation.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found.inputs[0], (PIXELS / 255 - [0.5, 0.4, 0.3]) / 0.25, rtol=1e-6)
    again = found.rerun(str(folder / "plain.keras"))
    np.testing.assert_array_equal(again.values, found.values)


@pytest.mark.parametrize("command", ["compare", "visualize", "layers", "check"])
def test_every_command_that_reads_images_says_so(command, metannvis, folder, tmp_path):
    model = folder / "scaled.keras"
    words = {
        "compare": (model, "-m", "saliency"),
        "visualize": (model, "--steps", 1),
        "layers": (model,),
        "check": (model, model),
    }[command]
    assert ITSELF in metannvis(command, *words, "-i", folder / "photo.png").stderr


def test_a_preprocessing_that_is_none_is_told_before_the_model_is_opened(metannvis, tmp_path):
    (tmp_path / "none.keras").write_text("no model")
    arguments = ("explain", tmp_path / "none.keras", "-m", "saliency", "-i", "photo.png", "--preprocess")
    assert (
        "--preprocess huge is no preprocessing; there are: unit, symmetric"
        in metannvis(*arguments, "huge", code=2).stderr
    )
    (tmp_path / "own.json").write_text(json.dumps({"scale": 255}))
    assert "no 'scale'; it has divisor" in metannvis(*arguments, tmp_path / "own.json", code=2).stderr


def test_a_file_beside_the_model(metannvis, folder, tmp_path):
    shutil.copy(folder / "plain.onnx", tmp_path / "net.onnx")
    record = {"range": [0, 1], "mean": [0.5, 0.4, 0.3], "std": 0.25, "channels": "BGR"}
    (tmp_path / "net.preprocess.json").write_text(json.dumps(record))
    common = (
        "explain",
        tmp_path / "net.onnx",
        "-m",
        "saliency",
        "--toolset",
        "captum",
        "-t",
        1,
        "-i",
        folder / "photo.png",
    )
    result = metannvis(*common, "--output", tmp_path / "out.npz", "--json")
    said = "images are preprocessed as net.preprocess.json says: (pixels / 255 − (0.5, 0.4, 0.3)) / 0.25, blue first\n"
    assert result.stderr == said
    found = Explanation.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found.inputs[0], (PIXELS[..., ::-1] / 255 - [0.5, 0.4, 0.3]) / 0.25, rtol=1e-5)
    assert json.loads(result.stdout)["repeat"]["preprocess"]["order"] == "BGR"
    assert metannvis(*common, "--preprocess", "unit").stderr == ""
    (tmp_path / "net.preprocess.json").write_text("{")
    assert "net.preprocess.json holds no preprocessing" in metannvis(*common, code=1).stderr


@pytest.mark.parametrize(("name", "preset"), [("vgg16", "imagenet-caffe"), ("resnet50v2", "symmetric")])
def test_networks_of_keras_applications(name, preset, metannvis, folder, tmp_path):
    network = keras.Sequential([keras.Input((6, 5, 3)), L.Conv2D(2, 3), L.Flatten(), L.Dense(4)], name=name)
    save_model(network, tmp_path / "net.keras")
    common = ("explain", tmp_path / "net.keras", "-m", "saliency", "--toolset", "tf-keras-vis", "-t", 1)
    result = metannvis(*common, "-i", folder / "photo.png", "--output", tmp_path / "out.npz")
    assert f"as the weights of {name} in keras.applications take them ({preset}" in result.stderr
    by_keras = {
        "imagenet-caffe": keras.applications.vgg16.preprocess_input,
        "symmetric": keras.applications.resnet_v2.preprocess_input,
    }[preset]
    found = Explanation.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found.inputs[0], by_keras(PIXELS.astype("float32")), rtol=1e-5, atol=1e-4)


def test_whether_images_are_cut(metannvis, folder, tmp_path):
    Image.fromarray(np.tile(PIXELS, (2, 4, 1))).save(tmp_path / "wide.png")
    common = (
        "explain",
        folder / "plain.keras",
        "-m",
        "saliency",
        "--toolset",
        "tf-keras-vis",
        "-t",
        1,
        "-i",
        tmp_path / "wide.png",
    )
    seen = []
    for number, words in enumerate(
        (["--preprocess", "imagenet"], ["--preprocess", "imagenet", "--no-crop"], ["--crop", "--preprocess", "unit"])
    ):
        metannvis(*common, *words, "--output", tmp_path / f"{number}.npz")
        seen.append(Explanation.load(tmp_path / f"{number}.npz"))
    assert [one.record.words["preprocess"].crop for one in seen] == [True, False, True]
    assert np.abs(seen[0].inputs - seen[1].inputs).max() > 0.1
