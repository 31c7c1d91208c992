"""Several inputs, methods, toolsets, layers and targets in one call, with one translation and one open model."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from metannvis_cli.file_names import distinct, names_of_files
from metannvis_cli.input_files import input_sets
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console
from metannvis_methods import Explanation, explain
from PIL import Image

TIME = r"\d{8}-\d{6}-"


@pytest.fixture
def pictures(tmp_path):
    """``a/cat.png``, ``a/img2.png``, ``a/img10.png``, ``b/cat.png``, 5×6 pixels each; and what is none, ``a/notes.doc``."""
    generator = np.random.default_rng(0)
    for name in ("a/cat.png", "a/img2.png", "a/img10.png", "b/cat.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "a" / "notes.doc").write_text("nothing")
    return tmp_path


def stems(folder):
    return sorted(re.sub(TIME, "", path.name) for path in folder.iterdir())


def test_names_keep_files_apart():
    assert names_of_files(["a/cat.png", "b/cat.png", "c/dog.png"]) == ["a_cat.png", "b_cat.png", "dog"]
    assert names_of_files(["cat.png", "cat.jpg"]) == ["cat.png", "cat.jpg"]
    assert names_of_files(["x/a/1.png", "y/a/1.png"]) == ["x_a_1.png", "y_a_1.png"]
    assert distinct(["a b", "a_b", "A_B"]) == ["a_b", "a_b-2", "A_B-3"]
    assert len(distinct(["x" * 300])[0]) < 60


def test_folders_and_patterns(pictures, capsys):
    console = Console()
    (found,) = [[one.options.files for one in input_sets(InputOptions((str(pictures / "a"),)), console, apart=False)]]
    assert found == [(str(pictures / "a" / name),) for name in ("cat.png", "img2.png", "img10.png")]
    assert "left out of" in capsys.readouterr().err
    sets = input_sets(InputOptions((str(pictures / "*" / "cat.png"),)), console, apart=False)
    assert [one.name for one in sets] == ["a_cat.png", "b_cat.png"]
    assert [one.shown for one in sets] == ["a/cat.png", "b/cat.png"]
    two = InputOptions((str(pictures / "a" / "cat.png"), str(pictures / "b" / "cat.png")))
    assert [len(one.options.files) for one in input_sets(two, console, apart=False)] == [2]
    assert [len(one.options.files) for one in input_sets(two, console, apart=True)] == [1, 1]


def test_every_method_at_every_layer_of_every_picture(metannvis, models, pictures, monkeypatch):
    import metannvis_translate

    made = []
    real = metannvis_translate.translate
    counted = lambda *args, **kwargs: made.append(args[1]) or real(*args, **kwargs)  # noqa: E731
    monkeypatch.setattr(metannvis_translate, "translate", counted)
    result = metannvis(
        *("explain", models / "net.keras", "-i", pictures / "a", "-i", pictures / "b", "--preprocess", "unit"),
        *("-m", "grad_cam", "-m", "saliency", "--toolset", "captum", "--layer", "conv", "--layer", "relu", "-t", 1),
        *("--output", pictures / "maps", "--format", "npz", "--format", "png", "--output", pictures / "page.html"),
    )
    cats = ["a_cat.png", "b_cat.png"]
    names = [
        f"{name}-{what}"
        for name in [*cats, "img2", "img10"]
        for what in ("grad_cam-conv-1", "grad_cam-relu-1", "saliency-1")
    ]
    assert stems(pictures / "maps") == sorted(f"{name}.{ending}" for name in names for ending in ("npz", "png"))
    assert "--layer is not for saliency, which does without" in result.stderr
    assert result.stdout.count("predicted") == 12
    assert f"wrote {pictures / 'page.html'}" in result.stdout
    page = (pictures / "page.html").read_text()
    assert page.count("a/cat.png, grad_cam of captum at conv, target 1") >= 1
    (file,) = (pictures / "maps").glob("*b_cat.png-grad_cam-relu-1.npz")
    pixels = np.asarray(Image.open(pictures / "b" / "cat.png"), np.float32)[None] / 255
    expected = explain(str(models / "net.keras"), "grad_cam", pixels, layer="relu", target=1, toolset="captum")
    found = Explanation.load(file)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7)
    assert made == ["torch"] * 2  # one for the command, one for what is expected of it
    np.testing.assert_allclose(found.rerun().values, found.values, rtol=1e-6)


def test_each_fails_alone(metannvis, models, pictures):
    (pictures / "a" / "broken.png").write_bytes(b"no picture")
    common = ("explain", models / "net.keras", "-i", pictures / "a", "--preprocess", "unit", "-t", 1)
    result = metannvis(*common, "-m", "saliency", "--toolset", "tf-keras-vis", "--output", pictures / "out", code=1)
    assert stems(pictures / "out") == ["cat-saliency-1.png", "img10-saliency-1.png", "img2-saliency-1.png"]
    assert (
        "error: broken.png, saliency of tf-keras-vis, target 1: broken.png cannot be read as an image" in result.stderr
    )
    assert result.stderr.splitlines()[-1] == "error: 1 of 4 failed, see above"
    result = metannvis(*common, "-m", "saliency", "--toolset", "captum", "--json", code=1)
    found = json.loads(result.stdout)
    assert [("error" in entry) for entry in found] == [False, False, False, True]
    assert "cannot be read as an image" in found[-1]["error"]


def test_targets_are_one_a_sample_or_each(metannvis, models, tmp_path):
    common = (
        "explain",
        models / "net.pt2",
        "-m",
        "saliency",
        "--toolset",
        "captum",
        "-i",
        models / "torch.npy",
        "--json",
    )
    (one,) = [json.loads(metannvis(*common, "-t", 3, "-t", 0).stdout)]
    assert one["target"] == [3, 0]
    each = json.loads(metannvis(*common, "-t", 3, "-t", 0, "-t", 2, "--output", tmp_path / "s.npy").stdout)
    assert [entry["target"] for entry in each] == [3, 0, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"s-3.npy", "s-0.npy", "s-2.npy"}


def test_several_toolsets(metannvis, models, tmp_path):
    result = metannvis(
        *("explain", models / "net.pt2", "-m", "saliency", "-m", "deep_lift", "--toolset", "captum"),
        *("--toolset", "tf-keras-vis", "-i", models / "torch.npy", "-t", 1, "-o", "deep_lift:eps=1e-9"),
        *("--output", tmp_path / "x.npy"),
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "x-saliency-captum.npy",
        "x-saliency-tf-keras-vis.npy",
        "x-deep_lift-captum.npy",
    }
    assert "left out: no method 'deep_lift' in toolset 'tf-keras-vis'" in result.stderr


def test_a_grid_of_all(metannvis, models, tmp_path):
    metannvis(
        *("explain", models / "net.pt2", "-m", "grad_cam", "-m", "saliency", "--toolset", "captum", "--layer", "conv"),
        *(
            "-i",
            models / "torch.npy",
            "-t",
            1,
            "--kind",
            "grid",
            "--output",
            tmp_path / "g.png",
            "--output",
            tmp_path / "v.npy",
        ),
    )
    assert {path.name for path in tmp_path.iterdir()} == {"g.png", "v-grad_cam-conv.npy", "v-saliency.npy"}


def test_nothing_is_run_where_one_file_exists(metannvis, models, tmp_path):
    (tmp_path / "s-saliency.npy").write_text("mine")
    stderr = metannvis(
        *("explain", models / "net.pt2", "-m", "saliency", "-m", "input_x_gradient", "--toolset", "captum"),
        *("-i", models / "torch.npy", "--output", tmp_path / "s.npy"),
        code=1,
    ).stderr
    assert "s-saliency.npy exists already; --overwrite replaces it" in stderr
    assert (tmp_path / "s-saliency.npy").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_word_that_no_method_takes(metannvis, models):
    stderr = metannvis(
        *("explain", models / "net.pt2", "-m", "saliency", "-m", "input_x_gradient", "--toolset", "captum"),
        *("-i", models / "torch.npy", "--layer", "conv", "--baseline", 0),
        code=2,
    ).stderr
    assert "takes no --" in stderr


def test_visualize_several(metannvis, models, tmp_path):
    metannvis(
        *("visualize", models / "net.keras", "-t", 1, "--steps", 1, "--range", 0, 1, "--seed", 0),
        *("-i", models / "keras.npy", "-i", models / "keras.npy"),
        *("--output", tmp_path / "v.png"),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["v.png"]


def test_json_repeats_the_run(metannvis, models, tmp_path):
    import hashlib

    (tmp_path / "own.json").write_text(json.dumps({"divisor": 255, "mean": [0.5, 0.4, 0.3]}))
    Image.new("RGB", (5, 6), "red").save(tmp_path / "x.png")
    found = json.loads(
        metannvis(
            *("explain", models / "net.keras", "-m", "integrated_gradients", "--toolset", "captum", "-t", 1, "--json"),
            *("-i", tmp_path / "x.png", "--preprocess", tmp_path / "own.json", "--seed", 3, "-o", "n_steps=4"),
        ).stdout
    )["repeat"]
    assert found["model"]["sha256"] == hashlib.sha256((models / "net.keras").read_bytes()).hexdigest()
    assert found["inputs"] == [
        {"file": str(tmp_path / "x.png"), "sha256": hashlib.sha256((tmp_path / "x.png").read_bytes()).hexdigest()}
    ]
    assert (found["seed"], found["words"]["options"]) == (3, {"n_steps": 4})
    assert found["preprocess"]["mean"] == [0.5, 0.4, 0.3]
    assert {"python", "numpy", "captum", "torch", "metannvis-cli", "metannvis-methods"} <= set(found["versions"])
    assert found["command"].startswith("metannvis")
