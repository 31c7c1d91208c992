"""What is done to a model in its own framework: run it, find its layers, put it back as it was.

One file a framework; a framework that has none is served by :class:`Native`, which knows nothing.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError

__all__ = ["Native", "digest", "get_native", "in_order", "plain_attributes", "several", "to_numpy"]

Array = np.ndarray[Any, Any]
MODULES = {key: f"metannvis_methods.native.{key}" for key in ("torch", "tensorflow", "onnx")}


class Native:
    """A framework we know nothing about: arrays are NumPy, a model is something that can be called."""

    key = ""

    def is_model(self, model: Any) -> bool:
        """Whether toolkits of this framework can use the object as it is."""
        return callable(model)

    def open(self, model: Any) -> tuple[Any, Mapping[str, Any]]:
        """The model itself or an equal one, and its layers by name, every one of which can be reached."""
        return model, {}

    def copies(self, model: Any) -> bool:
        """Whether :meth:`open` copies the model, so that its result is worth keeping."""
        return False

    def layer_name(self, model: Any, layer: Any) -> str:
        """Name of a layer object of the caller's model."""
        raise UnknownLayerError(type(layer).__name__, ())

    def float_dtype(self, model: Any) -> str | None:
        """Name of the floating dtype that the model computes in."""
        return None

    def as_input(self, model: Any, value: Any, index: int) -> Any:
        """A value as a tensor that the model takes as its input ``index``; never the caller's own memory."""
        return np.array(value)

    def as_index(self, model: Any, value: Any) -> Any:
        """A mask as a tensor of whole numbers."""
        return np.array(value, dtype=np.int64)

    def is_floating(self, tensor: Any) -> bool:
        """Whether a tensor can have a gradient."""
        return to_numpy(tensor).dtype.kind == "f"

    def calls(self, model: Any, layer: Any, inputs: Sequence[Any]) -> int:
        """How often a layer of the model is called in one run."""
        return 1

    def check_inputs(self, model: Any, values: Sequence[Any]) -> None:
        """Refuse inputs that the model says it cannot take (``InvalidArgumentError``)."""

    def input_names(self, model: Any) -> tuple[str, ...]:
        """Names of the model's inputs in its own order; empty if it has none."""
        return ()

    def predict(self, model: Any, inputs: Sequence[Any]) -> list[Array]:
        """The model's outputs."""
        output = model(*inputs)
        return [to_numpy(part) for part in (output if isinstance(output, (tuple, list)) else [output])]

    def input_axes(self, model: Any, shape: Sequence[int | None]) -> str:
        """What the axes of an input mean, as far as its rank tells."""
        return ("N" + "?" * (len(shape) - 1)) if len(shape) else ""

    def layer_axes(self, model: Any, layer: Any, shape: Sequence[int | None]) -> str:
        """What the axes of the output of a layer of the model mean, as far as its kind and its rank tell."""
        return self.input_axes(None, shape)

    def fingerprint(self, model: Any) -> str | None:
        """A digest of everything that decides what the model computes; ``None`` if that cannot be told."""
        return None

    def state(self, model: Any) -> Callable[[], None]:
        """What puts the model back to how it is now: its mode, hooks, attributes. It may be called several times."""
        return lambda: None

    @contextmanager
    def guarded(self, model: Any) -> Iterator[Callable[[], None]]:
        """Inference mode within; afterwards the model is as it was, whatever happened. Gives its :meth:`state` before."""
        yield self.state(model)


def get_native(framework: str) -> Native:
    """The functions for a framework's models; imports the framework."""
    if framework not in MODULES:
        return Native()
    from metannvis_translate.frameworks import require

    require(framework)
    native: Native = importlib.import_module(MODULES[framework]).native
    return native


def to_numpy(value: Any) -> Array:
    """An array, a tensor of any framework, or nested lists, as NumPy; imports nothing.

    Raises
    ------
    InvalidArgumentError
        It holds no numbers.
    """
    if hasattr(value, "detach"):  # PyTorch; NumPy has no bfloat16
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (ValueError, NotImplementedError) as error:  # lists of unequal lengths; a symbolic tensor
        raise InvalidArgumentError(f"no array of numbers: {error}") from error
    if array.dtype.kind not in "biufV":
        raise InvalidArgumentError(f"no array of real numbers: its dtype is {array.dtype}")
    return array


def in_order(values: Any, names: Sequence[str] | None = None) -> tuple[Any, ...]:
    """Values of one or several inputs as a tuple; a dict is put in the order of ``names``.

    Nothing is an empty tuple; inputs at the end may be left out.

    Raises
    ------
    InvalidArgumentError
        The dict has several values, and their names are not those of the model's inputs.
    """
    if values is None:
        return ()
    if isinstance(values, Mapping):
        if not names or len(values) == 1:
            return tuple(values.values())
        if set(values) != set(names[: len(values)]):
            raise InvalidArgumentError(
                f"the model's inputs are called {', '.join(names)}, not {', '.join(map(str, values))}"
            )
        return tuple(values[name] for name in names[: len(values)])
    return tuple(values) if several(values) else (values,)


def several(values: Any) -> bool:
    """Whether a value is several inputs: a dict, a tuple, a list of arrays. Other lists are one array."""
    if isinstance(values, list):
        return bool(values) and all(hasattr(value, "shape") and value.ndim for value in values)
    return isinstance(values, (tuple, Mapping))


def plain_attributes(owner: Any) -> Iterator[tuple[str, Array]]:
    """What an object keeps of numbers, texts, functions and arrays beside its weights, for its fingerprint.

    ``forward`` may compute with any of it (``self.temperature``). Names that begin with ``_`` are the framework's.
    """
    for name, value in sorted(vars(owner).items()):
        if name.startswith("_"):
            continue
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            try:
                yield name, to_numpy(value)
            except (InvalidArgumentError, TypeError, AttributeError):  # complex numbers, symbolic tensors
                yield f"{name}={type(value).__qualname__} {value.shape} {value.dtype}", np.empty(0)
        else:
            yield f"{name}={_told(value)}", np.empty(0)


def _told(value: Any, depth: int = 3) -> str:
    """Plain values by their content, functions by their names, other objects by their class."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        return repr(value)
    if depth and isinstance(value, (list, tuple)):
        return f"[{', '.join(_told(item, depth - 1) for item in value)}]"
    if depth and isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_told(item, depth - 1)}' for key, item in value.items())}}}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        try:
            return hashlib.sha1(np.ascontiguousarray(to_numpy(value)).tobytes(), usedforsecurity=False).hexdigest()
        except (InvalidArgumentError, TypeError, AttributeError):
            return type(value).__qualname__
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__)


def digest(parts: Iterator[tuple[str, Array]]) -> str:
    """SHA-1 over named arrays: 1.8 GB/s where the processor has instructions for it."""
    sha = hashlib.sha1(usedforsecurity=False)
    for name, array in parts:
        sha.update(f"{name}|{array.dtype}|{array.shape}|".encode())
        sha.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
    return sha.hexdigest()
