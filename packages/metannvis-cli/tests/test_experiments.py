"""Experiments by ``metannvis evaluate``: files, figures, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from metannvis_cli.experiment_figures import draw
from metannvis_cli.experiments import names
from metannvis_methods.experiments import EXPERIMENTS, Picture
from PIL import Image


def test_every_experiment_has_a_command_that_says_what_it_asks(metannvis) -> None:
    assert set(names()) == set(EXPERIMENTS)
    listed = metannvis("evaluate", "--help").stdout
    for name in names():
        assert f"  {name} " in listed
        told = metannvis("evaluate", name, "--help").stdout
        assert "--size" in told and "?" in told and f"metannvis evaluate {name}" in told


def test_an_experiment_writes_tables_figures_and_a_summary(metannvis, tmp_path: Path) -> None:
    folder = tmp_path / "depth"
    result = metannvis("evaluate", "depth", "--size", "small", "--seed", 1, "--output", folder)
    written = {Path(line.removeprefix("wrote ")) for line in result.stdout.splitlines() if line.startswith("wrote ")}
    assert written == set(folder.iterdir())
    assert {path.suffix for path in written} == {".csv", ".json", ".png"}
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["experiment"], summary["seed"], summary["size"]) == ("depth", 1, "small")
    assert all(line in result.stdout for line in summary["summary"])
    with (folder / "depth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5 * 3
    assert all(0 <= float(row["share in own half"]) <= 1 for row in rows)
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            assert min(picture.size) > 200
    refused = metannvis("evaluate", "depth", "--size", "small", "--output", folder, code=1)
    assert "holds something already; --overwrite" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("clever-han",), "Did you mean 'clever-hans'?"),
        (("sanity", "--size", "large"), "'large' is not one of 'small', 'full'"),
        (("depth", "net.pt2"), "Got unexpected extra argument"),
    ],
)
def test_wrong_usage_is_told(metannvis, words, told) -> None:
    assert told in metannvis("evaluate", *words, code=2).stderr


def test_a_folder_that_cannot_be_made_is_told_before_the_work(metannvis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in metannvis("evaluate", "depth", "--output", tmp_path / "file" / "folder", code=1).stderr


@pytest.mark.parametrize(
    "picture",
    [
        Picture("p", "Bars", "bars", {"a": 1.0, "b": -2.0}),
        Picture("p", "Lines", "lines", {f"m{k}": [1.0, k / 40] for k in range(40)}, ("first", "second")),
        Picture("p", "Maps", "images", {"m": np.eye(6)[None].repeat(2, 0)}, options={"sample_names": ("one", "two")}),
    ],
    ids=lambda picture: picture.kind,
)
def test_pictures_are_drawn(picture: Picture, tmp_path: Path) -> None:
    with Image.open(draw(picture, tmp_path / "p.png")) as drawn:
        assert min(drawn.size) > 100
