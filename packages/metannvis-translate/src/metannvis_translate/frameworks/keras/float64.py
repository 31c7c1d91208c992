"""Double precision: code of a model that asks for single precision gets double in a copy that computes in double.

Norms, softmax and rotations of many models are computed in single precision whatever comes in
(``ops.cast(x, "float32")``, ``ops.arange(steps, dtype="float32")``, ``Softmax(dtype="float32")``), so that half precision may
be trained in. What their rounding leaves would be all that two models in double precision differ by. What their code makes
without a type (``ops.zeros(shape)``, ``tf.constant(0.5)``, a layer made in ``call``) is double as well: TensorFlow's
operators do not mix the two.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, partial
from types import FrameType
from typing import Any

import numpy as np

from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process import patches
from metannvis_translate.process.patches import patched

__all__ = ["asked", "in_double", "is_double", "is_lifted", "lifted", "mark_lifted"]

#: Functions of ``keras.ops`` that take a type for what they return.
FUNCTIONS = (
    "arange", "array", "cast", "convert_to_tensor", "empty", "eye", "full", "full_like", "identity", "linspace", "logspace",
    "multi_hot", "one_hot", "ones", "ones_like", "tri", "zeros", "zeros_like",
)  # fmt: skip
#: Functions of TensorFlow that do.
TF_FUNCTIONS = (
    "constant",
    "convert_to_tensor",
    "eye",
    "one_hot",
    "ones",
    "ones_like",
    "range",
    "sequence_mask",
    "zeros",
    "zeros_like",
)
#: Functions of TensorFlow whose result is of the type of the numbers that they are given.
OF_NUMBERS = ("fill", "linspace")
SINGLE = frozenset(["float32", "float16", "bfloat16"])
POLICIES = SINGLE | {"mixed_float16", "mixed_bfloat16"}
MARK = "_metannvis_in_double"
_active: ContextVar[bool] = ContextVar("_active", default=False)


def mark_lifted(copy: Any, model: Any) -> None:
    """Note on a copy in double precision that what its code asks for in single precision is double as well.

    A model that is in double precision itself means what it says.
    """
    if not is_double(model):
        setattr(copy, MARK, True)


def is_double(model: Any) -> bool:
    """Whether a model is in double precision: all its floating weights and inputs."""
    floats = [x.dtype for x in (*model.weights, *(getattr(model, "inputs", None) or ())) if "float" in str(x.dtype)]
    return bool(floats) and all(dtype == "float64" for dtype in floats)


def is_lifted(model: Any) -> bool:
    """Whether it is such a copy."""
    return bool(getattr(model, MARK, False))


def in_double(model: Any) -> Any:
    """A context in which a model is called: such a copy gets double precision for single."""
    return lifted() if is_lifted(model) else nullcontext()


@contextmanager
def lifted() -> Iterator[None]:
    """A context in which code that asks for single precision gets double."""
    keras, tf = require("keras"), require("tensorflow")
    import keras.src.ops as internal

    with ExitStack() as stack:
        stack.callback(_active.reset, _active.set(True))
        for holder in (keras.dtype_policies, keras.src.dtype_policies):
            stack.enter_context(patched(holder, "get", partial(_policy, keras.DTypePolicy, holder.get)))
        for name in FUNCTIONS:
            theirs = getattr(internal, name, None)
            if theirs is None:
                continue
            # one and the same in all places, by which whoever patches them further knows them
            ours = patches.in_this_thread(partial(_call, theirs, _position(theirs)), theirs)
            for holder in (
                keras.ops,
                keras.ops.numpy,
                keras.ops.nn,
                internal,
                internal.numpy,
                internal.core,
                internal.nn,
            ):
                if getattr(holder, name, None) is theirs:
                    stack.callback(setattr, holder, name, theirs)
                    setattr(holder, name, ours)
        for name, made in KERNELS.items():
            ours = patches.in_this_thread(partial(made, getattr(internal, name)), getattr(internal, name))
            for holder in (keras.ops, keras.ops.nn, internal, internal.nn):
                stack.callback(setattr, holder, name, getattr(holder, name))
                setattr(holder, name, ours)
        stack.enter_context(patched(tf, "cast", partial(_cast, tf.cast)))
        for name in TF_FUNCTIONS:
            theirs = getattr(tf, name)
            stack.enter_context(patched(tf, name, partial(_call, theirs, _position(theirs))))
        for name in OF_NUMBERS:
            stack.enter_context(patched(tf, name, partial(_of_numbers, getattr(tf, name))))
        layer = keras.layers.Layer
        stack.enter_context(patched(layer, "add_weight", partial(_weight, layer.add_weight)))
        yield


def _policy(make: Callable[[str], Any], theirs: Callable[[Any], Any], identifier: Any = None) -> Any:
    """The policy of a layer: one that asks for single precision (``Softmax(dtype="float32")``), or for none, gets double.

    Keras' default type stays: whole numbers without a type depend on it as well.
    """
    found = theirs(identifier)
    return make("float64") if getattr(found, "name", None) in POLICIES else found


@cache
def _position(function: Callable[..., Any]) -> int:
    """Where a function takes its type."""
    return list(inspect.signature(function).parameters).index("dtype")


def asked(dtype: Any) -> str:
    """The type that a caller asks for, by name; inside :func:`lifted` double for single."""
    found = require("keras").backend.standardize_dtype(_doubled(dtype) if _active.get() else dtype)
    return str(found)


def _is_own() -> bool:
    """Whether Keras or TensorFlow itself calls: what their kernels and layers do in single precision stays so."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") == patches.__name__:
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__", "").startswith(("keras.src.", "tensorflow."))


