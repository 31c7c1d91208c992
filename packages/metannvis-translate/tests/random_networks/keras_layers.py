"""Steps of random Keras graphs: layers of images, lines and volumes, normalisation, activations, resampling."""

from __future__ import annotations

from .keras import ANY, IMAGES, Draft, Value, step

#: Activations by name, as an argument or as a layer.
ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "hard_sigmoid", "hard_silu", "tanh",
    "softplus", "softsign", "softmax", "log_softmax", "exponential", "linear", "log_sigmoid", "tanh_shrink", "hard_tanh",
    "glu", "hard_shrink", "soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
)  # fmt: skip


def activated(d: Draft) -> str:
    """An activation as an argument, or none."""
    return f", activation={d.pick(*ACTIVATIONS)!r}" if d.often(0.4) else ""


def spread(d: Draft, n: int) -> str:
    """Strides or dilation, of which Keras takes one at a time."""
    return d.pick("", f", strides={d.each(n, 1, 2, 3)}", f", dilation_rate={d.each(n, 1, 2)}")


def even(d: Draft) -> str:
    """The same for all axes: depthwise convolutions of TensorFlow know nothing else."""
    return d.pick("", f", strides={d.integer(1, 3)}", f", dilation_rate={d.integer(1, 2)}")


# --- convolutions and pools ---------------------------------------------------------------------------------------------------


