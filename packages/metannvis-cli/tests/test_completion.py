"""What a shell completes, and that it takes no framework to know."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from metannvis_cli.layer_names import layer_names
from metannvis_cli.main import COMMANDS, cli
from metannvis_translate import list_layers, load_model, save_model
from metannvis_translate.frameworks.requirements import require


def completed(*arguments, incomplete=""):
    shell = ShellComplete(cli, {}, "metannvis", "_METANNVIS_COMPLETE")
    return [item.value for item in shell.get_completions([str(word) for word in arguments], incomplete)]


def test_commands():
    assert completed() == list(COMMANDS)
    assert completed(incomplete="ex") == ["explain", "export-help"]


@pytest.mark.parametrize(
    ("arguments", "incomplete", "among"),
    [
        (["describe"], "grad_", {"grad_cam", "grad_cam++", "grad_cam_elementwise"}),
        (["explain", "net.pt2", "--method"], "", {"saliency", "grad_cam", "score_cam"}),
        (["explain", "net.pt2", "--toolset", "captum", "-m"], "deep", {"deep_lift", "deep_lift_shap"}),
        (["visualize", "net.pt2", "-m"], "", {"activation_maximization"}),
        (["explain", "net.pt2", "--toolset"], "", {"captum", "metannvis", "tf-keras-vis"}),
        (["methods", "--family"], "ca", {"cam"}),
        (["methods", "--kind"], "", {"primary", "layer", "neuron", "feature_visualization"}),
        (["methods", "--framework"], "t", {"torch", "tensorflow"}),
        (["explain", "net.pt2", "-m", "integrated_gradients", "--toolset", "captum", "-o"], "n", {"n_steps="}),
        (["explain", "net.pt2", "--preprocess"], "imagenet-", {"imagenet-torch", "imagenet-tf", "imagenet-caffe"}),
        (["explain", "net.pt2", "--kind"], "over", {"overview", "overlay"}),
        (["explain", "net.pt2", "--baseline"], "bl", {"black", "blur"}),
        (["explain", "net.pt2", "--feature-mask"], "su", {"superpixels"}),
        (["completion"], "", {"bash", "zsh", "fish"}),
    ],
)  # fmt: skip
def test_words(arguments, incomplete, among):
    found = completed(*arguments, incomplete=incomplete)
    assert among <= set(found)
    assert all(word.startswith(incomplete) for word in found)
    if incomplete or (arguments[-1] in ("completion", "--kind") and arguments[0] != "explain"):
        assert set(found) == among


def test_classes_of_a_file(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ncrane\ndog\n")
    assert completed("explain", "net.pt2", "--labels", tmp_path / "labels.txt", "-t", incomplete="c") == [
        "cat",
        "crane",
    ]
    assert completed("explain", "net.pt2", "--labels", tmp_path / "gone.txt", "-t", incomplete="c") == []


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    """Networks with modules and models in them."""
    folder = tmp_path_factory.mktemp("nested")
    torch, keras = require("torch"), require("keras")
    block = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    net = torch.nn.Sequential(block, torch.nn.Flatten(), torch.nn.Linear(64, 2)).eval()
    save_model(net, folder / "net.pt2", example_inputs=torch.zeros(2, 3, 6, 6))
    inner = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(2, 3, name="conv")], name="inner")
    start = keras.Input((6, 6, 3))
    whole = keras.Model(start, keras.layers.Dense(2, name="fc")(keras.layers.Flatten(name="flat")(inner(start))))
    save_model(whole, folder / "net.keras")
    save_model(whole, folder / "net.h5")
    return folder


@pytest.mark.parametrize("name", ["net.pt2", "net.keras", "net.h5"])
def test_layers_are_those_that_the_command_lists(nested, name):
    assert sorted(layer_names(nested / name)) == sorted(row.name for row in list_layers(load_model(nested / name)))


def test_layers_of_an_onnx_file(models):
    listed = [row.name for row in list_layers(load_model(models / "net.onnx"))]
    assert layer_names(models / "net.onnx") == listed
    assert completed("explain", models / "net.onnx", "--layer", incomplete=listed[0][:6])[0] == listed[0]


def test_layers_of_the_model_that_was_typed(models):
    assert completed("explain", models / "net.pt2", "--layer", incomplete="c") == ["conv", "classes"]
    assert completed("compare", models / "net.keras", "-l", incomplete="re") == ["relu"]
    assert completed("explain", models / "gone.pt2", "--layer") == ["auto"]


@pytest.mark.parametrize("name", ["net.pt2", "net.keras", "net.onnx", "net.h5", "net.xyz"])
def test_damaged_files_have_none(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x3a\xff\xff\xff\xff")
    assert layer_names(tmp_path / name) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(metannvis, shell):
    text = metannvis("completion", shell).stdout
    assert f"_METANNVIS_COMPLETE={shell}_complete" in text
    assert "%(" not in text


def test_bash_gets_layers_with_no_framework(models):
    """As the script of bash calls it."""
    code = (
        "import sys; from metannvis_cli.main import cli\n"
        "try:\n    cli(prog_name='metannvis')\nfinally:\n"
        "    print(*({'torch', 'tensorflow', 'keras', 'onnx', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    words = f"metannvis explain {models / 'net.pt2'} --layer c"
    environment = {**os.environ, "_METANNVIS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["plain,conv", "plain,classes"]
    assert done.stderr.split() == []
