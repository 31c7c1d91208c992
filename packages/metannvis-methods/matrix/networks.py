"""The networks of the matrix, once in each framework with the same weights, and what is asked of them.

Everything is said in PyTorch's layout; ``order`` and ``layers`` say how it lies in Keras.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
require("tensorflow")
keras = require("keras")

from . import keras_networks, torch_networks  # noqa: E402
from .weights import copy_into, randomize  # noqa: E402

__all__ = ["NETWORKS", "SOURCES", "Layer", "Network", "Row", "network", "to_keras", "to_torch"]

Array = np.ndarray[Any, Any]
#: For each axis in Keras, the axis in PyTorch.
Order = tuple[int, ...]
IMAGE: Order = (0, 2, 3, 1)
SIGNAL: Order = (0, 2, 1)
SAMPLES = 3
SOURCES = ("torch", "tensorflow", "onnx")


@dataclass(frozen=True)
class Layer:
    """One layer: a PyTorch module, the layer of Keras that returns the same, and the type and count of the node of ONNX."""

    torch: str
    tensorflow: str
    node: tuple[str, int]


@dataclass(frozen=True)
class Row:
    """What is asked of a network.

    Attributes
    ----------
    shapes
        Of the inputs, without the batch.
    layer, map_layer
        Of methods that want one, and of class activation maps.
    pooled
        The layer whose output is pooled and goes into one dense layer, if there is one: class activation mapping is for it.
    lrp_before
        The module before ``layer``, if that is an activation: Captum has no relevance for those, which pass on what they get.
    window, stride
        Of an occlusion, one an input.
    targets
        One a sample.
    output
        Which output of several.
    flattened
        Dense layers behind a map that is flattened, with the map's shape.
    tokens
        Where ``map_layer`` returns tokens, their places (height and width, or how many there are), and how many stand before them.
    words
        How many indices there are, if the input is indices.
    signal
        Three axes are a signal's, with channels, and no tokens'.
    """

    shapes: tuple[tuple[int, ...], ...]
    layer: Layer
    window: tuple[tuple[int, ...], ...]
    stride: tuple[tuple[int, ...], ...]
    map_layer: Layer | None = None
    pooled: Layer | None = None
    lrp_before: str = ""
    targets: tuple[Any, ...] = (1, 0, 2)
    output: int | None = None
    flattened: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tokens: tuple[int, ...] | None = None
    words: int = 0
    signal: bool = False


ROWS: dict[str, Row] = {
    "cnn": Row(
        ((2, 10, 12),),
        Layer("relu1", "conv1", ("Relu", 0)),
        ((2, 3, 4),),
        ((1, 3, 2),),
        map_layer=Layer("norm2", "norm2", ("BatchNormalization", 0)),
        lrp_before="conv1",
        flattened={"classes": (7, 3, 4)},
    ),
    "resnet": Row(
        ((3, 20, 28),),
        Layer("one_add", "one_add", ("Add", 0)),
        ((3, 6, 8),),
        ((1, 5, 7),),
        map_layer=Layer("two_add", "two_add", ("Add", 1)),
        pooled=Layer("two_relu2", "two_relu2", ("Relu", 4)),
    ),
    "signal": Row(
        ((3, 24),),
        Layer("conv2", "conv2", ("Conv", 1)),
        ((3, 5),),
        ((1, 4),),
        map_layer=Layer("norm2", "norm2", ("BatchNormalization", 0)),
        pooled=Layer("relu2", "relu2", ("Relu", 1)),
        signal=True,
    ),
    "table": Row(
        ((9,),),
        Layer("relu1", "one", ("Relu", 0)),
        ((3,),),
        ((2,),),
        lrp_before="one",
    ),
    "text": Row(
        ((7,),),
        Layer("hidden", "hidden", ("Gemm", 0)),
        ((2,),),
        ((2,),),
        map_layer=Layer("embedding", "embedding", ("Gather", 0)),
        tokens=(7, 0),
        words=20,
    ),
    "vit": Row(
        ((3, 16, 24),),
        Layer("one_relu", "one_relu", ("Relu", 0)),
        ((3, 8, 8),),
        ((1, 8, 8),),
        map_layer=Layer("two_norm1", "two_norm1", ("LayerNormalization", 2)),
        tokens=(2, 3, 1),
    ),
    "two inputs": Row(
        ((3, 8, 6), (5,)),
        Layer("both", "both", ("Add", 0)),
        ((2, 3, 3), (2,)),
        ((1, 2, 3), (2,)),
        map_layer=Layer("conv", "conv", ("Conv", 0)),
        flattened={"see": (4, 6, 4)},
    ),
    "two outputs": Row(
        ((2, 8, 10),),
        Layer("conv", "conv", ("Conv", 0)),
        ((2, 3, 3),),
        ((1, 2, 3),),
        output=1,
        flattened={"classes": (6, 3, 4), "hidden": (6, 3, 4)},
    ),
    "unet": Row(
        ((2, 8, 12),),
        Layer("down2", "down2", ("Conv", 1)),
        ((2, 3, 4),),
        ((1, 3, 4),),
        targets=((1, 3, 5), (0, 3, 5), (2, 3, 5)),
    ),
}
NETWORKS = tuple(ROWS)


@dataclass(frozen=True, eq=False)
class Network:
    """A network in PyTorch and in Keras, double precision, and inputs for it."""

    name: str
    row: Row
    torch: Any
    keras: Any
    inputs: tuple[Array, ...]

    @functools.cached_property
    def onnx(self) -> Any:
        """The PyTorch network, exported."""
        from metannvis_translate import translate

        if self.row.words:  # ONNX Runtime has no recurrent operators in double precision
            return translate(copy.deepcopy(self.torch).float(), "onnx", example_inputs=self.tensors()).model
        return translate(self.torch, "onnx", example_inputs=self.tensors(), dtype="float64").model

    def layer(self, layer: Layer, framework: str) -> str:
        """Name of a layer in a framework."""
        if framework != "onnx":
            return str(getattr(layer, framework))
        from metannvis_translate import list_layers

        kind, count = layer.node
        names = [info.name for info in list_layers(self.onnx) if info.kind == kind]
        return str(names[count])

    def source(self, framework: str) -> Any:
        """The network in a framework."""
        return {"torch": lambda: self.torch, "tensorflow": lambda: self.keras, "onnx": lambda: self.onnx}[framework]()

    def tensors(self) -> tuple[Any, ...]:
        """The inputs for PyTorch."""
        return tuple(torch.from_numpy(x.copy()) for x in self.inputs)

    @functools.cached_property
    def neuron(self) -> tuple[int, ...]:
        """A position in the layer that all samples excite and all targets heed, so that nothing about it is zero."""
        seen: list[Any] = []
        path = next(name for name, _ in self.single.named_modules() if name.split(".")[-1] == self.row.layer.torch)
        hook = self.single.get_submodule(path).register_forward_hook(lambda _m, _a, out: seen.append(out))
        outputs = self.single(*self.tensors())
        hook.remove()
        targets = [item if isinstance(item, tuple) else (item,) for item in self.row.targets]
        score = sum(outputs[(k, *place)] for k, place in enumerate(targets))
        (gradient,) = torch.autograd.grad(score, seen[0])
        influence = (seen[0] * gradient).detach().numpy()
        least = np.abs(influence).min(0)
        return tuple(int(k) for k in np.unravel_index(int(least.argmax()), least.shape))

    @functools.cached_property
    def bare(self) -> Any:
        """The PyTorch network, one output, a softmax at its end left out."""
        twin = copy.deepcopy(self.torch)
        if hasattr(twin, "softmax"):
            twin.softmax = None
        return twin if self.row.output is None else OneOutput(twin, self.row.output)

    @functools.cached_property
    def single(self) -> Any:
        """The PyTorch network, one output."""
        return self.torch if self.row.output is None else OneOutput(self.torch, self.row.output)


class OneOutput(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A network of several outputs of which one is returned."""

    def __init__(self, network: Any, place: int) -> None:
        super().__init__()
        self.network, self.place = network, place

    def forward(self, *inputs: Any) -> Any:
        """That output."""
        return self.network(*inputs)[self.place]


