"""Everything that writes a file: how to write one of two versions of it, and how to read it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["ROWS", "Row", "weights"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Row:
    """A writer.

    Parameters
    ----------
    name
        Of the file it writes.
    make
        Loads what is needed and returns the function that writes a version (0 or 1) to a path.
    read
        The array that the file holds, or ``None`` if a file that is not whole cannot be read at all.
    """

    name: str
    make: Callable[[], Callable[[Path, int], Any]]
    read: Callable[[Path], Array | None]


def weights(version: int) -> Array:
    """What a version holds."""
    return np.random.default_rng(version).standard_normal((200, 200)).astype(np.float32)


def _explanation(version: int) -> Any:
    from metannvis_methods import Explanation

    values = weights(version)[None, None]
    return Explanation(values, "NCHW", values, "NCHW", "saliency", "captum", "torch", "primary")


def _prediction(version: int) -> Any:
    from metannvis_methods import UncertainPrediction

    return UncertainPrediction(weights(version), weights(version))


def _figure() -> Callable[[Path, int], Any]:
    from metannvis_methods.results.plotter import find_plotter

    plot = find_plotter()  # a user without rights may not see where packages lie
    return lambda path, version: plot(_explanation(version), path=path)


def _report() -> Callable[[Path, int], Any]:
    from metannvis_plot import report

    return lambda path, version: report(_explanation(version), path)


def _values() -> Callable[[Path, int], Any]:
    from metannvis_cli.outputs import write_array

    return lambda path, version: write_array(path, weights(version))


def _torch() -> Callable[[Path, int], Any]:
    import torch
    from metannvis_translate import save_model

    models = []
    for version in range(2):
        model = torch.nn.Linear(200, 200, bias=False)
        model.weight.data = torch.from_numpy(weights(version))
        models.append(torch.export.export(model, (torch.zeros(2, 200),)))
    return lambda path, version: save_model(models[version], path, overwrite=True)


def _state() -> Callable[[Path, int], Any]:
    import torch
    from metannvis_translate import save_model

    models = [torch.nn.Linear(200, 200, bias=False) for _ in range(2)]
    for version, model in enumerate(models):
        model.weight.data = torch.from_numpy(weights(version))
    return lambda path, version: save_model(models[version], path, overwrite=True)


def _keras() -> Callable[[Path, int], Any]:
    import keras
    from metannvis_translate import save_model

    models = [keras.Sequential([keras.Input((200,)), keras.layers.Dense(200, use_bias=False)]) for _ in range(2)]
    for version, model in enumerate(models):
        model.set_weights([weights(version)])
    return lambda path, version: save_model(models[version], path, overwrite=True)


def _onnx() -> Callable[[Path, int], Any]:
    from metannvis_translate import save_model
    from onnx import TensorProto, helper, numpy_helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 200]) for name in "xy")
    models = []
    for version in range(2):
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights(version), "w")])
        models.append(helper.make_model(graph))
    return lambda path, version: save_model(models[version], path, overwrite=True)


def _onnx_data() -> Callable[[Path, int], Any]:
    from metannvis_translate.frameworks.onnx import saving

    saving.LIMIT = 1000
    return _onnx()


def _read_image(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as image:
        image.load()


def _read_svg(path: Path) -> None:
    from xml.etree import ElementTree

    ElementTree.parse(path)


def _read_end(end: bytes) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        assert path.read_bytes().rstrip().endswith(end)

    return read


def _read_model(path: Path) -> Array:
    import metannvis_translate as translate

    if path.suffix == ".pt":
        import torch

        return torch.load(path, weights_only=True)["weight"].numpy()
    model = translate.load_model(path)
    if path.suffix == ".onnx":
        from onnx import numpy_helper

        return numpy_helper.to_array(model.graph.initializer[0])
    if path.suffix == ".pt2":
        return model.get_parameter("weight").detach().numpy()
    return np.asarray(model.variables[0] if path.suffix == "" else model.get_weights()[0])


def _read_result(path: Path) -> Array:
    from metannvis_methods import Explanation

    return Explanation.load(path).values[0, 0]


def _read_other(path: Path) -> Array:
    from metannvis_methods import UncertainPrediction

    return UncertainPrediction.load(path).mean


ROWS = {
    "png": Row("map.png", _figure, _read_image),
    "svg": Row("map.svg", _figure, _read_svg),
    "pdf": Row("map.pdf", _figure, _read_end(b"%%EOF")),
    "html": Row("page.html", _report, _read_end(b"</html>")),
    "npz": Row("map.npz", lambda: lambda path, version: _explanation(version).save(path), _read_result),
    "npz of another result": Row("two.npz", lambda: lambda path, version: _prediction(version).save(path), _read_other),
    "npy": Row("map.npy", _values, np.load),
    "onnx": Row("net.onnx", _onnx, _read_model),
    "onnx with data": Row("net.onnx", _onnx_data, _read_model),
    "pt": Row("net.pt", _state, _read_model),
    "pt2": Row("net.pt2", _torch, _read_model),
    "keras": Row("net.keras", _keras, _read_model),
    "h5": Row("net.h5", _keras, _read_model),
    "SavedModel": Row("net", _keras, _read_model),
}
