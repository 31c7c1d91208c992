from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from metannvis_cli.options.command import raised_limits
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import literal, parse_options
from metannvis_cli.options.model import ModelOptions, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.values import shape_of
from metannvis_translate.process.limits import Limits, current_limits


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("True", True),
        ("None", None),
        ("(0, 1)", (0, 1)),
        ("[1, 2]", [1, 2]),
        ("gausslegendre", "gausslegendre"),
        ("__import__('os')", "__import__('os')"),
        ("'quoted'", "quoted"),
        ("", ""),
    ],
)
def test_literals(text, value):
    assert literal(text) == value


def test_options():
    assert parse_options(["abs=False", "n-steps=5", "name=a=b"]) == {"abs": False, "n_steps": 5, "name": "a=b"}


@pytest.mark.parametrize("text", ["abs", "=3", "two words=3", "layer=conv", "seed=1"])
def test_what_is_no_option(text):
    with pytest.raises(click.BadParameter):
        parse_options([text])


def test_a_command_gets_one_object_for_each_group():
    seen = []

    @click.command()
    @input_options
    @output_options("figure")
    @model_options
    def command(**objects):
        seen.append(objects)

    words = ["-i", "a.npy", "-i", "x=b.npy", "--crop", "--input-shape", "1,3,8,8", "--output", "a.png", "--trust"]
    for arguments in ([], words):
        assert CliRunner().invoke(command, arguments).exit_code == 0
    assert seen == [
        {"inputs": InputOptions(), "output": OutputOptions(), "model": ModelOptions()},
        {
            "inputs": InputOptions(files=("a.npy", "x=b.npy"), crop=True, shape=(1, 3, 8, 8)),
            "output": OutputOptions(paths=(Path("a.png"),)),
            "model": ModelOptions(trust=True),
        },
    ]


def test_shapes():
    assert shape_of(None) is None
    assert shape_of("1,3,224,224") == (1, 3, 224, 224)
    for text in ("", "1,0", "a", "1;2"):
        with pytest.raises(click.BadParameter):
            shape_of(text)


def test_limits_are_raised_for_a_command():
    with raised_limits(["image-pixels=5", "nodes=7"]):
        assert current_limits() == Limits(image_pixels=5, nodes=7)
    with raised_limits([]):
        assert current_limits() == Limits()
    for text in ("nodes", "nodes=many", "nodes=0", "wheels=4", "=3"):
        with pytest.raises(click.BadParameter):
            raised_limits([text])
