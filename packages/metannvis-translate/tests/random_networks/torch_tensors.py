"""More steps of random networks: shapes, slices, arithmetic, reductions, branches that meet again, in-place writing."""

from __future__ import annotations

from .torch import ANY, IMAGES, Draft, Value, step

# --- shapes -----------------------------------------------------------------------------------------------------------------


@step(3, 4, 5, 6, weight=2)
def flatten(d: Draft, x: Value) -> None:
    n = x.name
    d.add(
        d.pick(
            f"{n}.flatten(1)", f"torch.flatten({n}, 1)", f"{n}.flatten(2)", f"{n}.reshape({n}.shape[0], -1)", f"{n}.flatten(-2)",
            f"{n}.contiguous().view({n}.size(0), {x.shape[0]}, -1)", f"{d.module('nn.Flatten()')}({n})",
        ),
        x,
    )  # fmt: skip


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
    if d.often(0.3):
        sizes[d.integer(0, len(sizes) - 1)] = -1
    shape = ", ".join(map(str, sizes))
    batch = d.pick(f"{x.name}.shape[0]", f"{x.name}.size(0)", "-1" if -1 not in sizes else f"{x.name}.shape[0]")
    d.add(f"{x.name}.reshape({batch}, {shape})", x)


@step(3, 4, 5, 6, weight=5)
def permute(d: Draft, x: Value) -> None:
    order = list(range(1, x.rank))
    d.random.shuffle(order)
    n = x.name
    d.add(
        d.pick(
            f"{n}.permute(0, {', '.join(map(str, order))})", f"{n}.transpose(1, {order[0]})", f"{n}.transpose({order[-1]}, -1)",
            f"torch.movedim({n}, 1, -1)", f"torch.permute({n}, {(0, *order)})",
        ),
        x,
    )  # fmt: skip


@step(4, weight=2)
def tokens_of_an_image(d: Draft, x: Value) -> None:
    d.add(f"{x.name}.flatten(2).transpose(1, 2)", x)


@step(3, weight=1)
def image_of_tokens(d: Draft, x: Value) -> None:
    height = d.divisor(x.shape[0])
    d.add(f"{x.name}.transpose(1, 2).reshape(-1, {x.shape[1]}, {height}, {x.shape[0] // height})", x)


@step(2, 3, 4, weight=2)
def unsqueeze(d: Draft, x: Value) -> None:
    d.add(d.pick(f"{x.name}.unsqueeze({d.axis(x)})", f"{x.name}[:, None]", f"{x.name}[..., None]"), x)


@step(3, 4, 5, 6, weight=2)
def squeeze(d: Draft, x: Value) -> None:
    ones = [axis for axis, size in enumerate(x.shape, 1) if size == 1]
    if ones:
        d.add(f"{x.name}.squeeze({d.pick(*ones)})", x)


@step(2, 3, 4)
def repeat(d: Draft, x: Value) -> None:
    times = [d.pick(1, 1, 2, 3) for _ in x.shape]
    d.add(
        d.pick(
            f"{x.name}.repeat(1, {', '.join(map(str, times))})",
            f"{x.name}.repeat_interleave({d.integer(2, 3)}, dim={d.axis(x)})",
            f"{x.name}.unsqueeze(1).expand(-1, {d.integer(2, 4)}{', -1' * len(x.shape)})",
        ),
        x,
    )


# --- slices -----------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=5)
def slices(d: Draft, x: Value) -> None:
    def one(size: int) -> str:
        return d.pick(":", ":", "::2", "1:", ":-1", "-2:", f":{max(1, size // 2)}", f"{size // 2}:", "1::2")

    parts = [one(size) for size in x.shape]
    if d.often(0.25) and len(parts) > 1:
        parts[d.integer(0, len(parts) - 1)] = str(d.pick(0, -1))
    d.add(f"{x.name}[:, {', '.join(parts)}]" if d.often(0.7) else f"{x.name}[..., {parts[-1]}]", x)


