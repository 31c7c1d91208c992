"""Output selection: which of the tensors that a model returns is explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, near_misses
from metannvis_methods.models.arrays import in_pieces
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.running.prepared import Prepared

__all__ = ["ChosenOutput", "choose_output", "in_caller_layout", "predicted"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ChosenOutput:
    """One of the outputs of the model that runs.

    Attributes
    ----------
    name
        Path in what the caller's model returns; ``None`` if it returns a tensor and nothing around it.
    index
        Which one it is of the caller's model.
    place
        Which one it is of the model that runs, in the order of its own outputs.
    permutation
        Axis ``k`` of the tensor of the model that runs is axis ``permutation[k]`` of the caller's.
    axes
        One letter an axis of the caller's tensor; empty if they are not known.
    """

    name: str | None
    index: int
    place: int
    permutation: tuple[int, ...] | None = None
    axes: str = ""


def predicted(
    adapter: ModelAdapter, model: Any, inputs: Sequence[Any], *, fixed: int | None, bound: int | None
) -> list[tuple[str, Array]]:
    """What the model returns, with paths.

    Parameters
    ----------
    fixed
        The only number of rows that the model takes.
    bound
        Most rows that pass through it at once.
    """
    names: list[str] = []

    def predict(part: Sequence[Any]) -> list[Array]:
        found = adapter.outputs(model, part)
        names[:] = [name for name, _ in found]
        return [array for _, array in found]

    size = bound if fixed is None else fixed
    arrays = in_pieces(predict, inputs, size, exact=fixed is not None)
    return list(zip(names, arrays, strict=True))


def choose_output(
    prepared: Prepared, home: ModelAdapter, asked: Any, outputs: Sequence[tuple[str, Array]]
) -> ChosenOutput:
    """The output that the caller means.

    Parameters
    ----------
    home
        Adapter of the caller's framework.
    asked
        An index, a name or a path (``"logits"``, ``"scores.0"``); ``None`` is the only output.
    outputs
        What the model that runs returned, with paths.

    Raises
    ------
    InvalidArgumentError
        There is no such output, or there are several and none was named; the message lists them.
    """
    ports = prepared.translation.outputs if prepared.translation is not None else None
    if ports is None:
        names = [path for path, _ in outputs]
        choices = [ChosenOutput(path or None, place, place) for place, path in enumerate(names)]
        shapes = [array.shape for _, array in outputs]
    else:
        names = [port.name for port in ports]
        choices = [
            ChosenOutput(port.name, k, k if port.place is None else port.place, tuple(port.permutation), port.axes)
            for k, port in enumerate(ports)
        ]
        shapes = [tuple(-1 if size is None else size for size in port.source_shape) for port in ports]
    if asked is None and len(choices) == 1:
        return choices[0]
    own = _own_names(prepared, home) if ports is not None and isinstance(asked, (str, type(None))) else None
    shown = own if own is not None and len(own) == len(names) else names
    listed = ", ".join(
        f"{name or k!r} ({', '.join('N' if size < 0 else str(size) for size in shape)})"
        for k, (name, shape) in enumerate(zip(shown, shapes, strict=True))
    )
    if asked is None:
        raise InvalidArgumentError(
            f"the model has {len(choices)} outputs: say which one with output=, an index or a name: {listed}"
        )
    if isinstance(asked, bool) or not isinstance(asked, (int, str, np.integer)):
        raise InvalidArgumentError(
            f"output is the index, the name or the path of one of the model's outputs, not {asked!r}: {listed}"
        )
    if isinstance(asked, str):
        places = [k for k, name in enumerate(shown) if name == asked] or [
            k for k, name in enumerate(names) if name == asked
        ]
        if len(places) == 1:
            return choices[places[0]]
        close = near_misses(asked, shown)
        hint = f" Close: {', '.join(close)}." if close else ""
        raise InvalidArgumentError(f"the model has no output {asked!r}.{hint} There are: {listed}")
    if not -len(choices) <= asked < len(choices):
        raise InvalidArgumentError(f"the model has no output {asked}: there are {len(choices)}: {listed}")
    return choices[int(asked)]


def in_caller_layout(chosen: ChosenOutput, output: Array) -> Array:
    """The output as the caller's model lays it out."""
    order = chosen.permutation
    if order is None or len(order) != output.ndim:
        return output
    return np.ascontiguousarray(np.transpose(output, np.argsort(order)))


def _own_names(prepared: Prepared, home: ModelAdapter) -> list[str] | None:
    """Paths in what the caller's model returns, which is run for that; ``None`` if it cannot be."""
    if not prepared.examples or not home.predicts(prepared.source):
        return None
    with home.guarded(prepared.source):
        return [path for path, _ in home.outputs(prepared.source, home.as_inputs(prepared.source, prepared.examples))]