def _call(theirs: Any, position: int, *args: Any, **kwargs: Any) -> Any:
    if _is_own():
        return theirs(*args, **kwargs)
    if len(args) > position:
        args = (*args[:position], _doubled(args[position]), *args[position + 1 :])
    elif kwargs.get("dtype") is not None:
        kwargs["dtype"] = _doubled(kwargs["dtype"])
    else:
        made = theirs(*args, **kwargs)
        given = require("keras").tree.flatten((args, kwargs))
        is_new = not any(hasattr(x, "dtype") and not isinstance(x, (np.ndarray, np.generic)) for x in given)
        # of numbers, whose digits a type taken afterwards would not bring back
        return theirs(*args, **kwargs, dtype="float64") if is_new and _name(made.dtype) in SINGLE else made
    return theirs(*args, **kwargs)


def _of_numbers(theirs: Any, *args: Any, **kwargs: Any) -> Any:
    if _is_own():
        return theirs(*args, **kwargs)
    return theirs(*map(_wide, args), **{k: _wide(v) for k, v in kwargs.items()})


def _wide(x: Any) -> Any:
    return np.float64(x) if isinstance(x, float) else x


def _weight(theirs: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
    """A weight (shape, initializer, type) of a layer, double for single; without a type it is of the layer's policy."""
    if _is_own():
        return theirs(layer, *args, **kwargs)
    if "dtype" in kwargs:
        kwargs["dtype"] = _doubled(kwargs["dtype"])
    return theirs(layer, *args[:2], *map(_doubled, args[2:3]), *args[3:], **kwargs)


def _pool(
    theirs: Any,
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """A pool; one in three dimensions as a pool over (H, W) and another over D, each of which has a double kernel."""
    keras, tf = require("keras"), require("tensorflow")
    if not tf.is_tensor(inputs) or inputs.shape.rank != 5 or inputs.dtype != tf.float64:
        return theirs(inputs, pool_size, strides, padding, data_format)
    size = (pool_size,) * 3 if isinstance(pool_size, int) else tuple(pool_size)
    step = size if strides is None else (strides,) * 3 if isinstance(strides, int) else tuple(strides)
    first = keras.config.image_data_format() if data_format is None else data_format
    x = tf.transpose(inputs, (0, 2, 3, 4, 1)) if first == "channels_first" else inputs
    n, d, h, w, c = tf.unstack(tf.shape(x))
    x = theirs(tf.reshape(x, (n * d, h, w, c)), size[1:], step[1:], padding, "channels_last")
    h, w = tf.unstack(tf.shape(x)[1:3])
    x = theirs(tf.reshape(x, (n, d, h * w, c)), (size[0], 1), (step[0], 1), padding, "channels_last")
    x = tf.reshape(x, (n, tf.shape(x)[1], h, w, c))
    return tf.transpose(x, (0, 4, 1, 2, 3)) if first == "channels_first" else x


def _conv(
    theirs: Any,
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """A convolution; of volumes without what lies behind the last step of it.

    With padding ``"same"`` and a step longer than the kernel, TensorFlow's double kernel of Conv3D takes what is left over
    for a padding that is negative, and begins one place late.
    """
    keras, tf = require("keras"), require("tensorflow")
    if tf.is_tensor(inputs) and inputs.shape.rank == 5 and inputs.dtype == tf.float64 and padding == "same":
        form = keras.config.image_data_format() if data_format is None else data_format
        first = 2 if form == "channels_first" else 1
        size, step = kernel.shape[:3], (strides,) * 3 if isinstance(strides, int) else tuple(strides)
        ends = [None] * 5
        for axis, k, s in zip(range(first, first + 3), size, step, strict=True):
            if s > k:
                ends[axis] = (tf.shape(inputs)[axis] - 1) // s * s + k
        inputs = inputs[tuple(slice(None, end) for end in ends)]
    return theirs(inputs, kernel, strides, padding, data_format, dilation_rate)


#: Functions of ``keras.ops`` of which TensorFlow's double kernel is missing, or wrong, in three dimensions.
KERNELS: dict[str, Callable[..., Any]] = {"max_pool": _pool, "average_pool": _pool, "conv": _conv}


def _name(dtype: Any) -> str:
    return str(require("keras").backend.standardize_dtype(dtype))


def _doubled(dtype: Any) -> Any:
    if dtype is None:
        return None
    return "float64" if _name(dtype) in SINGLE else dtype


def _cast(theirs: Any, x: Any, dtype: Any, name: str | None = None) -> Any:
    """``tf.cast``: to single precision only what is in that already."""
    tf = require("tensorflow")
    wanted = tf.as_dtype(dtype)
    own = getattr(x, "dtype", None)
    is_less = own is not None and tf.as_dtype(own).is_floating and tf.as_dtype(own) != tf.float64
    if wanted in (tf.float32, tf.float16, tf.bfloat16) and not is_less and not _is_own():
        wanted = tf.float64
    return theirs(x, wanted, name)
