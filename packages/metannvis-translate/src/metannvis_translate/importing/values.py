"""Values that a converter takes: those known when the model is built, beside those laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.graph.layout import LaidOut

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["ConstantValue", "Value", "WeightExpression", "is_container"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ConstantValue:
    """A value that is known when the model is built, in its logical layout.

    ``exact`` is the double behind a float32 scalar, where the exporter knew it. ``trainable``: it is a weight of the
    source, to be kept as a weight of the target; ``frozen``: one that the source does not train. ``recipe``: how it is
    computed from weights.
    """

    array: Array
    name: str = ""
    exact: float | None = None
    trainable: bool = False
    recipe: WeightExpression | None = None
    frozen: bool = False

    @property
    def rank(self) -> int:
        """Number of axes."""
        return self.array.ndim

    def identity(self) -> Any:
        """Equal for the same weight, or the same computation of the same weights; for constants, for the same elements."""
        if self.recipe is not None:
            parts = tuple(None if value is None else value.identity() for value in self.recipe.inputs)
            attributes = sorted((a.name, repr(a.value)) for a in self.recipe.node.attributes.values())
            return self.recipe.node.op_type, tuple(attributes), parts
        return self.name if self.trainable else (self.array.shape, self.array.tobytes())

    def double(self) -> Array:
        """The array, with the exact number where it is known and the type can hold it."""
        return self.array if self.exact is None else np.full(self.array.shape, self.exact, self.array.dtype)

    def scalar(self) -> float | int | bool | None:
        """The value as a Python scalar if it has a single element, as exact as known; else ``None``."""
        if self.array.size != 1:
            return None
        return self.exact if self.exact is not None else self.array.reshape(()).item()


Value = LaidOut | ConstantValue


@dataclass(frozen=True, eq=False)
class WeightExpression:
    """The node that computes a value of trainable weights alone (``logit_scale.exp()``, an entry of a table)."""

    node: ir.Node
    inputs: tuple[ConstantValue | None, ...]


def is_container(value: ir.Value) -> bool:
    """Whether a value is a sequence or an optional value and not a tensor."""
    return type(value.type).__name__ in ("SequenceType", "OptionalType")
