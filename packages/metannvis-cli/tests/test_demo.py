"""The main job on real input, once, as a user runs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from metannvis_cli.commands.demo import NEXT
from metannvis_translate import load_model
from metannvis_translate.frameworks.requirements import require
from PIL import Image

torch = require("torch")

METANNVIS = Path(sys.executable).with_name("metannvis")


@pytest.fixture(scope="session")
def ran(once) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which the demo was run, and how it ended."""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    command = [METANNVIS, "demo"]

    def make(folder: Path) -> None:
        (folder / "here").mkdir()
        done = subprocess.run(command, cwd=folder / "here", env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout)
        (folder / "stderr").write_text(done.stderr)

    made = once("demo", make)
    told = [(made / stream).read_text() for stream in ("stdout", "stderr")]
    return made / "here", subprocess.CompletedProcess(command, 0, *told)


def test_all_networks_learn(ran):
    shares = re.findall(r"network: ([\d.]+)% of 360 test digits right", ran[1].stdout)
    assert len(shares) == 4
    assert all(float(share) > 90 for share in shares)


def test_it_tells_who_cheats(ran):
    """By both toolkits the network that cheats looks at the square far more than the honest one."""
    told = re.findall(
        r"But (\d+)% and (\d+)% of what .* honest network (\d+)% and (\d+)%; .* square (\d+)% of .* honest network (\d+)%\.",
        ran[1].stdout,
    )
    assert len(told) == 2
    for captum, keras_vis, honest_captum, honest_keras_vis, called, honest_called in (map(int, each) for each in told):
        assert captum > 3 * honest_captum
        assert keras_vis > honest_keras_vis
        assert called > honest_called + 15
    page = (ran[0] / "metannvis-demo" / "index.html").read_text()
    above = page.partition("<section")[0]  # the pictures
    least, most, honest_least, honest_most = map(
        int, re.search(r"It holds (\d+)% to (\d+)% of what they look at, and (\d+)% to (\d+)% of", above).groups()
    )
    assert most > least > 2 * honest_most >= honest_least
    headings = re.findall(r"<h2>The (cheating|honest) (\w+) network: (\d+)% in the square \((\w+) of", page)
    assert [kind for kind, *_ in headings] == ["cheating", "honest"] * 4
    assert {least, most} == {
        f([int(share) for kind, _, share, _ in headings if kind == "cheating"]) for f in (min, max)
    }
    assert page.count("a 0 with the square · predicted 3") >= 4


def test_a_generator_makes_digits(ran):
    """One for each class, of which the network is sure; it is a file that runs."""
    told = re.search(
        r"^A generator of digits .* honest PyTorch network is sure: p at least ([\d.]+)$", ran[1].stdout, re.M
    )
    assert float(told[1]) >= 0.95
    generator = load_model(ran[0] / "metannvis-demo" / "generator.pt2")
    made = generator(torch.zeros(3, 8)).detach()
    assert made.shape == (3, 1, 28, 28) and 0 <= made.min() < made.max() <= 1
    page = (ran[0] / "metannvis-demo" / "index.html").read_text()
    assert "<h2>What the honest PyTorch network takes for each digit, among the images of a generator" in page


def test_all_translations_agree(ran):
    assert ran[1].stdout.count(" agree (float32)") == 4
    for line in re.findall(r"captum − tf-keras-vis +(\S+)", ran[1].stdout):
        assert float(line) < 1e-5


def test_nothing_else_on_stderr(ran):
    """At most the name of a stage each, on a machine on which they take long."""
    lines = ran[1].stderr.splitlines()
    assert all(line.endswith(" …") for line in lines) and len(set(lines)) == len(lines), ran[1].stderr


def test_the_files(ran):
    folder = ran[0] / "metannvis-demo"
    written = re.findall(r"^  (metannvis-demo/\S+)$", ran[1].stdout, re.MULTILINE)
    assert {ran[0] / name for name in written} == set(folder.iterdir())
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == 7
    for picture in pictures:
        with Image.open(picture) as opened:
            assert opened.width > 300
    page = (folder / "index.html").read_text()
    assert page.count("<figure") == 8 * 4 + 4 + 1  # explanations of four digits, comparisons, digits that were made
    assert not re.search(r"https?://", page)
    assert ran[1].stdout.endswith(f"The page: {folder / 'index.html'}\n")
    assert np.load(folder / "digit-torch.npy").shape == (1, 1, 28, 28)
    assert np.load(folder / "digit-keras.npy").shape == (1, 28, 28, 1)


@pytest.mark.parametrize(
    "line", [line for line in NEXT.replace("\\\n", " ").splitlines() if " layers " in line or " explain " in line]
)
def test_the_next_commands(ran, line, metannvis, tmp_path, monkeypatch):
    shutil.copytree(ran[0], tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    metannvis(*shlex.split(line.format(folder="metannvis-demo"))[1:])


def test_a_second_run_overwrites_nothing_unasked(ran, metannvis, monkeypatch):
    folder = ran[0] / "metannvis-demo"
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    monkeypatch.chdir(ran[0])
    assert "--overwrite" in metannvis("demo", code=1).stderr
    assert before == {file: file.stat().st_mtime_ns for file in folder.iterdir()}
