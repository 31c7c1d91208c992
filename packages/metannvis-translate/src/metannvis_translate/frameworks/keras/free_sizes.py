"""Free sizes: what a ``call`` computes from sizes that its model leaves free, as operations of the graph it is traced to.

``keras.ops.shape`` gives ``None`` for such a size where a graph is made, and a number where it runs. Code that works with the
number (``ops.arange(steps)``, ``ops.broadcast_to(token, (batch, 1, width))``) can be run by Keras in both its ways, and be
traced in neither. Here the size is a symbolic scalar, and what takes it for a shape takes it as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from math import prod
from typing import Any

from metannvis_translate.frameworks.keras.float64 import asked
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process.patches import patched

__all__ = ["free_sizes_as_tensors", "size_class", "sized_class"]

Shape = tuple[int | None, ...]


def _is_symbolic(x: Any) -> bool:
    return isinstance(x, require("keras").KerasTensor)


@cache
def size_class() -> type:
    """The operation: a size of a tensor along ``axis``, a scalar."""
    keras = require("keras")
    base: Any = keras.Operation

    class SizeOf(base):
        def __init__(self, axis: int) -> None:
            super().__init__()
            self.axis = axis

        def call(self, x: Any) -> Any:
            return keras.ops.convert_to_tensor(keras.ops.shape(x)[self.axis], dtype="int32")

        def compute_output_spec(self, x: Any) -> Any:
            size = keras.KerasTensor((), dtype="int32")
            size.source = (x, self.axis)
            return size

    SizeOf.__qualname__ = "SizeOf"
    return SizeOf


@cache
def sized_class() -> type:
    """The operation: a function of ``keras.ops`` on ``x`` that is given ``sizes``, numbers and scalars, as its arguments."""
    base: Any = require("keras").Operation

    class Sized(base):
        def __init__(self, function: str, **options: Any) -> None:
            super().__init__()
            self.function, self.options = function, options

        def call(self, x: Any, sizes: Sequence[Any]) -> Any:
            return _RUN[self.function](x, list(sizes), **self.options)

        def compute_output_spec(self, x: Any, sizes: Sequence[Any]) -> Any:
            keras = require("keras")
            shape, dtype = _SPECS[self.function](x, list(sizes), **self.options)
            return keras.KerasTensor(shape, dtype=dtype or keras.backend.standardize_dtype(x.dtype))

    Sized.__qualname__ = "Sized"
    return Sized


# --- what the functions compute, and the shapes of it -------------------------------------------------------------------------


def _known(sizes: Sequence[Any]) -> Shape:
    return tuple(None if _is_symbolic(size) or size is None else int(size) for size in sizes)


def _reshaped(x: Any, sizes: list[Any]) -> tuple[Shape, Any]:
    shape = list(_known(sizes))
    if -1 in shape:
        shape[shape.index(-1)] = _rest(x, sizes)
    return tuple(shape), None


def _rest(x: Any, sizes: Sequence[Any]) -> int | None:
    """The size for which -1 stands, where the free ones among the others are just those of ``x``."""
    free = [axis for axis, size in enumerate(x.shape) if size is None]
    sources = [getattr(size, "source", None) for size in sizes if _is_symbolic(size)]
    taken = [source[1] for source in sources if source is not None and source[0] is x]
    if sorted(taken) != free or len(taken) != len(sources):
        return None
    left = prod(int(size) for size in sizes if not _is_symbolic(size) and size != -1)
    return prod(size for size in x.shape if size is not None) // left if left else None


def _full(x: Any, sizes: list[Any], dtype: Any) -> tuple[Shape, Any]:
    return _known(sizes), dtype


def _arange(x: Any, sizes: list[Any], dtype: Any) -> tuple[Shape, Any]:
    return (None,), dtype


def _sliced(x: Any, sizes: list[Any]) -> tuple[Shape, Any]:
    lengths = _known(sizes[len(sizes) // 2 :])
    return tuple(None if length == -1 else length for length in lengths), None


def _padded(x: Any, sizes: list[Any], **options: Any) -> tuple[Shape, Any]:
    widths = _known(sizes)
    pairs = zip(x.shape, widths[::2], widths[1::2], strict=True)
    return tuple(None if None in pair else sum(size for size in pair if size is not None) for pair in pairs), None


def _tiled(x: Any, sizes: list[Any]) -> tuple[Shape, Any]:
    shape = [1] * (len(sizes) - len(x.shape)) + list(x.shape)
    times = [1] * (len(shape) - len(sizes)) + list(_known(sizes))
    return tuple(None if a is None or b is None else a * b for a, b in zip(shape, times, strict=True)), None


def _item_key(sizes: Sequence[Any], key: Sequence[Any]) -> tuple[Any, ...]:
    """An index whose numbers are places in ``sizes``."""

    def number(place: Any) -> Any:
        return None if place is None else sizes[place]

    return tuple(
        slice(*map(number, k))
        if isinstance(k, tuple)
        else sizes[k]
        if isinstance(k, int)
        else None
        if k == "new"
        else ...
        for k in key
    )


def _item(x: Any, sizes: list[Any], key: Sequence[Any]) -> tuple[Shape, Any]:
    keras = require("keras")
    numbers = [0 if _is_symbolic(size) else size for size in sizes]
    spec = keras.KerasTensor(x.shape, dtype=x.dtype)[_item_key(numbers, key)]
    shape, place, axis = list(spec.shape), 0, 0
    taken = sum(k not in ("new", "rest") for k in key)
    for k in key:
        if k == "rest":
            place, axis = place + len(x.shape) - taken, axis + len(x.shape) - taken
            continue
        if isinstance(k, tuple) and any(p is not None and _is_symbolic(sizes[p]) for p in k):
            shape[place] = None
        place += not isinstance(k, int)
        axis += k != "new"
    return tuple(shape), None


def _run_item(x: Any, sizes: list[Any], key: Sequence[Any]) -> Any:
    return x[_item_key(sizes, key)]


def _ops(name: str) -> Callable[..., Any]:
    return lambda x, sizes: getattr(require("keras").ops, name)(x, sizes)


def _run_slice(x: Any, sizes: list[Any]) -> Any:
    half = len(sizes) // 2
    return require("tensorflow").slice(x, sizes[:half], sizes[half:])


def _run_pad(x: Any, sizes: list[Any], mode: str, fill: Any) -> Any:
    pairs = list(zip(sizes[::2], sizes[1::2], strict=True))
    return require("tensorflow").pad(x, pairs, mode=mode.upper(), constant_values=0 if fill is None else fill)


def _run_arange(x: Any, sizes: list[Any], dtype: Any) -> Any:
    return require("keras").ops.arange(*sizes, dtype=dtype)


def _run_full(x: Any, sizes: list[Any], dtype: Any) -> Any:
    return require("keras").ops.full(sizes, x, dtype=dtype)


_RUN: dict[str, Callable[..., Any]] = {
    "reshape": _ops("reshape"),
    "broadcast_to": _ops("broadcast_to"),
    "tile": _ops("tile"),
    "slice": _run_slice,
    "arange": _run_arange,
    "full": _run_full,
    "getitem": _run_item,
    "pad": _run_pad,
}
_SPECS: dict[str, Callable[..., tuple[Shape, Any]]] = {
    "reshape": _reshaped,
    "broadcast_to": lambda x, sizes: (_known(sizes), None),
    "tile": _tiled,
    "slice": _sliced,
    "arange": _arange,
    "full": _full,
    "getitem": _item,
    "pad": _padded,
}


# --- in the place of the functions of keras.ops -------------------------------------------------------------------------------


def _flat(sizes: Any) -> list[Any]:
    return list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]


def _any(*values: Any) -> bool:
    return any(_is_symbolic(value) for value in require("keras").tree.flatten(values))


def _sized(function: str, x: Any, sizes: Sequence[Any], **options: Any) -> Any:
    return sized_class()(function, **options).symbolic_call(x, list(sizes))


def _shape(theirs: Any, x: Any) -> Any:
    if not _is_symbolic(x):
        return theirs(x)
    known = vars(x).setdefault("_metannvis_sizes", {})
    for axis, size in enumerate(x.shape):
        if size is None and axis not in known:
            known[axis] = size_class()(axis).symbolic_call(x)
    return tuple(known[axis] if size is None else size for axis, size in enumerate(x.shape))


def _reshape(theirs: Any, x: Any, newshape: Any) -> Any:
    return _sized("reshape", x, _flat(newshape)) if _any(newshape) else theirs(x, newshape)


def _broadcast_to(theirs: Any, x: Any, shape: Any) -> Any:
    if not _any(shape):
        return theirs(x, shape)
    shape = _flat(shape)
    if _is_symbolic(x) and len(x.shape) == len(shape) and all(map(_is_size_of(x), shape, range(len(shape)))):
        return x
    return _sized("broadcast_to", x, shape)


def _is_size_of(x: Any) -> Callable[[Any, int], bool]:
    return lambda size, axis: _source(size) == (id(x), axis) if _is_symbolic(size) else x.shape[axis] == size


def _source(size: Any) -> tuple[int, int] | None:
    source = getattr(size, "source", None)
    return None if source is None else (id(source[0]), source[1])


def _tile(theirs: Any, x: Any, repeats: Any) -> Any:
    return _sized("tile", x, _flat(repeats)) if _any(repeats) else theirs(x, repeats)


def _repeat(theirs: Any, x: Any, repeats: Any, axis: int | None = None) -> Any:
    if not _any(repeats):
        return theirs(x, repeats, axis=axis)
    ops = require("keras").ops
    if axis is None:
        x, axis = ops.reshape(x, (-1,)), 0
    axis %= len(x.shape)
    sizes = ops.shape(x)
    times = [1] * (len(sizes) + 1)
    times[axis + 1] = repeats
    y = _sized("tile", ops.expand_dims(x, axis + 1), times)
    return _sized("reshape", y, [*sizes[:axis], sizes[axis] * repeats, *sizes[axis + 1 :]])


def _arange_of(theirs: Any, start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    if not _any(start, stop, step):
        return theirs(start, stop, step, dtype=dtype)
    ends: list[Any] = [0, start] if stop is None else [start, stop]
    ends.append(1 if step is None else step)
    keras = require("keras")
    if dtype is None:
        kinds: list[Any] = [x.dtype if _is_symbolic(x) else type(x) for x in ends]
        dtype = keras.backend.result_type(*kinds)
    return _sized("arange", None, ends, dtype=asked(dtype))


def _full_of(value: Any, theirs: Any, shape: Any, *args: Any, **kwargs: Any) -> Any:
    if not _any(shape):
        return theirs(shape, *args, **kwargs)
    if value is None:
        value, *rest = args if args else (kwargs.pop("fill_value"),)
        args = tuple(rest)
    dtype = args[0] if args else kwargs.get("dtype")
    return _sized("full", value, _flat(shape), dtype=asked(dtype))


def _slice(theirs: Any, inputs: Any, start_indices: Any, shape: Any) -> Any:
    if not _any(start_indices, shape):
        return theirs(inputs, start_indices, shape)
    return _sized("slice", inputs, [*_flat(start_indices), *_flat(shape)])


def _pad(theirs: Any, x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    if not _any(pad_width) or _any(constant_values) or mode not in ("constant", "reflect"):
        return theirs(x, pad_width, mode=mode, constant_values=constant_values)
    widths = [width if isinstance(width, (list, tuple)) else (width, width) for width in _flat(pad_width)]
    widths *= len(x.shape) if len(widths) == 1 else 1
    return _sized("pad", x, [size for pair in widths for size in pair], mode=mode, fill=constant_values)


def _clip(theirs: Any, x: Any, x_min: Any, x_max: Any) -> Any:
    if not _any(x_min, x_max):
        return theirs(x, x_min, x_max)
    ops = require("keras").ops
    return ops.minimum(ops.maximum(x, ops.cast(x_min, x.dtype)), ops.cast(x_max, x.dtype))


def _getitem(theirs: Any, x: Any, key: Any) -> Any:
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    parts = [part for k in keys for part in ((k.start, k.stop, k.step) if isinstance(k, slice) else (k,))]
    if not any(_is_symbolic(part) and not part.shape for part in parts):
        return theirs(x, key if isinstance(key, int) else tuple(keys))
    sizes: list[Any] = []

    def place(number: Any) -> int | None:
        if number is None:
            return None
        sizes.append(number)
        return len(sizes) - 1

    template: list[Any] = []
    for k in keys:
        if isinstance(k, slice):
            template.append((place(k.start), place(k.stop), place(k.step)))
        else:
            template.append("new" if k is None else "rest" if k is Ellipsis else place(k))
    return _sized("getitem", x, sizes, key=tuple(template))


#: What takes sizes, and what is to be found in its place.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "shape": _shape,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "tile": _tile,
    "repeat": _repeat,
    "arange": _arange_of,
    "full": partial(_full_of, None),
    "zeros": partial(_full_of, 0),
    "ones": partial(_full_of, 1),
    "slice": _slice,
    "pad": _pad,
    "clip": _clip,
}
#: Operators of a variable that does not know that the other operand may be symbolic.
_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "matmul": "matmul", "pow": "power",
}  # fmt: skip


def _equal(theirs: Any, function: str, x: Any, other: Any) -> Any:
    """What ``==`` is of tensors that have values, and of a symbolic one whether it is the other one itself."""
    keras = require("keras")
    if isinstance(other, (bool, int, float)) or _is_symbolic(other) or keras.ops.is_tensor(other):
        return getattr(keras.ops, function)(x, other)
    return theirs(x, other)


def _operator(theirs: Any, function: str, variable: Any, other: Any) -> Any:
    return getattr(require("keras").ops, function)(variable, other) if _is_symbolic(other) else theirs(variable, other)


@contextmanager
def free_sizes_as_tensors() -> Iterator[None]:
    """Inside, ``keras.ops.shape`` gives a symbolic scalar for a size that is left free, and all that takes sizes takes it."""
    keras = require("keras")
    import keras.src.ops as internal

    with ExitStack() as stack:
        for name, ours in _FUNCTIONS.items():
            theirs = getattr(internal, name)
            for holder in (keras.ops, keras.ops.numpy, internal, internal.numpy, internal.core):
                if getattr(holder, name, None) is theirs:
                    stack.enter_context(patched(holder, name, partial(ours, theirs)))
        from keras.src.backend.common.variables import Variable

        for name, function in _OPERATORS.items():
            theirs = getattr(Variable, f"__{name}__")
            stack.enter_context(patched(Variable, f"__{name}__", partial(_operator, theirs, function)))
        for name, function in (("__eq__", "equal"), ("__ne__", "not_equal")):
            theirs = getattr(keras.KerasTensor, name)
            stack.enter_context(patched(keras.KerasTensor, name, partial(_equal, theirs, function)))
        theirs = keras.KerasTensor.__getitem__
        stack.enter_context(patched(keras.KerasTensor, "__getitem__", lambda x, key: _getitem(theirs, x, key)))
        yield
