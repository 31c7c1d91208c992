"""The same network in the other framework: built natively, its weights copied by hand. Nothing is translated.

What a translated network is held against. Imports both frameworks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

__all__ = ["keras_twin", "torch_twin"]

CONVOLUTIONS, DENSE = ("conv1", "conv2"), ("hidden", "classes")
#: Channels, height and width of the maps that are flattened.
MAPS = (32, 7, 7)


def torch_twin(network: Any) -> Any:
    """A :class:`~metannvis_methods.examples.torch_network.Plain` with the weights of a Keras network of ``build_plain``."""
    torch: Any = require("torch")
    from metannvis_methods.examples.torch_network import Plain

    twin = Plain().eval()
    with torch.no_grad():
        for name in (*CONVOLUTIONS, *DENSE):
            kernel, bias = map(np.asarray, network.get_layer(name).weights)
            if name == "hidden":  # flattened with the channels last there, first here
                channels, height, width = MAPS
                kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
            weight = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
            layer = getattr(twin, name)
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
    return twin


def keras_twin(network: Any) -> Any:
    """A network of ``build_plain`` with the weights of a :class:`~metannvis_methods.examples.torch_network.Plain`."""
    require("tensorflow")
    from metannvis_methods.examples.keras_network import build_plain

    twin = build_plain()
    for name in (*CONVOLUTIONS, *DENSE):
        layer = getattr(network, name)
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        kernel = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        if name == "hidden":
            kernel = kernel.reshape(*MAPS, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)
        twin.get_layer(name).set_weights([kernel, bias])
    return twin
