"""Keras networks and their PyTorch twins: what a PyTorch engineer would have written for Captum, weights copied by hand.

A twin has one module for each activation, pool and normalisation, additions as Captum's own module, and takes channels first.
What only moves elements is a function there, since relevance propagation refuses modules that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from torch import nn

from . import captum_twin_modules as twins
from .captum_weights import copy_into, randomize

__all__ = ["NETWORKS", "Network", "Order", "network"]

Array = np.ndarray[Any, Any]
#: For each axis of a value in the twin, the axis in the Keras network.
Order = tuple[int, ...]
#: A class, or the place and the class of a pixel.
Target = int | tuple[int, ...]
IMAGE: Order = (0, 3, 1, 2)
SIGNAL: Order = (0, 2, 1)
FLAT: Order = (0, 1)
TOKENS: Order = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras network, its twin, and what is asked of them.

    Attributes
    ----------
    model
        The Keras network, float32.
    twin
        The PyTorch network, float64 or float32.
    inputs
        Samples in the order of the Keras network, of the twin's type.
    order
        How an input of the twin lies to one of the Keras network.
    layers
        Name of a layer of the Keras network → the twin's module that puts out the same, and how that lies.
    window
        Of an occlusion, in the order of the Keras network, the batch left out.
    targets
        One a sample, in the order of the Keras network.
    """

    name: str
    model: Any
    twin: nn.Module
    inputs: Array
    order: Order
    layers: Mapping[str, tuple[str, Order]]
    window: tuple[int, ...]
    targets: tuple[Target, ...]

    def to_twin(self, target: Target) -> Target:
        """A target in the order of the twin."""
        return (target[2], target[0], target[1]) if isinstance(target, tuple) else target


def digits_cnn() -> Any:
    """A convolutional network with activations as arguments and as layers, trained on scikit-learn's digits."""
    given = keras.Input((8, 8, 1), name="digit")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv1")(given)
    x = layers.Conv2D(12, 3, padding="same", use_bias=False, name="conv2")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(name="norm2")(x))
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool")(x))
    x = layers.Dense(24, activation="relu", name="hidden")(layers.Dropout(0.25, name="dropout")(x))
    return keras.Model(given, layers.Dense(10, name="classes")(x), name="digits_cnn")


def trained_on_digits(model: Any, seed: int) -> Any:
    """A few epochs on the digits that come with scikit-learn."""
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(seed)
    images, classes = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    for layer in model.layers:  # `set_random_seed` comes after the weights were made
        for weight in layer.trainable_weights:
            if weight.path.endswith("kernel"):
                weight.assign(keras.initializers.GlorotUniform(seed)(weight.shape))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images[200:], classes[200:], batch_size=64, epochs=3, verbose=0)
    return model


def digits(count: int) -> Array:
    """Digits that were not trained on."""
    from sklearn.datasets import load_digits

    return load_digits().images[:count].reshape(-1, 8, 8, 1) / 16


def resnet() -> Any:
    """A stem, two residual blocks with batch normalisation, the second one strided with a projection."""

    def block(x: Any, name: str, width: int, stride: int) -> Any:
        skip = x
        x = layers.Conv2D(width, 3, stride, padding="same", use_bias=False, name=f"{name}_conv1")(x)
        x = layers.ReLU(name=f"{name}_relu1")(layers.BatchNormalization(name=f"{name}_norm1")(x))
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv2")(x)
        x = layers.BatchNormalization(name=f"{name}_norm2")(x)
        if stride > 1:
            skip = layers.Conv2D(width, 1, stride, use_bias=False, name=f"{name}_short")(skip)
            skip = layers.BatchNormalization(name=f"{name}_short_norm")(skip)
        return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, skip]))

    given = keras.Input((14, 12, 3), name="image")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(given)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = block(block(x, "one", 6, 1), "two", 8, 2)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(given, layers.Dense(5, name="classes")(x), name="resnet")


