from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from metannvis_methods import Explanation, explain
from PIL import Image


@pytest.mark.parametrize(("model", "array"), [("net.pt2", "torch"), ("net.keras", "keras"), ("net.onnx", "torch")])
@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_any_model_by_any_toolset(metannvis, models, tmp_path, model, array, toolset):
    file = tmp_path / "saliency.npz"
    result = metannvis(
        *("explain", models / model, "-m", "saliency", "--toolset", toolset),
        *("--input", models / f"{array}.npy", "--target", 1, "--output", file),
    )
    found = Explanation.load(file)
    expected = explain(str(models / model), "saliency", np.load(models / f"{array}.npy"), target=1, toolset=toolset)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7)
    assert (found.target, found.toolset) == (1, toolset)
    assert result.stdout.splitlines()[0].startswith(f"saliency of {toolset} on a")
    assert result.stdout.splitlines()[-1] == f"wrote {file}"
    assert result.stderr == ""


def test_a_layer_in_the_model_s_own_terms(metannvis, models, tmp_path):
    metannvis(
        *("explain", models / "net.pt2", "-m", "grad_cam", "--toolset", "tf-keras-vis", "--layer", "conv"),
        *("--input", models / "torch.npy", "-t", 3, "-t", 0, "--output", tmp_path / "cam.png"),
        *("--output", tmp_path / "cam.npy", "-o", "expand_cam=False"),
    )
    with Image.open(tmp_path / "cam.png") as picture:
        assert picture.width > 300
    assert np.load(tmp_path / "cam.npy").shape == (2, 6, 5)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".html", ".npz", ".npy"])
def test_every_ending(metannvis, models, tmp_path, suffix):
    file = tmp_path / f"out{suffix}"
    arguments = ("explain", models / "net.pt2", "-m", "input_x_gradient", "-i", models / "torch.npy", "--output", file)
    metannvis(*arguments)
    before = file.read_bytes()
    assert before
    assert "--overwrite" in metannvis(*arguments, code=1).stderr
    assert file.read_bytes() == before
    metannvis(*arguments, "--overwrite")


def test_json(metannvis, models):
    found = json.loads(
        metannvis(
            *("explain", models / "net.keras", "-m", "integrated_gradients", "--toolset", "captum", "--json"),
            *("-i", models / "keras.npy", "--baseline", 0, "-o", "n_steps=5", "--batch-size", 1),
        ).stdout
    )
    assert found["method"] == "integrated_gradients"
    assert found["values"][0]["shape"] == [2, 6, 5, 3]
    assert found["translation"]["passed"] is True
    assert found["options"]["n_steps"] == 5
    assert len(found["convergence_delta"]) == 2


def test_an_image_and_labels(metannvis, models, tmp_path):
    Image.new("RGB", (10, 12), "red").save(tmp_path / "cat.png")
    (tmp_path / "labels.txt").write_text("dog\ncat\ncrane\nfish\n")
    result = metannvis(
        *("explain", models / "net.keras", "-m", "saliency", "--toolset", "tf-keras-vis"),
        *("-i", tmp_path / "cat.png", "-t", "cat", "--labels", tmp_path / "labels.txt"),
    )
    assert "target 1 (cat)" in result.stdout
    assert result.stderr.splitlines() == [
        "images become 0…1 (--preprocess unit): the model does not say what it was trained on",
        "cat.png: 10 × 12 pixels made 5 × 6",
    ]


def test_the_choice_of_a_toolset_is_one_line(metannvis, models):
    result = metannvis("explain", models / "net.pt2", "-m", "saliency", "-i", models / "torch.npy")
    assert result.stderr.startswith("warning: ")
    assert result.stderr.count("\n") == 1
    assert "saliency of captum" in result.stdout
    assert metannvis("explain", models / "net.pt2", "-m", "saliency", "-i", models / "torch.npy", "-q").stderr == ""


def test_a_neuron_and_a_layer_s_baseline(metannvis, models, tmp_path):
    common = ("explain", models / "net.pt2", "-i", models / "torch.npy", "--layer", "conv", "--toolset", "captum")
    assert "neuron" in metannvis(*common, "-m", "integrated_gradients", "--neuron", "1,2,3").stdout
    np.save(tmp_path / "base.npy", np.load(models / "torch.npy") * 0)
    metannvis(*common, "-m", "layer_conductance", "-t", 1, "--baseline", tmp_path / "base.npy")


