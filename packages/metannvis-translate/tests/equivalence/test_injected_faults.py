"""Faults put into a translation: each that moves an output or a layer by more than twice the tolerance is found.

The wrong translation is a right one of a source that has the fault. How far the fault moves what the source returns is
measured by running both sources, without the check. ``--log-cli-level=INFO`` prints how many were put in, show, and are found.
"""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate import EquivalenceError, Tolerance, check_equivalence, translate
from metannvis_translate.frameworks import get_framework
from metannvis_translate.frameworks.requirements import require

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
Fault = tuple[str, Any]
LIMIT = Tolerance().outputs
#: Of the largest number of a tensor, and of all.
ELEMENT, SCALE, EPSILON = 0.3, 1e-3, 1e-3


# --- networks --------------------------------------------------------------------------------------------------------------


def torch_networks() -> dict[str, tuple[Any, Array]]:
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 1)
            self.head = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return self.head((self.second(torch.tanh(self.norm(self.first(x)))) + x).mean((2, 3)))

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.head = nn.GRU(5, 6, batch_first=True), nn.Linear(6, 6)

        def forward(self, x: Any) -> Any:
            return self.head(self.recurrent(x)[0])

    class Mixer(nn.Module):
        """As many places as channels, and square images: an order of axes that is wrong has the right shape."""

        def __init__(self) -> None:
            super().__init__()
            self.patches, self.channels, self.places = nn.Conv2d(4, 9, 3, stride=3), nn.Linear(9, 9), nn.Linear(9, 9)
            self.norm, self.last = nn.LayerNorm(9), nn.Conv2d(9, 3, 2)

        def forward(self, x: Any) -> Any:
            h = self.patches(x).flatten(2).transpose(1, 2)
            h = h + self.places(torch.tanh(self.norm(h)).transpose(1, 2)).transpose(1, 2)
            h = torch.sigmoid(self.channels(h)).transpose(1, 2).reshape(-1, 9, 3, 3).permute(0, 2, 3, 1)
            return self.last((h * h.softmax(-1)).permute(0, 3, 1, 2))

    images = np.random.default_rng(0).standard_normal((2, 4, 9, 9)).astype(np.float32)
    steps = np.random.default_rng(1).standard_normal((2, 7, 5)).astype(np.float32)
    tokens = np.random.default_rng(2).standard_normal((2, 6, 8)).astype(np.float32)
    classifier = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Flatten(), nn.Linear(54, 5),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(4, 3, 3, stride=2, padding=1), nn.SiLU(), nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1)
    )
    # the mean over all places goes on where a padding is another one
    padded = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.ReflectionPad2d((1, 0, 0, 1)), nn.Conv2d(6, 6, 2, padding=1), nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
        nn.Conv2d(6, 5, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4),
    )  # fmt: skip
    found = {
        "padded": (padded, images),
        "classifier": (classifier, images),
        "residual": (Residual(), images),
        "decoder": (decoder, images),
        "mixer": (Mixer(), images),
        "sequence": (Sequence(), steps),
        "transformer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), tokens),
    }
    with torch.no_grad():
        for network, x in found.values():
            for _ in range(2):
                network.train()(torch.from_numpy(x) * 2 + 1)
            network.eval()
    return found