def inception() -> Any:
    """Four branches side by side, as in Inception, and probabilities at the end."""

    def conv(x: Any, width: int, size: Any, name: str) -> Any:
        x = layers.Conv2D(width, size, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(scale=True, name=f"{name}_norm")(x)
        return layers.Activation("relu", name=f"{name}_relu")(x)

    given = keras.Input((13, 11, 3), name="image")
    x = conv(given, 6, 3, "stem")
    x = layers.MaxPooling2D(3, 2, padding="same", name="max_pool")(x)
    one = conv(x, 3, 1, "one")
    three = conv(conv(x, 3, 1, "three_a"), 4, 3, "three_b")
    seven = conv(conv(x, 3, (1, 5), "seven_a"), 3, (5, 1), "seven_b")
    pool = conv(layers.AveragePooling2D(3, 1, padding="same", name="average_pool")(x), 2, 1, "pool")
    x = layers.Concatenate(name="mixed")([one, three, seven, pool])
    x = layers.GlobalAveragePooling2D(name="global_pool")(x)
    return keras.Model(given, layers.Dense(6, activation="softmax", name="classes")(x), name="inception")


def signal_cnn() -> Any:
    """One axis: strided, dilated and causal convolutions."""
    given = keras.Input((24, 3), name="signal")
    x = layers.Conv1D(6, 5, 2, padding="same", name="conv1")(given)
    x = layers.ReLU(name="relu1")(x)
    x = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, name="conv2")(x)
    x = layers.BatchNormalization(name="norm2")(x)
    x = layers.ELU(name="elu2")(x)
    x = layers.MaxPooling1D(2, name="pool")(x)
    x = layers.Conv1D(5, 3, activation="relu", name="conv3")(x)
    x = layers.Dense(8, activation="relu", name="hidden")(layers.Flatten(name="flatten")(x))
    return keras.Model(given, layers.Dense(4, name="classes")(x), name="signal_cnn")


def tanh_mlp() -> Any:
    """A perceptron whose activations are all hyperbolic tangents."""
    given = keras.Input((9,), name="features")
    x = layers.Dense(12, activation="tanh", name="one")(given)
    x = layers.Dense(8, activation="tanh", name="two")(x)
    return keras.Model(given, layers.Dense(4, name="classes")(x), name="tanh_mlp")


def sigmoid_mlp() -> Any:
    """A perceptron with tangents and sigmoids."""
    given = keras.Input((9,), name="features")
    x = layers.Dense(12, name="one")(given)
    x = layers.Activation("tanh", name="tanh")(x)
    x = layers.Dense(8, activation="sigmoid", name="two")(x)
    return keras.Model(given, layers.Dense(4, name="classes")(x), name="sigmoid_mlp")


def lstm() -> Any:
    """Two recurrent layers and a classifier."""
    given = keras.Input((7, 3), name="sequence")
    x = layers.LSTM(6, return_sequences=True, name="lstm1")(given)
    x = layers.LSTM(5, name="lstm2")(x)
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    return keras.Model(given, layers.Dense(4, name="classes")(x), name="lstm")


def mobile() -> Any:
    """Depthwise convolutions, bounded activations, squeeze and excitation, a global maximum."""
    given = keras.Input((12, 10, 3), name="image")
    x = layers.Conv2D(6, 3, 2, padding="same", use_bias=False, name="stem")(given)
    x = layers.ReLU(6.0, name="relu6")(layers.BatchNormalization(name="norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky")(x)
    y = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    y = layers.Conv2D(4, 1, activation="relu", name="reduce")(y)
    y = layers.Conv2D(12, 1, activation="sigmoid", name="expand")(y)
    x = layers.Multiply(name="excite")([x, y])
    x = layers.SeparableConv2D(8, 3, activation="silu", name="separable")(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    return keras.Model(given, layers.Dense(5, name="classes")(x), name="mobile")


def unet() -> Any:
    """Down and up again, with skip connections: a class for each pixel."""
    given = keras.Input((8, 12, 2), name="image")
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="down1")(given)
    b = layers.MaxPooling2D(2, name="pool1")(a)
    b = layers.Conv2D(6, 3, padding="same", activation="relu", name="down2")(b)
    c = layers.AveragePooling2D(2, name="pool2")(b)
    c = layers.Conv2D(6, 3, padding="same", activation="relu", name="bottom")(c)
    y = layers.Conv2DTranspose(6, 2, 2, activation="relu", name="up2")(c)
    y = layers.Concatenate(name="join2")([b, y])
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="back2")(y)
    y = layers.UpSampling2D(2, name="up1")(y)
    y = layers.Concatenate(name="join1")([a, y])
    return keras.Model(given, layers.Conv2D(3, 1, name="classes")(y), name="unet")


