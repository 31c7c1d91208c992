"""Value conversion by role: inputs, baselines, masks, windows, targets, layer values, from one model's world to the other's.

What a value *is* decides how it lies, never its shape: NumPy arrays and tensors of the giving side's framework are in the
giving side's layout, tensors of the receiving side's framework are already right. Numbers, strings, booleans, ``None`` and
callables have no layout and pass untouched.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import (
    InvalidArgumentError,
    MissingArgumentError,
)
from metannvis_translate.frameworks.protocol import Framework
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import Order
from metannvis_translate.graph.model import ExportedGraph, HubPort

if TYPE_CHECKING:
    from metannvis_translate.translation import Translation

__all__ = ["ROLES", "convert", "ordered", "to_arrays"]

Array = np.ndarray[Any, Any]
Arrays = list[Array]
#: Roles whose values are arrays with a batch axis: which permutation they follow.
ARRAYS = {
    "input": "inputs",
    "baseline": "inputs",
    "feature_mask": "inputs",
    "output": "outputs",
    "layer": "layer",
    "layer_baseline": "layer",
}
#: Roles whose values are one entry an axis, without the batch.
AXES = {"window": "inputs", "stride": "inputs", "neuron": "layer", "target": "outputs"}
ROLES = (*ARRAYS, *AXES)


def convert(
    translation: Translation, value: Any, *, role: str, index: int = 0, layer: Any = None, forward: bool = True
) -> Any:
    """Convert a value by role, forward (source to target) or back.

    A tuple or list of arrays holds one value an input (or output), and any number of them where the model has one; a mapping
    is converted entry by entry, under whatever keys, and an entry named after an input is that input's.

    Raises
    ------
    InvalidArgumentError
        Unknown role, an index beyond the ports, or an array whose number of axes cannot be right.
    MissingArgumentError
        A layer's role without ``layer=``.
    """
    if role not in ROLES:
        raise InvalidArgumentError(f"unknown role {role!r}; there are: {', '.join(ROLES)}")
    return _walk(_Way(translation, role, layer, forward), value, index)


@dataclass(frozen=True)
class _Way:
    """From which side of a translation to which values of a role go."""

    translation: Translation
    role: str
    layer: Any
    forward: bool

    @cached_property
    def giver(self) -> Framework:
        """The framework that the values are of."""
        return get_framework(self.translation.source_framework if self.forward else self.translation.target_framework)

    @cached_property
    def taker(self) -> Framework:
        """The framework that they become of."""
        return get_framework(self.translation.target_framework if self.forward else self.translation.source_framework)

    def is_array(self, value: Any) -> bool:
        """Whether it is an array of NumPy or of either side."""
        return isinstance(value, np.ndarray) or self.giver.is_array(value) or self.taker.is_array(value)

    def holds_array(self, value: Any) -> bool:
        """Whether it is an array, or a container of one at any depth."""
        if isinstance(value, Mapping):
            return any(map(self.holds_array, value.values()))
        if isinstance(value, (tuple, list)):
            return any(map(self.holds_array, value))
        return self.is_array(value)

    def permutation(self, of: str, index: int) -> Order:
        """How the axes lie on the side that the values come from."""
        if of == "layer":
            if self.layer is None:
                raise MissingArgumentError("give layer=, the source layer whose value this is")
            row = self.translation.layers.to_target(self.layer)
            if row.permutation is None:
                raise InvalidArgumentError(f"layer {row.source.name!r} lies in a way that no permutation describes")
            found = row.permutation
        else:
            ports = self.translation.inputs if of == "inputs" else self.translation.outputs
            if not -len(ports) <= index < len(ports):
                raise InvalidArgumentError(f"there is no {of.removesuffix('s')} {index}; the model has {len(ports)}")
            found = ports[index].permutation
        return found if self.forward else layout.inverse(found)


def _walk(way: _Way, value: Any, index: int, *, named: bool = False) -> Any:
    """Convert what is under an index, which is that of an input that a key above names if it is ``named``."""
    translation, role = way.translation, way.role
    if role == "output" and not way.is_array(value) and way.holds_array(value):
        return _outputs(way, value)
    if isinstance(value, Mapping):
        ports = {port.name: k for k, port in enumerate(translation.inputs)}
        return {key: _walk(way, item, ports.get(key, index), named=key in ports) for key, item in value.items()}
    if role in AXES:
        return _axes_value(way, value, index)
    if isinstance(value, (tuple, list)) and any(map(way.holds_array, value)):
        # of one input, or inside the entry of one, a list holds several values of it
        alone = named or ARRAYS[role] == "layer" or len(translation.inputs) == 1
        made = getattr(type(value), "_make", type(value))
        return made([_walk(way, item, index if alone else k, named=named) for k, item in enumerate(value)])
    if not way.is_array(value):
        _refuse_unplaced(value, role)
        return value
    if way.taker.is_array(value):
        return value
    array = way.giver.to_numpy(value) if way.giver.is_array(value) else np.asarray(value)
    if array.ndim == 0:
        return way.taker.from_numpy(array)
    if way.forward and ARRAYS[role] == "inputs" and array.dtype == np.float16:
        array = array.astype(_float_of(translation, index))
    permutation = way.permutation(ARRAYS[role], index)
    if array.ndim != len(permutation):
        raise InvalidArgumentError(
            f"a value for the role {role!r} has {array.ndim} axes {array.shape}, but {len(permutation)} are expected"
        )
    return way.taker.from_numpy(array.transpose(permutation))


def _float_of(translation: Translation, index: int) -> str:
    """The precision of an input of the target: a model in half precision is translated in single."""
    dtype = translation.inputs[index].dtype if index < len(translation.inputs) else ""
    return dtype if dtype.startswith("float") else "float16"


def _outputs(way: _Way, value: Any) -> Any:
    """Outputs in a structure: a port is found by its keys if it is named after them, else by counting."""
    named = {port.name: k for k, port in enumerate(way.translation.outputs)}
    places = itertools.count()

    def walk(item: Any, path: str) -> Any:
        if isinstance(item, Mapping):
            return {key: walk(entry, f"{path}.{key}" if path else str(key)) for key, entry in item.items()}
        if isinstance(item, (tuple, list)) and way.holds_array(item):
            made = getattr(type(item), "_make", type(item))
            return made([walk(entry, f"{path}.{k}" if path else str(k)) for k, entry in enumerate(item)])
        if not way.is_array(item):
            return item
        place = 0 if len(way.translation.outputs) == 1 else next(places)
        return _walk(way, item, named.get(path, place))

    return walk(value, "")


def _refuse_unplaced(value: Any, role: str) -> None:
    """Refuse what has axes but is no array of either side: to hand it back as it is would be silently wrong."""
    if isinstance(value, (tuple, list)) and any(isinstance(item, (tuple, list)) for item in value):
        raise InvalidArgumentError(f"nested lists of numbers for the role {role!r}: give an array, np.asarray(value)")
    if hasattr(value, "dtype") and len(getattr(value, "shape", ())):
        raise InvalidArgumentError(
            f"a {type(value).__name__} for the role {role!r} belongs to neither side of the translation: give NumPy, in "
            "the layout of the model it comes from"
        )


def _axes_value(way: _Way, value: Any, index: int) -> Any:
    """One entry an axis, the batch left out: ``(3, 4, 4)``; or a list of such, one a sample or an input."""
    role = way.role
    if way.is_array(value):
        # class indices, one a sample: no layout
        return way.giver.to_numpy(value) if way.giver.is_array(value) else value
    if not isinstance(value, (tuple, list)):
        return value
    if any(isinstance(item, (tuple, list)) for item in value):
        by_input = AXES[role] == "inputs"
        return type(value)(_axes_value(way, item, k if by_input else index) for k, item in enumerate(value))
    if isinstance(value, list) and role == "target":
        return value  # one class a sample
    permutation = way.permutation(AXES[role], index)
    if len(value) != len(permutation) - 1:
        if len(value) == 1:
            return value
        raise InvalidArgumentError(
            f"{role} {value!r} has {len(value)} entries, but the tensor has {len(permutation) - 1} axes beside the batch"
        )
    if permutation[0] != 0:
        raise InvalidArgumentError(f"{role} cannot be translated: the batch is not the first axis")
    return type(value)(value[axis - 1] for axis in permutation[1:])


def to_arrays(values: Any, framework: Framework) -> list[np.ndarray[Any, Any]] | dict[str, np.ndarray[Any, Any]]:
    """Inputs as the caller gives them (one array, a tuple or list of arrays, or a mapping) as NumPy arrays."""
    if isinstance(values, Mapping):
        return {str(key): _array(value, framework) for key, value in values.items()}
    if (
        isinstance(values, Sequence)
        and not isinstance(values, (str, bytes))
        and any(_looks_like(v, framework) for v in values)
    ):
        return [_array(value, framework) for value in values]
    return [_array(values, framework)]


def _looks_like(value: Any, framework: Framework) -> bool:
    return hasattr(value, "shape") or framework.is_array(value)


def _array(value: Any, framework: Framework) -> np.ndarray[Any, Any]:
    if framework.is_array(value):
        return framework.to_numpy(value)
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (ValueError, TypeError) as error:  # arrays of unequal shapes in a list, say
        raise InvalidArgumentError(f"an input has to be an array of numbers: {error}") from error
    if array.dtype == object or array.dtype.kind in "USmM":
        raise InvalidArgumentError(f"an input has to be an array of numbers, not {type(value).__name__}")
    return array


def ordered(inputs: Arrays | dict[str, Array], hub: ExportedGraph | None) -> Arrays:
    """Inputs in the order of the hub's ports; as they come if it does not name them."""
    if not isinstance(inputs, dict):
        return list(inputs)
    if hub is None or set(inputs) != {port.name for port in hub.inputs}:
        return list(inputs.values())
    return [inputs[port.name] for port in hub.inputs]


