from __future__ import annotations

import subprocess
import sys

import pytest
from metannvis_cli.__about__ import __version__
from metannvis_cli.main import COMMANDS

#: What is slow to import, and has no part in listing what there is.
SLOW = "torch", "tensorflow", "keras", "onnx", "onnx_ir", "matplotlib", "sklearn", "scipy", "PIL"

LOOK = """
import sys
from metannvis_cli.main import cli
try:
    cli({arguments}, prog_name="metannvis")
except SystemExit as end:
    assert end.code == 0, end.code
print("loaded:", *[name for name in {slow} if name in sys.modules])
"""


def test_help_lists_every_command(metannvis):
    text = metannvis("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(metannvis, command):
    assert f"Usage: cli {command}" in metannvis(command, "--help").stdout


def test_version(metannvis):
    assert metannvis("--version").stdout == f"metannvis, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["methods"], ["methods", "--json"], ["describe", "grad_cam"]]
    + [[command, "--help"] for command in COMMANDS],
    ids=" ".join,
)
def test_nothing_slow_is_imported(arguments):
    code = LOOK.format(arguments=arguments, slow=SLOW)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["explain", "--help"], ["completion", "bash"]], ids=" ".join
)
def test_help_imports_no_numbers(arguments):
    code = LOOK.format(arguments=arguments, slow=(*SLOW, "numpy", "metannvis_translate", "metannvis_methods"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "loaded:", done.stderr


def test_importing_the_package_imports_no_framework():
    code = f"import sys, metannvis_cli.main; assert not set(sys.modules) & set({SLOW}) | {{'numpy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "metannvis_cli", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("metannvis, version")


def test_a_misspelt_command_names_a_close_one(metannvis):
    assert "Did you mean 'explain'?" in metannvis("explian", code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["methods", "--nothing"],
        ["describe"],
        ["layers", "missing.pt2"],
        ["explain", __file__],
        ["explain", __file__, "-m", "saliency", "-o", "no equals sign"],
        ["explain", __file__, "-m", "saliency", "-o", "seed=3"],
        ["explain", __file__, "-m", "saliency", "-o", "abs=1", "-o", "abs=2"],
        ["explain", __file__, "-m", "saliency", "--target", "tabby"],
        ["explain", __file__, "-m", "saliency", "--output", "cam.gif"],
        ["explain", __file__, "-m", "saliency", "--output", "missing/cam.png"],
        ["explain", __file__, "-m", "layer_activation", "--neuron", "one"],
        ["explain", __file__, "-m", "saliency", "--input-shape", "1,x"],
        ["explain", __file__, "-m", "saliency", "--scale", "huge"],
        ["compare", __file__, "-m", "saliency", "--output", "cam.npz"],
        ["demo", "--epochs", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(metannvis, arguments):
    stderr = metannvis(*arguments, code=2).stderr
    assert stderr.startswith("Usage: ")
    assert "Traceback" not in stderr
