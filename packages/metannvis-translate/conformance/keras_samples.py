"""Samples of ``keras.ops``: for every public function, calls of it on inputs with edges among them.

A sample is a function of tensors and the arrays that go in, whose first axis is the batch. Functions that are no part of a
network, or that mean another thing there, have a reason in :data:`NO_SAMPLE` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

__all__ = ["KINDS", "NO_SAMPLE", "Sample", "function_names", "samples"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """One call of a function of ``keras.ops``.

    Attributes
    ----------
    function
        Its name below ``keras.ops``.
    call
        The call, of tensors.
    arrays
        What goes in.
    fixed
        The batch is declared, not free.
    """

    function: str
    number: int
    call: Callable[..., Any]
    arrays: tuple[Array, ...]
    fixed: bool

    def __str__(self) -> str:
        return f"{self.function}-{self.number}"


#: Functions that have no sample, and why.
NO_SAMPLE = {
    "convert_to_numpy": "it returns no tensor",
    "dtype": "it returns no tensor",
    "is_tensor": "it returns no tensor",
    "ndim": "it returns no tensor",
    "shape": "it returns a tuple; its sizes are used in the samples of reshape and broadcast_to",
    "empty": "its values are not defined",
    "empty_like": "its values are not defined",
    "custom_gradient": "it makes a function, and is no call in a network",
    "vectorize": "it makes a function, and is no call in a network",
    "jvp": "it differentiates, and is no call in a network",
    "image.elastic_transform": "random",
}
#: Kinds of functions that acceptance leaves out, by name.
KINDS = {
    "linear algebra": (
        "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "logdet", "lstsq", "lu_factor", "matrix_rank", "pinv",
        "qr", "slogdet", "solve", "solve_triangular", "svd",
        "image.perspective_transform",
    ),
    "complex": (
        "angle", "conj", "conjugate", "fft", "fft2", "ifft2", "imag", "irfft", "isreal", "istft", "polar", "real", "rfft",
        "stft", "view_as_complex", "view_as_real",
    ),
    "special function": ("erfinv", "i0", "kaiser", "nextafter"),
    "size depends on data": ("nonzero", "unique", "bincount"),
    "decoder": ("ctc_decode", "ctc_loss"),
    "undefined order": ("argpartition",),
    "derivative of its own": ("image.affine_transform",),
}  # fmt: skip


def function_names() -> tuple[str, ...]:
    """Every public function of ``keras.ops``, as it is installed."""
    import keras

    names = [name for name in dir(keras.ops) if not name.startswith("_") and callable(getattr(keras.ops, name))]
    names += [
        f"image.{name}"
        for name in dir(keras.ops.image)
        if not name.startswith("_") and callable(getattr(keras.ops.image, name))
    ]
    return tuple(sorted(names))


def kind_of(function: str) -> str:
    """Which of :data:`KINDS` a function is of; ``plain`` otherwise."""
    return next((kind for kind, names in KINDS.items() if function in names), "plain")


# --- inputs -------------------------------------------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
EDGES = np.array(
    [[0.0, -0.0, INF, -INF, NAN, 1.0], [-1.0, 1e-30, -1e30, 0.5, 2.5, -2.5], [90.0, -90.0, 3.0, 7.0, -7.0, 1.5]]
)
#: Without NaN and infinities.
LARGE = np.array([[0.0, -0.0, 1e-30, -1e-30, 500.0, -500.0], [1.0, -1.0, 0.5, -0.5, 2.5, -1e4]])
TIES = np.array([[1.0, 2.0, 2.0, 1.0, 0.0, -0.0], [3.0, 3.0, 3.0, 3.0, 3.0, 3.0]])
HOLES = np.array([[1.0, NAN, 3.0, -2.0], [NAN, 0.5, NAN, 2.0], [4.0, 4.0, -1.0, 0.0]])


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def uniform(*shape: int, low: float = 0.05, high: float = 0.95, seed: int = 0) -> Array:
    return np.random.default_rng([7, seed, *shape]).uniform(low, high, shape)


def integers(*shape: int, low: int = -5, high: int = 6, seed: int = 0, dtype: str = "int32") -> Array:
    return np.random.default_rng([11, seed, *shape]).integers(low, high, shape).astype(dtype)


def truth(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([13, seed, *shape]).random(shape) < 0.5


def _positive(n: int = 3, size: int = 3) -> Array:
    a = normal(n, size, size)
    return a @ a.transpose(0, 2, 1) + np.eye(size)


@cache
def samples() -> tuple[Sample, ...]:
    """All of them."""
    made: list[Sample] = []
    for function, calls in _table().items():
        for number, (call, *arrays) in enumerate(calls):
            fixed = bool(arrays and arrays[-1] is FIXED)
            made.append(Sample(function, number, call, tuple(a for a in arrays if isinstance(a, np.ndarray)), fixed))
    return tuple(sorted(made, key=lambda s: (s.function, s.number)))


FIXED = "fixed"


def _unary(f: Callable[..., Any], *domains: Array) -> Iterator[tuple[Any, ...]]:
    for domain in domains:
        yield (f, domain)


def _table() -> dict[str, list[tuple[Any, ...]]]:
    import keras

    K: Any = keras.ops  # noqa: N806
    x, image, cube = normal(3, 4), normal(2, 6, 5, 3), normal(3, 4, 5)
    y = normal(3, 4, seed=1)
    rows: dict[str, list[tuple[Any, ...]]] = {}

    def add(function: str, *calls: tuple[Any, ...]) -> None:
        rows.setdefault(function, []).extend(calls)

    # one tensor of floats, anywhere
    for name in [
        "abs",
        "absolute",
        "arctan",
        "ceil",
        "cbrt",
        "cos",
        "deg2rad",
        "rad2deg",
        "erf",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "fabs",
        "floor",
        "isfinite",
        "isinf",
        "isnan",
        "isneginf",
        "isposinf",
        "negative",
        "reciprocal",
        "round",
        "sign",
        "signbit",
        "sin",
        "sinc",
        "sinh",
        "square",
        "tanh",
        "trunc",
        "nan_to_num",
        "relu",
        "relu6",
        "sigmoid",
        "silu",
        "swish",
        "softplus",
        "softsign",
        "selu",
        "elu",
        "celu",
        "gelu",
        "leaky_relu",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "hard_shrink",
        "soft_shrink",
        "tanh_shrink",
        "sparse_plus",
        "sparse_sigmoid",
        "log_sigmoid",
        "squareplus",
        "arcsinh",
        "cosh",
        "stop_gradient",
        "copy",
        "zeros_like",
        "ones_like",
        "logical_not",
        "array",
        "convert_to_tensor",
        "isreal",
        "real",
        "imag",
        "conj",
        "conjugate",
        "angle",
        "i0",
    ]:
        add(name, *_unary(getattr(K, name), x, EDGES))
    for name in ["arccos", "arcsin", "arctanh", "erfinv"]:
        add(name, *_unary(getattr(K, name), uniform(3, 4, low=-0.95), np.array([[0.0, -0.0, 1.0, -1.0, 2.0, NAN]])))
    for name in ["log", "log2", "log10", "log1p", "sqrt", "rsqrt"]:
        add(
            name,
            *_unary(getattr(K, name), uniform(3, 4, low=0.1, high=4), EDGES, np.array([[1e-9, 1e-20, 1e-5, -1e-9]])),
        )
    add("expm1", (K.expm1, np.array([[1e-9, 1e-20, 1e-5, -1e-9]])))
    add("arccosh", (K.arccosh, uniform(3, 4, low=1.1, high=4)), (K.arccosh, np.array([[1.0, 0.5, INF, NAN, 1e8]])))
    add("tan", (K.tan, x), (K.tan, np.array([[0.0, -0.0, 1.5, NAN, 100.0]])))
    for name in ["abs", "negative", "sign", "square", "absolute"]:
        add(name, (getattr(K, name), integers(3, 4)))
    for name in ["exp", "sqrt", "sin", "floor", "ceil", "round", "reciprocal", "mean", "var", "std"]:
        add(name, (getattr(K, name), integers(3, 4, low=1)))
    add(
        "round",
        (lambda a: K.round(a, 2), x * 3),
        (lambda a: K.round(a, -1), x * 30),
        (K.round, np.array([[0.5, 1.5, 2.5, -0.5, -1.5]])),
    )
    add("leaky_relu", (lambda a: K.leaky_relu(a, 0.1), LARGE))
    add("elu", (lambda a: K.elu(a, 0.3), LARGE))
    add("celu", (lambda a: K.celu(a, 0.3), LARGE))
    add("gelu", (lambda a: K.gelu(a, approximate=False), x), (lambda a: K.gelu(a, approximate=False), LARGE))
    add("squareplus", (lambda a: K.squareplus(a, 2), LARGE))
    add("hard_shrink", (lambda a: K.hard_shrink(a, 0.2), x))
    add("soft_shrink", (lambda a: K.soft_shrink(a, 0.2), x))
    add("threshold", (lambda a: K.threshold(a, 0.3, -1.0), x), (lambda a: K.threshold(a, 0.5, 2.0), EDGES))
    add("nan_to_num", (lambda a: K.nan_to_num(a, nan=1.0, posinf=2.0, neginf=-3.0), EDGES))
    add("logical_not", (K.logical_not, truth(3, 4)))
    add("cast", (lambda a: K.cast(a, "int32"), x * 3), (lambda a: K.cast(a, "bool"), LARGE), (lambda a: K.cast(a, "float32"), integers(3, 4)), (lambda a: K.cast(a, "uint8"), uniform(3, 4, high=200)))  # fmt: skip
    add(
        "saturate_cast",
        (lambda a: K.saturate_cast(a, "uint8"), x * 300),
        (lambda a: K.saturate_cast(a, "int8"), integers(3, 4, low=-900, high=900)),
    )
    add("array", (lambda a: K.array(a, "int32"), x * 5))
    add("view", (lambda a: K.view(a, "int32"), integers(3, 4)))
    for name in ("zeros_like", "ones_like"):
        f = getattr(K, name)
        add(name, (lambda a, f=f: f(a, dtype="int32"), x))
    add("full_like", (lambda a: K.full_like(a, 2.5), x), (lambda a: K.full_like(a, 3), integers(3, 4)))
    add(
        "clip",
        (lambda a: K.clip(a, -0.3, 0.4), x),
        (lambda a: K.clip(a, 0, 6), EDGES),
        (lambda a: K.clip(a, -1, 2), integers(3, 4)),
    )
    add("glu", (K.glu, x), (lambda a: K.glu(a, axis=1), normal(3, 4, 2)))
    for name in ("softmax", "log_softmax", "sparsemax"):
        f = getattr(K, name)
        add(name, (f, x), (lambda a, f=f: f(a, axis=1), cube), (f, TIES))
    for name in ("softmax", "log_softmax"):
        f = getattr(K, name)
        add(name, (f, LARGE))
    add("softmax", (lambda a: K.softmax(a, axis=(1, 2)), cube), (lambda a: K.softmax(a, axis=None), cube, FIXED))
    add("normalize", (K.normalize, x), (lambda a: K.normalize(a, axis=1, order=1), cube), (K.normalize, np.zeros((2, 3))), (lambda a: K.normalize(a, order=3), x))  # fmt: skip

    # two tensors of floats
    pairs = ((x, y), (x, y[:, :1]), (cube, normal(3, 1, 5, seed=3)))
    edges = (EDGES.repeat(6, 1), np.tile(EDGES, 6))
    for name in [
        "add",
        "subtract",
        "multiply",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "heaviside",
        "hypot",
        "logaddexp",
        "logaddexp2",
        "divide",
        "true_divide",
        "divide_no_nan",
        "arctan2",
        "fmod",
        "mod",
        "floor_divide",
        "equal",
        "not_equal",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "isclose",
        "nextafter",
    ]:
        f = getattr(K, name)
        own = edges
        if name in ("fmod", "mod", "floor_divide"):  # a quotient that no float holds leaves no rest
            own = tuple(np.where(np.abs(e) == 1e30, 1e6, np.where(e == 1e-30, 1e-6, e)) for e in edges)
        add(name, *((f, a, b) for a, b in pairs), (f, *own), (f, TIES, TIES[:, ::-1].copy()))
        add(name, (lambda a, f=f: f(a, 2.0), x))
    for name in [
        "add",
        "subtract",
        "multiply",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "mod",
        "fmod",
        "floor_divide",
        "divide",
        "equal",
        "not_equal",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "gcd",
        "lcm",
    ]:
        f = getattr(K, name)
        a, b = integers(3, 4), integers(3, 4, seed=1)
        if name in ("mod", "fmod", "floor_divide", "divide", "lcm", "gcd"):  # TensorFlow stops the process at a zero
            b = np.where(b == 0, 3, b).astype("int32")
        add(name, (f, a, b))
    add(
        "add",
        (lambda a: K.add(a, [1.0, 2.0, 3.0, 4.0]), x),
        (K.add, integers(3, 4), x),
        (K.add, truth(3, 4), integers(3, 4)),
    )
    for name in ("bitwise_invert", "bitwise_not"):
        add(name, (getattr(K, name), integers(3, 4)))
    for name in ("bitwise_left_shift", "left_shift", "bitwise_right_shift", "right_shift"):
        add(name, (getattr(K, name), integers(3, 4, low=0, high=90), integers(3, 4, low=0, high=5)), (getattr(K, name), integers(3, 4, low=-90), integers(3, 4, low=0, high=5)))  # fmt: skip
    for name in ("logical_and", "logical_or", "logical_xor"):
        add(
            name,
            (getattr(K, name), truth(3, 4), truth(3, 4, seed=1)),
            (getattr(K, name), x, LARGE[:1, :4].repeat(3, 0)),
        )
    add("power", (K.power, uniform(3, 4, high=3), y), (lambda a: K.power(a, 3), x), (lambda a: K.power(a, 0.5), uniform(3, 4)), (K.power, *edges), (K.power, integers(3, 4), integers(3, 4, low=0)))  # fmt: skip
    add("ldexp", (K.ldexp, x, integers(3, 4)), (K.ldexp, LARGE, integers(2, 6)))
    add("allclose", (K.allclose, x, x + 1e-7), (K.allclose, x, y))
    add("isclose", (lambda a, b: K.isclose(a, b, rtol=0.5, atol=0.1, equal_nan=True), *edges))
    add("isin", (lambda a: K.isin(a, [1, 2, -3]), integers(3, 4)), (lambda a: K.isin(a, [1.0, 2.0], invert=True), TIES))
    add("where", (K.where, truth(3, 4), x, y), (lambda c, a: K.where(c, a, 0.0), truth(3, 4), x), (lambda a: K.where(a > 0, a, -a), EDGES))  # fmt: skip
    add(
        "select",
        (lambda a: K.select([a > 0.5, a > 0], [a, a * 2], 7.0), x),
        (lambda a, b: K.select([a > 0, b > 0], [a, b]), x, y),
    )
    add("count_nonzero", (K.count_nonzero, TIES), (lambda a: K.count_nonzero(a, axis=1), TIES))

    # reductions
    for name in [
        "all",
        "any",
        "amax",
        "amin",
        "max",
        "min",
        "mean",
        "sum",
        "prod",
        "std",
        "var",
        "logsumexp",
        "median",
        "ptp",
        "argmax",
        "argmin",
        "nanmax",
        "nanmin",
        "nanmean",
        "nansum",
        "nanprod",
        "nanstd",
        "nanvar",
        "nanmedian",
        "nanargmax",
        "nanargmin",
        "average",
        "count_nonzero",
    ]:
        f = getattr(K, name)
        add(
            name,
            (f, cube),
            (lambda a, f=f: f(a, axis=1), cube),
            (lambda a, f=f: f(a, axis=-1), TIES),
            (lambda a, f=f: f(a, axis=0), x),
        )
        if name.startswith("nan"):
            add(
                name,
                (lambda a, f=f: f(a, axis=1), HOLES),
                (f, HOLES),
                (lambda a, f=f: f(a, axis=1), np.array([[NAN, NAN], [1.0, NAN]])),
            )
        if not name.startswith(("count", "average")):
            add(name, (lambda a, f=f: f(a, axis=1, keepdims=True), cube))
        if "arg" not in name and not name.startswith("average"):
            add(name, (lambda a, f=f: f(a, axis=(1, 2)), cube))
    for name in ["all", "any", "amax", "amin", "max", "min", "mean", "sum", "prod", "argmax", "argmin"]:
        f = getattr(K, name)
        add(name, (lambda a, f=f: f(a, axis=1), integers(3, 4)))
    for name in ["sum", "mean", "prod", "amax", "max", "argmax", "logsumexp", "std"]:
        f = getattr(K, name)
        add(name, (lambda a, f=f: f(a, axis=1), EDGES))
    add("argmax", (K.argmax, x))
    add("max", (lambda a: K.max(a, axis=1, initial=0.5), x))
    add("min", (lambda a: K.min(a, axis=1, initial=0.5), x))
    add("sum", (lambda a: K.sum(a, axis=1), truth(3, 4)), (lambda a: K.sum(a, axis=1), np.zeros((3, 0))))
    add("prod", (lambda a: K.prod(a, axis=1), TIES), (lambda a: K.prod(a, axis=1, dtype="float64"), x))
    add(
        "average",
        (lambda a, w: K.average(a, axis=1, weights=w), x, uniform(3, 4)),
        (lambda a: K.average(a, axis=1, weights=[1.0, 2.0, 3.0, 4.0]), x),
    )
    add("logsumexp", (lambda a: K.logsumexp(a, axis=1), LARGE))
    add(
        "moments",
        (lambda a: K.moments(a, axes=[1]), x),
        (lambda a: K.moments(a, axes=[1, 2], keepdims=True), cube),
        (lambda a: K.moments(a, axes=[0]), x),
    )
    add("norm", (K.norm, x), (lambda a: K.norm(a, axis=-1), x), (lambda a: K.norm(a, ord=1, axis=1), x), (lambda a: K.norm(a, ord=np.inf, axis=1), x), (lambda a: K.norm(a, ord="fro", axis=(1, 2)), cube), (lambda a: K.norm(a, ord=3, axis=1), x), (lambda a: K.norm(a, ord=0, axis=1), TIES), (lambda a: K.norm(a, ord=1, axis=(1, 2)), cube), (lambda a: K.norm(a, axis=-1), np.zeros((2, 3))))  # fmt: skip
    for name in ("percentile", "nanpercentile"):
        f = getattr(K, name)
        add(
            name,
            (lambda a, f=f: f(a, 30, axis=1), cube),
            (lambda a, f=f: f(a, [25, 50], axis=1), x),
            (lambda a, f=f: f(a, 40, axis=1, method="lower"), x),
        )
    for name in ("quantile", "nanquantile"):
        f = getattr(K, name)
        add(
            name,
            (lambda a, f=f: f(a, 0.3, axis=1), cube),
            (lambda a, f=f: f(a, [0.25, 0.5], axis=1), x),
            (lambda a, f=f: f(a, 0.4, axis=1, method="nearest"), x),
            (lambda a, f=f: f(a, 0.5), x),
        )
    for name in ("cumsum", "cumprod", "nancumsum", "nancumprod"):
        f = getattr(K, name)
        add(
            name,
            (lambda a, f=f: f(a, axis=1), cube),
            (f, x),
            # TensorFlow takes the derivative of a product with a zero in it for zero
            (lambda a, f=f: f(a, axis=1), TIES if "sum" in name else TIES + 1),
            (lambda a, f=f: f(a, axis=1), integers(3, 4)),
            (lambda a, f=f: f(a, axis=0), x),
        )
        if name.startswith("nan"):
            add(name, (lambda a, f=f: f(a, axis=1), HOLES))
    add("diff", (K.diff, x), (lambda a: K.diff(a, n=2, axis=1), cube))
    add(
        "trapezoid",
        (K.trapezoid, x),
        (lambda a: K.trapezoid(a, dx=0.5, axis=1), cube),
        (lambda a: K.trapezoid(a, x=[0.0, 1.0, 3.0, 4.0]), x),
    )
    add(
        "trace",
        (lambda a: K.trace(a, axis1=1, axis2=2), cube),
        (lambda a: K.trace(a, offset=1, axis1=1, axis2=2), cube),
    )
    add("psnr", (lambda a, b: K.psnr(a, b, 1.0), x, y))

    # moving and cutting
    add(
        "reshape",
        (lambda a: K.reshape(a, (-1, 2, 2)), x),
        (lambda a: K.reshape(a, (K.shape(a)[0], 20)), cube),
        (lambda a: K.reshape(a, (3, 5, 4)), cube, FIXED),
    )
    add(
        "broadcast_to",
        (lambda a: K.broadcast_to(a, (3, 2, 4)), normal(3, 1, 4), FIXED),
        (lambda a: K.broadcast_to(a, (2, 3, 4)), x, FIXED),
        (lambda a: K.broadcast_to(a, (K.shape(a)[0], 2, 4)), normal(3, 1, 4)),
    )
    add("expand_dims", (lambda a: K.expand_dims(a, 1), x), (lambda a: K.expand_dims(a, (1, -1)), x))
    add("squeeze", (lambda a: K.squeeze(a, 1), normal(3, 1, 4)), (lambda a: K.squeeze(a, -1), normal(3, 4, 1)))
    add("transpose", (lambda a: K.transpose(a, (0, 2, 1)), cube), (K.transpose, x))
    add("swapaxes", (lambda a: K.swapaxes(a, 1, 2), cube), (lambda a: K.swapaxes(a, 0, -1), x))
    add("moveaxis", (lambda a: K.moveaxis(a, 1, -1), cube), (lambda a: K.moveaxis(a, (1, 2), (2, 1)), cube))
    add("ravel", (K.ravel, x), (K.ravel, cube))
    add(
        "rot90",
        (lambda a: K.rot90(a, axes=(1, 2)), cube),
        (lambda a: K.rot90(a, k=2, axes=(1, 2)), cube),
        (lambda a: K.rot90(a, k=3, axes=(2, 1)), cube),
    )
    add("flip", (lambda a: K.flip(a, 1), cube), (K.flip, x))
    add("fliplr", (K.fliplr, x))
    add("flipud", (K.flipud, x))
    add(
        "roll",
        (lambda a: K.roll(a, 2, axis=1), cube),
        (lambda a: K.roll(a, -1, axis=2), cube),
        (lambda a: K.roll(a, (1, 2), axis=(1, 2)), cube),
        (lambda a: K.roll(a, 3), x),
    )
    add(
        "concatenate",
        (lambda a, b: K.concatenate([a, b], axis=1), x, y),
        (lambda a, b: K.concatenate([a, b], axis=-1), cube, cube * 2),
        (lambda a, b: K.concatenate([a, b]), x, y),
    )
    add("append", (lambda a, b: K.append(a, b, axis=1), x, y), (K.append, x, y))
    for name in ("hstack", "vstack", "dstack"):
        f = getattr(K, name)
        add(name, (lambda a, b, f=f: f([a, b]), x, y))
    add(
        "stack",
        (lambda a, b: K.stack([a, b], axis=1), x, y),
        (lambda a, b: K.stack([a, b], axis=-1), x, y),
        (lambda a, b: K.stack([a, b]), x, y),
    )
    add("split", (lambda a: K.split(a, 2, axis=1), x), (lambda a: K.split(a, [1, 3], axis=2), cube))
    add("array_split", (lambda a: K.array_split(a, 3, axis=2), cube), (lambda a: K.array_split(a, 2, axis=1), x))
    add("hsplit", (lambda a: K.hsplit(a, 2), x))
    add("vsplit", (lambda a: K.vsplit(a, 3), x, FIXED))
    add("dsplit", (lambda a: K.dsplit(a, [2, 3]), cube))
    add("unstack", (lambda a: K.unstack(a, axis=1), x), (lambda a: K.unstack(a, axis=-1), cube))
    add(
        "repeat",
        (lambda a: K.repeat(a, 2, axis=1), x),
        (lambda a: K.repeat(a, [1, 2, 0, 3], axis=1), x),
        (lambda a: K.repeat(a, 2), x),
    )
    add(
        "tile",
        (lambda a: K.tile(a, (1, 2)), x),
        (lambda a: K.tile(a, (1, 2, 3)), cube),
        (lambda a: K.tile(a, (2, 1)), x),
    )
    add("pad", (lambda a: K.pad(a, ((0, 0), (1, 2))), x), (lambda a: K.pad(a, ((0, 0), (1, 2)), constant_values=3.0), x), (lambda a: K.pad(a, ((0, 0), (1, 2)), mode="reflect"), x), (lambda a: K.pad(a, ((0, 0), (1, 2)), mode="symmetric"), x))  # fmt: skip
    add(
        "get_item",
        (lambda a: K.get_item(a, (slice(None), slice(1, 3))), x),
        (lambda a: a[:, ::-1, None, 1], cube),
        (lambda a: a[..., -1], cube),
        (lambda a: a[:, ::2], cube),
        (lambda a: a[1:], x),
    )
    add("slice", (lambda a: K.slice(a, (0, 1), (3, 2)), x, FIXED), (lambda a: K.slice(a, (0, 1, 2), (2, 2, 3)), cube))
    add(
        "slice_update",
        (lambda a, b: K.slice_update(a, (0, 1), b), x, normal(3, 2), FIXED),
        (lambda a, b: K.slice_update(a, (1, 2, 2), b), cube, normal(2, 1, 2), FIXED),
    )
    add(
        "scatter_update",
        (lambda a, b: K.scatter_update(a, [[0, 1], [2, 3], [1, 0]], b), x, normal(3), FIXED),
        (lambda a: K.scatter_update(a, [[0, 1], [0, 1]], [1.0, 1.0]), x, FIXED),
        (lambda a, b: K.scatter_update(a, [[0, 1], [0, 1], [1, 1]], b, reduction="add"), x, normal(3), FIXED),
    )
    add(
        "scatter",
        (lambda b: K.scatter([[0, 1], [2, 3], [1, 0]], b, (3, 4)), normal(3), FIXED),
        (lambda b: K.scatter([[1], [1], [0]], b, (3, 4)), x, FIXED),
    )
    add("take", (lambda a: K.take(a, [0, 2], axis=1), x), (lambda a: K.take(a, [-1, 0], axis=1), x), (lambda a, i: K.take(a, i, axis=0), x, integers(3, 2, low=0, high=3)), (lambda a: K.take(a, [0, 5, 7]), x), (lambda i: K.take(np.arange(12.0, dtype="float32").reshape(4, 3), i, axis=0), integers(3, 2, low=-4, high=4)))  # fmt: skip
    add("take_along_axis", (lambda a, i: K.take_along_axis(a, i, axis=1), x, integers(3, 2, low=0, high=4)), (lambda a, i: K.take_along_axis(a, i, axis=1), x, integers(3, 2, low=-4, high=4)), (lambda a, i: K.take_along_axis(a, i, axis=-1), cube, integers(3, 4, 2, low=0, high=5)), (lambda a, i: K.take_along_axis(a, i), x, integers(6, low=0, high=12)))  # fmt: skip
    add("diag", (K.diag, normal(4), FIXED), (lambda a: K.diag(a, k=1), normal(4), FIXED), (K.diag, normal(4, 4), FIXED))
    add("diagflat", (K.diagflat, normal(4), FIXED), (lambda a: K.diagflat(a, k=-1), normal(2, 2), FIXED))
    add(
        "diagonal",
        (lambda a: K.diagonal(a, axis1=1, axis2=2), cube),
        (lambda a: K.diagonal(a, offset=1, axis1=1, axis2=2), cube),
        (K.diagonal, x, FIXED),
    )
    add("tril", (K.tril, cube), (lambda a: K.tril(a, 1), cube), (lambda a: K.tril(a, -1), cube))
    add("triu", (K.triu, cube), (lambda a: K.triu(a, 1), cube), (lambda a: K.triu(a, -1), integers(3, 4, 4)))
    add(
        "rearrange",
        (lambda a: K.rearrange(a, "b h w -> b w h"), cube),
        (lambda a: K.rearrange(a, "b (h k) c -> b h (k c)", k=2), cube),
        (lambda a: K.rearrange(a, "b h w -> (b h) w"), cube),
    )
    add(
        "depth_to_space",
        (lambda a: K.depth_to_space(a, 2), normal(2, 3, 2, 8)),
        (lambda a: K.depth_to_space(a, 2, data_format="channels_first"), normal(2, 8, 3, 2)),
    )
    add(
        "space_to_depth",
        (lambda a: K.space_to_depth(a, 2), normal(2, 4, 6, 3)),
        (lambda a: K.space_to_depth(a, 2, data_format="channels_first"), normal(2, 3, 4, 6)),
    )
    add(
        "unfold",
        (lambda a: K.unfold(a, 2), normal(2, 3, 4, 5)),
        (lambda a: K.unfold(a, 2, dilation=2, padding=1, stride=2), normal(2, 3, 6, 5)),
    )
    add(
        "fold",
        (lambda a: K.fold(a, (4, 5), 2), normal(2, 12, 12)),
        (lambda a: K.fold(a, (4, 4), 2, stride=2), normal(2, 12, 4)),
    )
    add("extract_sequences", (lambda a: K.extract_sequences(a, 4, 2), normal(2, 10)))
    add(
        "meshgrid",
        (lambda a: K.meshgrid(a, K.arange(3.0)), normal(4), FIXED),
        (lambda a: K.meshgrid(a, a, indexing="ij"), normal(4)),
    )
    add("view_as_real", (lambda a: K.view_as_real(K.view_as_complex(a)), normal(3, 4, 2)))
    add("view_as_complex", (lambda a: K.view_as_real(K.view_as_complex(a) * 2), normal(3, 4, 2)))
    add("polar", (lambda a, b: K.real(K.polar(a, b)), uniform(3, 4), x))

    # sorting
    for name in ("sort", "argsort"):
        f = getattr(K, name)
        add(
            name,
            (f, x),
            (lambda a, f=f: f(a, axis=1), cube),
            (f, TIES),
            (f, integers(3, 4)),
            (lambda a, f=f: f(a, axis=0), x),
            (f, EDGES[1:]),
            (lambda a, f=f: f(a, axis=None), x),
        )
    add(
        "top_k",
        (lambda a: K.top_k(a, 2), x),
        (lambda a: K.top_k(a, 3), TIES),
        (lambda a: K.top_k(a, 1, sorted=False), x),
    )
    add("argpartition", (lambda a: K.take_along_axis(a, K.argpartition(a, 0, axis=1)[:, :1], axis=1), x))
    add(
        "in_top_k",
        (lambda t, p: K.in_top_k(t, p, 2), integers(3, low=0, high=4), x),
        (lambda t, p: K.in_top_k(t, p, 1), integers(2, low=0, high=4), TIES),
    )
    add(
        "searchsorted",
        (lambda v: K.searchsorted([0.0, 0.5, 1.0], v), x.ravel(), FIXED),
        (lambda v: K.searchsorted([0.0, 1.0, 1.0, 2.0], v, side="right"), TIES.ravel(), FIXED),
        (lambda s, v: K.searchsorted(s, v), np.array([-1.0, 0.0, 0.0, 2.0]), TIES.ravel(), FIXED),
    )
    add(
        "digitize",
        (lambda a: K.digitize(a, [0.0, 0.5, 1.0]), x),
        (lambda a: K.digitize(a, [0.0, 1.0, 2.0]), TIES),
        (lambda a: K.digitize(a, [0, 2]), integers(3, 4)),
    )
    add(
        "histogram",
        (lambda a: K.histogram(a, bins=4, range=(-2, 2)), normal(12), FIXED),
        (lambda a: K.histogram(a, bins=3), TIES.ravel(), FIXED),
    )
    add("unique", (K.unique, integers(8), FIXED), (lambda a: K.unique(a, size=12, fill_value=0), integers(8), FIXED))
    add("nonzero", (K.nonzero, TIES))
    add(
        "bincount",
        (lambda a: K.bincount(a, minlength=6), integers(3, 4, low=0, high=6)),
        (lambda a, w: K.bincount(a, weights=w, minlength=8), integers(3, 4, low=0, high=6), uniform(3, 4)),
    )
    for name in ("segment_sum", "segment_max", "segment_min", "segment_prod"):
        f = getattr(K, name)
        ids = np.array([0, 2, 2, 0, 3], np.int32)
        add(
            name,
            (lambda d, i, f=f: f(d, i, num_segments=5), normal(5, 3), ids),
            (lambda d, f=f: f(d, np.array([0, 0, 1, 2, 2]), num_segments=3), normal(5, 3), FIXED),
            (lambda d, i, f=f: f(d, i, num_segments=4), np.ones((5, 3)), ids),
        )
    add(
        "one_hot",
        (lambda i: K.one_hot(i, 4), integers(3, 2, low=0, high=4)),
        (lambda i: K.one_hot(i, 4, axis=1), integers(3, 2, low=-2, high=6)),
        (lambda i: K.one_hot(i, 4, dtype="int32"), integers(3, low=0, high=4)),
    )
    add(
        "multi_hot",
        (lambda i: K.multi_hot(i, 6), integers(3, 2, low=0, high=6)),
        (lambda i: K.multi_hot(i, 6), integers(3, 4, low=-1, high=7)),
    )
    add("unravel_index", (lambda i: K.unravel_index(i, (3, 4)), integers(5, low=0, high=12)))
    add("vander", (K.vander, normal(4), FIXED), (lambda a: K.vander(a, N=3, increasing=True), normal(4)))

    # products
    add(
        "matmul",
        (K.matmul, cube, normal(3, 5, 2)),
        (lambda a: K.matmul(a, normal(4, 2).astype("float32")), x),
        (K.matmul, integers(3, 2, 4), integers(3, 4, 2)),
        (K.matmul, normal(3, 2, 4), normal(4)),
    )
    add(
        "dot",
        (lambda a: K.dot(a, normal(4, 2).astype("float32")), x),
        (lambda a: K.dot(a, 2.0), x),
        (K.dot, x, normal(4)),
    )
    add("inner", (K.inner, x, y, FIXED), (K.inner, x, normal(4)))
    add("outer", (K.outer, normal(3), normal(4), FIXED), (K.outer, x, y))
    add("vdot", (K.vdot, x, y))
    add(
        "tensordot",
        (lambda a: K.tensordot(a, normal(5, 2).astype("float32"), axes=1), cube),
        (lambda a, b: K.tensordot(a, b, axes=[[1, 2], [0, 1]]), cube, normal(4, 5, 2)),
        (lambda a: K.tensordot(a, a, axes=[[0], [0]]), x),
    )
    add("einsum", (lambda a, b: K.einsum("bij,bjk->bik", a, b), cube, normal(3, 5, 2)), (lambda a: K.einsum("bij->bji", a), cube), (lambda a: K.einsum("b...i->b...", a), cube), (lambda a: K.einsum("bii->bi", a), normal(3, 4, 4)), (lambda a: K.einsum("bij,bik->bjk", a, a), cube))  # fmt: skip
    add("kron", (K.kron, x, normal(2, 3), FIXED), (lambda a: K.kron(a, np.eye(2, dtype="float32")), x))
    add("cross", (K.cross, normal(4, 3), normal(4, 3, seed=1)), (lambda a: K.cross(a, [1.0, 2.0, 3.0]), normal(4, 3)))
    add("correlate", (lambda a: K.correlate(a, [1.0, 2.0, 0.5]), normal(6), FIXED), (lambda a: K.correlate(a, [1.0, 2.0, 0.5], mode="full"), normal(6), FIXED), (lambda a: K.correlate(a, [1.0, 2.0, 0.5], mode="same"), normal(6), FIXED))  # fmt: skip
    add("corrcoef", (K.corrcoef, x), (K.corrcoef, normal(4, 6), FIXED))
    add("cdist", (K.cdist, normal(2, 3, 4), normal(2, 5, 4)), (K.cdist, x, normal(5, 4)))
    mean, variance = normal(3).astype("float32"), uniform(3).astype("float32")
    add(
        "batch_normalization",
        (lambda a: K.batch_normalization(a, mean, variance, -1), image),
        (
            lambda a: K.batch_normalization(a, mean, variance, 1, offset=mean, scale=variance, epsilon=0.1),
            normal(2, 3, 5),
        ),
    )
    add(
        "layer_normalization",
        (K.layer_normalization, x),
        (
            lambda a: K.layer_normalization(
                a, gamma=np.ones(4, "float32") * 2, beta=np.ones(4, "float32"), epsilon=1e-3
            ),
            x,
        ),
        (lambda a: K.layer_normalization(a, axis=(1, 2)), cube),
    )
    add(
        "rms_normalization",
        (K.rms_normalization, x),
        (lambda a: K.rms_normalization(a, scale=np.ones(4, "float32") * 2), x),
        (lambda a: K.rms_normalization(a, axis=(1, 2)), cube),
    )
    q, k, v = normal(2, 3, 2, 4), normal(2, 5, 2, 4), normal(2, 5, 2, 4, seed=2)
    add("dot_product_attention", (K.dot_product_attention, q, k, v), (lambda a, b, c: K.dot_product_attention(a, b, c, scale=0.3, is_causal=True), q, q * 2, q + 1), (lambda a, b, c, m: K.dot_product_attention(a, b, c, mask=m), q, k, v, truth(2, 1, 3, 5) | True), (lambda a, b, c, m: K.dot_product_attention(a, b, c, bias=m), q, k, v, normal(2, 2, 3, 5)))  # fmt: skip

    # images and signals
    kernel = normal(3, 2, 3, 4).astype("float32")
    add("conv", (lambda a: K.conv(a, kernel, 2, "same"), image), (lambda a: K.conv(a, kernel, 1, "valid", "channels_last"), image), (lambda a: K.conv(a, normal(2, 3, 4).astype("float32"), 1, "same", dilation_rate=2), normal(2, 7, 3)), (lambda a: K.conv(a, normal(2, 2, 2, 3, 4).astype("float32"), 2, "same"), normal(2, 4, 5, 6, 3)))  # fmt: skip
    flat = normal(3, 2, 4, 3).astype("float32")
    add(
        "conv_transpose",
        (lambda a: K.conv_transpose(a, flat, 2, "same"), image),
        (lambda a: K.conv_transpose(a, flat, 2, "valid"), image),
        (lambda a: K.conv_transpose(a, normal(3, 4, 3).astype("float32"), 2, "same"), normal(2, 5, 3)),
    )
    deep = normal(3, 2, 3, 2).astype("float32")
    add(
        "depthwise_conv",
        (lambda a: K.depthwise_conv(a, deep, 1, "same"), image),
        (lambda a: K.depthwise_conv(a, deep, 2, "valid"), image),
        (lambda a: K.depthwise_conv(a, normal(3, 3, 2).astype("float32"), 1, "same"), normal(2, 7, 3)),
    )
    add(
        "separable_conv",
        (lambda a: K.separable_conv(a, deep, normal(1, 1, 6, 4).astype("float32"), 1, "same"), image),
        (
            lambda a: K.separable_conv(
                a, normal(3, 3, 2).astype("float32"), normal(1, 6, 4).astype("float32"), 1, "valid"
            ),
            normal(2, 7, 3),
        ),
    )
    for name in ("max_pool", "average_pool"):
        f = getattr(K, name)
        add(
            name,
            (lambda a, f=f: f(a, 2), image),
            (lambda a, f=f: f(a, (3, 2), 2, "same"), image),
            (lambda a, f=f: f(a, 2, 1, "same"), normal(2, 7, 3)),
            (lambda a, f=f: f(a, 2, 1, "same"), normal(2, 4, 5, 3, 2)),
        )
    for name in ("adaptive_average_pool", "adaptive_max_pool"):
        f = getattr(K, name)
        add(
            name,
            (lambda a, f=f: f(a, (3, 2)), image),
            (lambda a, f=f: f(a, 3), normal(2, 7, 3)),
            (lambda a, f=f: f(a, 2), normal(2, 5, 5, 3)),
        )
    add("rfft", (K.rfft, normal(2, 8)))
    add("irfft", (lambda a: K.irfft(K.rfft(a)), normal(2, 8)))
    add("fft", (lambda a: K.fft((a, a * 0)), normal(2, 8)))
    add("fft2", (lambda a: K.fft2((a, a * 2)), normal(2, 4, 6)))
    add("ifft2", (lambda a: K.ifft2((a, a * 2)), normal(2, 4, 6)))
    add(
        "stft",
        (lambda a: K.stft(a, 8, 4, 8), normal(2, 32)),
        (lambda a: K.stft(a, 8, 4, 8, center=False), normal(2, 32)),
    )
    add("istft", (lambda a: K.istft(K.stft(a, 8, 4, 8), 8, 4, 8), normal(2, 32)))

    # losses
    p, one = uniform(3, 4), np.eye(4)[[0, 2, 3]]
    add(
        "binary_crossentropy",
        (K.binary_crossentropy, one, p),
        (lambda t, o: K.binary_crossentropy(t, o, from_logits=True), one, x),
        (K.binary_crossentropy, one, np.round(p)),
    )
    soft = p / p.sum(1, keepdims=True)
    add(
        "categorical_crossentropy",
        (K.categorical_crossentropy, one, soft),
        (lambda t, o: K.categorical_crossentropy(t, o, from_logits=True), one, x),
        (lambda t, o: K.categorical_crossentropy(t, o, axis=1), one, soft),
    )
    add(
        "sparse_categorical_crossentropy",
        (K.sparse_categorical_crossentropy, integers(3, low=0, high=4), soft),
        (lambda t, o: K.sparse_categorical_crossentropy(t, o, from_logits=True), integers(3, low=0, high=4), x),
    )
    add(
        "ctc_loss",
        (
            lambda o: K.ctc_loss(np.array([[1, 2], [2, 1]]), o, np.array([2, 2]), np.array([5, 4])),
            normal(2, 5, 4),
            FIXED,
        ),
    )
    add("ctc_decode", (lambda o: K.ctc_decode(o, np.array([5, 4])), normal(2, 5, 4), FIXED))

    # linear algebra
    square = _positive()
    for name in ("cholesky", "det", "inv", "logdet", "slogdet", "qr", "lu_factor", "eigh", "eig", "svd", "pinv", "matrix_rank", "cholesky_inverse"):  # fmt: skip
        add(name, (getattr(K, name), square))
    add("solve", (K.solve, square, normal(3, 3, 2)))
    add("solve_triangular", (lambda a, b: K.solve_triangular(a, b, lower=True), np.tril(square), normal(3, 3, 2)))
    add("lstsq", (lambda a, b: K.lstsq(a, b), normal(4, 3), normal(4, 2), FIXED))

    # made of numbers alone: as a summand
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        f = getattr(K, name)
        add(name, (lambda a, f=f: a * K.cast(f(4), a.dtype), x))
    add("kaiser", (lambda a: a * K.cast(K.kaiser(4, 2.0), a.dtype), x))
    add(
        "arange",
        (lambda a: a + K.arange(4, dtype=a.dtype), x),
        (lambda a: K.cast(K.arange(K.shape(a)[0]), a.dtype)[:, None] * a, x),
        (lambda a: K.arange(1, 9, 2), x),
    )
    add(
        "linspace",
        (lambda a: a + K.linspace(0.0, 1.0, 4), x),
        (lambda a: K.linspace(a, a + 2, 3, axis=-1), x),
        (lambda a: K.linspace(a, a * 2, 3, endpoint=False, axis=1), x),
    )
    add("logspace", (lambda a: a + K.logspace(0.0, 1.0, 4), x), (lambda a: K.logspace(a, a + 1, 3, axis=-1), x))
    add(
        "geomspace",
        (lambda a: a + K.geomspace(1.0, 8.0, 4), x),
        (lambda a: K.geomspace(a, a * 4, 3), uniform(3, 4), FIXED),
    )
    add("eye", (lambda a: K.matmul(a, K.eye(4, 3, k=1, dtype=a.dtype)), x))
    add("identity", (lambda a: K.matmul(a, K.identity(4, dtype=a.dtype)), x))
    add("tri", (lambda a: a * K.tri(3, 4, k=1, dtype=a.dtype), x, FIXED))
    add(
        "full",
        (lambda a: a + K.full((4,), 2.5, dtype=a.dtype), x),
        (lambda a: a * K.full((K.shape(a)[0], 4), 2.0, dtype=a.dtype), x),
    )
    add(
        "ones",
        (lambda a: a + K.ones((4,), dtype=a.dtype), x),
        (lambda a: K.concatenate([a, K.ones((K.shape(a)[0], 1), dtype=a.dtype)], axis=1), x),
    )
    add("zeros", (lambda a: a * K.zeros((4,), dtype=a.dtype), x))
    add("size", (lambda a: a * K.cast(K.size(a), a.dtype), x), (lambda a: a / K.cast(K.size(a), a.dtype), x, FIXED))

    # control flow
    add(
        "cond",
        (lambda a: K.cond(K.sum(a) > 0, lambda: a * 2, lambda: a - 1), x),
        (lambda a: K.cond(True, lambda: a * 2, lambda: a - 1), x),
    )
    add("switch", (lambda a: K.switch(1, [lambda b: b * 2, lambda b: b - 1], a), x))
    add("fori_loop", (lambda a: K.fori_loop(0, 3, lambda i, b: b * 2 + 1, a), x))
    add("while_loop", (lambda a: K.while_loop(lambda i, b: i < 3, lambda i, b: (i + 1, b * 2), (0, a))[1], x))
    add("map", (lambda a: K.map(lambda b: b * 2 + 1, a), x, FIXED))
    add("vectorized_map", (lambda a: K.vectorized_map(lambda b: K.sum(b) * b, a), x))
    add("scan", (lambda a: K.scan(lambda c, b: (c + b, c * b), K.zeros((4,), dtype=a.dtype), a)[1], x, FIXED))
    add("associative_scan", (lambda a: K.associative_scan(lambda b, c: b + c, a, axis=1), x))

    # images
    images: Any = K.image
    photo = uniform(2, 6, 5, 3)
    for method in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        add(
            "image.resize",
            (lambda a, m=method: images.resize(a, (9, 7), interpolation=m), photo),
            (lambda a, m=method: images.resize(a, (3, 4), interpolation=m), photo),
        )
    add("image.resize", (lambda a: images.resize(a, (3, 4), antialias=True), photo))
    add("image.rgb_to_grayscale", (images.rgb_to_grayscale, photo))
    add("image.rgb_to_hsv", (images.rgb_to_hsv, photo))
    add("image.hsv_to_rgb", (images.hsv_to_rgb, photo))
    add(
        "image.pad_images",
        (lambda a: images.pad_images(a, 1, 2, 2, 1), photo),
        (lambda a: images.pad_images(a, 1, 2, target_height=9, target_width=9), photo),
    )
    add("image.crop_images", (lambda a: images.crop_images(a, 1, 1, 2, 1), photo))
    add(
        "image.extract_patches",
        (lambda a: images.extract_patches(a, 2), photo),
        (lambda a: images.extract_patches(a, (3, 2), strides=1, padding="same"), photo),
        (lambda a: images.extract_patches(a, 2, strides=1, dilation_rate=2), photo),
    )
    add("image.extract_patches_3d", (lambda a: images.extract_patches_3d(a, 2), normal(2, 4, 4, 4, 2)))
    add(
        "image.affine_transform",
        (
            lambda a: images.affine_transform(a, np.array([[1.0, 0.1, 0.5, -0.1, 1.0, 0.2, 0, 0]] * 2, "float32")),
            photo,
            FIXED,
        ),
        (
            lambda a: images.affine_transform(
                a, np.array([[1.0, 0.1, 0.5, -0.1, 1.0, 0.2, 0, 0]] * 2, "float32"), interpolation="nearest"
            ),
            photo,
            FIXED,
        ),
    )
    corners = np.array([[[0, 0], [0, 4], [5, 0], [5, 4]]] * 2, "float32")
    add(
        "image.perspective_transform", (lambda a: images.perspective_transform(a, corners, corners + 0.5), photo, FIXED)
    )
    add("image.gaussian_blur", (lambda a: images.gaussian_blur(a, (3, 3), (1.0, 1.0)), photo))
    add(
        "image.map_coordinates",
        (lambda a: images.map_coordinates(a, [[0.5, 1.2], [1.0, 2.5]], 1), normal(4, 5), FIXED),
        (lambda a: images.map_coordinates(a, [[0.5, 1.2], [1.0, 2.5]], 0), normal(4, 5), FIXED),
    )
    add(
        "image.scale_and_translate",
        (lambda a: images.scale_and_translate(a, (2, 8, 8, 3), [2.0, 1.5], [0.5, 0.2], (1, 2), "linear"), photo, FIXED),
    )
    add("image.sobel_edges", (images.sobel_edges, photo))
    add("image.ssim", (images.ssim, uniform(2, 12, 13, 3), uniform(2, 12, 13, 3, seed=1)))
    return rows
