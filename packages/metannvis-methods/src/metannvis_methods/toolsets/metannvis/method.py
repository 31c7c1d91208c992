"""Methods of this toolset: what one is, and how the score of an output is picked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import MissingArgumentError
from metannvis_methods.registry.toolset import MethodCall

__all__ = ["LayerMethod", "Method", "generator_of", "picked"]

Array = np.ndarray[Any, Any]


class Method:
    """A method of ours, constructed on a call; ``attribute`` takes the arguments that its row names.

    Attributes
    ----------
    call
        Model, target, axes, seed, and what else a call has.
    """

    def __init__(self, call: MethodCall) -> None:
        self.call = call

    @property
    def in_tuple(self) -> bool:
        """Whether values are a tuple, one an input, as the inputs were given."""
        return self.call.several or len(self.call.inputs) > 1

    def as_given(self, values: Sequence[Any]) -> Any:
        """Values of all inputs as the inputs were given: one, or a tuple."""
        return tuple(values) if self.in_tuple else values[0]


class LayerMethod(Method):
    """A method of ours that looks at a layer."""

    def __init__(self, call: MethodCall, layer: Any) -> None:
        super().__init__(call)
        self.layer = layer


def picked(output: Any, target: Any, samples: int) -> Any:
    """The explained number of each row of an output, NumPy or tensor, shape ``(rows,)``.

    Parameters
    ----------
    output
        Shape ``(rows, …)``; rows are copies of the samples, each copy with all of them.
    target
        A :data:`~metannvis_methods.registry.toolset.Target`, one for all or one a sample.
    samples
        Their number.

    Raises
    ------
    MissingArgumentError
        There are several outputs and no target.
    """
    rows = len(output)
    if target is None:
        flat = output.reshape(rows, -1)
        if flat.shape[1] != 1:
            raise MissingArgumentError(f"the output has shape {tuple(output.shape)}: give target=…, which one is meant")
        return flat[:, 0]
    if not isinstance(target, list):
        return output[(slice(None), *(target if isinstance(target, tuple) else (target,)))]
    places = [item if isinstance(item, tuple) else (item,) for item in target]
    at = np.array([places[row % samples] for row in range(rows)]).reshape(rows, -1)
    return output[(np.arange(rows), *at.T)]


def generator_of(seed: int | None) -> np.random.Generator:
    """A generator of a call: of its seed, or going on where NumPy's global one stands."""
    return np.random.default_rng(np.random.randint(2**31) if seed is None else seed)  # noqa: NPY002  # the process' own
