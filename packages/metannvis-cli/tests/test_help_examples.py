"""Examples in the help of commands: they run, and are readable at any width."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import warnings

import pytest
from click.testing import CliRunner
from metannvis_cli.main import COMMANDS, cli
from metannvis_methods.examples.concepts import shapes, write_broden

#: What the examples are about, as the models of the tests have it.
TABLES = ("methods", "layers")
#: A colour, among what is written to a terminal.
COLOR = re.compile(r"\x1b\[(3|4|9|10)\d")
STANDS_FOR = {"digit.npy": "torch.npy", "conv2": "conv"}


def examples(command):
    text = cli.get_command(None, command).epilog.partition("\b\n")[2]
    return [shlex.split(line) for line in text.replace("\\\n", " ").splitlines()]


@pytest.fixture(scope="module")
def examples_folder(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(models, folder / "here")
    write_broden(folder / "here/shapes", shapes(0, count=6))
    return folder / "here"


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])  # which has a test of its own
def test_the_examples_run(command, terminal, width, metannvis, examples_folder, tmp_path, monkeypatch):
    here = tmp_path / "here"
    shutil.copytree(examples_folder, here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    if terminal:
        monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    if command != "check":
        (here / "net.keras").unlink()  # which translate writes
    for program, *arguments in examples(command):
        assert program == "metannvis"
        assert arguments[0] == command
        code = 1 if command == "check" else 0  # the two networks of the tests are not one
        words = [STANDS_FOR.get(word, word) for word in arguments]
        result = metannvis(*words, code=code)
        if not terminal:
            assert "\x1b" not in result.stdout + result.stderr
            assert "\r" not in result.stdout + result.stderr
        elif command in TABLES:
            text = re.sub(r"\x1b\[[\d;]*m", "", result.stdout)
            assert max(len(line.rstrip()) for line in text.splitlines()) <= width
            monkeypatch.setenv("NO_COLOR", "1")
            assert not COLOR.search(metannvis(*words).stdout)


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


@pytest.mark.parametrize("no_color", [False, True])
def test_on_a_terminal_of_its_own(models, no_color):
    """The process of a command on a pseudo-terminal: a bar that is wiped, a table, and no line of a library."""
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **({"NO_COLOR": "1"} if no_color else {})}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "metannvis_cli", "layers", "net.pt2"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=models, env=environment,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux' way to say that the other side is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    assert process.wait() == 0
    text = written.decode()
    assert bool(COLOR.search(text)) is False  # a stage of one step has no bar, a table's heading is bold
    shown = [re.sub(r"\x1b\[[\d;]*[mK]", "", line.rpartition("\r\x1b[K")[2]).rstrip() for line in text.split("\r\n")]
    assert shown[0].split() == ["LAYER", "KIND", "SHAPE", "AXES"]
    assert [line.split()[0] for line in shown[1:] if line] == ["conv", "relu", "pool", "flatten", "classes"]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("a b.pth", ('torch.export.save(program, "a b.pt2")', "weights_only=True")),
        ("x.safetensors", ("from safetensors.torch import load_file", 'load_file("x.safetensors")', "x.pt2")),
        ("x.h5", ('net.save("x.keras")',)),
        ("x.onnx", ("opened as it is", "metannvis layers x.onnx")),
        ("x.tflite", ("python -m tf2onnx.convert --tflite x.tflite --output x.onnx",)),
        ("x.keras", ("opened as it is", 'net.export("x_saved")')),
        ("a'b.tflite", ("--tflite 'a'\"'\"'b.tflite'",)),
        ("x.caffemodel", (".caffemodel: no kind of model file", "net.save")),
        ("x", ("No ending",)),
    ],
)
def test_how_a_model_file_is_made(metannvis, file, words):
    text = metannvis("export-help", file).stdout
    for word in words:
        assert word in text


NET = """
import keras
import torch


class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU(), torch.nn.Flatten())


@keras.saving.register_keras_serializable()
class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2


def make_net():
    return keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Conv2D(2, 3), Twice(), keras.layers.Flatten()])
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of networks that hold no network, or run code, beside the module that makes them; and what those return."""
    import numpy as np
    from metannvis_translate.frameworks.requirements import require

    torch, keras = require("torch"), require("keras")
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("weights")
    (folder / "my_package.py").write_text(NET)
    x = np.random.default_rng(0).random((5, 3, 8, 9), np.float32)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch gives TorchScript up, Keras asks NumPy in an old way
        patch.syspath_prepend(folder)
        from my_package import Net, make_net

        net, model = Net().eval(), make_net()
        torch.save(net.state_dict(), folder / "state.pth")
        torch.save(net, folder / "pickled.pt")
        torch.jit.save(torch.jit.trace(net, torch.zeros(2, 3, 8, 9)), folder / "script.pt")
        model.save_weights(folder / "only.weights.h5")
        model.save(folder / "own.keras")
        plain = keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Conv2D(2, 3)])
        (folder / "lite.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(plain).convert())
        images = x.transpose(0, 2, 3, 1)
        right = {"torch": net(torch.tensor(x)), "keras": model(images), "plain": plain(images)}
        yield (
            folder,
            x,
            {name: np.asarray(value.detach() if name == "torch" else value) for name, value in right.items()},
        )


@pytest.mark.parametrize(
    ("file", "made", "right"),
    [
        ("state.pth", "state.pt2", "torch"),
        ("pickled.pt", "pickled.pt2", "torch"),
        ("script.pt", "script.onnx", "torch"),
        ("only.weights.h5", "only.keras", "keras"),
        ("own.keras", "own_saved", "keras"),
        ("lite.tflite", "lite.onnx", "plain"),
    ],
)
def test_the_lines_make_a_model(metannvis, weights, file, made, right, monkeypatch):
    """Those that are told to people, as they are but for the size of the input."""
    import numpy as np
    from metannvis_translate import load_model, translate
    from metannvis_translate.frameworks.requirements import require

    folder, x, values = weights
    monkeypatch.chdir(folder)
    lines = metannvis("export-help", file).stdout.replace("224, 224", "8, 9")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if file.endswith(".tflite"):
            (line,) = [line for line in lines.splitlines() if not line.startswith("#")]
            subprocess.run([sys.executable, *shlex.split(line)[1:]], check=True, capture_output=True)
        else:
            exec(compile(lines, "lines", "exec"), {})  # noqa: S102
        made_model = translate(load_model(folder / made), "torch", verify=False)
        inputs = x if right == "torch" else x.transpose(0, 2, 3, 1)
        with require("torch").no_grad():
            got = made_model.to_source(made_model.model(made_model.to_target(inputs)), role="output")
    np.testing.assert_allclose(np.asarray(got).reshape(values[right].shape), values[right], rtol=1e-4, atol=1e-5)
