"""PyTorch to Keras: ours, onnx2keras, nobuco (in an environment with Keras 2), and Keras' own network as the twin."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import networks
import numpy as np
import torch
from contender import Contender

__all__ = ["ToKeras"]


def metannvis(model: Any, x: Any, **options: Any) -> Any:
    from metannvis_translate import translate

    return translate(model, "keras", example_inputs=x, **options).model


def onnx2keras(model: Any, x: Any) -> Any:
    """As its documentation does it: exported by ``torch.onnx``, then converted."""
    import onnx
    from onnx2keras import onnx_to_keras

    buffer = io.BytesIO()
    torch.onnx.export(model, torch.from_numpy(x), buffer, dynamo=False, input_names=["input"], opset_version=17)
    proto = onnx.load_from_string(buffer.getvalue())
    return onnx_to_keras(proto, ["input"], verbose=False, change_ordering=True)


def nobuco(model: Any, x: Any) -> Any:
    import nobuco as package

    order = package.ChannelOrder.TENSORFLOW
    return package.pytorch_to_keras(
        model, args=[torch.from_numpy(x)], inputs_channel_order=order, outputs_channel_order=order
    )


class ToKeras(Contender):
    def ways(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {
            "metannvis": lambda model, x: metannvis(model, x, verify=False),
            "metannvis-verify": metannvis,
            "onnx2keras": onnx2keras,
            "nobuco": nobuco,
            "twin": self.twin,
        }

    def twin(self, model: Any, x: Any) -> Any:
        made = networks.make_keras(self.network)
        networks.copy_to_keras(model, made)
        return made

    def make_source(self) -> Any:
        return networks.make(self.network)

    def small(self) -> tuple[Any, Any]:
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 2)).eval()
        return network, np.zeros((1, 3, 8, 8), np.float32)

    def weights(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.source.parameters())

    def expected(self, x: Any) -> Any:
        with torch.no_grad():
            return self.source(torch.from_numpy(x)).numpy()

    def found(self, x: Any) -> Any:
        y = np.asarray(self.model(x.transpose(0, 2, 3, 1), training=False))
        return y if y.ndim != 4 else y.transpose(0, 3, 1, 2)

    def runs(self) -> dict[str, Callable[[], Any]]:
        import tensorflow as tf

        model = self.model
        tensor = tf.constant(self.x.transpose(0, 2, 3, 1))

        def forward(x: Any) -> Any:
            return model(x, training=False)

        def gradient(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(forward(x))
            return tape.gradient(y, x)

        forward_function, gradient_function = tf.function(forward), tf.function(gradient)
        return {
            "forward eager": lambda: forward(tensor),
            "gradient eager": lambda: gradient(tensor),
            "forward function": lambda: forward_function(tensor),
            "gradient function": lambda: gradient_function(tensor),
        }