def keras_networks() -> dict[str, tuple[Any, Array]]:
    require("tensorflow")
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    images = np.random.default_rng(0).standard_normal((2, 9, 9, 4)).astype(np.float32)
    steps = np.random.default_rng(1).standard_normal((2, 7, 5)).astype(np.float32)
    classifier = keras.Sequential(
        [
            keras.Input((9, 9, 4)), layers.Conv2D(6, 3, padding="same"), layers.BatchNormalization(moving_mean_initializer="ones"),
            layers.ReLU(), layers.MaxPooling2D(2), layers.DepthwiseConv2D(3, padding="same"), layers.Flatten(), layers.Dense(5),
        ]
    )  # fmt: skip
    x = keras.Input((9, 9, 4))
    h = layers.LayerNormalization()(layers.Conv2D(4, 3, padding="same", activation="tanh")(x))
    residual = keras.Model(
        x, layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Add()([x, layers.Conv2D(4, 1)(h)])))
    )
    s = keras.Input((7, 5))
    sequence = keras.Model(s, layers.Dense(6)(layers.LSTM(6, return_sequences=True)(s)))
    decoder = keras.Sequential(
        [keras.Input((9, 9, 4)), layers.SeparableConv2D(4, 3, padding="same"), layers.Conv2DTranspose(3, 3, strides=2)]
    )
    # the mean over all places goes on where a padding is another one
    padded = keras.Sequential(
        [
            keras.Input((10, 10, 4)), layers.ZeroPadding2D(((0, 1), (0, 1))), layers.Conv2D(6, 3, strides=2),
            layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(3, 2, padding="same"), layers.Conv2D(6, 2, padding="same"),
            layers.ZeroPadding2D(((1, 0), (0, 1))), layers.DepthwiseConv2D(2, padding="same"), layers.AveragePooling2D(2, 1, padding="same"),
            layers.SeparableConv2D(5, 2), layers.GlobalAveragePooling2D(), layers.Dense(4),
        ]
    )  # fmt: skip
    s = keras.Input((12, 4))
    h = layers.Conv1D(4, 3, padding="causal", activation="tanh")(layers.ZeroPadding1D((2, 0))(s))
    h = layers.MaxPooling1D(2, padding="same")(layers.Conv1D(5, 3, strides=2, padding="same")(h))
    signal = keras.Model(s, layers.Dense(3)(layers.GlobalAveragePooling1D()(h)))
    x = keras.Input((9, 9, 4))
    h = layers.Reshape((9, 9))(layers.Conv2D(9, 3, strides=3)(x))
    mixed = layers.Permute((2, 1))(layers.Dense(9, activation="tanh")(layers.Permute((2, 1))(h)))
    h = layers.Reshape((3, 3, 9))(layers.Dense(9)(layers.Add()([h, mixed])))
    mixer = keras.Model(x, layers.Conv2D(3, 2)(layers.Permute((2, 1, 3))(h)))
    wide = np.random.default_rng(3).standard_normal((2, 10, 10, 4)).astype(np.float32)
    signals = np.random.default_rng(4).standard_normal((2, 12, 4)).astype(np.float32)
    return {
        "classifier": (classifier, images), "residual": (residual, images), "decoder": (decoder, images),
        "sequence": (sequence, steps), "padded": (padded, wide), "signal": (signal, signals), "mixer": (mixer, images),
    }  # fmt: skip


def onnx_networks() -> dict[str, tuple[Any, Array]]:
    rows = torch_networks()
    return {name: (translate(rows[name][0], "onnx", example_inputs=rows[name][1], verify=False).model, rows[name][1])
            for name in ("classifier", "residual", "decoder", "padded", "mixer", "transformer")}  # fmt: skip


# --- faults ----------------------------------------------------------------------------------------------------------------


