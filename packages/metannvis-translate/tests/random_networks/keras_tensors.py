"""Steps of random Keras graphs: ``keras.ops``, shapes, slices, reductions, branches that meet again."""

from __future__ import annotations

from .keras import ANY, IMAGES, Draft, Value, step

# --- shapes -----------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=2)
def flatten(d: Draft, x: Value) -> None:
    order = "data_format='channels_first'" if x.rank > 2 and d.often(0.2) else ""
    d.call(f"L.Flatten({order})", x)


@step(*ANY, weight=4)
def reshape(d: Draft, x: Value) -> None:
    """Split an axis in two, or join two."""
    axis = d.integer(0, len(x.shape) - 1)
    sizes = list(x.shape)
    if d.often() or len(sizes) == 1:
        first = d.divisor(sizes[axis])
        sizes[axis : axis + 1] = [first, sizes[axis] // first]
    else:
        axis = min(axis, len(sizes) - 2)
        sizes[axis : axis + 2] = [sizes[axis] * sizes[axis + 1]]
    if d.often():
        d.add(f"K.reshape({x.name}, {(-1, *sizes)})", x)
        return
    if d.often(0.3):
        sizes[d.integer(0, len(sizes) - 1)] = -1
    d.call(f"L.Reshape({tuple(sizes)})", x)


@step(3, 4, 5, 6, weight=4)
def permute(d: Draft, x: Value) -> None:
    order = list(range(1, x.rank))
    d.random.shuffle(order)
    n = x.name
    if d.often():
        d.call(f"L.Permute({tuple(order)})", x)
    else:
        d.add(
            d.pick(
                f"K.transpose({n}, {(0, *order)})", f"K.swapaxes({n}, {order[0]}, -1)", f"K.moveaxis({n}, 1, -1)",
                f"K.moveaxis({n}, {tuple(order)}, {tuple(range(1, x.rank))})",
            ),
            x,
        )  # fmt: skip


@step(2)
def repeat_vector(d: Draft, x: Value) -> None:
    d.call(f"L.RepeatVector({d.integer(2, 5)})", x)


@step(2, 3, 4, 5, weight=3)
def more_or_fewer_axes(d: Draft, x: Value) -> None:
    ones = [axis for axis, size in enumerate(x.shape, 1) if size == 1]
    n = x.name
    squeezed = [f"K.squeeze({n}, {axis})" for axis in ones]
    d.add(d.pick(f"K.expand_dims({n}, {d.axis(x)})", f"{n}[:, None]", f"{n}[..., None]", *squeezed), x)


@step(2, 3, 4, 5)
def repeat(d: Draft, x: Value) -> None:
    times = [d.pick(1, 1, 2, 3) for _ in x.shape]
    d.add(d.pick(f"K.tile({x.name}, {(1, *times)})", f"K.repeat({x.name}, {d.integer(2, 3)}, axis={d.axis(x)})"), x)


@step(*ANY, weight=4)
def slices(d: Draft, x: Value) -> None:
    def one(size: int) -> str:
        return d.pick(":", ":", "::2", "1:", ":-1", "-2:", f":{max(1, size // 2)}", f"{size // 2}:", "1::2", "::-1")

    parts = [one(size) for size in x.shape]
    if d.often(0.25) and len(parts) > 1:
        parts[d.integer(0, len(parts) - 1)] = str(d.pick(0, -1))
    d.add(f"{x.name}[:, {', '.join(parts)}]" if d.often(0.7) else f"{x.name}[..., {parts[-1]}]", x)


@step(*ANY, weight=3)
def selection(d: Draft, x: Value) -> None:
    axis = d.integer(1, len(x.shape))
    size, n = x.shape[axis - 1], x.name
    order = [d.integer(0, size - 1) for _ in range(d.integer(2, 4))]
    half = d.integer(1, max(1, size // 2))
    d.add(
        d.pick(
            f"K.take({n}, np.array({order}), axis={axis})", f"K.flip({n}, axis={axis})", f"K.split({n}, ({half},), axis={axis})[-1]",
            f"K.unstack({n}, axis={axis})[{d.integer(0, size - 1)}]", f"K.pad({n}, {self_pads(d, x)}{d.pick('', ', constant_values=0.7')})",
            f"K.split({n}, {d.divisor(size)}, axis={axis})[0]",
        ),
        x,
    )  # fmt: skip


def self_pads(d: Draft, x: Value) -> str:
    """Amounts of padding, none of the batch."""
    return str(((0, 0), *((d.integer(0, 1), d.integer(0, 2)) for _ in x.shape)))


@step(3, 4, 5)
def pad_modes(d: Draft, x: Value) -> None:
    pads = ((0, 0), *((d.integer(0, 2), d.integer(0, 2)) if k < x.space else (0, 0) for k in range(len(x.shape))))
    d.add(f"K.pad({x.name}, {pads}, mode={d.pick('reflect', 'constant')!r})", x)


@step(2, 3, 4, 5, weight=3)
def halves(d: Draft, x: Value) -> None:
    """Split, do something to a part, put together again."""
    axis = d.integer(1, len(x.shape))
    if x.shape[axis - 1] % 2:
        return
    d.add(
        d.pick(
            f"K.concatenate([$b, K.tanh($a)], axis={axis})", "$a * K.sigmoid($b)", "L.Subtract()([$a, $b])",
            f"K.stack([$a, $b], axis={axis})", "K.maximum($a, $b)",
        ),
        x,
        before=[f"$a, $b = K.split({x.name}, 2, axis={axis})"],
    )  # fmt: skip


# --- arithmetic ---------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=7)
def scalars(d: Draft, x: Value) -> None:
    n, s = x.name, d.scalar()
    d.add(
        d.pick(
            f"{n} * {s} + {d.scalar()}", f"{d.scalar()} - {n}", f"{n} / {s}", f"{n} ** 2", f"{s} / (K.abs({n}) + 1)",
            f"K.clip({n}, -0.8, 1.1)", f"K.maximum({n}, {s})", f"K.minimum({n}, {s})", f"-{n}", f"K.exp(-K.abs({n}))",
            f"K.log(K.abs({n}) + 0.5)", f"K.sqrt({n} ** 2 + 0.1)", f"K.rsqrt(K.square({n}) + 1)", f"K.sin({n})",
            f"K.cos({n} * {s})", f"K.erf({n})", f"K.arctan({n})", f"K.log1p(K.abs({n}))", f"K.expm1({n} * 0.1)",
            f"(K.abs({n}) + 0.2) ** {d.pick(0.5, 1.5, -0.5)}", f"{n} - K.mean({n}, axis=-1, keepdims=True)",
            f"K.sinh({n} * 0.3)", f"K.arcsinh({n})", f"K.reciprocal(K.abs({n}) + 1)", f"K.cosh({n} * 0.2)", f"2.0 ** {n}",
            f"K.arctanh(0.9 * K.sin({n}))", f"K.log10(K.abs({n}) + 1)", f"K.arcsin(0.9 * K.cos({n}))", f"K.log2(K.exp({n} * 0.1) + 1)",
            f"K.stop_gradient({n}) * {n}", f"{n} + K.ones_like({n})", f"{n} + K.zeros_like({n}) - 0.7",
        ),
        x,
    )  # fmt: skip


@step(*ANY, weight=3)
def functions(d: Draft, x: Value) -> None:
    n = x.name
    name = d.pick(
        "relu",
        "silu",
        "softplus",
        "sigmoid",
        "tanh",
        "relu6",
        "hard_silu",
        "selu",
        "log_sigmoid",
        "softsign",
        "squareplus",
    )
    d.add(
        d.pick(
            f"K.{name}({n})", f"K.{name}({n})", f"keras.activations.{name}({n})", f"K.gelu({n}, approximate={d.often()})", f"K.elu({n}, 0.3)",
            f"K.leaky_relu({n}, 0.2)", f"K.softmax({n}, axis={d.axis(x)})", f"K.log_softmax({n}, axis={d.axis(x)})", f"K.glu({n}, axis={d.axis(x)})",
            f"K.threshold({n}, 0.2, -0.5)", f"K.soft_shrink({n}, 0.3)", f"K.celu({n}, 0.4)", f"K.sparsemax({n}, axis={d.axis(x)})",
            f"keras.activations.relu({n}, 0.1, 0.5, 0.2)",
        ),
        x,
    )  # fmt: skip


@step(*ANY)
def conditions(d: Draft, x: Value) -> None:
    n, s = x.name, d.pick(0.0, 0.3, -0.5)
    d.add(
        d.pick(
            f"K.where({n} > {s}, {n}, 0.1 * {n})", f"{n} * K.cast({n} >= {s}, 'float32')", f"{n} * K.sign({n})",
            f"K.where(K.logical_and({n} > {s}, {n} < 1), {n}, {n} * 2)", f"K.where(K.logical_not({n} < {s}), {n}, -1.0)",
            f"0.1 * K.cast(K.argmax({n}, axis={d.axis(x)}, keepdims=True), 'float32') + {n}",  # not second: Keras may take it for a bias
        ),
        x,
    )  # fmt: skip


@step(*ANY, weight=3)
def constants(d: Draft, x: Value) -> None:
    """Arrays that stand in the code, and layers of somebody's own with a weight."""
    c, n = x.shape[-1], x.name
    array = f"np.linspace(-1, 1, {c}, dtype='float32')"
    if d.often(0.4):
        d.call("Scale()", x)
        return
    d.add(
        d.pick(
            f"{n} + {array}", f"{array} * {n}", f"{n} - K.arange({c}, dtype='float32')", f"K.maximum({n}, {array})",
            f"{n} @ np.linspace(-1, 1, {3 * c}, dtype='float32').reshape({c}, 3)",
        ),
        x,
    )  # fmt: skip


@step(3, 4)
def products(d: Draft, x: Value) -> None:
    n, c = x.name, x.shape[-1]
    sums = {3: "ntc,nsc->nts", 4: "nhwc,nhvc->nhwv"}
    d.add(
        d.pick(
            f"({n} @ K.swapaxes({n}, -1, -2)) / {c}", f"K.matmul(K.swapaxes({n}, -2, -1), {n}) * 0.1",
            f"K.einsum({sums[x.rank]!r}, {n}, {n}) * 0.2", *([f"L.Dot({d.pick(1, 2)})([{n}, {n}]) * 0.3"] if x.rank == 3 else []),
        ),
        x,
    )  # fmt: skip


@step(*ANY, weight=5)
def reduction(d: Draft, x: Value) -> None:
    axes = str(d.axis(x))
    if x.rank > 2 and d.often(0.4):
        axes = str(tuple(sorted(d.random.sample(range(1, x.rank), 2))))
    n, keep = x.name, d.often() or x.rank == 2
    rest = f"axis={axes}, keepdims={keep}"
    d.add(
        d.pick(
            f"K.mean({n}, {rest})", f"K.sum({n}, {rest}) * 0.3", f"K.max({n}, {rest})", f"K.amin({n}, {rest})", f"K.logsumexp({n}, {rest})",
            f"K.std({n} * 2, {rest})", f"K.var({n}, {rest})", f"K.prod(K.tanh({n}), {rest})",
        ),
        x,
    )  # fmt: skip


# --- branches ------------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=10)
def meeting(d: Draft, x: Value) -> None:
    """Two values of one rank: added, joined, gated.

    Not a number a sample with others: Keras takes it for a bias at the one batch size that happens to be their width.
    """
    others = [v for v in d.values if v.rank == x.rank and v is not x and v.kind in ("float", "padded")]
    others = [v for v in others if v.shape == x.shape or min(max(v.shape), max(x.shape)) > 1]
    same = [v for v in others if v.shape == x.shape]
    if not others:
        return
    y = d.pick(*same) if same and d.often(0.7) else d.pick(*others)
    a, b = d.pick((x.name, y.name), (y.name, x.name))
    kind = d.pick("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract")
    if x.rank in (2, 3) and d.often(0.15):
        axes = d.pick(1, -1, (2, 2), (2, 1), (1, 1)) if x.rank == 3 else 1
        d.add(f"{d.layer(f'L.Dot(axes={axes}, normalize={d.often(0.3)})')}([{a}, {b}])", x, y)
        return
    d.add(
        d.pick(
            f"L.{kind}()([{a}, {b}])", f"L.{kind}()([{a}, {b}])", f"L.Add()([{a}, {b}, {a}])", f"L.Concatenate(axis={d.axis(x)})([{a}, {b}])",
            f"L.Concatenate()([{a}, {b}, {a}])", f"{a} + {b}", f"{a} * {b}", f"{a} - {b}", f"{a} / (K.abs({b}) + 1)",
            f"K.stack([{a}, {b}], axis={d.pick(1, -1)})", f"K.where({a} > {b}, {a}, {b} * 0.5)", f"L.multiply([{a}, K.sigmoid({b})])",
        ),
        x,
        y,
    )  # fmt: skip


@step(2, 3, weight=2)
def residual_of_tokens(d: Draft, x: Value) -> None:
    c, shape = x.shape[-1], tuple(x.shape)
    norm, first = (
        f"L.LayerNormalization(epsilon={d.pick(1e-6, 1e-3)})",
        f"L.Dense({c + 2}, activation={d.pick('gelu', 'relu')!r})",
    )
    block = d.layer(f"keras.Sequential([keras.Input({shape}), {norm}, {first}, L.Dropout(0.1), L.Dense({c})])")
    if c > 2:
        d.add(f"L.Add()([{x.name}, {block}({x.name})])", x, calls=block)


@step(*IMAGES, weight=2)
def features_into_an_image(d: Draft, x: Value) -> None:
    """A value of two axes, projected to channels, added at every place (conditioning)."""
    flat = [v for v in d.values if v.rank == 2 and v.kind == "float"]
    if not flat:
        return
    y, c = d.pick(*flat), x.shape[-1]
    layer, shape = d.layer(f"L.Dense({c})"), (*[1] * x.space, c)
    d.add(f"L.{d.pick('Add', 'Multiply')}()([{x.name}, L.Reshape({shape})({layer}({y.name}))])", x, y)


@step(*ANY, weight=5)
def again(d: Draft, x: Value) -> None:
    """A layer that has been called before."""
    known = [name for name, shape in d.again if shape == x.shape]
    if known:
        d.add(f"{d.pick(*known)}({x.name})", x)
