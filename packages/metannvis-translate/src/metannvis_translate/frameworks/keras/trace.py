"""Tracing: what the ``call`` of a layer does, as a graph, by calling it on symbolic tensors."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.dynamic_size_layers import overrides
from metannvis_translate.frameworks.keras.free_sizes import free_sizes_as_tensors
from metannvis_translate.frameworks.keras.masks import TensorMasks, quiet_masks, sets_masks
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process.patches import patched

__all__ = ["Opened", "Place", "Traced", "is_layer", "no_symbols_left", "own_variables", "standin_for", "traced"]

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
        Masks that ``call`` itself hangs on the tensors it returns: values, or numbers of what the graph returns.
    structure
        What ``call`` returns, with a :class:`Place` where the graph's list of tensors has one.
    """

    function: Any
    values: list[Any]
    cleared: list[Any]
    masks: list[Any]
    structure: Any


@dataclass(frozen=True)
class Place:
    """Stands for a tensor that a graph returns."""

    number: int


class Traced(NamedTuple):
    """A ``call`` as a graph that returns a list of tensors; ``masks`` and ``structure`` as in :class:`Opened`."""

    function: Any
    masks: list[Any]
    structure: Any


@contextmanager
def _untouched(layer: Any) -> Iterator[None]:
    """Leave no trace of symbolic calls on a layer and those it holds."""
    layers = list(layer._flatten_layers())
    before = [(list(one._inbound_nodes), list(one._outbound_nodes)) for one in layers]
    try:
        with no_symbols_left(layer):
            yield
    finally:
        for one, (inbound, outbound) in zip(layers, before, strict=True):
            one._inbound_nodes[:] = inbound
            one._outbound_nodes[:] = outbound


@contextmanager
def no_symbols_left(layer: Any) -> Iterator[None]:
    """Take away what a ``call`` on symbolic tensors notes of them as attributes of a layer and those it holds."""
    layers = list(layer._flatten_layers())
    before = [dict(vars(one)) for one in layers]
    try:
        yield
    finally:
        for one, attributes in zip(layers, before, strict=True):
            now = vars(one)
            for name in [
                name for name, value in now.items() if value is not attributes.get(name) and _is_symbol(value)
            ]:
                now.pop(name)
                if name in attributes:
                    now[name] = attributes[name]


def _is_symbol(x: Any) -> bool:
    """Whether it is, or holds, a tensor without values."""
    keras, tf = require("keras"), require("tensorflow")
    return any(
        isinstance(leaf, keras.KerasTensor) or (tf.is_tensor(leaf) and tf.is_symbolic_tensor(leaf))
        for leaf in keras.tree.flatten(x)
    )


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
) -> Traced:
    """What a layer's ``call`` does, as a graph of operations (``keras.Function``).

    ``args`` and ``kwargs`` hold fresh KerasTensors in the place of tensors, ``weights`` for weights by attribute name.
    The layer stays as it is.

    Raises
    ------
    UnsupportedOperatorError
        ``call`` uses raw TensorFlow operations, or Python control flow on values, or changes variables (also draws).
    """
    from metannvis_translate.frameworks.keras.exporter.layers import HINT, class_name

    keras = require("keras")
    call = _with(layer, overrides(layer) | dict(weights or {})).call if is_layer(layer) else layer
    # Keras drops it on the way into a ``call`` that does not take it.
    kwargs = {name: value for name, value in kwargs.items() if name != "training"}
    if getattr(layer, "_call_has_training_arg", "training" in _parameters(call)):
        kwargs["training"] = False
    inputs = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
    inputs += (weights or {}).values()
    for mask in [TensorMasks().get(x) for x in inputs]:
        if mask is not None and not any(mask is x for x in inputs):
            inputs.append(mask)
    name = getattr(layer, "name", getattr(layer, "__name__", "function"))
    try:
        with _untouched(layer) if is_layer(layer) else nullcontext(), quiet_masks():
            # what it assigns is kept from the caller's variables
            with keras.StatelessScope() as scope, free_sizes_as_tensors(), _any_outputs():
                outputs = call(*args, **kwargs)
            if scope.state_mapping:
                raise UnsupportedOperatorError(class_name(layer), layer=name, reason=_changes(layer, scope), hint=HINT)
            tensors = [x for x in keras.tree.flatten(outputs) if isinstance(x, keras.KerasTensor)]
            function = keras.Function(inputs, tensors or inputs[:1])
            training = _in_training(function)
            if training:
                reason = f"its call runs {training} in training mode (training=True), random or by the statistics of the batch"
                raise UnsupportedOperatorError(class_name(layer), layer=name, reason=reason, hint=HINT)
            masks = [TensorMasks().get(x) if sets_masks(layer) else None for x in tensors]
            made = [mask for mask in masks if mask is not None and not any(mask is x for x in inputs)]
            if made:
                function = keras.Function(inputs, [*tensors, *made])
                numbers = {id(mask): k for k, mask in enumerate(made, len(tensors))}
                masks = [numbers.get(id(mask), mask) for mask in masks]
    except UnsupportedOperatorError:
        raise
    except Exception as error:
        raise UnsupportedOperatorError(
            class_name(layer),
            layer=name,
            reason=f"it has no converter, and its call cannot be traced on symbolic tensors ({_why(error)})",
            hint=HINT,
        ) from error
    places = itertools.count()
    structure = keras.tree.map_structure(
        lambda x: Place(next(places)) if isinstance(x, keras.KerasTensor) else x, outputs
    )
    return Traced(function, masks, structure)


