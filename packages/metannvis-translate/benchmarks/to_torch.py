"""Keras to PyTorch: ours, two ways through ONNX and onnx2torch, and a PyTorch network of the same weights as the twin."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import numpy as np
import torch
from contender import Contender

__all__ = ["ToTorch"]


def metannvis(model: Any, x: Any, **options: Any) -> Any:
    from metannvis_translate import translate

    return translate(model, "torch", **options).model


def tf2onnx(model: Any, x: Any) -> Any:
    """``tf2onnx`` with an opset that ``onnx2torch`` knows, then that."""
    import onnx2torch
    import tf2onnx as package

    proto, _ = package.convert.from_keras(model, opset=17)
    return onnx2torch.convert(proto)


def keras_export(model: Any, x: Any) -> Any:
    """Keras' own export, then ``onnx2torch``."""
    import onnx2torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        model.export(path, format="onnx", opset_version=17, verbose=False)
        return onnx2torch.convert(str(path))


class ToTorch(Contender):
    def __init__(self, who: str, network: str) -> None:
        self.takes_channels_last = who in ("tf2onnx", "keras-export")
        super().__init__(who, network)

    def ways(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {
            "metannvis": lambda model, x: metannvis(model, x, verify=False),
            "metannvis-verify": metannvis,
            "tf2onnx": tf2onnx,
            "keras-export": keras_export,
            "twin": self.twin,
        }

    def twin(self, model: Any, x: Any) -> Any:
        made = networks.make(self.network)
        networks.copy_from_keras(model, made)
        return made

    def make_source(self) -> Any:
        model = networks.make_keras(self.network)
        model(np.zeros((1, 224, 224, 3), np.float32))  # Keras exports nothing that was never called
        return model

    def small(self) -> tuple[Any, Any]:
        import keras

        x = keras.Input((8, 8, 3))
        y = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(x)))
        model, image = keras.Model(x, y), np.zeros((1, 3, 8, 8), np.float32)
        model(image.transpose(0, 2, 3, 1))
        return model, image

    def weights(self) -> int:
        return sum(np.prod(weight.shape) * np.dtype(weight.dtype).itemsize for weight in self.source.weights)

    def expected(self, x: Any) -> Any:
        return np.asarray(self.source(x.transpose(0, 2, 3, 1), training=False))

    def tensor(self, x: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if self.takes_channels_last else x)

    def found(self, x: Any) -> Any:
        with torch.no_grad():
            return self.model(self.tensor(x)).numpy()

    def runs(self) -> dict[str, Callable[[], Any]]:
        model, x = self.model, self.tensor(self.x)
        leaf = x.clone().requires_grad_()

        def forward() -> Any:
            with torch.no_grad():
                return model(x)

        def gradient() -> Any:
            return torch.autograd.grad(model(leaf).sum(), leaf)

        return {"forward": forward, "gradient": gradient}
