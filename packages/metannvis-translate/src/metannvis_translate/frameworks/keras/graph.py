"""Graph traversal of Keras models, and the names of what is in them.

One walk serves the exporter, the plug-in's ``run`` and ``list_layers``, and the flattening of nested models, so that all
of them call the same thing by the same name: the path of layer names (``block/conv1``), with ``:2`` behind it on the
second call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metannvis_translate.errors import InvalidArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.keras.masks import Masks, TensorMasks, hand_on, masks_for
from metannvis_translate.frameworks.keras.trace import Opened, Place, is_layer, own_variables, standin_for, traced
from metannvis_translate.frameworks.requirements import require

Shape = tuple[int | None, ...]

__all__ = [
    "Call",
    "Walk",
    "functional_of",
    "is_layer",
    "nested_inputs",
    "numbered",
    "objects_by_path",
    "opens",
    "output_specs",
]


def numbered(path: str, call: int, position: int = 0) -> str:
    """``conv``, ``conv:2`` for its second call, ``lstm#2`` for its second output tensor."""
    return path + (f":{call}" if call > 1 else "") + (f"#{position + 1}" if position else "")


def _is_graph(model: Any) -> bool:
    """Whether it is a Functional or Sequential model that does what its graph says."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("keras.src.models.") and cls.__name__ in ("Functional", "Sequential"):
            return getattr(type(model), "call", None) is cls.__dict__.get("call")
    return False


def functional_of(model: Any) -> Any | None:
    """The functional graph of a Functional or Sequential model, ``None`` for any other layer.

    Raises
    ------
    InvalidArgumentError
        A Sequential model that has not been built: it has no weights yet.
    """
    if not _is_graph(model):
        return None
    if hasattr(model, "_nodes_by_depth"):
        return model
    if model._functional is None and not model.built:
        raise InvalidArgumentError(
            f"the Sequential model {model.name!r} has not been built, so it has no weights yet. Call it once, or put a "
            "keras.Input(shape) in front."
        )
    return model._functional


def opens(layer: Any) -> bool:
    """Whether the walk goes into a layer instead of taking it as one unit.

    It goes into models, and into layers of the caller's own that hold other layers.
    """
    if not is_layer(layer):
        return False
    if _is_graph(layer):
        return True
    from metannvis_translate.frameworks.keras.exporter.layers import find_layer_converter

    return find_layer_converter(layer) is None and bool(list(layer._flatten_layers(include_self=False)))


@dataclass
class Call:
    """One call of an operation.

    Attributes
    ----------
    name
        Path with call number.
    path
        Path without it.
    specs
        KerasTensors that stand for the outputs where the graph was made.
    declared
        KerasTensors of the arguments, in the order in which they occur.
    masks
        Masks that Keras hands to the call, by argument name.
    """

    operation: Any
    name: str
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    specs: Sequence[Any] = ()
    declared: Sequence[Any] = ()
    masks: dict[str, Any] = field(default_factory=dict)


@dataclass
class Walk:
    """Goes through a model call by call.

    What flows along the edges is up to the caller: tensors, hub values, shapes.

    Attributes
    ----------
    leaf
        ``leaf(call) -> outputs`` computes one call of something that is not opened.
    is_value
        Whether an argument is what flows along an edge.
    spec
        Shape and dtype name of a value; the batch axis is free where the model leaves it free.
    cast
        ``cast(value, dtype)``
    parent
        ``parent(call, outputs)`` hears of each opened layer when it is done.
    masks
        Masks of the values.
    leaves_mask
        ``leaf`` hands masks on itself, because it calls the layers.
    weight
        ``weight(layer, variable)`` is a weight of the layer as a value.
    constant
        ``constant(tensor)`` is a tensor that a layer returns whatever it is given, as a value.
    in_code
        Whether it is walking through what a layer's own code computes, anew whenever it runs.
    """

    leaf: Callable[[Call], Any]
    is_value: Callable[[Any], bool]
    spec: Callable[[Any], tuple[Shape, str]]
    cast: Callable[[Any, str], Any]
    parent: Callable[[Call, Any], None] = lambda call, outputs: None
    masks: Masks = field(default_factory=TensorMasks)
    leaves_mask: bool = False
    weight: Callable[[Any, Any], Any] = lambda layer, variable: variable
    constant: Callable[[Any], Any] = lambda tensor: tensor
    in_code: bool = False
    calls: Counter[str] = field(default_factory=Counter)

    def model(self, model: Any, values: Sequence[Any]) -> Any:
        """Run a whole model on its flat inputs; returns its outputs in their own structure."""
        function = functional_of(model)
        if function is None:
            args = values if len(values) == 1 else [list(values)]
            try:
                opened = self.opened(model, tuple(args), {})
            except UnsupportedOperatorError:
                return self.leaf(Call(model, model.name, model.name, tuple(args), {}))
            return self.through(opened, "")
        return self.graph(function, self._converted(function, values))

    def graph(self, function: Any, values: Sequence[Any], prefix: str = "") -> Any:
        """Run the graph of a ``keras.Function`` or Functional model."""
        tree = require("keras").tree
        tensors = {id(x): value for x, value in zip(function.inputs, values, strict=True)}
        nodes = [node for depth in function._nodes_by_depth.values() for node in depth]
        left = Counter(id(x) for node in nodes for x in node.input_tensors)  # how often each is still asked for
        left.update(id(x) for x in function.outputs)
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if not node.operation or node.is_input or any(id(x) not in tensors for x in node.input_tensors):
                    continue
                args, kwargs = node.arguments.fill_in(tensors)
                path = f"{prefix}{node.operation.name}"
                self.calls[path] += 1
                name = numbered(path, self.calls[path])
                outputs = self.call(
                    Call(
                        node.operation,
                        name,
                        path,
                        tuple(args),
                        dict(kwargs),
                        node.outputs,
                        node.input_tensors,
                    )
                )
                made = [x for x in tree.flatten(outputs) if not _is_plain(x)]
                for spec, value in zip(node.outputs, made, strict=False):
                    tensors[id(spec)] = value
                for spec in node.input_tensors:
                    left[id(spec)] -= 1
                    if not left[id(spec)]:
                        tensors.pop(id(spec), None)
        return tree.pack_sequence_as(function._outputs_struct, [tensors[id(x)] for x in function.outputs])

    def call(self, call: Call) -> Any:
        """One call, opened if it is of something that holds layers."""
        is_opened = opens(call.operation)
        if not is_layer(call.operation) or (self.leaves_mask and not is_opened):
            return self.leaf(call)
        call.masks, first, previous = masks_for(call.operation, call.args, call.kwargs, self.masks, self.is_value)
        outputs = self.open(call) if is_opened else self.leaf(call)
        if functional_of(call.operation) is None:
            hand_on(call.operation, outputs, first, previous, self.masks)
        return outputs

    def open(self, call: Call) -> Any:
        """One call of something that holds layers."""
        function = functional_of(call.operation)
        if function is not None:
            values = nested_inputs(function, call.args, call.kwargs)
            given = require("keras").tree.flatten(call.masks.get("mask", call.kwargs.get("mask")))
            for value, mask in zip(values, given, strict=False):
                if mask is not None:
                    self.masks.set(value, mask)
            outputs = self.graph(function, self._converted(function, values), f"{call.path}/")
        else:
            try:
                opened = self.opened(call.operation, call.args, call.kwargs | call.masks)
            except UnsupportedOperatorError:
                return self.leaf(call)
            outputs = self.through(opened, f"{call.path}/")
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]
        self.parent(call, outputs)
        return outputs

    def through(self, opened: Opened, prefix: str) -> Any:
        """Run an opened ``call``."""
        tree = require("keras").tree
        before, self.in_code = self.in_code, True
        try:
            results = self.graph(opened.function, self._converted(opened.function, opened.values), prefix)
        finally:
            self.in_code = before

        def filled(x: Any) -> Any:
            return results[x.number] if isinstance(x, Place) else x if _is_plain(x) else self.constant(x)

        for value in opened.cleared:
            self.masks.set(value, None)
        for value, mask in zip(results, opened.masks, strict=False):
            if mask is not None and self.masks.get(value) is None:
                self.masks.set(value, results[mask] if isinstance(mask, int) else mask)
        return tree.map_structure(filled, opened.structure)

    def opened(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Opened:
        """A layer's (or plain function's) ``call`` as a graph, and the values that go into it.

        The layer's own weights go into the graph like its arguments, where ``call`` lets them: so they stay weights,
        whatever it does with them.
        """
        variables = own_variables(layer)
        if variables:
            try:
                return self._opened(layer, args, kwargs, variables)
            except UnsupportedOperatorError:
                pass  # it asks a weight for more than a symbolic tensor has
        return self._opened(layer, args, kwargs, {})

    def _opened(
        self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> Opened:
        keras = require("keras")
        standins: list[tuple[Any, Any]] = []

        def standin(x: Any) -> Any:
            for value, tensor in standins:
                if value is x:
                    return tensor
            shape, dtype = self.spec(x)
            if getattr(layer, "autocast", False) and "float" in dtype:
                dtype = layer.compute_dtype  # ``call`` is entered below where Keras would have cast
            tensor = standin_for(shape, dtype)
            standins.append((x, tensor))
            return tensor

        args, kwargs = keras.tree.map_structure(
            lambda x: standin(x) if self.is_value(x) else x, (tuple(args), dict(kwargs))
        )
        masked = [(x, tensor, mask) for x, tensor in standins if (mask := self.masks.get(x)) is not None]
        for _, tensor, mask in masked:
            tensor._keras_mask = standin(mask)
        weights = []
        for name, variable in variables.items():
            value = self.weight(layer, variable)
            weights.append((name, standin_for(variable.shape, self.spec(value)[1])))
            standins.append((value, weights[-1][1]))
        function, masks, structure = traced(layer, args, kwargs, dict(weights))
        by_tensor = {id(tensor): value for value, tensor in standins}
        return Opened(
            function,
            [by_tensor[id(x)] for x in function.inputs],
            [x for x, tensor, _ in masked if getattr(tensor, "_keras_mask", None) is None],
            [mask if mask is None or isinstance(mask, int) else by_tensor[id(mask)] for mask in masks],
            structure,
        )

    def _converted(self, function: Any, values: Sequence[Any]) -> list[Any]:
        found = []
        for value, x in zip(values, function.inputs, strict=True):
            cast = self.cast(value, x.dtype)
            if cast is not value and (mask := self.masks.get(value)) is not None:
                self.masks.set(cast, mask)
            found.append(cast)
        return found


def _is_plain(x: Any) -> bool:
    """Whether a layer returns it beside tensors: ``None``, a number, a text."""
    return x is None or isinstance(x, (bool, int, float, str))


def nested_inputs(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Flat inputs of a nested model, in the order of its own graph."""
    tree = require("keras").tree
    given = args[0] if args else kwargs.get("inputs")
    if isinstance(given, Mapping) and not isinstance(function._inputs_struct, Mapping):
        return [given[x._keras_history.operation.name] for x in function.inputs]
    return list(tree.flatten(given))


