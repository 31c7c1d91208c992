"""Ways to use the layers of Keras that are one operator or a few: options, shapes, tolerances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from metannvis_translate.frameworks.requirements import require

require("torch")  # before TensorFlow, see metannvis_translate.frameworks.require
keras = require("keras")

from keras import layers as L  # noqa: E402

__all__ = ["TABLE", "Row", "build"]

#: Shapes without the batch: no two sizes of one are equal.
LINE, IMAGE, VOLUME, VECTOR = (13, 3), (11, 8, 3), (7, 6, 5, 2), (6,)


def first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The same shape, channels first."""
    return (shape[-1], *shape[:-1])


@dataclass(frozen=True)
class Row:
    """One way to use a layer.

    Attributes
    ----------
    make
        Builds the layer; the class is the layer's converter's key.
    shapes
        Of the inputs, without the batch.
    exact
        Relative tolerance in double precision; larger only where Keras itself computes in single precision.
    double
        The same arithmetic exists in double precision in TensorFlow.
    """

    key: str
    options: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = (IMAGE,)
    exact: float = 1e-9
    double: bool = True

    def __str__(self) -> str:
        text = ",".join(f"{k}={getattr(v, '__name__', v)}" for k, v in self.options.items())
        return f"{self.key}({text})" + ("" if self.shapes == (IMAGE,) else f"{self.shapes}")


def rows(key: str, *options: dict[str, Any], shapes: Any = (IMAGE,), **rest: Any) -> list[Row]:
    return [Row(key, one, shapes, **rest) for one in options or ({},)]


def convolution(key: str, shape: tuple[int, ...], **extra: Any) -> list[Row]:
    return [
        *rows(
            key,
            {},
            {"padding": "same"},
            {"padding": "same", "strides": 2},
            {"padding": "same", "strides": 3, "kernel_size": 2},
            {"dilation_rate": 2, "padding": "same"},
            {"use_bias": False, "activation": "relu"},
            shapes=(shape,),
            **extra,
        )
    ]


