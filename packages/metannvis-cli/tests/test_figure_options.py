"""How figures look, from the command line."""

from __future__ import annotations

import re

import numpy as np
import pytest
from metannvis_cli.options.outputs import FIGURES, OutputOptions
from metannvis_cli.outputs import check_look, in_folders
from metannvis_methods import Explanation
from metannvis_plot.dispatch import KINDS


def test_the_kinds_of_figures_are_those_of_the_plotter():
    assert set(FIGURES) == set(KINDS)


def test_a_figure_looks_as_it_was_asked_for(metannvis, models, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        Explanation, "plot", lambda self, path, **options: (drawn.append(options), path.write_bytes(b""))[0]
    )
    asked = ("--kind", "heatmap", "--cmap", "magma", "--clip", 90, "--sign", "positive", "--title", "mine")
    net, x = models / "net.pt2", models / "torch.npy"
    metannvis("explain", net, "-m", "saliency", "-i", x, "--output", tmp_path / "a.png", *asked)
    assert drawn == [
        {
            "kind": "heatmap",
            "cmap": "magma",
            "clip": 90,
            "sign": "positive",
            "title": "mine",
            **({"sample_names": ("torch.npy",)} if len(np.load(x)) == 1 else {}),
        }
    ]


def test_a_folder_gets_a_figure_named_by_time_and_method(metannvis, models, tmp_path):
    result = metannvis(
        "explain", models / "net.pt2", "-m", "saliency", "-i", models / "torch.npy", "--output", tmp_path
    )
    (file,) = tmp_path.iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-saliency\.png", file.name)
    assert file.read_bytes()[:4] == b"\x89PNG"
    assert str(file) in result.stdout


def test_a_folder_keeps_its_other_paths(tmp_path):
    output = OutputOptions((tmp_path, tmp_path / "a.npz"))
    folder, file = in_folders(output, "grad cam/x").paths
    assert folder.parent == tmp_path
    assert folder.name.endswith("-grad_cam_x.png")
    assert file == tmp_path / "a.npz"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kind", "pie"), "'pie' is not one of"),
        (("--kind", "bars", "--cmap", "magma"), "a figure of kind bars has no cmap"),
        (("--kind", "heatmap", "--alpha", 0.5), "a figure of kind heatmap has no alpha"),
        (("--cmap", "rainbows"), "'rainbows' is no name of a matplotlib colour map"),
        (("--clip", 0), "--clip"),
        (("--clip", 101), "--clip"),
        (("--alpha", 2), "--alpha"),
        (("--sign", "plus"), "'plus' is not one of"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_a_model_is_opened(metannvis, tmp_path, arguments, words):
    (tmp_path / "net.pt2").write_bytes(b"no model")
    output = ("--output", tmp_path / "a.png")
    result = metannvis("explain", tmp_path / "net.pt2", "-m", "saliency", "-i", "x.npy", *output, *arguments, code=2)
    assert words in " ".join(result.stderr.split())


def test_a_look_without_a_figure(metannvis, tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"no model")
    arguments = ("explain", tmp_path / "net.pt2", "-m", "saliency", "-i", "x.npy", "--title", "mine")
    for output in ((), ("--output", tmp_path / "a.npz")):
        assert "say with --output where a figure" in " ".join(metannvis(*arguments, *output, code=2).stderr.split())


def test_a_title_may_be_anything(tmp_path):
    check_look(OutputOptions((tmp_path / "a.png",), title="$x_1$ <b>"))
