"""Tracing: what the ``call`` of a layer does, as a graph, by calling it on symbolic tensors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.dynamic_size_layers import overrides
from metannvis_translate.frameworks.keras.free_sizes import free_sizes_as_tensors
from metannvis_translate.frameworks.keras.masks import TensorMasks, quiet_masks, sets_masks
from metannvis_translate.frameworks.requirements import require

__all__ = ["Opened", "is_layer", "own_variables", "standin_for", "traced"]

Shape = tuple[int | None, ...]
_numbers = itertools.count()


def is_layer(operation: Any) -> bool:
    """Whether it is a layer (or model) and not a bare ``keras.ops`` operation."""
    return isinstance(operation, require("keras").layers.Layer)


@dataclass(frozen=True)
class Opened:
    """A ``call`` as a graph.

    Attributes
    ----------
    function
        The graph.
    values
        What goes into it, flat.
    cleared
        Values that lose their masks on the way.
    masks
        Masks that ``call`` itself hangs on its outputs: values, or numbers of what the graph, then a list, returns.
    """

    function: Any
    values: list[Any]
    cleared: list[Any]
    masks: list[Any]


@contextmanager
def _untouched(layer: Any) -> Iterator[None]:
    """Leave no trace of symbolic calls on a layer and those it holds."""
    layers = list(layer._flatten_layers())
    before = [(list(one._inbound_nodes), list(one._outbound_nodes)) for one in layers]
    try:
        yield
    finally:
        for one, (inbound, outbound) in zip(layers, before, strict=True):
            one._inbound_nodes[:] = inbound
            one._outbound_nodes[:] = outbound


def own_variables(layer: Any) -> dict[str, Any]:
    """Weights that are attributes of a layer itself, by name."""
    if not is_layer(layer):
        return {}
    kind = require("keras").Variable
    return {name: value for name, value in vars(layer).items() if isinstance(value, kind)}


def standin_for(shape: Shape, dtype: str) -> Any:
    """A symbolic tensor in the place of a value."""
    return require("keras").Input(batch_shape=tuple(shape), dtype=dtype, name=f"metannvis_value_{next(_numbers)}")


def _with(layer: Any, attributes: Mapping[str, Any]) -> Any:
    """A shallow copy of a layer with other attributes; the layer itself if there are none."""
    if not attributes:
        return layer
    copy = object.__new__(type(layer))
    copy.__dict__.update(vars(layer) | attributes)
    return copy


def traced(
    layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], weights: Mapping[str, Any] | None = None
) -> tuple[Any, list[Any]]:
    """What a layer's ``call`` does, as a graph of operations (``keras.Function``).

    ``args`` and ``kwargs`` hold fresh KerasTensors in the place of tensors, ``weights`` for weights by attribute name.
    The layer stays as it is.

    Returns
    -------
    The graph, and for each output the mask that a layer of Keras' own has hung on it itself: one of the KerasTensors given, or
    ``None``, or a number. Then the graph returns a list: what ``call`` does, and the masks with these numbers.

    Raises
    ------
    UnsupportedOperatorError
        ``call`` uses raw TensorFlow operations, or Python control flow on values.
    """
    from metannvis_translate.frameworks.keras.exporter.layers import HINT, class_name

    keras = require("keras")
    call = _with(layer, overrides(layer) | dict(weights or {})).call if is_layer(layer) else layer
    kwargs = dict(kwargs)
    if getattr(layer, "_call_has_training_arg", False):
        kwargs["training"] = False
    inputs = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
    inputs += (weights or {}).values()
    for mask in [TensorMasks().get(x) for x in inputs]:
        if mask is not None and not any(mask is x for x in inputs):
            inputs.append(mask)
    name = getattr(layer, "name", getattr(layer, "__name__", "function"))
    try:
        with _untouched(layer) if is_layer(layer) else nullcontext(), quiet_masks(), free_sizes_as_tensors():
            outputs = call(*args, **kwargs)
            function = keras.Function(inputs, outputs)
            masks = [TensorMasks().get(x) if sets_masks(layer) else None for x in function.outputs]
            made = [mask for mask in masks if mask is not None and not any(mask is x for x in inputs)]
            if made:
                function = keras.Function(inputs, [outputs, *made])
                numbers = {id(mask): k for k, mask in enumerate(made, 1)}
                masks = [numbers.get(id(mask), mask) for mask in masks]
    except UnsupportedOperatorError:
        raise
    except Exception as error:
        why = str(error).strip().partition("\n")[0]
        raise UnsupportedOperatorError(
            class_name(layer),
            layer=name,
            reason=f"it has no converter, and its call cannot be traced on symbolic tensors ({why})",
            hint=HINT,
        ) from error
    return function, masks
