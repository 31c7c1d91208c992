"""The steps that random networks are made of, by family. A step need not know whether PyTorch takes it: it is tried."""

from __future__ import annotations

import math

from .torch import ANY, IMAGES, Draft, Value, step

# --- convolutions and pools -------------------------------------------------------------------------------------------------


@step(*IMAGES, weight=8)
def conv(d: Draft, x: Value) -> None:
    n, c = x.space, x.shape[0]
    groups = d.divisor(c) if d.often(0.4) else 1
    out = groups * d.integer(1, max(1, 8 // groups))
    kernel, dilation = d.each(n, 1, 2, 3), d.each(n, 1, 1, 2)
    stride = d.each(n, 1, 1, 2, 3)
    padding = d.pick(0, 1, d.each(n, 0, 1, 2))
    mode = d.pick("zeros", "zeros", "zeros", "reflect", "replicate", "circular")
    if d.often(0.15):
        padding, stride = repr("same"), 1
    layer = d.module(
        f"nn.Conv{n}d({c}, {out}, {kernel}, stride={stride}, padding={padding}, dilation={dilation}, groups={groups}, "
        f"bias={d.often(0.7)}, padding_mode={mode!r})"
    )
    d.add(f"{layer}({x.name})", x, calls=layer if out == c else "")


@step(*IMAGES, weight=1)
def functional_conv(d: Draft, x: Value) -> None:
    n, out = x.space, d.integer(1, 6)
    weight = d.parameter(out, x.shape[0], *(d.integer(1, 3) for _ in range(n)))
    bias = d.parameter(out) if d.often() else "None"
    d.add(f"F.conv{n}d({x.name}, {weight}, {bias}, padding={d.integer(0, 1)}, stride={d.pick(1, 2)})", x)


@step(*IMAGES, weight=3)
def transposed_conv(d: Draft, x: Value) -> None:
    n, c = x.space, x.shape[0]
    groups = d.divisor(c) if d.often(0.3) else 1
    out = groups * d.integer(1, max(1, 4 // groups))
    stride = d.each(n, 1, 2, 3)
    most = min(stride) if isinstance(stride, tuple) else stride
    layer = d.module(
        f"nn.ConvTranspose{n}d({c}, {out}, {d.each(n, 1, 2, 3, 4)}, stride={stride}, padding={d.each(n, 0, 0, 1)}, "
        f"output_padding={d.integer(0, most - 1)}, groups={groups}, bias={d.often(0.7)}, dilation={d.each(n, 1, 1, 2)})"
    )
    d.add(f"{layer}({x.name})", x)


@step(*IMAGES, weight=4)
def max_pool(d: Draft, x: Value) -> None:
    n = x.space
    options = f"{d.each(n, 2, 3)}, stride={d.pick(None, d.each(n, 1, 2, 3))}, padding={d.pick(0, 0, 1)}, "
    options += f"dilation={d.pick(1, 1, 1, 2)}, ceil_mode={d.often(0.4)}"
    form(d, x, f"nn.MaxPool{n}d({options})", f"F.max_pool{n}d({{}}, {options})")


@step(*IMAGES, weight=4)
def average_pool(d: Draft, x: Value) -> None:
    n = x.space
    options = f"{d.each(n, 2, 3)}, stride={d.pick(None, d.each(n, 1, 2, 3))}, padding={d.pick(0, 0, 1)}, "
    if n == 1:
        options = f"{d.integer(2, 3)}, stride={d.integer(1, 3)}, padding={d.pick(0, 0, 1)}, "
    options += f"ceil_mode={d.often(0.4)}, count_include_pad={d.often()}"
    if n > 1 and d.often(0.15):
        options += f", divisor_override={d.integer(2, 5)}"
    form(d, x, f"nn.AvgPool{n}d({options})", f"F.avg_pool{n}d({{}}, {options})")


@step(3, 4, weight=1)
def lp_pool(d: Draft, x: Value) -> None:
    layer = d.module(f"nn.LPPool{x.space}d(2, {d.integer(2, 3)}, stride={d.pick(None, 1, 2)})")
    d.add(f"{layer}({x.name}.abs() + 0.1)", x)


@step(*IMAGES, weight=3)
def adaptive_pool(d: Draft, x: Value) -> None:
    n = x.space
    kind = d.pick("Avg", "Avg", "Max")
    size = d.pick(1, 2, 3, tuple(d.integer(1, 4) for _ in range(n)))
    if isinstance(size, tuple) and len(size) == 1:
        size = size[0]
    form(d, x, f"nn.Adaptive{kind}Pool{n}d({size})", f"F.adaptive_{kind.lower()}_pool{n}d({{}}, {size})")


def form(d: Draft, x: Value, module: str, functional: str) -> None:
    """One of two ways to write the same."""
    if d.often(0.6):
        layer = d.module(module)
        d.add(f"{layer}({x.name})", x, calls=layer)
    else:
        d.add(functional.format(x.name), x)


# --- normalisation ----------------------------------------------------------------------------------------------------------


@step(*IMAGES, weight=5)
def batch_norm(d: Draft, x: Value) -> None:
    affine = d.often(0.8)
    layer = d.module(f"nn.BatchNorm{x.space}d({x.shape[0]}, eps={d.pick(1e-5, 1e-3)}, affine={affine})")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(2, weight=3)
def batch_norm_of_features(d: Draft, x: Value) -> None:
    layer = d.module(f"nn.BatchNorm1d({x.shape[0]})")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(*IMAGES)
def instance_norm(d: Draft, x: Value) -> None:
    if min(x.shape[1:]) < 3:
        return
    layer = d.module(f"nn.InstanceNorm{x.space}d({x.shape[0]}, affine={d.often()}, track_running_stats={d.often(0.3)})")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(*IMAGES, weight=3)
def group_norm(d: Draft, x: Value) -> None:
    groups = d.divisor(x.shape[0])
    if math.prod(x.shape) == groups:
        return  # of one sample alone, PyTorch refuses to normalise groups of one number
    layer = d.module(f"nn.GroupNorm({groups}, {x.shape[0]}, affine={d.often(0.8)})")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(2, 3, 4, weight=4)
def layer_norm(d: Draft, x: Value) -> None:
    shape = list(x.shape[-d.integer(1, len(x.shape)) :])
    if shape[-1] < 3:
        return
    form(d, x, f"nn.LayerNorm({shape}, elementwise_affine={d.often(0.8)})", f"F.layer_norm({{}}, {shape})")


@step(2, 3, 4, weight=1)
def rms_norm(d: Draft, x: Value) -> None:
    layer = d.module(f"nn.RMSNorm({x.shape[-1]}, eps={d.pick(None, 1e-5)})")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(4, weight=1)
def local_response_norm(d: Draft, x: Value) -> None:
    layer = d.module(f"nn.LocalResponseNorm({d.integer(2, 4)}, alpha=0.1)")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(2, 3, 4, weight=1)
def unit_vectors(d: Draft, x: Value) -> None:
    d.add(f"F.normalize({x.name} + 2.0, dim={d.axis(x)})", x)


@step(*ANY, weight=1)
def dropout(d: Draft, x: Value) -> None:
    form(d, x, d.pick("nn.Dropout(0.3)", "nn.Identity()", "nn.AlphaDropout(0.2)"), "F.dropout({}, 0.5, self.training)")


# --- activations -------------------------------------------------------------------------------------------------------------

ACTIVATIONS = [
    "nn.ReLU()", "nn.ReLU(inplace=True)", "nn.ReLU6()", "nn.LeakyReLU(0.2)", "nn.ELU(0.8)", "nn.SELU()", "nn.CELU(1.2)",
    "nn.GELU()", "nn.GELU('tanh')", "nn.SiLU()", "nn.Mish()", "nn.Sigmoid()", "nn.Tanh()", "nn.Softplus()", "nn.Softplus(2.0)",
    "nn.Softsign()", "nn.Hardtanh(-0.7, 0.9)", "nn.Hardsigmoid()", "nn.Hardswish()", "nn.PReLU()", "nn.LogSigmoid()",
    "nn.Softshrink(0.3)", "nn.Hardshrink(0.4)", "nn.Tanhshrink()", "nn.Threshold(0.1, 0.2)", "nn.RReLU()",
]  # fmt: skip
FUNCTIONS = [
    "F.relu({})", "torch.relu({})", "{}.relu()", "F.gelu({})", "F.silu({})", "torch.sigmoid({})", "{}.tanh()", "F.leaky_relu({}, 0.1)",
    "F.elu({})", "F.softplus({})", "F.hardtanh({})", "F.relu6({})", "F.hardswish({})", "F.mish({})", "F.logsigmoid({})",
]  # fmt: skip


@step(*ANY, weight=10)
def activation(d: Draft, x: Value) -> None:
    if d.often(0.55):
        layer = d.module(d.pick(*ACTIVATIONS))
        d.add(f"{layer}({x.name}.clone())" if d.often(0.1) else f"{layer}({x.name})", x, calls=layer)
    else:
        d.add(d.pick(*FUNCTIONS).format(x.name), x)


@step(3, 4, weight=1)
def prelu_of_channels(d: Draft, x: Value) -> None:
    layer = d.module(f"nn.PReLU({x.shape[0]})")
    d.add(f"{layer}({x.name})", x, calls=layer)


@step(*ANY)
def softmax(d: Draft, x: Value) -> None:
    kind, axis = d.pick("softmax", "softmax", "log_softmax"), d.axis(x)
    d.add(d.pick(f"F.{kind}({x.name}, dim={axis})", f"torch.{kind}({x.name} * 2, {axis})"), x)


@step(*ANY)
def glu(d: Draft, x: Value) -> None:
    axis = d.axis(x)
    form(d, x, f"nn.GLU({axis})", f"F.glu({{}}, {axis})")


# --- dense layers, products, attention ----------------------------------------------------------------------------------------


@step(2, 3, 4, 5, weight=6)
def linear(d: Draft, x: Value) -> None:
    out = d.integer(1, 9)
    if d.often(0.8):
        layer = d.module(f"nn.Linear({x.shape[-1]}, {out}, bias={d.often(0.8)})")
        d.add(f"{layer}({x.name})", x, calls=layer if out == x.shape[-1] else "")
    else:
        d.add(f"F.linear({x.name}, {d.parameter(out, x.shape[-1])})", x)


@step(3, 4)
def product_with_itself(d: Draft, x: Value) -> None:
    d.add(
        d.pick(
            f"({x.name} @ {x.name}.transpose(-1, -2)) / {x.shape[-1]}", f"torch.matmul({x.name}.mT, {x.name}) * 0.1"
        ),
        x,
    )


@step(2, 3, 4)
def product_with_a_parameter(d: Draft, x: Value) -> None:
    out = d.integer(1, 6)
    if x.rank == 4 and d.often():
        d.add(f"torch.einsum('nchw,kc->nkhw', {x.name}, {d.parameter(out, x.shape[0])})", x)
    else:
        d.add(f"{x.name} @ {d.parameter(x.shape[-1], out)}", x)


@step(3, weight=3)
def attention(d: Draft, x: Value) -> None:
    width = x.shape[-1]
    heads = d.divisor(width)
    if d.often(0.3):
        layer = d.module(
            f"nn.TransformerEncoderLayer({width}, {heads}, {d.integer(2, 9)}, batch_first=True, norm_first={d.often()}, "
            f"activation={d.pick('relu', 'gelu')!r})"
        )
        d.add(f"{layer}({x.name})", x, calls=layer)
    elif d.often(0.5):
        layer = d.module(f"nn.MultiheadAttention({width}, {heads}, batch_first=True, bias={d.often(0.8)})")
        d.add(f"{layer}({x.name}, {x.name}, {x.name}, need_weights={d.often(0.3)})[0]", x)
    else:
        project = d.module(f"nn.Linear({width}, {3 * width})")
        size = width // heads
        before = [
            f"$q, $k, $v = {project}({x.name}).reshape({x.name}.shape[0], -1, 3, {heads}, {size}).permute(2, 0, 3, 1, 4).unbind(0)",
        ]
        if d.often():
            core = f"F.scaled_dot_product_attention($q, $k, $v, is_causal={d.often(0.3)})"
        else:
            core = f"(($q @ $k.transpose(-2, -1)) * {size**-0.5}).softmax(-1) @ $v"
        d.add(f"({core}).transpose(1, 2).flatten(2)", x, before=before)


@step(3)
def recurrent(d: Draft, x: Value) -> None:
    kind = d.pick("LSTM", "GRU", "RNN")
    layer = d.module(
        f"nn.{kind}({x.shape[-1]}, {d.integer(1, 5)}, num_layers={d.pick(1, 1, 2)}, batch_first=True, "
        f"bidirectional={d.often(0.3)})"
    )
    d.add(f"{layer}({x.name})[0]", x)


# --- upsampling and padding ---------------------------------------------------------------------------------------------------

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@step(*IMAGES, weight=4)
def upsample(d: Draft, x: Value) -> None:
    n = x.space
    modes = ["nearest", "nearest", LINEAR[n], LINEAR[n], *(["bicubic"] if n == 2 else []), "nearest-exact"]
    mode = d.pick(*modes)
    corners = "" if "nearest" in mode else f", align_corners={d.often()}"
    if d.often(0.6):
        amount = f"scale_factor={d.pick(2, 2.0, 3, 1.5)}"
    else:
        amount = f"size={tuple(d.integer(2, 9) for _ in range(n))}"
    form(
        d, x, f"nn.Upsample({amount}, mode={mode!r}{corners})", f"F.interpolate({{}}, {amount}, mode={mode!r}{corners})"
    )


@step(*IMAGES, weight=3)
def pad(d: Draft, x: Value) -> None:
    n = x.space
    amounts = tuple(d.integer(0, 2) for _ in range(2 * n))
    mode = d.pick("constant", "constant", "reflect", "replicate", "circular")
    if d.often(0.3):
        name = {"constant": "Zero", "reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}[mode]
        layer = d.module(f"nn.{name}Pad{n}d({amounts})")
        d.add(f"{layer}({x.name})", x, calls=layer)
    elif mode == "constant":
        amounts = tuple(d.integer(-1, 2) for _ in range(2 * d.integer(1, n + 1)))
        d.add(f"F.pad({x.name}, {amounts}, value={d.pick(0.0, 0.5, -1.0)})", x)
    else:
        d.add(f"F.pad({x.name}, {amounts}, mode={mode!r})", x)


@step(4, weight=2)
def shuffle(d: Draft, x: Value) -> None:
    c = x.shape[0]
    layer = d.module(
        d.pick(f"nn.PixelShuffle({d.pick(2, 2, 3)})", "nn.PixelUnshuffle(2)", f"nn.ChannelShuffle({d.divisor(c)})")
    )
    d.add(f"{layer}({x.name})", x)