def output_specs(
    call: Call,
    args: Any,
    kwargs: Any,
    is_value: Callable[[Any], bool],
    spec: Callable[[Any], Any],
    *,
    anew: bool = False,
) -> list[Any]:
    """KerasTensors of a call's outputs, for the shapes that really come in; ``anew`` if those declared are wrong."""
    keras = require("keras")
    shapes = [tuple(spec(x)[0]) for x in keras.tree.flatten((args, kwargs)) if is_value(x)]
    declared = [tuple(x.shape) for x in call.declared]
    if not anew and len(shapes) == len(declared) and all(map(_says_no_more, shapes, declared)):
        return list(call.specs)

    def swap(x: Any) -> Any:
        if not is_value(x):
            return x
        shape, dtype = spec(x)
        return keras.KerasTensor(shape, dtype=dtype)

    args, kwargs = keras.tree.map_structure(swap, (args, kwargs))
    return list(keras.tree.flatten(call.operation.compute_output_spec(*args, **kwargs)))


def _says_no_more(shape: tuple[int | None, ...], declared: tuple[int | None, ...]) -> bool:
    """Whether a shape is the declared one, or one of which less is known: layers of Keras forget sizes on the way."""
    return len(shape) == len(declared) and all(
        size in (None, wanted) for size, wanted in zip(shape, declared, strict=True)
    )


def objects_by_path(model: Any, prefix: str = "") -> dict[str, Any]:
    """Every layer that a model holds, by the path that the walk gives it."""
    found: dict[str, Any] = {}
    function = getattr(model, "_functional", None) or model
    if hasattr(function, "_nodes_by_depth"):
        children = function.operations
    else:
        children = list(model._flatten_layers(include_self=False, recursive=False))
    for child in children:
        if is_layer(child):
            path = f"{prefix}{child.name}"
            found[path] = child
            if opens(child):
                found |= objects_by_path(child, f"{path}/")
    return found