def _in_training(function: Any) -> str:
    """Names of the layers that a ``call`` runs in training mode whatever the mode is, and to which that matters."""
    found = []
    for layers in function._nodes_by_depth.values():
        for node in layers:
            signature = getattr(node.operation, "_call_signature", None)
            if not is_layer(node.operation) or signature is None:
                continue
            given = signature.bind_partial(*node.arguments.args, **node.arguments.kwargs).arguments
            if given.get("training") and any(map(_trains_otherwise, node.operation._flatten_layers())):
                found.append(repr(node.operation.name))
    return ", ".join(found)


def _trains_otherwise(layer: Any) -> bool:
    """Whether a layer without layers of its own may do in training what it does not do in inference."""
    layers = require("keras").layers
    if layer._layers or not getattr(layer, "_call_has_training_arg", False):
        return False
    if isinstance(layer, layers.BatchNormalization):
        return bool(layer.trainable)
    return bool(getattr(layer, "rate", 1))


def _changes(layer: Any, scope: Any) -> str:
    """Which variables a ``call`` gave new values, and what that means."""
    changed = [
        variable.path for variable in getattr(layer, "variables", ()) if scope.get_current_value(variable) is not None
    ]
    named = ", ".join(changed[:3]) or "one that is not its own"
    return f"each call changes a variable ({named}), so that no two calls are alike"


def _parameters(call: Any) -> Collection[str]:
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return ()


def _why(error: Exception) -> str:
    """What an exception says, without the arguments that Keras adds to it."""
    text = str(error)
    inner = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    return " ".join((inner[1] if inner else text).split())[:300]


@contextmanager
def _any_outputs() -> Iterator[None]:
    """Inside, a layer may return what is no tensor (``None``, numbers) beside tensors, as it may where it runs."""
    keras = require("keras")
    import keras.src.layers.layer as layers
    from keras.src.ops.node import Node

    def node(*args: Any, outputs: Any = None, **kwargs: Any) -> Any:
        tensors = [x for x in keras.tree.flatten(outputs) if isinstance(x, keras.KerasTensor)]
        return Node(*args, outputs=tensors, **kwargs)

    def symbolic_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if type(layer).__module__.startswith("keras.") or _is_graph_itself(layer):
            return layer.compute_output_spec(*args, **kwargs)
        try:  # what it declares may be that of the class it extends, whose ``call`` was another
            outputs = _with(layer, overrides(layer)).call(*args, **kwargs)
        except UnsupportedOperatorError:
            raise
        except Exception:  # noqa: BLE001  # whatever it does: then what it declares counts
            return layer.compute_output_spec(*args, **kwargs)
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, dtype=x.dtype) if isinstance(x, keras.KerasTensor) else x, outputs
        )

    with patched(layers, "Node", node), patched(keras.layers.Layer, "symbolic_call", symbolic_call):
        yield


def _is_graph_itself(layer: Any) -> bool:
    """Whether what it does is a graph of its own."""
    return hasattr(layer, "_nodes_by_depth") or isinstance(layer, require("keras").Sequential)
