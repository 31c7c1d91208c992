"""Honest files of every format, to be damaged."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

__all__ = ["FORMATS", "write_samples"]

#: Formats, each with the files that are damaged one at a time; those of a folder by their path in it.
FORMATS = (
    "net.pt2", "net.pt", "old.pt", "net.keras", "net.h5", "saved/saved_model.pb", "saved/variables/variables.index",
    "saved/variables/variables.data-00000-of-00001", "net.onnx", "explanation.npz", "several.npz", "array.npy", "arrays.npz",
    "photo.png", "photo.jpg", "photo.gif", "photo.bmp", "photo.tif", "photo.webp", "labels.txt", "labels.json",
)  # fmt: skip


def write_samples(folder: Path) -> None:
    """One small file of each format."""
    import onnx
    from metannvis_translate import save_model
    from metannvis_translate.frameworks.requirements import require

    from .onnx_mutants import base

    torch, keras = require("torch"), require("keras")
    require("tensorflow")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    ).eval()
    save_model(net, folder / "net.pt2", example_inputs=np.zeros((2, 1, 4, 4), np.float32))
    save_model(net, folder / "net.pt")
    torch.save(net.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((4, 4, 1)),
        keras.layers.Conv2D(2, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential(layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_model(model, folder / "net.keras")
        save_model(model, folder / "net.h5")
        save_model(model, folder / "saved")
    onnx.save_model(onnx.ModelProto.FromString(base(7)), str(folder / "net.onnx"))
    _write_inputs(folder)


def _write_inputs(folder: Path) -> None:
    from metannvis_methods import Explanation
    from PIL import Image

    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, 1, 4, 4)).astype(np.float32)
    common = {"method": "saliency", "toolset": "captum", "framework": "torch", "kind": "primary"}
    one = Explanation(
        values=values, axes="NCHW", inputs=values, input_axes="NCHW", target=[1, 2], labels=("a", "b"), **common
    )
    one.save(folder / "explanation.npz")
    two = Explanation(
        values=(values, values[0, 0]),
        axes=("NCHW", "NF"),
        inputs=None,
        input_axes=None,
        convergence_delta=np.zeros(2),
        **common,
    )
    two.save(folder / "several.npz")
    np.save(folder / "array.npy", values)
    np.savez_compressed(folder / "arrays.npz", a=values, b=values[0])
    picture = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    for suffix in ("png", "jpg", "gif", "bmp", "tif", "webp"):
        picture.save(folder / f"photo.{suffix}")
    folder.joinpath("labels.txt").write_text("cat\ndog\nGröße\n", encoding="utf-8")
    folder.joinpath("labels.json").write_text(json.dumps(["cat", "dog", "Größe"]), encoding="utf-8")
