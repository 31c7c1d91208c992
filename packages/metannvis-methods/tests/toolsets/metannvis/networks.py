"""Networks of every kind of input for the tests of our methods, as PyTorch, Keras and ONNX twins."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
nn = torch.nn

#: Shapes of a sample, channels first, by the kind of input.
SHAPES = {"table": (9,), "signal": (2, 24), "image": (3, 16, 12), "volume": (2, 6, 8, 5)}
SOURCES = ("torch", "tensorflow", "onnx")


def randomized(model: Any, seed: int = 0) -> Any:
    """In inference mode and double precision, with weights, biases and statistics that are neither zero nor one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise - 0.5 if tensor.ndim > 1 else 0.2 + 0.3 * noise)
    return model.double().eval()


def torch_network(kind: str) -> Any:
    """Three classes of probabilities."""
    channels, rank = SHAPES[kind][0], len(SHAPES[kind]) - 1
    if not rank:
        body: list[Any] = [nn.Linear(channels, 8), nn.ReLU(), nn.Linear(8, 3)]
    else:
        conv, pool = (getattr(nn, f"{name}{rank}d") for name in ("Conv", "AdaptiveAvgPool"))
        body = [conv(channels, 6, 3, padding=1), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(6, 3)]
    torch.manual_seed(0)
    return randomized(nn.Sequential(*body, nn.Softmax(1)))


def inputs(kind: str, samples: int = 2) -> np.ndarray:
    """Channels first, float64."""
    return np.random.default_rng(1).uniform(0, 1, (samples, *SHAPES[kind]))


def last(x: np.ndarray) -> np.ndarray:
    """Channels last."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


@functools.cache
def source(kind: str, framework: str) -> tuple[Any, np.ndarray]:
    """A network of a framework, and inputs as it takes them."""
    model, x = torch_network(kind), inputs(kind)
    if framework == "torch":
        return model, x
    made = translate(model, framework, example_inputs=x, dtype="float64").model
    return made, last(x) if framework == "tensorflow" else x