@step(*IMAGES, weight=9)
def conv(d: Draft, x: Value) -> None:
    n, c = x.space, x.shape[-1]
    groups = d.divisor(c) if n < 3 and d.often(0.3) else 1
    out = groups * d.integer(1, max(1, 8 // groups))
    padding = d.pick("valid", "same", *(["causal"] if n == 1 else []))
    steps = spread(d, n)
    if n == 3 and "strides" in steps:
        padding = "valid"  # "same" is wrong in TensorFlow's double kernel, the reference, where a step is longer than the kernel
    d.call(
        f"L.Conv{n}D({out}, {d.each(n, 1, 2, 3)}{steps}, padding={padding!r}, groups={groups}, "
        f"use_bias={d.often(0.8)}{activated(d)})",
        x,
    )


@step(3, 4, weight=4)
def depthwise_conv(d: Draft, x: Value) -> None:
    n = x.space
    padding, multiplier = d.pick("valid", "same"), d.pick(1, 1, 2)
    d.call(
        f"L.DepthwiseConv{n}D({d.each(n, 1, 2, 3)}{even(d)}, padding={padding!r}, depth_multiplier={multiplier}, "
        f"use_bias={d.often(0.8)}{activated(d)})",
        x,
    )


@step(3, 4, weight=3)
def separable_conv(d: Draft, x: Value) -> None:
    n = x.space
    d.call(
        f"L.SeparableConv{n}D({d.integer(1, 6)}, {d.each(n, 1, 2, 3)}{even(d)}, padding={d.pick('valid', 'same')!r}, "
        f"depth_multiplier={d.pick(1, 1, 2)}, use_bias={d.often(0.8)}{activated(d)})",
        x,
    )


@step(*IMAGES, weight=4)
def transposed_conv(d: Draft, x: Value) -> None:
    n = x.space
    strides = d.each(n, 1, 2, 3)
    most = min(strides) if isinstance(strides, tuple) else strides
    extra = f", output_padding={d.integer(0, most - 1)}" if most > 1 and d.often(0.3) else ""
    d.call(
        f"L.Conv{n}DTranspose({d.integer(1, 5)}, {d.each(n, 1, 2, 3, 4)}, strides={strides}, "
        f"padding={d.pick('valid', 'same')!r}{extra}, use_bias={d.often(0.8)}{activated(d)})",
        x,
    )


@step(*IMAGES, weight=7)
def pool(d: Draft, x: Value) -> None:
    n = x.space
    strides = d.pick("", f", strides={d.each(n, 1, 2, 3)}")
    order = ", data_format='channels_first'" if d.often(0.1) else ""
    d.call(
        f"L.{d.pick('Max', 'Average')}Pooling{n}D({d.each(n, 2, 3)}{strides}, padding={d.pick('valid', 'same')!r}{order})",
        x,
    )


@step(*IMAGES, weight=3)
def global_pool(d: Draft, x: Value) -> None:
    order = ", data_format='channels_first'" if d.often(0.2) else ""
    d.call(f"L.Global{d.pick('Max', 'Average')}Pooling{x.space}D(keepdims={d.often(0.4)}{order})", x)


@step(*IMAGES, weight=1)
def adaptive_pool(d: Draft, x: Value) -> None:
    # sizes that divide; of others, and of one number, some of TensorFlow's arithmetic ends the process
    sizes = [[k for k in range(2, size + 1) if size % k == 0] for size in x.shape[:-1]]
    if not all(sizes):
        return
    size = tuple(d.pick(*options) for options in sizes)
    d.call(f"L.Adaptive{d.pick('Max', 'Average')}Pooling{x.space}D({size})", x)


@step(*IMAGES, weight=2)
def pool_of_ops(d: Draft, x: Value) -> None:
    d.add(
        f"K.{d.pick('max', 'average')}_pool({x.name}, {d.integer(2, 3)}, {d.integer(1, 2)}, {d.pick('valid', 'same')!r})",
        x,
    )


# --- normalisation ------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=5)
def batch_norm(d: Draft, x: Value) -> None:
    axis = d.axis(x) if d.often(0.2) else -1
    d.call(
        f"L.BatchNormalization(axis={axis}, epsilon={d.pick(1e-3, 1e-5)}, scale={d.often(0.8)}, center={d.often(0.8)})",
        x,
    )


@step(*ANY, weight=4)
def layer_norm(d: Draft, x: Value) -> None:
    axes = d.random.sample(range(1, x.rank), d.integer(1, min(3, x.rank - 1)))
    axis = sorted(axes) if d.often(0.4) else -1
    if d.often(0.2):
        d.call(f"L.RMSNormalization(axis={axis}, epsilon={d.pick(1e-6, 1e-3)})", x)
    else:
        d.call(
            f"L.LayerNormalization(axis={axis}, epsilon={d.pick(1e-3, 1e-5)}, scale={d.often(0.8)}, center={d.often(0.8)})",
            x,
        )


@step(*IMAGES, weight=3)
def group_norm(d: Draft, x: Value) -> None:
    axis = d.axis(x) if d.often(0.2) else -1
    channels = x.shape[axis - 1] if axis > 0 else x.shape[axis]
    d.call(f"L.GroupNormalization({d.pick(-1, d.divisor(channels))}, axis={axis}, scale={d.often(0.8)})", x)


@step(*ANY)
def unit_norm(d: Draft, x: Value) -> None:
    layer = d.layer(f"L.UnitNormalization(axis={d.axis(x)})")
    d.add(d.pick(f"{layer}({x.name} + 2.0)", f"K.normalize({x.name}, axis={d.axis(x)}, epsilon=0.1)"), x)


@step(4, weight=1)
def spectral_norm(d: Draft, x: Value) -> None:
    d.call(f"L.SpectralNormalization(L.Conv2D({d.integer(1, 5)}, 2))", x)


# --- activations, noise -------------------------------------------------------------------------------------------------------


@step(*ANY, weight=8)
def activation(d: Draft, x: Value) -> None:
    d.call(
        d.pick(
            f"L.Activation({d.pick(*ACTIVATIONS)!r})", f"L.Activation({d.pick(*ACTIVATIONS)!r})", "L.ReLU()", "L.ReLU(max_value=6.0)",
            "L.ReLU(max_value=0.7, negative_slope=0.3, threshold=0.2)", "L.ReLU(negative_slope=0.1)", "L.ReLU(threshold=0.4)",
            f"L.LeakyReLU({d.pick(0.3, 0.01)})", f"L.ELU({d.pick(1.0, 0.3)})", "L.PReLU()", f"L.Softmax(axis={d.axis(x)})",
            f"L.PReLU(shared_axes={list(range(1, x.rank - 1))})" if x.rank > 2 else "L.PReLU()",
            f"L.Softmax(axis={tuple(range(1, x.rank))})",
        ),
        x,
    )  # fmt: skip


@step(*ANY, weight=2)
def noise(d: Draft, x: Value) -> None:
    spatial = [f"L.SpatialDropout{x.space}D(0.3)"] if x.rank in IMAGES else []
    d.call(
        d.pick(
            "L.Dropout(0.3)", "L.GaussianNoise(0.3)", "L.GaussianDropout(0.3)", "L.AlphaDropout(0.3)", "L.Identity()",
            "L.ActivityRegularization(l2=0.1)", *spatial,
        ),
        x,
    )  # fmt: skip


# --- padding, cropping, resampling --------------------------------------------------------------------------------------------


@step(*IMAGES, weight=5)
def pad_or_crop(d: Draft, x: Value) -> None:
    n = x.space
    amounts = tuple((d.integer(0, 2), d.integer(0, 2)) for _ in range(n))
    kind, order = d.pick("ZeroPadding", "ZeroPadding", "Cropping"), ""
    if n == 2 and d.often(0.1):
        order = ", data_format='channels_first'"
    d.call(f"L.{kind}{n}D({amounts[0] if n == 1 else d.pick(amounts, 1)}{order})", x)


@step(*IMAGES, weight=4)
def upsampling(d: Draft, x: Value) -> None:
    n = x.space
    mode = f", interpolation={d.pick('nearest', 'bilinear', 'bicubic')!r}" if n == 2 and d.often() else ""
    d.call(f"L.UpSampling{n}D({d.each(n, 1, 2, 3) if n > 1 else d.integer(2, 3)}{mode})", x)


@step(4, weight=3)
def resizing(d: Draft, x: Value) -> None:
    mode = d.pick("nearest", "bilinear", "bicubic")
    fit = d.pick("", "", ", crop_to_aspect_ratio=True", ", pad_to_aspect_ratio=True")
    d.call(
        d.pick(
            f"L.Resizing({d.integer(2, 12)}, {d.integer(2, 12)}, interpolation={mode!r}{fit})",
            f"L.CenterCrop({d.integer(1, x.shape[0])}, {d.integer(1, x.shape[1])})",
        ),
        x,
    )


@step(*ANY, weight=3)
def preprocessing(d: Draft, x: Value) -> None:
    c = x.shape[-1]
    means, variances = [round(0.1 * k, 1) for k in range(c)], [round(0.5 + 0.2 * k, 1) for k in range(c)]
    d.call(
        d.pick(
            f"L.Rescaling({d.scalar()}, offset={d.scalar()})", f"L.Rescaling({variances}, offset={means})",
            f"L.Normalization(mean={means}, variance={variances}, invert={d.often(0.3)})",
            "L.Normalization(axis=None, mean=0.1, variance=0.3)",
            *(["L.RandomFlip()", "L.RandomContrast(0.3)", "L.Pipeline([L.RandomFlip(), L.Rescaling(0.5)])"] if x.rank == 4 else []),
        ),
        x,
    )  # fmt: skip


# --- branches inside one line -------------------------------------------------------------------------------------------------


@step(*IMAGES, weight=3)
def residual(d: Draft, x: Value) -> None:
    n, c, name = x.space, x.shape[-1], x.name
    shape = tuple(x.shape)
    d.pick(_sequential, _functional, _excitation)(d, x, n, c, name, shape)


def _sequential(d: Draft, x: Value, n: int, c: int, name: str, shape: tuple[int, ...]) -> None:
    inner = d.pick(
        f"L.Conv{n}D({c}, 3, padding='same', activation='relu'), L.BatchNormalization()",
        f"L.Conv{n}D({2 * c}, 1), keras.Sequential([L.Activation('tanh'), L.Conv{n}D({c}, 1)])",
        f"L.BatchNormalization(), L.ReLU(), L.ZeroPadding{n}D(1), L.Conv{n}D({c}, 3, use_bias=False)",
    )
    block = d.layer(f"keras.Sequential([keras.Input({shape}), {inner}])")
    d.add(d.pick(f"L.Add()([{name}, {block}({name})])", f"{name} + {block}({name})"), x, calls=block)


def _functional(d: Draft, x: Value, n: int, c: int, name: str, shape: tuple[int, ...]) -> None:
    """A nested functional model with a branch in it."""
    layer = f"L.Conv{n}D({c}, 3, padding='same')"
    out = d.pick(
        "L.ReLU()(L.Add()([$i, $a]))",
        "[L.Add()([$i, $a]), $a]",
        "L.Multiply()([$i, L.Activation('sigmoid')($a)])",
        "K.concatenate([$i, L.Activation('tanh')($a)], axis=-1)",
    )
    block = d.layer(f"keras.Model($i, {out})", f"$i = keras.Input({shape})", f"$a = {layer}($i)")
    called = f"{block}({name})"
    d.add(f"L.Subtract()({called})" if out.startswith("[") else called, x, calls="" if out.startswith("[") else block)


def _excitation(d: Draft, x: Value, n: int, c: int, name: str, shape: tuple[int, ...]) -> None:
    squeeze, excite = d.layer(f"L.Dense({c}, activation='relu')"), d.layer(f"L.Dense({c}, activation='sigmoid')")
    pooled = d.pick(
        f"L.GlobalAveragePooling{n}D(keepdims=True)({name})",
        f"K.mean({name}, axis={tuple(range(1, n + 1))}, keepdims=True)",
    )
    d.add(f"L.Multiply()([{name}, {excite}({squeeze}({pooled}))])", x)
