"""The example scripts of the methods package run as a user runs them, on small inputs, and write their figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import EXAMPLES, run_script

#: Arguments of a small run of each script, and the figures that it writes beside ``figure.png``.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gradients": ("--epochs 1 --steps 5 --samples 2", ()),
    "smoothgrad": ("--epochs 1 --samples 2", ()),
    "class_activation_maps": ("--epochs 1 --network digits-keras --layer conv1 conv2", ()),
    "perturbation": ("--epochs 1 --network digits-keras --samples 2", ()),
    "propagation": ("--epochs 1", ()),
    "surrogates": ("--epochs 1 --samples 60 --cells 3", ()),
    "layers_and_neurons": ("--epochs 1 --steps 4", ("figure_neuron.png",)),
    "uncertainty": (
        "--epochs 1 --masks 2 --copies 1",
        ("figure_prediction.png", "figure_noise.png", "figure_calibration.png"),
    ),
    "dissection": ("--pictures 12", ("figure_units.png", "figure_two.png")),
    "concepts": ("--epochs 4 --repeats 1", ()),
    "images_of_digits": ("--epochs 1 --steps 2", ()),
    "cifar10": ("--weights none --steps 2 --classes 2", ("figure_classes.png",)),
    "imagenet": ("--library keras --weights none --size 64 --steps 4", ()),
    "feature_visualization": ("--library keras --weights none --size 32 --steps 2 --filters 3 5", ()),
}
DEAR = {"imagenet", "feature_visualization"}
OUTSIDE = {"shared"}


def test_every_script_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(ROWS) | OUTSIDE


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras and NumPy 2
@pytest.mark.filterwarnings("ignore::metannvis_methods.UnfitWarning")  # random weights say little
@pytest.mark.parametrize(
    "script", [pytest.param(name, marks=pytest.mark.full) if name in DEAR else name for name in ROWS]
)
def test_a_script(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, others = ROWS[script]
    run_script(script, f"{arguments} --output figure.png", monkeypatch)
    assert {path.name for path in tmp_path.iterdir()} == {"figure.png", *others}
    said = capsys.readouterr()
    assert "wrote figure.png" in said.out
    assert ("RANDOM WEIGHTS" in said.err) == ("--weights none" in arguments)


@pytest.mark.full
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras and NumPy 2
@pytest.mark.parametrize("what", ["--neurons 1,1,3", "--layers block2_conv2", "--targets 4"])
def test_what_a_vgg_responds_to(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_script("feature_visualization", f"--weights none --size 32 --steps 2 {what} --output figure.png", monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_the_concept_is_found_in_the_network_that_cheats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained with the square on every three, and on half of all digits."""
    monkeypatch.chdir(tmp_path)
    run_script("concepts", "--repeats 1 --output figure.png", monkeypatch)
    cheat, honest = (int(line.split("%")[0].split()[-1]) for line in capsys.readouterr().out.splitlines()[:2])
    assert cheat >= 90
    assert honest <= cheat - 20
