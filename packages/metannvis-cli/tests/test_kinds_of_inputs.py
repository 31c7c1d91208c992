"""Tables, tokens, IDX files, a folder a class and transparent images, from the command line to the figure."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from metannvis_methods import Explanation, explain
from metannvis_translate import save_model
from metannvis_translate.frameworks.requirements import require
from PIL import Image

keras = require("keras")
L = keras.layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``table.keras`` of three features, ``text.keras`` of five tokens of six words, ``digits.keras`` of 4×4 pixels,
    ``volumes.keras`` of 3×5×4 places."""
    folder = tmp_path_factory.mktemp("kinds")
    keras.utils.set_random_seed(0)
    networks = {
        "table": [keras.Input((3,)), L.Dense(2, activation="softmax")],
        "text": [
            keras.Input((5,), dtype="int32"),
            L.Embedding(6, 4, name="words"),
            L.GlobalAveragePooling1D(),
            L.Dense(2),
        ],
        "digits": [keras.Input((4, 4, 1)), L.Conv2D(2, 2), L.Flatten(), L.Dense(3, activation="softmax")],
        "volumes": [keras.Input((3, 5, 4, 1)), L.Conv3D(2, 2), L.Flatten(), L.Dense(3)],
        "colors": [keras.Input((4, 4, 3)), L.Conv2D(2, 2), L.Flatten(), L.Dense(3, activation="softmax")],
    }
    for name, layers in networks.items():
        save_model(keras.Sequential(layers), folder / f"{name}.keras")
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """Options that figures are drawn with."""
    found = []
    real = Explanation.plot
    monkeypatch.setattr(Explanation, "plot", lambda self, **options: (found.append(options), real(self, **options))[1])
    return found


def test_a_table_names_its_features(metannvis, folder, tmp_path, drawn):
    (tmp_path / "iris.csv").write_text("width,height,age,kind\n1,2,3,rose\n4,5,6,iris\n")
    result = metannvis(
        *(
            "explain",
            folder / "table.keras",
            "-m",
            "integrated_gradients",
            "--toolset",
            "captum",
            "-t",
            1,
            "--baseline",
            0,
        ),
        *("-i", tmp_path / "iris.csv", "--output", tmp_path / "x.png", "--json"),
    )
    assert result.stderr == "iris.csv: left out, being no numbers of the model's: column 'kind'\n"
    assert json.loads(result.stdout)["names"] == ["width", "height", "age"]
    assert drawn[0]["names"] == ("width", "height", "age")


def test_several_methods_of_a_table_share_a_grid(metannvis, folder, tmp_path, monkeypatch):
    import metannvis_plot

    found, real = [], metannvis_plot.plot
    monkeypatch.setattr(
        metannvis_plot, "plot", lambda *given, **options: found.append(options) or real(*given, **options)
    )
    (tmp_path / "iris.csv").write_text("width,height,age\n1,2,3\n")
    common = ("explain", folder / "table.keras", "--toolset", "captum", "-t", 1, "-i", tmp_path / "iris.csv")
    metannvis(*common, "-m", "saliency", "-m", "input_x_gradient", "--kind", "grid", "--output", tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()
    assert [options["names"] for options in found] == [("width", "height", "age")]


def test_tokens_are_drawn_in_words(metannvis, folder, tmp_path, drawn):
    (tmp_path / "words.txt").write_text("<pad>\nthe\ncat\nsat\non\nmats\n")
    (tmp_path / "x.txt").write_text("the cat sat on mats\n")
    common = ("explain", folder / "text.keras", "-m", "layer_integrated_gradients", "--toolset", "captum", "-t", 1)
    words = ("--layer", "words", "--baseline", 0, "-i", tmp_path / "x.txt")
    result = metannvis(*common, *words, "--tokens", tmp_path / "words.txt", "--output", tmp_path / "x.png", "--json")
    assert json.loads(result.stdout)["names"] == [["the", "cat", "sat", "on", "mats"]]
    assert drawn[0]["names"] == (("the", "cat", "sat", "on", "mats"),)
    refused = metannvis(*common, *words, code=1)
    assert "x.txt is a text: say which words have which ids, --tokens FILE" in refused.stderr


def test_digits_of_mnist(metannvis, folder, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 5, 4, 4) + pixels.tobytes())
    file = f"{tmp_path / 't10k-images-idx3-ubyte'}[1:3]"
    metannvis(
        *("explain", folder / "digits.keras", "-m", "saliency", "--toolset", "tf-keras-vis", "-t", 1, "-i", file),
        *("--preprocess", "unit", "--output", tmp_path / "x.npz"),
    )
    found = Explanation.load(tmp_path / "x.npz")
    np.testing.assert_allclose(found.inputs[..., 0], pixels[1:3] / 255, rtol=1e-6)
    assert found.record.words["preprocess"].divisor == 255


