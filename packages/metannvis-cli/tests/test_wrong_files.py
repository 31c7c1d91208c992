"""Wrong files, and what only an open model can tell: exit code, one message in the command line's words, nothing overwritten."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TORCH = ["explain", "net.pt2", "-m", "saliency", "--toolset", "captum"]
KERAS = ["explain", "net.keras", "-m", "saliency", "--toolset", "tf-keras-vis"]
TABLE = ["explain", "table.keras", "-m", "saliency", "--toolset", "tf-keras-vis", "-t", "0"]
IMAGE = [*TORCH, "-i", "torch.npy", "-t", "1"]
CAM = ["explain", "net.pt2", "-m", "grad_cam", "--toolset", "captum", "-i", "torch.npy", "-t", "1"]
NEURON = ["explain", "net.pt2", "-m", "neuron_gradient", "--toolset", "captum", "-i", "torch.npy"]

ROWS: list[tuple[list[str], int, str]] = [
    # what is no model file
    (["layers", "net.tflite"], 2, "`metannvis export-help net.tflite` says how to make one of it"),
    (["layers", "labels.txt"], 2, "'labels.txt' has no ending of a model file; known are .onnx"),
    (["layers", "folder"], 2, "folder is a folder, but no SavedModel"),
    (["layers", "folder.keras"], 2, "folder.keras is a folder, but no SavedModel"),
    (["layers", "folder.pt2"], 2, "folder.pt2 is a folder, but no SavedModel"),
    (["layers", "cut.pt2"], 1, "cut.pt2 is damaged: it is no zip archive, or is cut off"),
    (["layers", "cut.keras"], 1, "cut.keras is damaged: it is no zip archive, or is cut off"),
    (["layers", "cut.onnx"], 1, "cut.onnx cannot be loaded as an ONNX model"),
    (["layers", "flipped.pt2"], 1, "flipped.pt2 is damaged"),
    (["layers", "flipped.keras"], 1, "flipped.keras is damaged"),
    (["layers", "void.pt2"], 1, "void.pt2 is damaged: it is no zip archive"),
    (["layers", "void.keras"], 1, "void.keras is damaged: it is no zip archive"),
    (["layers", "void.onnx"], 1, "void.onnx holds no ONNX model: there is no graph in it"),
    (["layers", "text.onnx"], 1, "text.onnx cannot be loaded as an ONNX model"),
    (["layers", "text.h5"], 1, "text.h5 cannot be read as HDF5"),
    (["translate", "cut.pt2", "new.onnx"], 1, "cut.pt2 is damaged"),
    (["check", "net.pt2", "cut.onnx"], 1, "cut.onnx cannot be loaded as an ONNX model"),
    # what holds no network, or runs code: the lines that make a model file
    (["layers", "pickled.pt"], 1, 'net = torch.load("pickled.pt", weights_only=False)'),
    (["explain", "pickled.pt", "-m", "saliency", "-i", "torch.npy"], 1, "If you trust whoever made it, give --trust."),
    (["translate", "pickled.pt", "new.onnx"], 1, 'torch.export.save(program, "pickled.pt2")'),
    (["layers", "net.pt"], 1, "--architecture package.module:factory"),
    (["compare", "net.pt", "-m", "saliency", "-i", "torch.npy"], 1, 'torch.export.save(program, "net.pt2")'),
    (["layers", "script.pt"], 1, 'torch.onnx.export(net, (x,), "script.onnx"'),
    (["layers", "only.weights.h5"], 1, 'net.save("only.keras")'),
    (["layers", "lambda.keras"], 1, "holds a Lambda layer"),
    (["layers", "custom.keras"], 1, "custom.keras cannot be loaded: it needs the class 'Twice', which Keras does not know here"),
    (["layers", "net.pt", "--architecture", "nothing:make"], 1, "--architecture nothing:make is not there"),
    (["layers", "net.pt", "--architecture", "architecture:made"], 1, "has no attribute 'made'"),
    (["layers", "net.pt", "--architecture", "architecture"], 1, "it reads 'package.module:factory'"),
    (["layers", "net.pt", "--architecture", "torch.nn:Flatten"], 1, "are not those of 'torch.nn:Flatten'"),
    (["layers", "net.pt2", "--architecture", "architecture:make"], 2, "a state dict needs one, and net.pt2 holds its own"),
    (["layers", "net.pt2", "--input-shape", "1,1,6,5"], 2, "the model takes (?, 3, 6, 5), not (1, 1, 6, 5)"),
    # inputs that do not fit
    ([*TORCH, "-i", "keras.npy"], 1, "array.transpose(0, 3, 1, 2) would fit"),
    ([*TORCH, "-i", "small.npy"], 1, "small.npy has shape (1, 3, 2, 2), and the model takes (?, 3, 6, 5)"),
    ([*TORCH, "-i", "number.npy"], 1, "number.npy has shape ()"),
    ([*TORCH, "-i", "none.npy"], 1, "is no sample"),
    ([*TORCH, "-i", "objects.npy"], 1, "it holds Python objects, not numbers"),
    ([*TORCH, "-i", "words.npy"], 1, "words.npy holds <U1, not real numbers"),
    ([*TORCH, "-i", "junk.npy"], 1, "junk.npy cannot be read as an array"),
    ([*TORCH, "-i", "many.npz"], 1, "many.npz holds 2 arrays (a, b), and one is needed"),
    ([*TORCH, "-i", "many.npz[c]"], 1, "many.npz holds no 'c'; it holds a, b"),
    ([*TORCH, "-i", "torch.npy[7]"], 1, "torch.npy has 2 samples, none of them in [7]"),
    ([*TORCH, "-i", "cut.png"], 1, "cut.png cannot be read as an image"),
    ([*TORCH, "-i", "text.png"], 1, "text.png cannot be read as an image"),
    ([*TORCH, "-i", "left=torch.npy"], 1, "the model has no input 'left': it has "),
    ([*TABLE, "-i", "three.csv"], 1, "three.csv has 3 columns, and the model takes 4 features"),
    ([*TABLE, "-i", "ragged.csv"], 1, "ragged.csv, line 3, has 3 cells, and line 1 has 4"),
    ([*TABLE, "-i", "words.csv"], 1, "words.csv, line 2, column 'c', holds 'x', which is no number"),
    ([*TABLE, "-i", "header.csv"], 1, "header.csv has names of columns and no row of numbers"),
    ([*TABLE, "-i", "void.csv"], 1, "void.csv is empty"),
    ([*TABLE, "-i", "good.png"], 1, "good.png is an image, but input"),
    ([*TABLE, "-i", "four.csv", "--output", "new.png", "--kind", "overlay"], 1, "is no image to draw on"),
    # targets, layers, words
    ([*IMAGE[:-1], "4"], 1, "--target 4 is out of range: the output has shape (2, 4)"),
    ([*IMAGE[:-1], "-5"], 1, "--target -5 is out of range"),
    ([*IMAGE[:-1], "1,2"], 1, "for one class a sample give --target once a sample"),
    ([*KERAS, "-i", "keras.npy", "-t", "4"], 1, "--target 4 is out of range"),
    (["visualize", "net.keras", "-t", "4", "--steps", "1"], 1, "--target 4 is out of range"),
    (["compare", "net.pt2", "-m", "saliency", "-i", "torch.npy", "-t", "4"], 1, "--target 4 is out of range"),
    ([*CAM, "-l", "convv"], 1, "no layer 'convv' in the model. Close: 'conv'. `metannvis layers MODEL` shows them all."),
    (["explain", "net.pt2", "-m", "layer_conductance", "-i", "torch.npy"], 1, "needs --layer; there are: conv, relu"),
    ([*NEURON, "-l", "conv", "--neuron", "9,0,0"], 1, "neuron (9, 0, 0) is none of layer 'conv'"),
    ([*NEURON, "-l", "conv", "--neuron", "3"], 1, "neuron 3 has 1 entry, and what layer 'conv' returns for each sample has 3 axes: (4, 6, 5)"),
    ([*IMAGE, "--device", "cuda:77"], 1, "--device cuda:77 is not there"),
    ([*IMAGE, "--model-output", "3"], 1, "the model has no output 3"),
    ([*IMAGE, "--model-output", "logits"], 1, "the model has no output 'logits'"),
    (["explain", "net.pt2", "-m", "integrated_gradients", "--toolset", "captum", "-i", "torch.npy", "--baseline", "small.npy"],
     1, "small.npy has shape (1, 3, 2, 2)"),
    (["explain", "net.pt2", "-m", "feature_ablation", "-i", "torch.npy", "--feature-mask", "small.npy"], 1, "--feature-mask has shape"),
    # files that stand in the way, and models that have nothing in common
    ([*IMAGE, "--output", "small.npy"], 1, "small.npy exists already; --overwrite replaces it"),
    (["translate", "net.pt2", "net.keras"], 1, "net.keras exists already; --overwrite replaces it"),
    (["translate", "net.pt2", "new.onnx", "--engine", "none"], 1, "--engine none: from PyTorch to ONNX there are 'auto'"),
    (["translate", "net.pt2", "new.onnx", "--tolerance", "1e-30"], 1, "--no-verify returns the model all the same"),
    (["check", "net.pt2", "table.keras"], 1, "net.pt2 takes (?, 3, 6, 5), and table.keras takes (?, 4)"),
    (["check", "net.pt2", "net.keras"], 1, "net.pt2 and net.keras disagree"),
    (["check", "net.pt2", "net.onnx", "--layer", "convv"], 1, "no layer 'convv'"),
]  # fmt: skip


@pytest.fixture(scope="module")
def here(models, tmp_path_factory) -> Path:
    """A folder with the models of all tests, and files that are as wrong as the table needs them."""
    folder = tmp_path_factory.mktemp("wrong") / "here"
    shutil.copytree(models, folder)
    for name in ("net.pt2", "net.keras", "net.onnx"):
        data = bytearray((folder / name).read_bytes())
        ending = Path(name).suffix
        (folder / f"cut{ending}").write_bytes(data[: len(data) // 2])
        middle = data.find(b"HDF") + 600 if ending == ".keras" else len(data) // 2
        data[middle : middle + 64] = bytes(255 - byte for byte in data[middle : middle + 64])
        (folder / f"flipped{ending}").write_bytes(data)
        (folder / f"void{ending}").write_bytes(b"")
    for name in ("folder", "folder.keras", "folder.pt2"):
        (folder / name).mkdir()
    for name in ("net.tflite", "labels.txt", "text.onnx", "text.h5", "text.png"):
        (folder / name).write_text("hello\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch gives TorchScript up, Keras asks NumPy in an old way
        _models(folder)
    arrays = {
        "small": np.zeros((1, 3, 2, 2), np.float32), "number": np.float32(3), "words": np.array(["a", "b"]),
        "none": np.zeros((0, 3, 6, 5), np.float32), "objects": np.array([{}], object),
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    (folder / "junk.npy").write_bytes(b"\x93NUMPY junk")
    np.savez(folder / "many.npz", a=arrays["small"], b=np.zeros(3))
    noise = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    Image.fromarray(noise).save(folder / "good.png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:80])
    tables = {"three": "a,b,c\n1,2,3", "ragged": "a,b,c,d\n1,2,3,4\n5,6,7", "words": "a,b,c,d\n1,2,x,4", "void": "",
              "header": "a,b,c,d", "four": "a,b,c,d\n1,2,3,4"}  # fmt: skip
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text and f"{text}\n")
    return folder


def _models(folder: Path) -> None:
    """Model files that are not opened."""
    import keras
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    torch.save(net, folder / "pickled.pt")
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 6, 5)), folder / "script.pt")

    class Twice(keras.layers.Layer):
        def call(self, x):
            return x * 2

    keras.Sequential([keras.Input((4,)), Twice()]).save(folder / "custom.keras")
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)]).save(folder / "lambda.keras")
    table = keras.Sequential([keras.Input((4,), name="row"), keras.layers.Dense(3)])
    table.save(folder / "table.keras")
    table.save_weights(folder / "only.weights.h5")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(("arguments", "code", "said"), ROWS, ids=[" ".join([row[0][0], *row[0][-2:]]) for row in ROWS])
def test_one_message(arguments, code, said, metannvis, here, monkeypatch):
    monkeypatch.chdir(here)
    before = contents(here)
    result = metannvis(*arguments, code=code)
    assert said in " ".join(result.stderr.split())
    assert len([line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]) == 1
    for word in (
        "layer=",
        "target=",
        "inputs=",
        "trust=",
        "architecture=",
        "verify=",
        "Tolerance(",
        "Traceback",
        "unexpected ",
    ):
        assert word not in result.stderr
    if arguments[0] != "check":  # which tells the report of what disagrees
        assert result.stdout == ""
    assert contents(here) == before
