"""Copies of Keras models: in double precision, and flat."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.float64 import is_double, lifted, mark_lifted
from metannvis_translate.frameworks.keras.graph import Call, Walk, functional_of, is_layer
from metannvis_translate.frameworks.keras.masks import quiet_masks
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process.patches import patched

__all__ = ["as_float64", "flatten_model"]

FLOATS = frozenset(["float16", "bfloat16", "float32", "mixed_float16", "mixed_bfloat16", "float8", "int8", "int4"])


def as_float64(model: Any) -> Any:
    """A copy of a Keras model in double precision, nested models and constants included.

    The copy is made from the model's configuration, in which every floating dtype is replaced, and takes over the
    weights. What its code asks for in single precision is double in it where the exporter and the plug-in call it, unless the
    model is in double precision itself. The model given stays as it is.

    Raises
    ------
    UnsupportedOperatorError
        The model cannot be rebuilt from its configuration.
    """
    keras = require("keras")
    try:
        with _untrained(model):
            config = _in_double(keras.saving.serialize_keras_object(model))
        with keras.saving.custom_object_scope(_custom_objects(model)), _made_in_double(model), quiet_masks():
            # Of layers without a build of their own, which their first call in the copied graph builds.
            warnings.filterwarnings("ignore", r"`build\(\)` was called on layer")
            copy = keras.saving.deserialize_keras_object(config, safe_mode=False)
        if not copy.built and model.built:
            copy.build_from_config(model.get_build_config())
    except (NotImplementedError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise UnsupportedOperatorError(
            f"{type(model).__module__}.{type(model).__qualname__}",
            reason="a copy in double precision cannot be made from its configuration: "
            + " ".join(str(error).split())[:400],
            hint="Give its layers get_config() and from_config().",
        ) from error
    if [tuple(w.shape) for w in copy.weights] != [tuple(w.shape) for w in model.weights]:
        raise UnsupportedOperatorError(
            f"{type(model).__module__}.{type(model).__qualname__}",
            reason="a copy in double precision, made from its configuration, has other weights",
            hint="Give its layers get_config() and build().",
        )
    for new, old in zip(copy.weights, model.weights, strict=True):
        new.assign(old.value)
    for old, own in zip(model._flatten_layers(), copy._flatten_layers(), strict=False):
        if type(old) is type(own) and own.name != old.name:
            own.name = old.name  # made in a constructor, and so named anew
    _copy_statistics(model, copy)
    _copy_constants(model, copy)
    mark_lifted(copy, model)
    return copy


@contextmanager
def _untrained(model: Any) -> Iterator[None]:
    """Optimizers, losses and metrics, which may be of any kind, are no part of a configuration: nobody trains the copy."""
    with ExitStack() as stack:
        kinds = {type(layer) for layer in (model, *model._flatten_layers()) if hasattr(layer, "get_compile_config")}
        for kind in kinds:
            owner = next(known for known in kind.__mro__ if "get_compile_config" in vars(known))
            stack.enter_context(patched(owner, "get_compile_config", lambda self: None))
        yield


@contextmanager
def _made_in_double(model: Any) -> Iterator[None]:
    """Layers are called while a copy is made, some of them make constants there."""
    with _double_by_default(), nullcontext() if is_double(model) else lifted():
        yield


@contextmanager
def _double_by_default() -> Iterator[None]:
    """Layers that a custom layer makes in its constructor are in no configuration: they take the default policy.

    Inputs that a model makes there take the default type; whole numbers without a type stay of as many bits as they have
    by it otherwise. Keras keeps the policy a thread, the type is patched in this one: nobody else sees the change.
    """
    keras = require("keras")
    from keras.src import backend
    from keras.src.backend.common import dtypes

    before = keras.config.dtype_policy()
    resolve, bits = dtypes._resolve_weak_type, backend.floatx()[-2:]
    with ExitStack() as stack:
        for holder in (keras.config, keras.backend, backend, backend.config):
            if hasattr(holder, "floatx"):
                stack.enter_context(patched(holder, "floatx", lambda: "float64"))
        stack.enter_context(
            patched(
                dtypes,
                "_resolve_weak_type",
                lambda dtype, precision="32": resolve(dtype, precision if dtype.startswith("float") else bits),
            )
        )
        keras.config.set_dtype_policy("float64")
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)


def _in_double(config: Any, key: str = "") -> Any:
    """A serialised configuration with every floating dtype replaced."""
    if isinstance(config, Mapping):
        if config.get("class_name") in ("DTypePolicy", "FloatDTypePolicy") and "config" in config:
            name = config["config"].get("name", "")
            return {**config, "config": {**config["config"], "name": "float64" if name in FLOATS else name}}
        return {k: _in_double(v, k) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_double(item, key) for item in config)
    if isinstance(config, str) and key in ("dtype", "dtype_policy", "name") and config in FLOATS - {"int8", "int4"}:
        return "float64"
    return config


def _custom_objects(model: Any) -> dict[str, Any]:
    """The caller's own classes and functions that a model's configuration names."""
    found: dict[str, Any] = {}
    keras = require("keras")
    operations: list[Any] = list(model._flatten_layers())
    for layer in list(operations):
        operations += [op for op in getattr(layer, "_operations", []) if not is_layer(op)]
    for operation in operations:
        for value in (operation, *_attributes(operation)):
            thing = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
            if (getattr(thing, "__module__", "") or "").startswith(("keras.", "tensorflow.", "builtins", "numpy")):
                continue
            name = getattr(thing, "__name__", "")
            if name and name != "<lambda>":
                found[name] = thing
                found[keras.saving.get_registered_name(thing)] = thing
    return found


def _attributes(operation: Any) -> Iterable[Any]:
    for name, value in vars(operation).items():
        if (
            not name.startswith("_")
            and (callable(value) or hasattr(value, "get_config"))
            and name not in ("build", "quantize")
        ):
            yield value


def _copy_statistics(model: Any, copy: Any) -> None:
    """What layers keep outside their weights: the mean and variance of ``Normalization``."""
    for old, new in zip(model._flatten_layers(), copy._flatten_layers(), strict=False):
        if type(old).__name__ == "Normalization":
            for name in ("mean", "variance"):
                value = getattr(old, name, None)
                if value is not None:
                    setattr(new, name, require("tensorflow").cast(value, "float64"))


def _copy_constants(model: Any, copy: Any) -> None:
    """Tensors that stand in a graph: a constructor that is run again makes them of weights that are not the model's yet."""
    keras, tf = require("keras"), require("tensorflow")
    for old, new in zip(model._flatten_layers(), copy._flatten_layers(), strict=False):
        if type(old) is not type(new) or not (hasattr(old, "_nodes_by_depth") and hasattr(new, "_nodes_by_depth")):
            continue
        for one, other in zip(_arguments(old), _arguments(new), strict=False):
            values, places = (keras.tree.flatten((x.args, x.kwargs)) for x in (one, other))
            if len(values) != len(places):
                continue
            found = {
                id(place): tf.cast(value, place.dtype)
                for value, place in zip(values, places, strict=True)
                if isinstance(value, tf.Tensor) and isinstance(place, tf.Tensor) and value.shape == place.shape
            }
            if found:
                other.args, other.kwargs = keras.tree.map_structure(
                    lambda x, found=found: found.get(id(x), x), (other.args, other.kwargs)
                )


