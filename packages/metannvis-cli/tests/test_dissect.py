"""``metannvis dissect``: tables and figures of one model and of two, by masks, classes and embeddings."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from metannvis_methods import Dissection, DissectionComparison
from metannvis_methods.examples import concepts as planted
from metannvis_translate import save_model
from PIL import Image

SHAPES = planted.shapes(0, count=24)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Planted networks of two frameworks as files, and a labelled set."""
    folder = tmp_path_factory.mktemp("dissect")
    save_model(planted.torch_planted(), folder / "net.pt2", example_inputs=SHAPES.images[:2])
    save_model(planted.keras_planted(), folder / "net.keras")
    planted.write_broden(folder / "shapes", SHAPES)
    return folder


@pytest.fixture(scope="module")
def one_each(here):
    """Images without masks, a folder a class."""
    one = planted.shapes(1, count=24, most=1)
    for k, (picture, place) in enumerate(zip(one.images, one.classes, strict=True)):
        folder = here / "classes" / one.names[place]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture.transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(folder / f"{k:02}.png")
    return here / "classes"


def test_two_networks_from_one_command(metannvis, here, tmp_path):
    words = ("--layer", "units", "--with", here / "net.keras", "--preprocess", "unit", "--output", tmp_path / "out")
    said = metannvis("dissect", here / "net.pt2", *words, "--concepts", here / "shapes").stdout
    folders = sorted((tmp_path / "out").iterdir())
    assert len(folders) == 2
    assert {path.name for path in folders[0].iterdir()} >= {
        "descriptions.csv", "configuration.json", "dissection.npz", "concepts.png", "units.png"
    }  # fmt: skip
    rows = [list(csv.DictReader((f / "descriptions.csv").read_text(encoding="utf-8").splitlines())) for f in folders]
    assert rows[0] == rows[1]
    assert [row["concept"] for row in rows[0]][:4] == list(planted.CONCEPTS)
    (comparison,) = (tmp_path / "out").rglob("comparison.npz")
    assert set(DissectionComparison.load(comparison).shared) == set(planted.CONCEPTS)
    assert comparison.with_suffix(".png").is_file()
    assert "DETECTORS" in said
    assert "4 concepts shared, 0 in net.pt2 alone, 0 in net.keras alone" in said


def test_json_and_options(metannvis, here, tmp_path):
    words = (
        "-l",
        "deep",
        "--preprocess",
        "unit",
        "--category",
        "object",
        "--split",
        "train",
        "--threshold",
        "0.2",
        "--json",
    )
    told = json.loads(
        metannvis("dissect", here / "net.keras", *words, "--concepts", here / "shapes", "--output", tmp_path).stdout
    )
    (model,) = told["models"]
    assert model["configuration"]["threshold"] == 0.2
    assert model["configuration"]["images"] == 19
    assert len(model["units"]) == 8
    assert told["comparison"] is None
    assert Dissection.load(f"{model['folder']}/dissection.npz").concepts == ("red square", "green disc", "blue cross")


def test_classes_and_embeddings(metannvis, here, one_each, tmp_path):
    common = ("dissect", here / "net.pt2", "-l", "units", "--preprocess", "unit", "--output", tmp_path, "--json")
    by_class = json.loads(metannvis(*common, "--images", one_each).stdout)["models"][0]["units"]
    assert {row["concept"] for row in by_class} <= set(planted.CONCEPTS)
    words = np.random.default_rng(0).normal(size=(4, 8))
    names = sorted(planted.CONCEPTS)
    files = sorted(one_each.rglob("*.png"))
    images = words[[names.index(file.parent.name) for file in files]]
    np.savez(tmp_path / "e.npz", names=np.array(names), concepts=words, images=images)
    by_word = json.loads(metannvis(*common, "--images", one_each, "--embeddings", tmp_path / "e.npz").stdout)
    assert {row["concept"] for row in by_word["models"][0]["units"]} <= set(names)
    np.savez(tmp_path / "f.npz", names=np.array(names))
    stderr = metannvis(*common, "--images", one_each, "--embeddings", tmp_path / "f.npz", code=2).stderr
    assert "lacks concepts, images" in stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --concepts, or --images"),
        (("--concepts", "shapes", "--embeddings", "net.keras"), "embeddings are of --images"),
        (("--images", "shapes", "--split", "val"), "are of --concepts"),
        (("--concepts", "shapes", "--with-layer", "deep"), "give --with"),
        (("--concepts", "shapes", "--category", "scene"), "no category scene"),
        (("--images", "shapes/images"), "images lie in a folder a class"),
        (("--concepts", "shapes", "--threshold", "2"), "not in the range"),
    ],
)
def test_wrong_usage(words, said, metannvis, here, monkeypatch, tmp_path):
    monkeypatch.chdir(here)
    stderr = metannvis("dissect", "net.keras", "-l", "units", "--output", tmp_path, *words, code=2).stderr
    assert said in " ".join(stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_there(metannvis, here, tmp_path):
    words = ("-l", "unit", "--concepts", here / "shapes", "--output", tmp_path)
    assert "no layer 'unit'" in metannvis("dissect", here / "net.keras", *words, code=1).stderr
