"""How a model file is made: ``metannvis export-help``."""

from __future__ import annotations

from pathlib import Path

import click

from metannvis_cli.options.command import work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console

TORCH = """\
# {why}
# Run this where the network's class is, to make {new}:
import torch
from my_package import Net

net = Net()
net.load_state_dict(torch.load("{file}", weights_only=True))  # a pickled module: net = torch.load(…, weights_only=False)
x = torch.randn(2, 3, 224, 224)  # an example of what it takes: two samples, so that their number stays free
batch = torch.export.Dim("batch")
program = torch.export.export(net.eval(), (x,), dynamic_shapes=({{0: batch}},))
torch.export.save(program, "{new}")
"""
KERAS = """\
# {why}
# Run this where the network's own classes are, to make {new}:
import keras
from my_package import Net

net = Net()
net.load_weights("{file}")  # or: net = keras.models.load_model("{file}")
net.save("{new}")
"""
ONNX = """\
# {why}
metannvis layers {file}
"""
OTHER = """\
# {why}
# From PyTorch:
#   torch.export.save(torch.export.export(net.eval(), (x,)), "net.pt2")
# From Keras:
#   net.save("net.keras")
# From any framework that writes ONNX: the .onnx file as it is.
"""
#: What a file of an ending is, and how to go on.
KINDS: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        (".pt", ".pth", ".bin", ".ckpt", ".pkl"),
        (
            TORCH,
            "These are weights, or a pickled module that runs code when it is opened: not what is computed.",
            ".pt2",
        ),
    ),
    ".safetensors": (TORCH, "safetensors holds weights; it does not say what is computed.", ".pt2"),
    ".pt2": (ONNX, "An exported program: it is opened as it is.", ""),
    ".onnx": (ONNX, "ONNX holds the whole network: it is opened as it is.", ""),
    ".keras": (ONNX, "A whole Keras model: it is opened as it is, unless it has classes of its own.", ""),
    ".h5": (
        KERAS,
        "HDF5 holds a whole Keras model, opened as it is, or weights alone, which are not enough.",
        ".keras",
    ),
    ".hdf5": (KERAS, "HDF5 holds a whole Keras model, or weights alone, which are not enough.", ".keras"),
}


@click.command("export-help", epilog=example("metannvis export-help weights.pth"))
@click.argument("file", type=click.Path(path_type=Path))
@work
def command(file: Path, console: Console) -> None:
    """Say how to make a model file (.pt2, .keras, .onnx) of FILE, which holds weights or a pickled module.

    FILE is not opened, and need not exist: its ending says what it is.
    """
    console.clear()
    template, why, ending = KINDS.get(
        file.suffix.lower(), (OTHER, f"{file.suffix or 'No ending'}: no kind of model file that is known.", "")
    )
    if template is TORCH and file.suffix.lower() == ".safetensors":
        template = template.replace(
            'torch.load("{file}", weights_only=True))  # a pickled module: net = torch.load(…, weights_only=False)',
            'load_file("{file}"))',
        ).replace("import torch\n", "import torch\nfrom safetensors.torch import load_file\n")
    click.echo(template.format(why=why, file=file, new=file.with_suffix(ending) if ending else ""), nl=False)