def test_a_folder_a_class(metannvis, folder, tmp_path):
    for number, name in enumerate(("cat", "dog", "ant")):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4), (number * 60, 9, 9)).save(tmp_path / "data" / name / "1.png")
    common = ("explain", folder / "colors.keras", "-m", "saliency", "--toolset", "tf-keras-vis", "--preprocess", "unit")
    words = ("-i", tmp_path / "data", "--labels", "folders", "--target", "folder")
    found = json.loads(metannvis(*common, *words, "--json").stdout)
    assert [entry["target_name"] for entry in found] == ["0 (ant)", "1 (cat)", "2 (dog)"]
    assert all(entry["prediction"][0]["name"] in ("ant", "cat", "dog") for entry in found)
    said = metannvis(*common, *words).stdout
    assert said.count("ant/1.png: saliency of tf-keras-vis") == 1
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    refused = metannvis(*common, "-i", tmp_path / "data", "--labels", tmp_path / "labels.txt", "-t", "folder", code=2)
    assert "no class is called 'ant'" in refused.stderr


def test_a_background(metannvis, folder, tmp_path):
    Image.new("RGBA", (4, 4), (9, 9, 9, 0)).save(tmp_path / "x.png")
    common = (
        "explain",
        folder / "colors.keras",
        "-m",
        "saliency",
        "--toolset",
        "tf-keras-vis",
        "-t",
        1,
        "-i",
        tmp_path / "x.png",
    )
    for words, color in (([], 255), (["--background", "#102030"], (16, 32, 48))):
        result = metannvis(*common, "--preprocess", "none", *words, "--output", tmp_path / "o.npz", "--overwrite")
        found = Explanation.load(tmp_path / "o.npz")
        np.testing.assert_array_equal(found.inputs[0, 0, 0], np.broadcast_to(color, 3))
        assert f"x.png: transparent, laid over {words[1] if words else 'white'}" in result.stderr
        assert found.record.words["preprocess"].background == (words[1] if words else "white")


def test_a_volume_slice_by_slice(metannvis, folder, tmp_path):
    volumes = np.random.default_rng(0).uniform(0, 1, (1, 3, 5, 4, 1)).astype("float32")
    np.save(tmp_path / "volume.npy", volumes)
    arguments = ("--toolset", "captum", "-i", tmp_path / "volume.npy", "-t", 1, "--feature-mask", "grid:2")
    file = tmp_path / "map.npy"
    explained = ("explain", folder / "volumes.keras", "-m", "feature_ablation", *arguments, "--output", file)
    metannvis(*explained, "--along", "d")
    model = keras.models.load_model(folder / "volumes.keras")
    words = {"target": 1, "toolset": "captum", "feature_mask": ("grid", {"cells": 2})}
    expected = explain(model, "feature_ablation", volumes, along="D", **words).values
    np.testing.assert_allclose(np.load(file), expected, rtol=1e-5, atol=1e-7)
    compared = ("compare", folder / "volumes.keras", "-m", "saliency", "-i", tmp_path / "volume.npy", "-t", 1, "--json")
    (row,) = json.loads(metannvis(*compared, "--along", "D").stdout)["rows"]
    assert row["max_rel"] < 1e-5
    at_layer = ("explain", folder / "volumes.keras", "-m", "layer_activation", "--layer", "conv3d", *arguments[:4])
    assert "--along is for methods that explain the input" in metannvis(*at_layer, "--along", "D", code=2).stderr