@functools.cache
def network(name: str) -> Network:
    """A network, whose outputs are compared before it serves as a reference."""
    row = ROWS[name]
    twin = randomize(torch_networks.NETWORKS[name](), 1)
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")  # what an input's dtype is
    keras.config.set_dtype_policy("float64")
    try:
        model = copy_into(keras_networks.NETWORKS[name](), twin, dict(row.flattened))
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
    random = np.random.default_rng(2)
    if row.words:
        inputs: tuple[Array, ...] = tuple(random.integers(1, row.words, (SAMPLES, *shape)) for shape in row.shapes)
    else:
        inputs = tuple(random.standard_normal((SAMPLES, *shape)) for shape in row.shapes)
    made = Network(name, row, twin, model, inputs)
    given = [to_keras(x, row) for x in inputs]
    theirs = keras.tree.flatten(model(given if len(given) > 1 else given[0], training=False))
    with torch.no_grad():
        ours = twin(*made.tensors())
    for a, b in zip(theirs, ours if isinstance(ours, tuple) else (ours,), strict=True):
        np.testing.assert_allclose(np.asarray(a), to_keras(b.numpy(), row), rtol=1e-9, atol=1e-12)
    return made


def order_of(rank: int, row: Row) -> Order:
    """How images and signals lie in Keras; rows and tokens lie the same."""
    return IMAGE if rank == 4 else SIGNAL if rank == 3 and row.signal else tuple(range(rank))


def to_keras(value: Any, row: Row) -> Any:
    """An array, or numbers one an axis without the batch, as Keras has it."""
    if isinstance(value, tuple):
        return tuple(value[k - 1] for k in order_of(len(value) + 1, row)[1:])
    array = np.asarray(value)
    return np.ascontiguousarray(array.transpose(order_of(array.ndim, row)))


def to_torch(array: Array, row: Row) -> Array:
    """An array of Keras' as PyTorch has it."""
    return np.ascontiguousarray(array.transpose(np.argsort(order_of(array.ndim, row))))
