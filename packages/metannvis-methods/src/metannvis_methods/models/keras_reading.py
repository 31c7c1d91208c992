"""Variables of Keras models, read many at once: an operation each takes longer than what is done with most of them."""

from __future__ import annotations

import functools
import hashlib
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import function_pb2, types_pb2
from tensorflow.python.eager import context, execute
from tensorflow.python.ops.gen_resource_variable_ops import (
    read_variable_op,
)  # tf.raw_ops has it as well, inside wrappers that take longer than it does

from metannvis_methods.models.base import Array

__all__ = ["arrays_of", "memory_of", "read", "read_all"]

#: Variables from which one call that reads them all takes less time than an operation each: half of it, and less of more.
SEVERAL = 16
#: Which reading makes the function: its first call takes as long as some twenty readings, a model that is explained once is
#: read twice.
WORTH_IT = 3
#: Kinds of groups of variables whose functions are kept.
KINDS = 64

_handles: Callable[[Any], Any] = operator.attrgetter("_value._handle")
_dtypes: Callable[[Any], Any] = operator.attrgetter("_value._dtype")
_memory: Callable[[Any], Any] = operator.attrgetter("__array_interface__")


def read(weight: Any) -> Any:
    """The tensor in a variable."""
    variable = getattr(weight, "_value", weight)
    if isinstance(variable, tf.Variable) and tf.executing_eagerly():
        return read_variable_op(variable.handle, variable.dtype)
    return tf.convert_to_tensor(weight)


def read_all(variables: Sequence[Any]) -> list[Any]:
    """The tensor in each of several variables."""
    if len(variables) >= SEVERAL and tf.executing_eagerly() and _only_processors():
        try:
            found = _reader(tuple(map(_dtypes, variables))).read(list(map(_handles, variables)))
        except (
            AttributeError,
            tf.errors.OpError,
        ):  # variables of another kind; what is wrong with one tells its own reading
            found = None
        if found is not None:
            return found
    return [read(variable) for variable in variables]


def arrays_of(tensors: Sequence[Any]) -> list[Array]:
    """Views of tensors that lie in the processor's memory, copies of others."""
    return list(map(np.asarray, tensors))


def memory_of(arrays: Sequence[Array]) -> list[Any]:
    """Where arrays lie, and how.

    TensorFlow writes into no memory that an array of a tensor which was read still has: as long as that array is held, a
    variable that is read again from the same place holds the same numbers.
    """
    return list(map(_memory, arrays))


class _Reader:
    """Reads variables of certain dtypes by one function of their handles: it holds nothing of a model."""

    def __init__(self, dtypes: Sequence[Any]) -> None:
        self._dtypes = dtypes
        self._readings = 0
        self._name = ""

    def read(self, handles: list[Any]) -> list[Any] | None:
        """The tensors; ``None`` as long as there is no function."""
        self._readings += 1
        if self._readings < WORTH_IT:
            return None
        self._name = self._name or _defined(self._dtypes)
        return list(execute.execute(self._name, len(handles), handles, (), context.context()))


_reader = functools.lru_cache(maxsize=KINDS)(_Reader)


@functools.cache
def _only_processors() -> bool:
    """Whether variables can lie nowhere else; what TensorFlow sees is settled before the first one is made."""
    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


def _defined(dtypes: Sequence[Any]) -> str:
    """Name of a function that reads variables of these dtypes: it is written down, since tracing one takes much longer."""
    function = function_pb2.FunctionDef()
    kinds = [dtype.as_datatype_enum for dtype in dtypes]
    told = hashlib.sha1(repr(kinds).encode(), usedforsecurity=False).hexdigest()
    function.signature.name = f"metannvis_read_{told}"
    function.signature.is_stateful = True
    for place, kind in enumerate(kinds):
        function.signature.input_arg.add(name=f"handle{place}", type=types_pb2.DT_RESOURCE)
        function.signature.output_arg.add(name=f"value{place}", type=kind)
        node = function.node_def.add(name=f"read{place}", op="ReadVariableOp", input=[f"handle{place}"])
        node.attr["dtype"].type = kind
        function.ret[f"value{place}"] = f"read{place}:value:0"
    context.context().add_function_def(function)
    return str(function.signature.name)
