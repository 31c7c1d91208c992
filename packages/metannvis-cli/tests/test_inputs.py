"""Messages about inputs speak the command line's words; the readers' own tests are those of metannvis-methods."""

from __future__ import annotations

import io

import click
import numpy as np
import pytest
from metannvis_cli.inputs import read_inputs
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console
from metannvis_methods.inputs import InputSpec
from metannvis_translate import InvalidArgumentError, MissingArgumentError
from PIL import Image

GRAY = InputSpec("x", (None, 1, 4, 6), channels_first=True)


@pytest.fixture
def console():
    return Console(stream=io.StringIO())


def test_no_input(console):
    assert read_inputs(InputOptions(), [GRAY], console) is None


def test_what_is_done_to_an_image_is_noted(console, tmp_path):
    Image.new("L", (10, 12)).save(tmp_path / "photo.png")
    assert read_inputs(InputOptions(files=(str(tmp_path / "photo.png"),)), [GRAY], console).shape == (1, 1, 4, 6)
    assert console.stream.getvalue() == "photo.png: 10 × 12 pixels made 6 × 4, distorted\n"


def test_a_missing_file_is_wrong_usage(console, tmp_path):
    with pytest.raises(click.BadParameter) as caught:
        read_inputs(InputOptions(files=(str(tmp_path / "missing.npy"),)), [GRAY], console)
    assert caught.value.message == f"no file at {str(tmp_path / 'missing.npy')!r}"
    assert caught.value.param_hint == "--input"


def test_a_scale_that_is_for_colours(console, tmp_path):
    Image.new("L", (6, 4)).save(tmp_path / "photo.png")
    options = InputOptions(files=(str(tmp_path / "photo.png"),), preprocess="imagenet")
    with pytest.raises(
        InvalidArgumentError, match=r"^--preprocess imagenet is for three colours, and the model takes photo.png"
    ):
        read_inputs(options, [GRAY], console)


def test_an_input_that_is_left_out(console, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    specs = [InputSpec(name, (None, 4), channels_first=True) for name in "ab"]
    with pytest.raises(MissingArgumentError, match=r"are: b\. Say --input NAME=FILE, or give an \.npz"):
        read_inputs(InputOptions(files=(f"a={tmp_path / 'a.npy'}",)), specs, console)