@step(*ANY, weight=3)
def selection(d: Draft, x: Value) -> None:
    axis = d.integer(1, len(x.shape))
    size, n = x.shape[axis - 1], x.name
    order = [d.integer(0, size - 1) for _ in range(d.integer(2, 4))]
    lead = ":, " * axis
    half = d.integer(1, max(1, size // 2))
    d.add(
        d.pick(
            f"{n}[{lead}{order}]", f"torch.index_select({n}, {axis}, {d.buffer(f'torch.tensor({order})')})",
            f"{n}.narrow({axis}, {size - half}, {half})", f"{n}.select({axis}, {d.pick(0, -1)})", f"{n}.flip({axis})",
            f"torch.roll({n}, {d.pick(1, -2, 3)}, dims={axis})", f"{n}.unbind({axis})[{d.integer(0, size - 1)}]",
            f"{n}.chunk(2, {axis})[0]", f"{n}.split({half}, dim={axis})[-1]", f"torch.tensor_split({n}, 2, dim={axis})[0]",
        ),
        x,
    )  # fmt: skip


@step(2, 3, 4, 5, weight=3)
def halves(d: Draft, x: Value) -> None:
    """Split, do something to a part, put together again."""
    axis = d.integer(1, len(x.shape))
    if x.shape[axis - 1] % 2:
        return
    before = [f"$a, $b = {x.name}.chunk(2, {axis})"]
    d.add(
        d.pick(
            f"torch.cat([$b, torch.tanh($a)], {axis})", "$a * torch.sigmoid($b)", "$a - $b", f"torch.stack([$a, $b], {axis})",
            f"torch.stack([$a, $b], {axis + 1}).flatten({axis}, {axis + 1})", "torch.maximum($a, $b)",
        ),
        x,
        before=before,
    )  # fmt: skip


# --- arithmetic ---------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=6)
def scalars(d: Draft, x: Value) -> None:
    n, s = x.name, d.scalar()
    d.add(
        d.pick(
            f"{n} * {s} + {d.scalar()}", f"{d.scalar()} - {n}", f"{n} / {s}", f"{n} ** 2", f"{n} ** 3", f"{s} / ({n}.abs() + 1)",
            f"torch.clamp({n}, -0.8, 1.1)", f"{n}.clamp(min={s})", f"{n}.clamp_max({s})", f"-{n}", f"torch.exp(-{n}.abs())",
            f"torch.log({n}.abs() + 0.5)", f"torch.sqrt({n} ** 2 + 0.1)", f"torch.rsqrt({n}.square() + 1)", f"torch.sin({n})",
            f"torch.cos({n} * {s})", f"{n}.abs()", f"torch.erf({n})", f"torch.atan({n})", f"torch.log1p({n}.abs())", f"torch.expm1({n} * 0.1)",
            f"({n}.abs() + 0.2).pow({d.pick(0.5, 1.5, -0.5)})", f"torch.sub({n}, {n}.mean(-1, keepdim=True), alpha={s})",
            f"torch.add({n}, {s}, alpha=2)", f"torch.addcmul({n}, {n}, {n}, value=0.1)", f"{n}.reciprocal().tanh()", f"torch.sinh({n} * 0.3)",
        ),
        x,
    )  # fmt: skip


@step(*ANY, weight=2)
def conditions(d: Draft, x: Value) -> None:
    n, s = x.name, d.pick(0.0, 0.3, -0.5, 0)
    d.add(
        d.pick(
            f"torch.where({n} > {s}, {n}, 0.1 * {n})", f"{n}.masked_fill({n} < {s}, -1.0)", f"{n} * ({n} >= {s})", f"{n} * ({n} > {s}).float()",
            f"torch.where({n} > {s}, 1.0, 0.0) * {n}", f"{n} * torch.sign({n})", f"torch.maximum({n}, torch.zeros_like({n}))",
            f"{n}.masked_fill(torch.isnan({n}), 0.0)", f"torch.where(({n} > {s}) & ({n} < 1), {n}, {n} * 2)",
        ),
        x,
    )  # fmt: skip


@step(3, 4)
def triangles(d: Draft, x: Value) -> None:
    d.add(d.pick(f"torch.tril({x.name})", f"torch.triu({x.name}, 1) + {x.name}"), x)


@step(*ANY, weight=4)
def parameters(d: Draft, x: Value) -> None:
    shape = [d.pick(1, size) for size in x.shape]
    if d.often(0.4) and x.rank in IMAGES:
        shape = [x.shape[0], *[1] * x.space]
    if d.often(0.4):
        shape = [1, *shape]
    free = d.parameter(*shape[-d.integer(1, len(shape)) :])
    d.add(
        d.pick(f"{x.name} * {free}", f"{x.name} + {free}", f"{free} - {x.name}", f"torch.sigmoid({free}) * {x.name}"), x
    )


@step(3)
def class_token(d: Draft, x: Value) -> None:
    token = d.parameter(1, 1, x.shape[1])
    d.add(f"torch.cat([{token}.expand({x.name}.shape[0], -1, -1), {x.name}], dim=1)", x)


@step(2, 3, 4)
def positions(d: Draft, x: Value) -> None:
    n = x.name
    d.add(
        d.pick(
            f"{n} + torch.arange({n}.shape[-1]) * 0.1", f"{n} + {n}.new_ones({x.shape[-1]})", f"{n} * torch.linspace(-1, 1, {x.shape[-1]}).to({n})",
            f"{n} + torch.ones_like({n})", f"{n} - torch.full_like({n}, 0.7)",
        ),
        x,
    )  # fmt: skip


# --- reductions ---------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=5)
def reduction(d: Draft, x: Value) -> None:
    if x.rank == 2 or d.often(0.6):
        axes = str(d.axis(x))
    else:
        axes = str(tuple(sorted(d.random.sample(range(1, x.rank), min(2, x.rank - 1)))))
    keep, n = d.often() or x.rank == 2, x.name
    d.add(
        d.pick(
            f"{n}.mean({axes}, keepdim={keep})", f"{n}.mean(dim={axes}, keepdim={keep})", f"{n}.sum({axes}, keepdim={keep}) * 0.3",
            f"{n}.amax({axes}, keepdim={keep})", f"{n}.amin({axes}, keepdim={keep})", f"torch.logsumexp({n}, {axes}, keepdim={keep})",
            f"({n} * 2).std({axes}, keepdim={keep})", f"{n}.var({axes}, unbiased=False, keepdim={keep})",
            f"torch.linalg.vector_norm({n} + 1, dim={axes}, keepdim={keep})", f"({n} + 2).norm(dim={axes}, keepdim={keep})",
            f"{n}.max({axes.strip('(').split(',')[0]}, keepdim={keep}).values", f"torch.tanh({n}).prod({axes.strip('(').split(',')[0]}, keepdim={keep})",
        ),
        x,
    )  # fmt: skip


@step(*ANY)
def running_sum(d: Draft, x: Value) -> None:
    d.add(f"torch.cumsum({x.name}, dim={d.axis(x)}) * 0.5", x)


@step(2, 3, 4, weight=1)
def ranking(d: Draft, x: Value) -> None:
    axis = d.axis(x)
    d.add(d.pick(f"torch.topk({x.name}, 2, dim={axis}).values", f"torch.sort({x.name}, dim={axis}).values"), x)


# --- branches ------------------------------------------------------------------------------------------------------------------


@step(*ANY, weight=8)
def meeting(d: Draft, x: Value) -> None:
    """Two values of one rank: added, joined, gated."""
    others = [v for v in d.values if v.rank == x.rank and v is not x and v.kind == "float"]
    same = [v for v in others if v.shape == x.shape]
    if not others:
        return
    y = d.pick(*same) if same and d.often(0.7) else d.pick(*others)
    a, b = d.pick((x.name, y.name), (y.name, x.name))
    d.add(
        d.pick(
            f"{a} + {b}", f"{a} + {b}", f"{a} - {b}", f"{a} * {b}", f"torch.cat([{a}, {b}], {d.axis(x)})", f"torch.cat(({a}, {b}), dim=1)",
            f"torch.maximum({a}, {b})", f"torch.minimum({a}, {b})", f"torch.where({a} > {b}, {a}, {b} * 0.5)", f"torch.stack([{a}, {b}], 1)",
            f"{a} / ({b}.abs() + 1)", f"torch.lerp({a}, {b}, 0.3)", f"{a} * torch.sigmoid({b})", f"torch.add({a}, {b}, alpha=0.5)",
            f"torch.atan2({a}, {b}.abs() + 1)",
        ),
        x,
        y,
    )  # fmt: skip


@step(*IMAGES, weight=3)
def residual(d: Draft, x: Value) -> None:
    n, c = x.space, x.shape[0]
    inner = d.pick(
        f"nn.Conv{n}d({c}, {c}, 3, padding=1)",
        f"nn.Sequential(nn.Conv{n}d({c}, {c}, 3, padding=1), nn.BatchNorm{n}d({c}), nn.ReLU(inplace=True))",
        f"nn.Sequential(nn.Conv{n}d({c}, {2 * c}, 1), nn.Sequential(nn.GELU(), nn.Conv{n}d({2 * c}, {c}, 1)))",
    )
    layer = d.module(inner)
    d.add(d.pick(f"{x.name} + {layer}({x.name})", f"F.relu({layer}({x.name}) + {x.name})"), x, calls=layer)


@step(2, 3, weight=2)
def residual_of_tokens(d: Draft, x: Value) -> None:
    c = x.shape[-1]
    layer = d.module(f"nn.Sequential(nn.LayerNorm({c}), nn.Linear({c}, {c + 2}), nn.GELU(), nn.Linear({c + 2}, {c}))")
    if c > 2:
        d.add(f"{x.name} + {layer}({x.name})", x, calls=layer)


@step(*IMAGES, weight=2)
def excitation(d: Draft, x: Value) -> None:
    n, c = x.space, x.shape[0]
    axes = tuple(range(2, x.rank))
    squeeze, excite = d.module(f"nn.Linear({c}, {c})"), d.module(f"nn.Conv{n}d({c}, {c}, 1)")
    tail = ", None" * n
    d.add(
        d.pick(
            f"{x.name} * torch.sigmoid({squeeze}({x.name}.mean({axes})))[:, :{tail}]",
            f"{x.name} * torch.sigmoid({excite}({x.name}.mean({axes}, keepdim=True)))",
            f"{x.name} * {excite}(F.adaptive_avg_pool{n}d({x.name}, 1)).expand_as({x.name})",
        ),
        x,
    )


@step(3, 4, 5, weight=2)
def features_into_an_image(d: Draft, x: Value) -> None:
    """A value of two axes, projected to channels, added at every place (conditioning)."""
    flat = [v for v in d.values if v.rank == 2 and v.kind == "float"]
    if not flat:
        return
    y = d.pick(*flat)
    layer = d.module(f"nn.Linear({y.shape[0]}, {x.shape[0]})")
    d.add(f"{x.name} + {layer}({y.name}).reshape(-1, {x.shape[0]}{', 1' * x.space})", x, y)


@step(*ANY, weight=4)
def again(d: Draft, x: Value) -> None:
    """A module that has been called before."""
    known = [name for name, shape in d.again if shape == x.shape]
    if known:
        d.add(f"{d.pick(*known)}({x.name})", x)


# --- writing in place -----------------------------------------------------------------------------------------------------------


@step(*ANY, weight=3)
def in_place(d: Draft, x: Value) -> None:
    s, n = d.scalar(), "$"
    lines = [
        f"{n} += {s}", f"{n} *= {s}", f"{n}.add_({x.name}, alpha=0.5)", f"{n}.mul_({x.name})", f"{n}.clamp_(min=0.1)", f"F.relu_({n})",
        f"{n}.tanh_()", f"{n}.sub_({s})", f"{n}.div_({s})", f"{n}.neg_()", f"F.leaky_relu_({n}, 0.2)", f"{n}.sigmoid_()",
        f"{n}[:, 0] = 0.0", f"{n}[:, -1] += {s}", f"{n}[..., 1:] *= 0.5", f"{n}[:, ::2] = {x.name}[:, ::2] * 2", f"{n}.masked_fill_({x.name} > 0.5, 0.3)",
        f"{n}[..., 0] = {x.name}[..., -1]", f"{n}.copy_({x.name} * 0.3)",
    ]  # fmt: skip
    before = [f"$ = {x.name}.clone()", *(d.pick(*lines) for _ in range(d.integer(1, 2)))]
    d.add("$", x, before=before)
