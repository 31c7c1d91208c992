"""The tables of converters from Keras layers, operations and activation functions to ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from metannvis_translate.errors import MetannvisError

__all__ = [
    "Table",
    "activation",
    "activations",
    "keras_layer",
    "keras_op",
    "layers",
    "operation_name",
    "operations",
]

F = TypeVar("F", bound=Callable[..., Any])
#: Methods of a subclass that do not change what its layer computes once it is built.
HARMLESS = frozenset(
    [
        "__init__",
        "__new__",
        "__repr__",
        "build",
        "get_config",
        "from_config",
        "compute_output_shape",
        "compute_output_spec",
    ]
)


class Table:
    """Converters by class (or function); each is called ``converter(emitter, layer, *args, **kwargs)``.

    The tensors among the arguments of the call are hub values. A converter returns the value (or values) that the layer
    returns.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._rows: dict[str, Callable[..., Any]] = {}

    def register(self, *keys: str | type) -> Callable[[F], F]:
        """Decorator: the function converts layers of these classes.

        Parameters
        ----------
        keys
            Name of a class of Keras' own (``"Conv2D"``), or a class of yours.

        Raises
        ------
        MetannvisError
            Another function is registered for one of them; the message names both.
        """

        def decorate(function: F) -> F:
            for key in keys:
                name = key if isinstance(key, str) else full_name(key)
                if name in self._rows:
                    raise MetannvisError(
                        f"{self.what} {name!r} is registered twice, by {_owner(self._rows[name])} and {_owner(function)}"
                    )
                self._rows[name] = function
            return function

        return decorate

    def remove(self, key: str | type) -> None:
        """Take a converter out again (tests, plug-ins that unload)."""
        del self._rows[key if isinstance(key, str) else full_name(key)]

    def get(self, key: str) -> Callable[..., Any] | None:
        """Converter registered under a name."""
        return self._rows.get(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, value: Any) -> Callable[..., Any] | None:
        """Converter for an object: that of its class, or of the Keras class that it extends without changing what it does."""
        call = getattr(type(value), "call", None)
        for cls in type(value).__mro__:
            if getattr(cls, "call", None) is not call:
                return None
            row = self._rows.get(full_name(cls))
            if row is not None:
                return row
            if not _is_keras(cls) and not HARMLESS.issuperset(
                name for name in vars(cls) if callable(getattr(cls, name))
            ):
                return None
        return None


def _is_keras(cls: type) -> bool:
    return cls.__module__.startswith(
        (
            "keras.src.",
            "keras.layers",
            "metannvis_translate.frameworks.keras.dynamic_size_layers",
            "metannvis_translate.frameworks.keras.free_sizes",
        )
    )


def full_name(cls: type) -> str:
    """``Conv2D`` for a class of Keras' own, ``package.module.MyLayer`` for any other."""
    return cls.__qualname__ if _is_keras(cls) else f"{cls.__module__}.{cls.__qualname__}"


def operation_name(value: Any) -> str:
    """``keras.layers.Conv2D``, ``keras.ops.Add``, or the full name of a class of the caller's own."""
    cls = type(value)
    if cls.__module__.startswith("keras.src.ops"):
        return f"keras.ops.{cls.__qualname__}"
    if cls.__module__.startswith("keras.src.layers"):
        return f"keras.layers.{cls.__qualname__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _owner(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


layers = Table("the Keras layer")
operations = Table("the Keras operation")
activations = Table("the Keras activation")

#: ``@keras_layer("Conv2D")`` or ``@keras_layer(MyLayer)``
keras_layer = layers.register
#: ``@keras_op("Add")``
keras_op = operations.register
#: ``@activation("relu")``
activation = activations.register