def _arguments(function: Any) -> Iterator[Any]:
    """What the calls in a graph are given, in the graph's order."""
    for depth in sorted(function._nodes_by_depth, reverse=True):
        for node in function._nodes_by_depth[depth]:
            if not node.is_input:
                yield node.arguments


def flatten_model(model: Any, *, expose: Iterable[str] = ()) -> tuple[Any, dict[str, Any]]:
    """One flat functional graph that computes what a nested model does, and its layers by path.

    The layers are copies, one a call: shallow ones that share the weights of the model's own, but for the second and
    later calls of a layer (``path:2``), which get copies of the weights, so that the flat model can be cloned and
    given weights. The model given gets no new nodes and stays as it is.

    Parameters
    ----------
    expose
        Names of bare operations (``keras.ops``) whose output is to be returned by an ``Identity`` layer.

    Returns
    -------
    tuple
        ``(flat_model, {path: layer})``
    """
    keras = require("keras")
    wanted = set(expose)
    layers: dict[str, Any] = {}
    used: set[str] = set()
    seen: set[int] = set()

    def unique(path: str) -> str:
        name = candidate = path.replace("/", ".").replace(":", "_")
        number = 2
        while candidate in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate)
        return candidate

    def leaf(call: Call) -> Any:
        is_again = id(call.operation) in seen
        seen.add(id(call.operation))
        copy = _copy if is_again and getattr(call.operation, "weights", None) else _twin
        twin = copy(call.operation, unique(call.name))
        outputs = twin(*call.args, **call.kwargs)
        if copy is _copy:
            twin.set_weights(call.operation.get_weights())
        if is_layer(twin):
            layers[call.name] = twin
        elif call.name in wanted:
            layers[call.name] = keras.layers.Identity(name=unique(f"{call.name}.value"), dtype=outputs.dtype)
            outputs = layers[call.name](outputs)
        return outputs

    def parent(call: Call, outputs: Any) -> None:
        flat = keras.tree.flatten(outputs)
        last = flat[0]._keras_history.operation if len(flat) == 1 else None
        if last is not None and is_layer(last) and last.output is flat[0]:
            layers[call.name] = last

    walk = Walk(
        leaf=leaf,
        is_value=lambda x: isinstance(x, keras.KerasTensor),
        spec=lambda x: (tuple(x.shape), x.dtype),
        cast=lambda x, dtype: x if x.dtype == dtype else keras.ops.cast(x, dtype),
        parent=parent,
        leaves_mask=True,
    )
    function = functional_of(model)
    if function is None:
        raise UnsupportedOperatorError(
            f"{type(model).__module__}.{type(model).__qualname__}",
            reason="a subclassed model has no graph to flatten",
            hint="Call it on keras.Input(...) and make a keras.Model of that.",
        )
    inputs = [
        keras.Input(batch_shape=tuple(x.shape), dtype=x.dtype, name=unique(x._keras_history.operation.name))
        for x in function.inputs
    ]
    outputs = walk.model(model, inputs)
    struct = keras.tree.pack_sequence_as(function._inputs_struct, inputs)
    return keras.Model(struct, outputs, name=model.name), layers


def _copy(layer: Any, name: str) -> Any:
    """A new layer of the same configuration, not built yet."""
    return type(layer).from_config({**layer.get_config(), "name": name})


def _twin(operation: Any, name: str) -> Any:
    """A shallow copy of a layer or operation that shares its weights and has no history."""
    twin = object.__new__(type(operation))
    state = dict(vars(operation))
    state |= {"_inbound_nodes": [], "_outbound_nodes": [], "name": name}
    if isinstance(state.get("_losses"), list):
        state["_losses"] = []
    twin.__dict__.update(state)
    return twin