def wrong_weights(array: Array) -> Iterator[tuple[str, Array]]:
    """One number, all of them by a thousandth, two axes of one length swapped."""
    if array.dtype.kind != "f" or array.size < 2:
        return
    changed = array.copy()
    changed.reshape(-1)[array.size // 2] += ELEMENT * (np.abs(array).max() or 1)
    yield "element", changed
    if array.any():
        yield "scale", (array * np.float32(1 + SCALE)).astype(array.dtype)
    for a, b in ((0, 1), (-2, -1)):
        if array.ndim > 1 and array.shape[a] == array.shape[b] > 1:
            yield f"axes {a} {b}", np.ascontiguousarray(array.swapaxes(a, b))


def torch_faults(network: Any) -> Iterator[Fault]:
    import torch

    for name, tensor in network.state_dict().items():
        for kind, array in wrong_weights(tensor.numpy()):
            wrong = copy.deepcopy(network)
            wrong.state_dict()[name].copy_(torch.from_numpy(array))
            yield f"{name} {kind}", wrong
    for name, module in network.named_modules():
        for attribute in ("eps", "padding"):
            if hasattr(module, attribute):
                wrong = copy.deepcopy(network)
                other = EPSILON if attribute == "eps" else other_padding(module)
                setattr(wrong.get_submodule(name), attribute, other)
                yield f"{name} {attribute}", wrong


def other_padding(module: Any) -> Any:
    """None for some, some for none; as much on the other sides where each side has its own."""
    given = module.padding
    if type(module).__name__.endswith(("Pad1d", "Pad2d")):
        return tuple(side for pair in zip(given[1::2], given[::2], strict=True) for side in pair)
    if "Pool" in type(module).__name__:
        return 0 if given else 1
    return (0, 0) if any(np.atleast_1d(given)) else (1, 1)


def keras_faults(network: Any) -> Iterator[Fault]:
    import keras

    def again(change: Callable[[str, dict[str, Any]], None]) -> Any:
        def one(layer: Any) -> Any:
            config = layer.get_config()
            change(layer.name, config)
            return type(layer).from_config(config)

        wrong = keras.models.clone_model(network, clone_function=one)
        wrong.set_weights(network.get_weights())
        return wrong

    weights = network.get_weights()
    for place, (variable, array) in enumerate(zip(network.weights, weights, strict=True)):
        for kind, changed in wrong_weights(array):
            wrong = again(lambda name, config: None)
            wrong.set_weights([*weights[:place], changed, *weights[place + 1 :]])
            yield f"{variable.path} {kind}", wrong
    for layer in network.layers:
        for option, others in wrong_options(layer.get_config()):
            for other in others:

                def change(
                    name: str, config: dict[str, Any], mine: str = layer.name, option: str = option, other: Any = other
                ) -> None:
                    if name == mine:
                        config[option] = other

                try:
                    wrong = again(change)
                except ValueError:  # shapes no longer belong together: no model at all
                    continue
                yield f"{layer.name} {option} {other}", wrong


def wrong_options(config: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Other paddings, orders of axes and epsilons of a Keras layer."""
    padding = config.get("padding")
    if isinstance(padding, str):
        yield "padding", [other for other in ("same", "valid") if other != padding]
    elif padding is not None:
        yield "padding", [other_sides(padding)]
    if "dims" in config:
        yield "dims", swapped(list(config["dims"]))
    if "epsilon" in config:
        yield "epsilon", [1e-5]


def other_sides(padding: Any) -> Any:
    """As much padding, on the other side of each axis."""
    return tuple(other_sides(pair) for pair in padding) if np.ndim(padding) > 1 else tuple(reversed(padding))


def swapped(order: list[int]) -> list[list[int]]:
    """An order of axes with two of them swapped, in each way."""
    found = []
    for a, b in itertools.combinations(range(len(order)), 2):
        other = list(order)
        other[a], other[b] = other[b], other[a]
        found.append(other)
    return found


def onnx_faults(network: onnx.ModelProto) -> Iterator[Fault]:
    for place, tensor in enumerate(network.graph.initializer):
        for kind, array in wrong_weights(onnx.numpy_helper.to_array(tensor)):
            wrong = copy.deepcopy(network)
            wrong.graph.initializer[place].CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
            yield f"{tensor.name} {kind}", wrong
    for place, node in enumerate(network.graph.node):
        for number, attribute in enumerate(node.attribute):
            for label, value in wrong_attributes(attribute):
                wrong = copy.deepcopy(network)
                found = wrong.graph.node[place]
                found.attribute[number].CopyFrom(onnx.helper.make_attribute(attribute.name, value))
                for entry in [
                    e for e in found.metadata_props if e.key == "metannvis.exact" and attribute.name == "epsilon"
                ]:
                    found.metadata_props.remove(entry)
                yield f"{node.name} {label}", wrong


def wrong_attributes(attribute: onnx.AttributeProto) -> Iterator[tuple[str, Any]]:
    """Other values of an attribute of an ONNX operator."""
    if attribute.name == "epsilon":
        yield "epsilon", EPSILON
    elif attribute.name == "pads" and any(attribute.ints):
        half = len(attribute.ints) // 2
        pairs = zip(attribute.ints[:half], attribute.ints[half:], strict=True)
        other = [(end, start) if start != end else (start - 1, end + 1) if start else (0, 0) for start, end in pairs]
        yield "pads", [side for sides in zip(*other, strict=True) for side in sides]
    elif attribute.name == "perm":
        for order in swapped(list(attribute.ints)):
            yield f"perm {order}", order


# --- the table -------------------------------------------------------------------------------------------------------------

SOURCES: dict[str, tuple[Callable[[], dict[str, tuple[Any, Array]]], Callable[[Any], Iterator[Fault]]]] = {
    "torch": (torch_networks, torch_faults),
    "tensorflow": (keras_networks, keras_faults),
    "onnx": (onnx_networks, onnx_faults),
}
ROWS = [
    (source, name, to)
    for source, names, targets in (
        ("torch", ("classifier", "residual", "decoder", "padded", "mixer", "sequence", "transformer"), ("tensorflow",)),
        ("tensorflow", ("classifier", "residual", "decoder", "sequence", "padded", "signal", "mixer"), ("torch",)),
        ("onnx", ("classifier", "residual", "decoder", "padded", "mixer", "transformer"), ("torch", "tensorflow")),
    )
    for name in names
    for to in targets
]


def moved(right: Any, wrong: Any, framework: Any, x: Array, layers: list[str]) -> float:
    """How far outputs and layers of the source are moved, a sample, as the tolerance counts it."""
    a, b = (framework.run(network, [x], layers=layers) for network in (wrong, right))
    pairs = [*zip(a.outputs, b.outputs, strict=True), *((a.layers[k], b.layers[k]) for k in layers if k in a.layers)]
    worst = 0.0
    for ours, theirs in pairs:
        if ours.shape != theirs.shape:
            return float("inf")
        if theirs.size:
            ours, theirs = ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1)
            scale = np.abs(theirs).max(1)
            worst = max(worst, float((np.abs(ours - theirs).max(1) / np.where(scale, scale, 1)).max()))
    return worst


def caught(network: Any, wrong: Any, x: Array) -> bool:
    """Whether the check tells a wrong translation, of which the target may not even run."""
    try:
        return not check_equivalence(network, wrong, x, gradients=False).passed
    except EquivalenceError:
        return True


@pytest.mark.parametrize(("source", "name", "to"), ROWS, ids=["-".join(row) for row in ROWS])
@pytest.mark.core("torch-residual-tensorflow", "tensorflow-sequence-torch", "onnx-decoder-torch")
def test_a_fault_that_shows_is_found(source: str, name: str, to: str) -> None:
    networks, faults = SOURCES[source]
    network, x = networks()[name]
    right = translate(network, to, example_inputs=x)
    framework, layers = get_framework(source), list(right.layers.names)
    injected, shown, missed = 0, 0, []
    for label, wrong in faults(network):
        try:
            distance = moved(network, wrong, framework, x, layers)
        except Exception:  # noqa: BLE001  # a wrong padding, whose shapes do not belong together: no model at all
            continue
        injected += 1
        if distance <= 2 * LIMIT:
            continue
        shown += 1
        translation = translate(wrong, to, example_inputs=x, verify=False)
        if not caught(network, translation, x):
            missed.append((label, distance))
    log.info("%s %s to %s: %d injected, %d show, %d caught", source, name, to, injected, shown, shown - len(missed))
    assert shown >= 5
    assert not missed
