"""Examples in the help of commands: they run, and are readable at any width."""

from __future__ import annotations

import shlex
import shutil

import pytest
from click.testing import CliRunner
from metannvis_cli.main import COMMANDS, cli

#: What the examples are about, as the models of the tests have it.
STANDS_FOR = {"digit.npy": "torch.npy", "conv2": "conv"}


def examples(command):
    text = cli.get_command(None, command).epilog.partition("\b\n")[2]
    return [shlex.split(line) for line in text.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])  # which has a test of its own
def test_the_examples_run(command, metannvis, models, tmp_path, monkeypatch):
    shutil.copytree(models, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    if command != "check":
        (tmp_path / "here" / "net.keras").unlink()  # which translate writes
    for program, *arguments in examples(command):
        assert program == "metannvis"
        assert arguments[0] == command
        code = 1 if command == "check" else 0  # the two networks of the tests are not one
        metannvis(*(STANDS_FOR.get(word, word) for word in arguments), code=code)


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_at_any_width(command, width):
    text = CliRunner().invoke(cli, [*filter(None, [command]), "--help"], terminal_width=width).stdout
    assert "\b" not in text
    assert "\\b" not in text
    body = text.partition("Example:")[0]
    assert max(map(len, body.splitlines())) <= width
    if command:
        assert "\n    metannvis " in text.partition("Example:")[2]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("a b.pth", ('torch.export.save(program, "a b.pt2")', "weights_only=True")),
        ("x.safetensors", ("from safetensors.torch import load_file", 'load_file("x.safetensors")', "x.pt2")),
        ("x.h5", ('net.save("x.keras")',)),
        ("x.onnx", ("opened as it is", "metannvis layers x.onnx")),
        ("x.caffemodel", (".caffemodel: no kind of model file", "net.save")),
        ("x", ("No ending",)),
    ],
)
def test_how_a_model_file_is_made(metannvis, file, words):
    text = metannvis("export-help", file).stdout
    for word in words:
        assert word in text


def test_the_lines_for_pytorch_make_a_model(metannvis, tmp_path, monkeypatch):
    import torch
    from metannvis_translate import load_model

    (tmp_path / "my_package.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten())\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    from my_package import Net

    net = Net()
    torch.save(net.state_dict(), "weights.pth")
    lines = metannvis("export-help", "weights.pth").stdout
    exec(compile(lines.replace("224, 224", "8, 9"), "lines", "exec"), {})  # noqa: S102  # the lines that are told to people
    x = torch.randn(5, 3, 8, 9)
    torch.testing.assert_close(load_model(tmp_path / "weights.pt2")(x), net(x))
