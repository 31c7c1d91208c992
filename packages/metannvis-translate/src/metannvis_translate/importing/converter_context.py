"""The context of a converter: what it may ask of the node that it converts, and say of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.graph.metadata import LAYER, TIE_GRADIENT, TRACE, exact_value
from metannvis_translate.graph.stack_trace import line_of_trace
from metannvis_translate.importing.placement import LayoutTracking
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["ConverterContext"]

Array = np.ndarray[Any, Any]


class ConverterContext(LayoutTracking):
    """The part of an importer that converters call about the current node, beside the placement of values."""

    #: what to say to somebody whose operator is missing
    register_hint = ""
    node: ir.Node
    opset: int
    #: ``"float32"`` or ``"float64"`` forced on every float, or ``None``: as the graph says
    dtype: str | None
    _names: set[str]

    @property
    def layer(self) -> str | None:
        """Name of the source layer that the current node came from."""
        return self.node.metadata_props.get(LAYER) or None

    @property
    def where(self) -> str | None:
        """The line of the user's code that the current node came from, if the exporter knew it."""
        return line_of_trace(self.node.metadata_props.get(TRACE, ""))

    @property
    def ties(self) -> str | None:
        """Where the derivative of the current node goes at a tie: :data:`~metannvis_translate.graph.metadata.TIE_GRADIENT`."""
        return self.stated(TIE_GRADIENT)

    def stated(self, key: str) -> str | None:
        """What the exporter wrote on the current node under a key; ``None``: as the standard has it."""
        return self.node.metadata_props.get(key)

    def refuse(self, reason: str, *, cause: BaseException | None = None) -> NoReturn:
        """Raise the documented refusal for the current node."""
        raise UnsupportedOperatorError(
            self.node.op_type,
            opset=self.opset,
            layer=self.layer,
            where=self.where,
            reason=reason,
            hint=self.register_hint,
        ) from cause

    def known(self, value: Value | None, what: str) -> Array:
        """The array of an input that has to be known now."""
        if not isinstance(value, ConstantValue):
            self.refuse(f"its {what} is computed when the model runs, but has to be known beforehand")
        return value.array

    def constant_node(self, array: Array) -> ConstantValue:
        """The value of the current ``Constant`` node, with the exact double behind it if the exporter knew it."""
        return ConstantValue(
            self._floats(array), name=self.node.outputs[0].name or "", exact=exact_value(self.node, "value")
        )

    def float_dtype(self, dtype: str) -> str:
        """A dtype name of the graph (``"FLOAT"`` or ``"float32"``) as the target's NumPy dtype name."""
        names = {"FLOAT": "float32", "DOUBLE": "float64"}
        name = names.get(dtype, dtype.lower())
        return self.dtype if self.dtype and name in ("float16", "bfloat16", "float32", "float64") else name

    def shape(self, position: int, *, output: bool = False) -> tuple[int | None, ...] | None:
        """Logical shape of an input (or output) of the current node, ``None`` a free size; ``None`` if unknown."""
        value = (self.node.outputs if output else self.node.inputs)[position]
        if value is None or value.shape is None:
            return None
        return tuple(d if isinstance(d, int) else None for d in value.shape)

    def used_outputs(self) -> int:
        """Number of the current node's outputs up to the last one that somebody uses."""
        used = [k for k, out in enumerate(self.node.outputs) if out.uses() or out.is_graph_output()]
        return max(used, default=0) + 1

    def unique(self, name: str) -> str:
        """A name that no other layer of the target has."""
        name = re.sub(r"[^0-9A-Za-z_.]", "_", name) or "layer"
        candidate, number = name, 2
        while candidate in self._names:
            candidate, number = f"{name}_{number}", number + 1
        self._names.add(candidate)
        return candidate

    def _floats(self, array: Array) -> Array:
        if self.dtype is not None and array.dtype.kind == "f" and array.dtype != self.dtype:
            return array.astype(self.dtype)
        return array