class Positions(layers.Layer):
    """Adds a vector for each place, which is trained."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


def vit() -> Any:
    """Patches of an image, two transformer blocks, the mean of the tokens."""

    def block(x: Any, name: str) -> Any:
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
        y = layers.MultiHeadAttention(2, 4, name=f"{name}_attention")(y, y)
        x = layers.Add(name=f"{name}_add1")([x, y])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
        y = layers.Dense(12, name=f"{name}_mlp1")(y)
        y = layers.ReLU(name=f"{name}_relu")(y)
        y = layers.Dense(8, name=f"{name}_mlp2")(y)
        return layers.Add(name=f"{name}_add2")([x, y])

    given = keras.Input((12, 8, 3), name="image")
    x = layers.Conv2D(8, 4, 4, name="patches")(given)
    x = layers.Reshape((6, 8), name="tokens")(x)
    x = block(block(Positions(name="positions")(x), "one"), "two")
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(given, layers.Dense(4, name="classes")(x), name="vit")


@dataclass(frozen=True)
class _Row:
    make: Callable[[], Any]
    twin: Callable[[], nn.Module]
    order: Order
    layers: Mapping[str, tuple[str, Order]]
    window: tuple[int, ...]
    targets: tuple[Target, ...] = (1, 0, 3)


ROWS: dict[str, _Row] = {
    "digits_cnn": _Row(
        digits_cnn,
        twins.DigitsCNN,
        IMAGE,
        {"conv1": ("relu1", IMAGE), "conv2": ("conv2", IMAGE), "pool": ("pool", IMAGE), "classes": ("classes", FLAT)},
        (3, 3, 1),
    ),
    "resnet": _Row(
        resnet,
        twins.ResNet,
        IMAGE,
        {
            "two_conv2": ("two_conv2", IMAGE),
            "one_norm1": ("one_norm1", IMAGE),
            "one_add": ("one_add", IMAGE),
            "relu": ("relu", IMAGE),
        },
        (4, 4, 3),
    ),
    "inception": _Row(
        inception,
        twins.Inception,
        IMAGE,
        {
            "three_b_conv": ("three_b_conv", IMAGE),
            "max_pool": ("max_pool", IMAGE),
            "seven_a_relu": ("seven_a_relu", IMAGE),
        },
        (5, 5, 3),
    ),
    "signal_cnn": _Row(
        signal_cnn,
        twins.SignalCNN,
        SIGNAL,
        {"conv2": ("conv2", SIGNAL), "relu1": ("relu1", SIGNAL), "hidden": ("relu4", FLAT)},
        (6, 3),
    ),
    "tanh_mlp": _Row(
        tanh_mlp,
        twins.TanhMLP,
        FLAT,
        {"one": ("tanh1", FLAT), "two": ("tanh2", FLAT), "classes": ("classes", FLAT)},
        (3,),
    ),
    "sigmoid_mlp": _Row(
        sigmoid_mlp,
        twins.SigmoidMLP,
        FLAT,
        {"one": ("one", FLAT), "tanh": ("tanh", FLAT), "two": ("sigmoid", FLAT)},
        (3,),
    ),
    "mobile": _Row(
        mobile,
        twins.Mobile,
        IMAGE,
        {
            "relu6": ("relu6", IMAGE),
            "depthwise": ("depthwise", IMAGE),
            "expand": ("sigmoid", IMAGE),
            "separable": ("silu", IMAGE),
        },
        (4, 4, 3),
    ),
    "unet": _Row(
        unet,
        twins.UNet,
        IMAGE,
        {"down2": ("relu2", IMAGE), "up2": ("relu4", IMAGE), "up1": ("up1", IMAGE)},
        (3, 4, 2),
        ((3, 5, 1), (3, 5, 0), (3, 5, 2)),
    ),
    "lstm": _Row(
        lstm,
        twins.LSTM,
        TOKENS,
        {"lstm1": ("sequence1", TOKENS), "lstm2": ("last2", FLAT), "hidden": ("relu", FLAT)},
        (2, 3),
    ),
    "vit": _Row(
        vit,
        twins.ViT,
        IMAGE,
        {
            "patches": ("patches", IMAGE),
            "one_attention": ("one_attention", TOKENS),
            "two_relu": ("two_relu", TOKENS),
            "norm": ("norm", TOKENS),
        },
        (4, 4, 3),
    ),
}
NETWORKS = tuple(ROWS)
SAMPLES = 3


def network(name: str, dtype: str = "float64") -> Network:
    """A network with its twin of that type, whose outputs are compared before it serves as a reference."""
    import torch

    row = ROWS[name]
    model = row.make()
    if name == "digits_cnn":
        model, inputs = trained_on_digits(model, 0), digits(SAMPLES)
        # what training leaves at zero and one is moved: those hide errors
        random = np.random.default_rng(1)
        for weight in model.weights:
            if len(weight.shape) == 1:
                weight.assign(np.asarray(weight) + random.uniform(-0.05, 0.05, weight.shape))
    else:
        model = randomize(model, 1)
        inputs = np.random.default_rng(2).standard_normal((SAMPLES, *model.input_shape[1:]))
    twin = copy_into(row.twin(), model).to(getattr(torch, dtype))
    inputs = inputs.astype(dtype)
    found = Network(name, model, twin, inputs, row.order, row.layers, row.window, row.targets)
    theirs = np.asarray(model(inputs.astype("float32"), training=False))
    with torch.no_grad():
        ours = twin(torch.from_numpy(inputs.transpose(row.order).copy())).numpy()
    ours = ours.transpose(0, 2, 3, 1) if ours.ndim == 4 else ours
    assert np.abs(theirs - ours).max() <= 1e-5 * np.abs(ours).max(), f"the twin of {name} is not its twin"
    return found
