from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize(("model", "array"), [("net.pt2", "torch"), ("net.keras", "keras")])
def test_both_toolkits_agree(metannvis, models, tmp_path, model, array):
    common = ("compare", models / model, "-i", models / f"{array}.npy", "-t", 1, "--json")
    found = json.loads(metannvis(*common, "-m", "saliency", "--output", tmp_path / "c.png").stdout)
    assert found["rows"][0]["max_rel"] < 1e-5
    assert found["toolsets"] == ["captum", "tf-keras-vis"]
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 300
    found = json.loads(metannvis(*common, "-m", "grad_cam", "--layer", "conv").stdout)
    assert found["rows"][0]["max_rel"] < 1e-5
    found = json.loads(metannvis(*common, "-m", "saliency", "--no-align").stdout)
    assert found["rows"][0]["max_rel"] > 1e-2


def test_text_and_page(metannvis, models, tmp_path):
    arguments = ("compare", models / "net.pt2", "-m", "saliency", "-i", models / "torch.npy", "-t", 1)
    result = metannvis(*arguments, "--output", tmp_path / "c.html")
    assert "captum − tf-keras-vis" in result.stdout
    assert "<img" in (tmp_path / "c.html").read_text()


def test_options_of_one_toolset(metannvis, models):
    common = ("compare", models / "net.pt2", "-m", "saliency", "-i", models / "torch.npy", "-t", 1, "--json")
    found = json.loads(metannvis(*common, "-o", "captum:abs=False").stdout)
    assert found["explanations"][0]["options"]["abs"] is False
    assert found["rows"][0]["cosine"] < 0.999


def test_a_method_of_one_toolset_cannot_be_compared(metannvis, models):
    stderr = metannvis(
        "compare", models / "net.pt2", "-m", "guided_backprop", "-i", models / "torch.npy", code=2
    ).stderr
    assert "two toolsets or more" in stderr


@pytest.mark.parametrize(("model", "shape"), [("net.pt2", (2, 3, 6, 5)), ("net.keras", (2, 6, 5, 3))])
def test_visualize(metannvis, models, tmp_path, model, shape):
    arguments = ("visualize", models / model, "-t", 1, "-t", 2, "--steps", 2, "--range", 0, 1, "--seed", 0)
    for name in ("a", "b"):
        metannvis(*arguments, "--output", tmp_path / f"{name}.npy", "--output", tmp_path / f"{name}.png")
    first, second = np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy")
    assert first.shape == shape
    assert 0 <= first.min() <= first.max() <= 1
    np.testing.assert_array_equal(first, second)


def test_the_rate_counts(metannvis, models, tmp_path):
    for rate in (0.001, 0.1):
        metannvis(
            *("visualize", models / "net.keras", "-t", 1, "--steps", 3, "--range", 0, 1, "--seed", 0),
            *("--rate", rate, "-o", "input_modifiers=[]", "--output", tmp_path / f"{rate}.npy"),
        )
    assert np.ptp(np.load(tmp_path / "0.001.npy") - np.load(tmp_path / "0.1.npy")) > 0.05


def test_what_explains_an_input_makes_none(metannvis, models):
    assert "activation_maximization" in metannvis("visualize", models / "net.pt2", "-m", "saliency", code=2).stderr


def test_compare_speaks_the_vocabulary(metannvis, models, tmp_path):
    common = ("compare", models / "net.pt2", "-i", models / "torch.npy", "-t", 1, "--json")
    for words in (
        ["-m", "saliency", "--unfit", "ignore", "--deadline", 100, "--device", "cpu", "--logits", "no"],
        ["-m", "grad_cam", "--layer", "conv", "--batch-size", 1, "--model-output", 0],
        ["-m", "grad_cam", "--layer", "conv", "--noise", "smoothgrad:2:0.0", "--seed", 1],
    ):
        found = json.loads(metannvis(*common, *words).stdout)
        assert found["rows"][0]["max_rel"] < 1e-4, words


def test_visualize_one_of_several_outputs(metannvis, models, tmp_path):
    words = ("--model-output", 0, "--deadline", 100, "--device", "cpu", "--logits", "no", "--steps", 1, "-t", 1)
    assert "activation_maximization" in metannvis("visualize", models / "net.keras", *words, "--seed", 0).stdout


@pytest.mark.parametrize(("model", "shape"), [("net.pt2", (2, 3, 6, 5)), ("net.keras", (2, 6, 5, 3))])
def test_visualize_channels_of_a_layer(metannvis, models, tmp_path, model, shape):
    arguments = ("visualize", models / model, "-l", "conv", "--channel", 0, "--channel", 1, "--steps", 3, "--seed", 0)
    out = metannvis(
        *arguments, "--output", tmp_path / "a.npy", "--output", tmp_path / "a.png", "-o", "snapshots=2"
    ).stdout
    assert "render" not in out and "activation_maximization of metannvis" in out and "image 1: conv:1, objective" in out
    assert np.load(tmp_path / "a.npy").shape == shape
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 300
    found = json.loads(metannvis(*arguments, "--range", -1, 1, "--batch-size", 1, "--rate", 0.1, "--json").stdout)
    assert (found["objectives"], found["steps"], found["layer"]) == (["conv:0", "conv:1"], [3, 3], "conv")
    assert found["values"][0]["min"] < 0


@pytest.mark.parametrize("method", ["render", "deep_dream", "activation_maximization"])
def test_visualize_by_our_methods(metannvis, models, tmp_path, method):
    words = (
        ["--neuron", "1,2,1"]
        if method == "render"
        else ["-t", "1"]
        if method.startswith("act")
        else ["-o", "octaves=1"]
    )
    layer = [] if method.startswith("act") else ["-l", "conv"]
    out = metannvis(
        *("visualize", models / "net.pt2", "-m", method, "--toolset", "metannvis", *layer, *words),
        *("--steps", 2, "--seed", 0, "--range", 0, 1, "--rate", 0.01, "--output", tmp_path / "a.npz"),
    ).stdout
    assert f"{method} of metannvis" in out and (tmp_path / "a.npz").exists()


def test_a_channel_is_of_a_layer(metannvis, models):
    for words in (["--channel", 1], ["--neuron", "1,1,1"]):
        assert "give --layer" in metannvis("visualize", models / "net.pt2", *words, code=2).stderr