def test_a_state_dict(metannvis, models, monkeypatch):
    monkeypatch.chdir(models)  # the factory is looked for in the current folder too
    metannvis(
        *("explain", models / "net.pt", "--architecture", "architecture:make", "-m", "saliency"),
        *("--toolset", "captum", "-i", models / "torch.npy", "-t", 0),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "grad_cam", "--toolset", "captum", "--layer", "cnov", "-t", "1"], "Close: 'conv'"),
        (["-m", "layer_conductance", "-t", "1"], "needs --layer; there are: conv"),
        (["-m", "saliency", "--toolset", "captum", "-t", "9"], "out of range"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line_and_end_with_1(metannvis, models, arguments, message):
    stderr = metannvis("explain", models / "net.pt2", "-i", models / "torch.npy", *arguments, code=1).stderr
    assert stderr.startswith("error: ")
    assert message in stderr
    assert stderr.count("\n") == 1


def test_a_missing_input(metannvis, models):
    stderr = metannvis("explain", models / "net.pt2", "-m", "saliency", "--toolset", "captum", code=2).stderr
    assert "--input" in stderr


def test_a_pickle_is_refused(metannvis, tmp_path, models):
    (tmp_path / "net.pt").write_bytes(pickle.dumps({"code": print}))
    before = (tmp_path / "net.pt").read_bytes()
    inputs = ("-i", models / "torch.npy")
    stderr = metannvis("explain", tmp_path / "net.pt", "-m", "deep_lift", *inputs, code=1).stderr
    assert stderr.startswith("error: ")
    assert (tmp_path / "net.pt").read_bytes() == before


@pytest.mark.parametrize("name", ["net.txt", "net.keras", "net.onnx", "net.pt2"])
def test_files_that_are_no_model(metannvis, tmp_path, models, name):
    (tmp_path / name).write_text("nothing of use")
    code = 2 if name == "net.txt" else 1  # which its name tells, before anything is opened
    stderr = metannvis(*("explain", tmp_path / name, "-m", "deep_lift", "-i", models / "torch.npy"), code=code).stderr
    assert "error: " in stderr.lower()
    assert name in stderr
    assert "unexpected" not in stderr


def test_words_that_stand_beside_every_method(metannvis, models, tmp_path):
    common = ("explain", models / "net.pt2", "-i", models / "torch.npy", "-t", 1, "--toolset", "captum")
    said = metannvis(
        *common, "-m", "grad_cam", "--layer", "conv", "--layer", "relu", "--output", tmp_path / "cam.npy"
    ).stdout
    assert said.count("grad_cam of captum") == 2
    assert "predicted" in said
    assert {path.name for path in tmp_path.glob("cam*")} == {"cam-conv.npy", "cam-relu.npy"}
    for words in (
        ["--noise", "smoothgrad:3:0.1", "--seed", 1],
        ["--noise", "vargrad"],
        ["--unfit", "ignore"],
    ):
        metannvis(*common, "-m", "saliency", *words)
    metannvis(*common, "-m", "integrated_gradients", "--baseline", "black", "--value-range", -1, 1, "-o", "n_steps=3")
    metannvis(*common, "-m", "feature_ablation", "--feature-mask", "grid:2")
    np.save(tmp_path / "data.npy", np.load(models / "torch.npy"))
    metannvis(
        *common, "-m", "integrated_gradients", "--baseline", "mean", "--data", tmp_path / "data.npy", "-o", "n_steps=3"
    )
    plain, absolute = (
        json.loads(metannvis(*common, "-m", "saliency", "-o", f"abs={word}", "--json").stdout)["values"][0]["min"]
        for word in ("false", "true")
    )
    assert plain < 0 <= absolute


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (2, ["-m", "saliency", "-o", "abs=maybe"], "abs of saliency is true or false, not 'maybe'"),
        (2, ["-m", "saliency", "--noise", "loud"], "KIND[:SAMPLES[:STDEV]]"),
        (2, ["-m", "saliency", "--noise", "smoothgrad:0"], "at least 1"),
        (2, ["-m", "grad_cam", "--layer", "conv", "--reshape", "14"], "neither auto nor a grid"),
        (2, ["-m", "feature_ablation", "--feature-mask", "tiles"], "or one of superpixels"),
        (2, ["-m", "feature_ablation", "--feature-mask", "pixels:3"], "a number stands behind grid"),
        (1, ["-m", "saliency", "--model-output", "logits"], "no output 'logits'"),
        (2, ["-m", "saliency", "--region", "argmax"], "a region is of one class"),
        (2, ["-m", "saliency", "-o", "noise=1"], "noise has an option of its own: --noise"),
    ],
)
def test_words_that_are_none_are_told(code, words, said, metannvis, models):
    found = metannvis(
        "explain", models / "net.pt2", "-i", models / "torch.npy", "--toolset", "captum", *words, code=code
    )
    assert said in " ".join(found.stderr.split())


def test_device_and_half_precision(metannvis, models, tmp_path):
    common = (
        "explain",
        models / "net.pt2",
        "-m",
        "saliency",
        "-i",
        models / "torch.npy",
        "-t",
        1,
        "--toolset",
        "captum",
    )
    for words, name in (([], "plain"), (["--device", "cpu"], "cpu"), (["--autocast", "auto"], "half")):
        metannvis(*common, *words, "--output", tmp_path / f"{name}.npz")
    plain, cpu, half = (Explanation.load(tmp_path / f"{name}.npz") for name in ("plain", "cpu", "half"))
    np.testing.assert_array_equal(plain.values, cpu.values)
    assert 0 < np.abs(plain.values - half.values).max() < 0.1 * np.abs(plain.values).max()
    assert (cpu.record.words["device"], half.record.words["autocast"]) == ("cpu", True)
    said = metannvis(*common, "--device", "cuda:5", code=1).stderr
    assert "--device cuda:5 is not there; there is cpu" in said


def test_an_explanation_over_dropout_masks(metannvis, tmp_path, models):
    from metannvis_methods import Explanation
    from metannvis_translate import save_model
    from metannvis_translate.frameworks.requirements import require

    layers = require("keras").layers
    parts = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(4)]
    save_model(require("keras").Sequential([require("keras").Input((6, 5, 3)), *parts]), tmp_path / "net.keras")
    common = ("explain", tmp_path / "net.keras", "-m", "saliency", "--toolset", "captum", "-i", models / "keras.npy")
    words = ("-t", 1, "--uncertainty", "mc-dropout:4", "--seed", 1, "--output", tmp_path / "e.npz")
    said = metannvis(*common, *words, "--output", tmp_path / "e.png").stdout
    assert "over 4 dropout masks" in said
    found = Explanation.load(tmp_path / "e.npz")
    assert found.deviation.shape == found.values.shape == (2, 6, 5, 3)
    assert found.deviation.max() > 0
    exported = ("explain", models / "net.pt2", "-m", "saliency", "--toolset", "captum", "-i", models / "torch.npy")
    stderr = metannvis(*exported, "--uncertainty", "mc-dropout", code=1).stderr
    assert "nothing in the model drops" in stderr
