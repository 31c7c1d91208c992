"""Every ``keras.ops`` operation and every activation that has a converter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_translate import translate
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.dynamic_size_layers import band_class
from metannvis_translate.frameworks.keras.exporter.layers import activations, keras_op, load_families, operations
from metannvis_translate.frameworks.requirements import require

require("torch")  # before TensorFlow, see metannvis_translate.frameworks.require
keras = require("keras")

from keras import layers as L  # noqa: E402
from keras import ops as K  # noqa: E402

SHAPE = (5, 4, 6)


def missing(x: Any) -> Any:
    """Some of the entries are no number."""
    return K.where(x > 0.8, np.float32(np.nan), x)


MATRIX = np.linspace(-1, 1, 42).reshape(6, 7)

#: By class of the operation: functions of one KerasTensor of shape (batch, 5, 4, 6). ``positive`` is exp of it.
OPERATIONS: dict[str, list[Callable[[Any], Any]]] = {
    "BroadcastTo": [lambda x: K.broadcast_to(K.sum(x, axis=(0, 1)), (3, 4, 6))],
    "Det": [lambda x: K.det(x[..., :4])],
    "Fold": [lambda x: K.fold(K.reshape(x, (-1, 20, 6)), (3, 4), 2)],
    "Unfold": [lambda x: K.unfold(x, 2), lambda x: K.unfold(x, (3, 2), dilation=1, padding=1, stride=2)],
    "Mod": [lambda x: K.mod(x, 0.5), lambda x: K.mod(1.25, x), lambda x: K.mod(x, K.abs(x[:, :1]) + 0.5)],
    "Corrcoef": [lambda x: K.corrcoef(K.reshape(x, (-1, 120)))],
    "ExtractPatches": [
        lambda x: K.image.extract_patches(x, 2, strides=1, padding="same"),
        lambda x: K.image.extract_patches(x, (3, 2), strides=1, dilation_rate=2),
    ],
    "Gcd": [lambda x: K.cast(K.gcd(K.cast(x * 20, "int32"), 6), "float32")],
    "IsIn": [
        lambda x: K.cast(K.isin(K.cast(x * 3, "int32"), [0, 1, -2]), "float32"),
        lambda x: K.cast(K.isin(K.round(x), [1.0, 2.0], invert=True), "float32"),
    ],
    "Kron": [lambda x: K.kron(x, np.linspace(-1, 1, 6, dtype="float32").reshape(1, 1, 2, 3))],
    "Lcm": [lambda x: K.cast(K.lcm(K.cast(K.exp(x) + 1, "int32"), 6), "float32")],
    "Nanmedian": [
        lambda x: K.nanmedian(missing(x), axis=1),
        lambda x: K.nanmedian(missing(x), axis=(1, -1), keepdims=True),
    ],
    "Nanpercentile": [lambda x: K.nanpercentile(missing(x), [20, 70], axis=2)],
    "Nanquantile": [
        lambda x, method=method: K.nanquantile(missing(x), 0.3, axis=1, method=method)
        for method in ("linear", "lower", "higher", "midpoint", "nearest")
    ],
    "Resize": [
        lambda x: K.image.resize(x, (7, 9)),
        lambda x: K.image.resize(x, (3, 5), interpolation="nearest"),
        lambda x: K.image.resize(x, (3, 5), interpolation="bicubic", antialias=True),
    ],
    "SeparableConv": [
        lambda x: K.separable_conv(
            x, np.linspace(-1, 1, 36).reshape(3, 2, 6, 1).astype("float32"), np.ones((1, 1, 6, 3), "float32"), 2, "same"
        ),
    ],
    "Deg2rad": [K.deg2rad],
    "DepthwiseConv": [
        lambda x: K.depthwise_conv(x, np.linspace(-1, 1, 72).reshape(3, 2, 6, 2).astype("float32"), 1, "same"),
        lambda x: K.depthwise_conv(x, np.linspace(-1, 1, 36).reshape(3, 2, 6, 1).astype("float32"), 1, "valid"),
    ],
    "Exp2": [K.exp2],
    "Isfinite": [lambda x: K.cast(K.isfinite(x), "float32")],
    "Rad2deg": [K.rad2deg],
    "Slice": [
        lambda x: K.slice(K.reshape(x, (-1, 5, 24)), (0, 1, 2), (-1, 3, 20)),
        lambda x: K.slice(x, (0, 1, 0, 2), (1, 2, 4, 3)),
    ],
    "Tril": [K.tril, lambda x: K.tril(x, -1)],
    "Triu": [K.triu, lambda x: K.triu(x, 2)],
    "Absolute": [K.absolute],
    "Add": [
        lambda x: x[..., :4] + np.linspace(0, 1, 4, dtype="float32")[:, None],
        lambda x: x[:, :4] + np.linspace(0, 1, 4, dtype="float32")[:, None],
        lambda x: x + 0.1,
        lambda x: 2 + x,
        lambda x: x + np.linspace(0, 1, 6),
        lambda x: x + x[:, :1],
    ],  # fmt: skip
    "All": [lambda x: K.cast(K.all(x > -2, axis=1), "float32")],
    "Amax": [lambda x: K.amax(x, axis=2)],
    "Amin": [lambda x: K.amin(x, axis=2)],
    "Any": [lambda x: K.cast(K.any(x > 1, axis=(1, 2), keepdims=True), "float32")],
    "Arccos": [lambda x: K.arccos(K.sin(x))],
    "Arccosh": [lambda x: K.arccosh(1 + K.exp(x))],
    "Arcsin": [lambda x: K.arcsin(K.sin(x))],
    "Arcsinh": [K.arcsinh],
    "Arctan": [K.arctan],
    "Arctanh": [lambda x: K.arctanh(0.9 * K.sin(x))],
    "Argmax": [lambda x: K.argmax(x, axis=2), lambda x: K.argmax(x, axis=1, keepdims=True)],
    "Argmin": [lambda x: K.argmin(x, axis=-1)],
    "Array": [K.array],
    "AveragePool": [lambda x: K.average_pool(x, 2, 1, "same"), lambda x: K.average_pool(x, (2, 3))],
    "Cast": [lambda x: K.cast(K.cast(x * 3, "int32"), "float32")],
    "Ceil": [K.ceil],
    "Celu": [lambda x: K.celu(x, 0.3)],
    "Clip": [lambda x: K.clip(x, -0.3, 0.4)],
    "Concatenate": [lambda x: K.concatenate([x, x * 2], axis=2)],
    "Conv": [lambda x: K.conv(x, np.ones((2, 3, 6, 2), "float32"), 2, "same")],
    "ConvertToTensor": [K.convert_to_tensor],
    "Copy": [K.copy],
    "Cos": [K.cos],
    "Cosh": [K.cosh],
    "Divide": [lambda x: K.divide(x, K.exp(x)), lambda x: K.divide(1.0, K.exp(x))],
    "Elu": [lambda x: K.elu(x, 0.3)],
    "Equal": [lambda x: K.cast(K.equal(K.round(x), 0.0), "float32")],
    "Erf": [K.erf],
    "Exp": [K.exp],
    "ExpandDims": [lambda x: K.expand_dims(x, -1), lambda x: K.expand_dims(x, (1, 3))],
    "Expm1": [K.expm1],
    "Flip": [lambda x: K.flip(x, axis=2)],
    "Floor": [K.floor],
    "FloorDivide": [lambda x: x // 0.25],
    "Gelu": [lambda x: K.gelu(x, approximate=True), lambda x: K.gelu(x, approximate=False)],
    "GetItem": [
        lambda x: x[:, 1:-1, ::2],
        lambda x: x[:, 2],
        lambda x: x[..., -1],
        lambda x: x[:, None, ..., 0, 1:4],
        lambda x: x[:, ::-1],
        lambda x: x[:, -3:-1, 3],
    ],
    "Glu": [lambda x: K.glu(x, axis=2)],
    "Greater": [lambda x: K.cast(x > 0.2, "float32")],
    "GreaterEqual": [lambda x: K.cast(x >= 0.2, "float32")],
    "HardShrink": [lambda x: K.hard_shrink(x, 0.3)],
    "HardSigmoid": [K.hard_sigmoid],
    "HardSilu": [K.hard_silu],
    "HardTanh": [K.hard_tanh],
    "Isinf": [lambda x: K.cast(K.isinf(x), "float32")],
    "Isnan": [lambda x: K.cast(K.isnan(x), "float32")],
    "LeakyRelu": [lambda x: K.leaky_relu(x, 0.3)],
    "Less": [lambda x: K.cast(x < 0.2, "float32")],
    "LessEqual": [lambda x: K.cast(x <= 0.2, "float32")],
    "Log": [lambda x: K.log(K.exp(x) + 1)],
    "Log10": [lambda x: K.log10(K.exp(x))],
    "Log1p": [lambda x: K.log1p(K.exp(x))],
    "Log2": [lambda x: K.log2(K.exp(x))],
    "LogSigmoid": [K.log_sigmoid],
    "LogSoftmax": [K.log_softmax, lambda x: K.log_softmax(x, axis=2)],
    "LogicalAnd": [lambda x: K.cast(K.logical_and(x > 0, x < 1), "float32")],
    "LogicalNot": [lambda x: K.cast(K.logical_not(x > 0), "float32")],
    "LogicalOr": [lambda x: K.cast(K.logical_or(x > 1, x < 0), "float32")],
    "LogicalXor": [lambda x: K.cast(K.logical_xor(x > 1, x > 0), "float32")],
    "Logsumexp": [lambda x: K.logsumexp(x, axis=2), lambda x: K.logsumexp(x, axis=(1, 2), keepdims=True)],
    "Matmul": [lambda x: x @ MATRIX.astype("float32"), lambda x: K.matmul(x, K.swapaxes(x, 2, 3))],
    "Max": [lambda x: K.max(x, axis=2, keepdims=True)],
    "MaxPool": [lambda x: K.max_pool(x, 2, 1, "same"), lambda x: K.max_pool(x, (2, 3))],
    "Maximum": [lambda x: K.maximum(x, 0.1), lambda x: K.maximum(x, -x)],
    "Mean": [lambda x: K.mean(x, axis=(1, 2)), lambda x: K.mean(x, axis=-1, keepdims=True)],
    "Min": [lambda x: K.min(x, axis=2)],
    "Minimum": [lambda x: K.minimum(x, 0.1)],
    "Mish": [lambda x: keras.activations.mish(x) if not isinstance(x, keras.KerasTensor) else mish()(x)],
    "Moveaxis": [lambda x: K.moveaxis(x, 1, 3), lambda x: K.moveaxis(x, (1, 3), (2, 1))],
    "Multiply": [lambda x: x * 0.1, lambda x: 0.1 * x, lambda x: x * np.float32(0.1), lambda x: K.multiply(x, x)],
    "Negative": [lambda x: -x],
    "Normalize": [lambda x: K.normalize(x), lambda x: K.normalize(x, axis=1, epsilon=0.1)],
    "NotEqual": [lambda x: K.cast(K.not_equal(K.round(x), 0.0), "float32")],
    "OnesLike": [lambda x: x + K.ones_like(x)],
    "Pad": [
        lambda x: K.pad(x, ((0, 0), (1, 0), (2, 3), (0, 1))),
        lambda x: K.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0)), mode="reflect"),
        lambda x: K.pad(x, ((0, 0), (1, 0), (2, 3), (0, 1)), constant_values=1.5),
    ],
    "Power": [lambda x: K.exp(x) ** 0.3, lambda x: x**2, lambda x: 2.0**x],
    "Prod": [lambda x: K.prod(x, axis=1)],
    "RMSNorm": [lambda x: K.rms_normalization(x, np.linspace(1, 2, 6).astype("float32"))],
    "Ravel": [lambda x: K.ravel(x)],
    "ReLU": [lambda x: keras.activations.relu(x, 0.1, 0.5, 0.2)],
    "Reciprocal": [lambda x: K.reciprocal(K.exp(x))],
    "Relu": [K.relu],
    "Relu6": [lambda x: K.relu6(4 * x)],
    "Repeat": [lambda x: K.repeat(x, 3, axis=2)],
    "Reshape": [lambda x: K.reshape(x, (-1, 24, 5))],
    "Round": [K.round],
    "Rsqrt": [lambda x: K.rsqrt(K.exp(x))],
    "Selu": [K.selu],
    "Sigmoid": [K.sigmoid],
    "Sign": [K.sign],
    "Silu": [K.silu],
    "Sin": [K.sin],
    "Sinh": [K.sinh],
    "SoftShrink": [lambda x: K.soft_shrink(x, 0.3)],
    "Softmax": [K.softmax, lambda x: K.softmax(x, axis=1)],
    "Softplus": [K.softplus],
    "Softsign": [K.softsign],
    "SparsePlus": [K.sparse_plus],
    "SparseSigmoid": [K.sparse_sigmoid],
    "Sparsemax": [K.sparsemax],
    "Split": [lambda x: K.split(x, 2, axis=2)[1], lambda x: K.split(x, (2, 3), axis=1)],
    "Sqrt": [lambda x: K.sqrt(K.exp(x))],
    "Sort": [K.sort, lambda x: K.sort(x, axis=1), lambda x: K.cast(K.sort(x > 0, axis=2), "float32")],
    "Argsort": [lambda x: K.cast(K.argsort(x, axis=2), "float32"), lambda x: K.cast(K.argsort(K.round(x)), "float32")],
    "TopK": [lambda x: K.top_k(x, 3)[0], lambda x: K.cast(K.top_k(K.round(x), 2)[1], "float32")],
    "Cumsum": [
        lambda x: K.cumsum(x, axis=1),
        lambda x: K.cumsum(x, axis=-1),
        lambda x: K.cumsum(K.cast(x, "float16"), axis=1, dtype="float32"),
        lambda x: K.cast(K.cumsum(x > 0, axis=1), "float32"),
    ],
    "TakeAlongAxis": [
        lambda x: K.take_along_axis(x, K.argsort(x, axis=2), axis=2),
        lambda x: K.take_along_axis(x, K.argmax(x, axis=1, keepdims=True) - 1, axis=1),
        lambda x: K.take_along_axis(x, K.argmax(x[:, :, :1], axis=1, keepdims=True), axis=-3),
        lambda x: K.take_along_axis(x[:, :1], K.argsort(x, axis=3), axis=3),
    ],
    "OneHot": [
        lambda x: K.one_hot(K.cast(K.round(x), "int32"), 3),
        lambda x: K.one_hot(K.cast(K.round(x), "int32"), 4, axis=1, dtype="float32"),
    ],
    "Roll": [
        lambda x: K.roll(x, 2, axis=1),
        lambda x: K.roll(x, (-1, 7), axis=(2, 3)),
    ],
    "Square": [K.square],
    "Squareplus": [lambda x: K.squareplus(x, 0.3)],
    "Squeeze": [lambda x: K.squeeze(x[:, :1], 1)],
    "Stack": [lambda x: K.stack([x, -x], axis=-1)],
    "Std": [lambda x: K.std(x, axis=(1, 2))],
    "StopGradient": [K.stop_gradient],
    "Subtract": [lambda x: x - 0.1, lambda x: 1 - x],
    "Sum": [lambda x: K.sum(x, axis=1)],
    "Swapaxes": [lambda x: K.swapaxes(x, 1, -1)],
    "Take": [lambda x: K.take(x, np.asarray([2, 0, 2]), axis=2)],
    "Tan": [K.tan],
    "Tanh": [K.tanh],
    "Einsum": [
        lambda x: K.einsum("nhwc,nhvc->nhwv", x, x),
        lambda x: K.einsum("...hwc,cd->...hdw", x, np.ones((x.shape[-1], 3), "float32")),
    ],
    "DotProductAttention": [
        lambda x: K.dot_product_attention(x, x, x),
        lambda x: K.dot_product_attention(x, x[:, 1:], x[:, :-1], scale=0.3),
        lambda x: K.dot_product_attention(x, x[..., :2, :], x[..., 2:, :], is_causal=True),
        lambda x: K.dot_product_attention(x, x, x, bias=K.einsum("nthc,nshc->nhts", x, x)),
        lambda x: K.dot_product_attention(x, x, x, mask=K.einsum("nthc,nshc->nhts", x, x) > 0),
    ],
    "Band": [
        lambda x: K.where(band_class()(True)(x, x), K.einsum("nthc,nshc->nts", x, x), 0.0),
        lambda x: K.where(band_class()(False, 2)(x, x), K.einsum("nthc,nshc->nts", x, x), 0.0),
    ],
    "TanhShrink": [K.tanh_shrink],
    "Threshold": [lambda x: K.threshold(x, 0.2, -3.0)],
    "Tile": [lambda x: K.tile(x, (1, 2, 1, 3))],
    "Transpose": [lambda x: K.transpose(x, (0, 3, 1, 2))],
    "TrueDivide": [lambda x: x / 3, lambda x: 1 / K.exp(x)],
    "Unstack": [lambda x: K.unstack(x, axis=2)],
    "Var": [lambda x: K.var(x, axis=3, keepdims=True)],
    "Where": [lambda x: K.where(x > 0, x, 0.5 * x)],
    "ZerosLike": [lambda x: x - K.zeros_like(x)],
}
#: TensorFlow computes these in single precision, in parts.
SINGLE = {"Gelu", "Resize", "gelu"}
#: Activations of one argument; ``threshold`` wants more and is tested within another function.
NAMES = sorted(set(dir(keras.activations)) & set(keras.src.activations.ALL_OBJECTS_DICT) - {"threshold"})


def mish() -> Any:
    """The operation behind ``keras.activations.mish``, which Keras itself calls only on tensors."""
    from keras.src.activations.activations import Mish

    return Mish()


def both(model: Any, compare_export: Any, exact: float) -> None:
    compare_export(model, batch=2, dtype="float32", tolerance=1e-5)
    compare_export(model, batch=3, dtype="float64", tolerance=exact)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operation_computes_the_same(name: str, compare_export: Any) -> None:
    for function in OPERATIONS[name]:
        x = keras.Input(SHAPE)
        y = function(L.Identity()(x))
        model = keras.Model(x, y)
        assert name in {type(op).__name__ for op in model.operations}
        both(model, compare_export, 1e-6 if name in SINGLE else 1e-9)


def test_every_operation_has_a_row() -> None:
    load_families()
    # the last two stand for what a ``call`` does with free sizes: see ``test_free_sizes.py``
    assert set(operations) == set(OPERATIONS) | {"ConvTranspose", "SizeOf", "Sized"}


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_transposed_convolution_in_a_layer(padding: str, compare_export: Any) -> None:
    """Keras computes it eagerly only: in a functional model its operation mixes up its own arguments."""
    kernel = np.linspace(-1, 1, 72).reshape(3, 2, 2, 6).astype("float32")

    class Transposed(L.Layer):
        def call(self, x: Any) -> Any:
            return K.conv_transpose(x, K.cast(kernel, x.dtype), 2, padding, data_format="channels_last")

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], 10 + (padding == "valid"), 8, 2)

    x = keras.Input(SHAPE)
    compare_export(keras.Model(x, Transposed()(x)), batch=2)


@pytest.mark.parametrize("name", NAMES)
def test_activation_computes_the_same(name: str, compare_export: Any) -> None:
    x = keras.Input(SHAPE)
    y = L.Dense(4, activation=getattr(keras.activations, name))(x)
    both(keras.Model(x, y), compare_export, 1e-6 if name in SINGLE else 1e-9)


def test_every_activation_has_a_converter() -> None:
    load_families()
    assert set(activations) == {getattr(keras.activations, name).__name__ for name in NAMES} | {"threshold"}


def test_activation_of_the_callers_own_is_traced(compare_export: Any) -> None:
    def mine(x: Any) -> Any:
        return K.relu(x) * 0.3 + keras.activations.threshold(x, 0.2, -3.0)

    x = keras.Input((4,))
    both(keras.Model(x, L.Dense(3, activation=mine)(x)), compare_export, 1e-9)


def test_operation_without_converter_is_what_tensorflow_makes_of_it(compare_export: Any) -> None:
    x = keras.Input((4, 3))
    assert "Median" not in set(operations)
    both(keras.Model(x, K.median(x, axis=1)), compare_export, 1e-9)


def test_operation_of_which_an_operator_has_no_converter_is_refused() -> None:
    from metannvis_translate.frameworks.keras.exporter.export import export_model

    x = keras.Input((4, 4))
    model = keras.Model(x, K.cholesky(x))
    with pytest.raises(UnsupportedOperatorError, match=r"keras\.ops\.Cholesky.*TensorFlow's Cholesky.*keras_op"):
        export_model(model, None, dtype=None, progress=lambda *a: None)


@pytest.mark.parametrize("call", [lambda x: K.real(K.polar(x, x)), lambda x: K.real(K.view_as_complex(x))])
def test_operation_that_returns_complex_numbers_is_refused(call: Any) -> None:
    x = keras.Input((3, 2))
    with pytest.raises(UnsupportedOperatorError, match="complex"):
        translate(keras.Model(x, call(x)), "torch")


def test_operation_can_be_registered(compare_export: Any) -> None:
    @keras_op("Median")
    def median(e: Any, op: Any, x: Any) -> Any:
        ordered = e.emit_many("TopK", x, e.ints(5), largest=0, outputs=2)[0]
        return e.emit("Gather", ordered, e.constant(np.asarray(2)), axis=-1, shape=e.output_shape())

    try:
        x = keras.Input((5,))
        both(keras.Model(x, K.median(x, axis=-1)), compare_export, 1e-9)
    finally:
        operations.remove("Median")


@pytest.mark.parametrize("name", ["mod", "greater", "less_equal", "equal"])
def test_numbers_that_keras_rounds_to_single_precision(name: str) -> None:
    """Keras makes a tensor of single precision of a number that a remainder or a comparison meets, in double precision too."""
    x = keras.Input((6,), dtype="float64")
    model = keras.Model(x, keras.ops.cast(getattr(keras.ops, name)(x, 0.3), "float64"))
    near = float(np.float32(0.3))
    values = np.array([[0.3, near, near - 1e-9, near + 1e-9, 1.7, -0.2], [-1.1, 0.9, 2.5, 0.31, 0.29, 5.0]])
    translation = translate(model, "torch", example_inputs=values, dtype="float64", verify=False)
    found = translation.model(translation.to_target(values)).numpy()
    np.testing.assert_allclose(found, np.asarray(model(values)), rtol=0, atol=1e-12)