def inputs_for(model: Any, source: Framework, example_inputs: Any) -> Arrays | dict[str, Array]:
    if example_inputs is None:
        return source.example_inputs(model, 2, 0)
    return to_arrays(example_inputs, source)


def with_constants(
    inputs: Arrays | dict[str, Array], constants: Mapping[str, Any] | None, names: Sequence[str]
) -> Arrays | dict[str, Array]:
    """Example inputs of every input of a model, of which those that are bound to constants may be left out.

    Parameters
    ----------
    constants
        Values by the name of the input, which count where both are given.
    names
        The model's inputs in its own order; nothing is done if they are not known.

    Raises
    ------
    InvalidArgumentError
        There is no input of that name.
    """
    if not constants or not names:
        return inputs
    unknown = set(constants) - set(names)
    if unknown:
        raise InvalidArgumentError(f"bind= names {sorted(unknown)}, but the inputs are {list(names)}")
    bound = {name: np.asarray(value) for name, value in constants.items()}
    if isinstance(inputs, dict):
        return {**inputs, **bound}
    if len(inputs) == len(names):
        return [bound.get(name, array) for name, array in zip(names, inputs, strict=True)]
    if len(inputs) == len(names) - len(bound):
        rest = iter(inputs)
        return [bound[name] if name in bound else next(rest) for name in names]
    return inputs


def check_inputs(inputs: Arrays, ports: Sequence[HubPort]) -> None:
    """Refuse inputs whose number, shape or kind of dtype is not what the model declares."""
    if len(inputs) != len(ports):
        raise InvalidArgumentError(
            f"{len(inputs)} inputs were given, the model takes {len(ports)}: {[p.name for p in ports]}"
        )
    for array, port in zip(inputs, ports, strict=True):
        wanted = tuple("any" if size is None else size for size in port.shape)
        fits = array.ndim == len(wanted) and all(w in ("any", n) for w, n in zip(wanted, array.shape, strict=True))
        if not fits:
            raise InvalidArgumentError(
                f"input {port.name!r} has the shape {array.shape}, the model takes {wanted}".replace("'any'", "any")
            )
        if np.dtype(port.dtype).kind == "f" and array.dtype.kind not in "fiub":
            raise InvalidArgumentError(f"input {port.name!r} has the dtype {array.dtype}, the model takes {port.dtype}")
        if np.dtype(port.dtype).kind in "iu" and array.dtype.kind == "f":
            raise InvalidArgumentError(f"input {port.name!r} has the dtype {array.dtype}, the model takes {port.dtype}")