CHANNELS_FIRST = {"data_format": "channels_first"}
SIZES = {
    "Conv1D": {"filters": 4, "kernel_size": 4},
    "Conv2D": {"filters": 4, "kernel_size": (3, 2)},
    "Conv3D": {"filters": 4, "kernel_size": (3, 2, 2)},
    "DepthwiseConv1D": {"kernel_size": 3},
    "DepthwiseConv2D": {"kernel_size": (3, 2)},
    "SeparableConv1D": {"filters": 4, "kernel_size": 3},
    "SeparableConv2D": {"filters": 4, "kernel_size": (3, 2)},
    "Conv1DTranspose": {"filters": 4, "kernel_size": 4},
    "Conv2DTranspose": {"filters": 4, "kernel_size": (3, 2)},
    "Conv3DTranspose": {"filters": 4, "kernel_size": (3, 2, 2)},
    **{f"{kind}Pooling{d}D": {"pool_size": 2} for kind in ("Max", "Average") for d in (1, 2, 3)},
}
POOLS = [
    *[
        r
        for k in ("Max", "Average")
        for r in rows(
            f"{k}Pooling1D", {}, {"padding": "same"}, {"pool_size": 3, "strides": 2, "padding": "same"}, shapes=(LINE,)
        )
    ],
    *[
        r
        for k in ("Max", "Average")
        for r in [
            *rows(f"{k}Pooling2D", {}, {"padding": "same", "pool_size": (3, 2)}, {"strides": 1, "padding": "same"}),
            *rows(
                f"{k}Pooling2D",
                {"pool_size": 3, "strides": 2, "padding": "same", **CHANNELS_FIRST},
                shapes=(first(IMAGE),),
            ),
        ]
    ],
    *[
        r
        for k in ("Max", "Average")
        for r in rows(f"{k}Pooling3D", {}, {"padding": "same", "pool_size": 2}, shapes=(VOLUME,), double=False)
    ],
    *[
        r
        for k in ("GlobalAverage", "GlobalMax")
        for d, shape in ((1, LINE), (2, IMAGE), (3, VOLUME))
        for r in [
            *rows(f"{k}Pooling{d}D", {}, {"keepdims": True}, shapes=(shape,)),
            *rows(f"{k}Pooling{d}D", CHANNELS_FIRST, {"keepdims": True, **CHANNELS_FIRST}, shapes=(first(shape),)),
        ]
    ],
    *[
        r
        for k in ("AdaptiveAverage", "AdaptiveMax")
        for d, shape, size in ((1, (12, 3), 4), (2, (12, 9, 2), (4, 3)), (3, (4, 6, 8, 2), (2, 3, 4)))
        for r in rows(f"{k}Pooling{d}D", {"output_size": size}, shapes=(shape,), double=d < 3)
    ],
]
CONVOLUTIONS = [
    *convolution("Conv1D", LINE),
    *rows("Conv1D", {"padding": "causal"}, {"padding": "causal", "dilation_rate": 3}, shapes=(LINE,)),
    *convolution("Conv2D", IMAGE),
    *rows("Conv2D", {"groups": 2, "padding": "same"}, {"groups": 2, "strides": 2}, shapes=((9, 7, 6),)),
    *rows("Conv2D", {"activation": "softmax"}, {"kernel_size": 1}, {"strides": (1, 2)}),
    *convolution("Conv3D", VOLUME),
    *convolution("DepthwiseConv1D", LINE),
    *convolution("DepthwiseConv2D", IMAGE)[:3],
    *rows("DepthwiseConv2D", {"depth_multiplier": 3}, {"dilation_rate": 2}, {"dilation_rate": 2, "padding": "same"}),
    *rows("SeparableConv1D", {}, {"padding": "same", "strides": 2}, {"depth_multiplier": 2}, shapes=(LINE,)),
    *rows("SeparableConv2D", {}, {"padding": "same", "strides": 2}, {"depth_multiplier": 2, "activation": "tanh"}),
    *[
        r
        for key, shape in (("Conv1DTranspose", LINE), ("Conv2DTranspose", IMAGE), ("Conv3DTranspose", (4, 3, 5, 2)))
        for r in rows(
            key, {}, {"padding": "same"}, {"strides": 2}, {"strides": 2, "padding": "same"}, {"strides": 5},
            {"strides": 3, "padding": "same", "output_padding": 1}, {"strides": 2, "output_padding": 1, "activation": "relu"},
            shapes=(shape,), double="3D" not in key,
        )
    ],
]  # fmt: skip
NORMALIZATIONS = [
    *rows("BatchNormalization", {}, {"axis": 1}, {"axis": 2, "epsilon": 0.1}, {"scale": False}, {"center": False}),
    *rows("BatchNormalization", {"epsilon": 1e-5}, shapes=(VECTOR,)),
    *rows("BatchNormalization", shapes=(LINE,)),
    *rows(
        "LayerNormalization",
        {},
        {"axis": [1, 2, 3]},
        {"axis": 1},
        {"axis": [1, 3]},
        {"scale": False},
        {"center": False, "epsilon": 0.1},
    ),
    *rows(
        "GroupNormalization",
        {"groups": 3},
        {"groups": 2, "epsilon": 0.1},
        {"groups": -1, "scale": False},
        {"groups": 1, "center": False},
        shapes=((5, 4, 6),),
    ),
    *rows("GroupNormalization", {"groups": 2, "axis": 1}, shapes=((6, 4, 5),)),
    *rows("GroupNormalization", {"groups": -1}, shapes=((1, 1, 6),)),
    *rows("RMSNormalization", {}, {"epsilon": 0.1}),
    *rows("UnitNormalization", {}, {"axis": [1, 2]}),
]
ACTIVATIONS = [
    *rows("ReLU", {}, {"max_value": 6.0}, {"max_value": 0.7}, {"negative_slope": 0.3}, {"threshold": 0.4}),
    *rows(
        "ReLU", {"negative_slope": 0.3, "max_value": 0.7}, {"negative_slope": 0.3, "max_value": 0.7, "threshold": 0.2}
    ),
    *rows("LeakyReLU", {}, {"negative_slope": 0.01}, exact=1e-9),
    *rows("PReLU", {}, {"shared_axes": [1, 2]}),
    *rows("ELU", {}, {"alpha": 0.3}),
    *rows("Softmax", {}, {"axis": 1}, {"axis": (1, 2)}),
    *rows("Activation", {"activation": "sigmoid"}),
]
RESHAPES = [
    *rows("ZeroPadding1D", {"padding": (2, 1)}, shapes=(LINE,)),
    *rows("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}),
    *rows("ZeroPadding2D", {"padding": ((1, 0), (2, 3)), **CHANNELS_FIRST}, shapes=(first(IMAGE),)),
    *rows("ZeroPadding3D", {"padding": ((1, 0), (2, 3), (0, 1))}, shapes=(VOLUME,)),
    *rows("Cropping1D", {"cropping": (2, 1)}, {"cropping": (0, 3)}, shapes=(LINE,)),
    *rows("Cropping2D", {"cropping": ((1, 0), (2, 3))}, {"cropping": 0}),
    *rows("Cropping2D", {"cropping": ((1, 0), (2, 3)), **CHANNELS_FIRST}, shapes=(first(IMAGE),)),
    *rows("Cropping3D", {"cropping": ((1, 0), (2, 2), (0, 1))}, shapes=(VOLUME,)),
    *rows("UpSampling1D", {"size": 3}, shapes=(LINE,)),
    *rows("UpSampling2D", {"size": (3, 2)}),
    *rows(
        "UpSampling2D",
        {"size": (3, 2), "interpolation": "bilinear"},
        {"size": 2, "interpolation": "bicubic"},
        exact=1e-6,
    ),
    *rows("UpSampling2D", {"size": (3, 2), **CHANNELS_FIRST}, shapes=(first(IMAGE),)),
    *rows("UpSampling3D", {"size": (3, 2, 1)}, shapes=(VOLUME,)),
    *rows("Flatten"),
    *rows("Flatten", CHANNELS_FIRST, shapes=(first(IMAGE),)),
    *rows("Reshape", {"target_shape": (8, 33)}, {"target_shape": (-1, 6)}),
    *rows("Permute", {"dims": (3, 1, 2)}),
    *rows("RepeatVector", {"n": 4}, shapes=(VECTOR,)),
]
MERGES = [
    *[r for key in ("Add", "Multiply", "Average", "Maximum", "Minimum") for r in rows(key, shapes=(IMAGE,) * 3)],
    *rows("Add", shapes=(IMAGE, (1, 1, 3), (8, 3))),
    *rows("Subtract", shapes=(IMAGE, IMAGE)),
    *rows("Concatenate", {}, {"axis": 2}, shapes=((11, 8, 3), (11, 8, 3))),
    *rows("Dot", {"axes": 1}, {"axes": 1, "normalize": True}, shapes=(VECTOR, VECTOR)),
    *rows("Dot", {"axes": (2, 1)}, shapes=((5, 6), (6, 4))),
    *rows("Dot", {"axes": (1, 1)}, shapes=((6, 5), (6,))),
]
CORE = [
    *rows("Dense", {"units": 4}, {"units": 4, "use_bias": False}, shapes=(VECTOR,)),
    *rows("Dense", {"units": 4, "activation": "tanh"}),
    *rows("Rescaling", {"scale": 1 / 255}, {"scale": 0.1, "offset": -0.3}),
    *rows(
        "Normalization",
        {"mean": [0.1, 0.2, 0.3], "variance": [0.4, 0.5, 0.6]},
        {"mean": 0.1, "variance": 0.3, "axis": None},
    ),
    *rows("Normalization", {"mean": [0.1, 0.2, 0.3], "variance": [0.4, 0.5, 0.6], "invert": True}),
    *[
        r
        for key in ("Dropout", "AlphaDropout", "GaussianDropout", "SpatialDropout2D")
        for r in rows(key, {"rate": 0.5})
    ],
    *rows("SpatialDropout1D", {"rate": 0.5}, shapes=(LINE,)),
    *rows("SpatialDropout3D", {"rate": 0.5}, shapes=(VOLUME,)),
    *rows("GaussianNoise", {"stddev": 0.5}),
    *rows("ActivityRegularization", {"l2": 0.1}),
    *rows("Identity"),
    *rows("Embedding", {"input_dim": 7, "output_dim": 5}, shapes=(VECTOR,)),
]
TABLE = [*CONVOLUTIONS, *POOLS, *NORMALIZATIONS, *ACTIVATIONS, *RESHAPES, *MERGES, *CORE]


def build(row: Row) -> Any:
    kind = "int32" if row.key == "Embedding" else "float32"
    inputs = [keras.Input(shape, name=f"x{k}", dtype=kind) for k, shape in enumerate(row.shapes)]
    options = {**SIZES.get(row.key, {}), **row.options}
    layer = getattr(L, row.key)(**options, name="layer")
    given = inputs[0] if len(inputs) == 1 else inputs
    return keras.Model(given, layer(given))
