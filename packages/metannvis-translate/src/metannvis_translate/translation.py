"""Translation: the result of a translation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.protocol import BuiltModel, Framework
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.graph.layout import Order
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.layers import LayerMap, LayerRow
from metannvis_translate.process import exclusive, generators_kept

if TYPE_CHECKING:
    from metannvis_translate.equivalence.report import EquivalenceReport

__all__ = ["Port", "Translation"]


@dataclass(frozen=True)
class Port:
    """An input or output of both models.

    Attributes
    ----------
    source_shape, target_shape
        ``None`` stands for a free size.
    permutation
        Axis ``k`` of the target's tensor is axis ``permutation[k]`` of the source's.
    dtype
        NumPy name of the target's dtype.
    axes, target_axes
        One letter an axis, as in :class:`~metannvis_translate.LayerInfo`.
    place
        Which one it is of the target's, flattened as its framework does it; ``None`` if the same as of the source's.
    """

    name: str
    source_shape: tuple[int | None, ...]
    target_shape: tuple[int | None, ...]
    permutation: Order
    dtype: str
    axes: str = ""
    target_axes: str = ""
    place: int | None = None


@dataclass(frozen=True, eq=False)
class Translation:
    """A model, its translation, and how one is read in terms of the other.

    Attributes
    ----------
    source, model
        The model given and the model made.
    layers
        Which layer of the source is which of the target.
    report
        Figures of the check; ``None`` if it was turned off.
    inputs, outputs
        One :class:`Port` each, in order.
    source_framework, target_framework
        Keys: ``"torch"``, ``"tensorflow"``, ``"onnx"``.
    dtype
        ``"float64"`` if both were built in double precision.
    single_precision
        What the source computes in single precision even when it is double; such a model is held to 1e-6.
    notes
        What happened on the way that a reader should know (an exporter that failed and was replaced).
    """

    source: Any
    model: Any
    layers: LayerMap
    report: EquivalenceReport | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    source_framework: str
    target_framework: str
    dtype: str | None = None
    notes: tuple[str, ...] = field(default=())
    single_precision: tuple[str, ...] = field(default=())

    def to_target(self, value: Any, role: str = "input", index: int = 0, layer: Any = None) -> Any:
        """A value of the source's world as the target takes it; see :func:`~metannvis_translate.translate_data`."""
        from metannvis_translate.data import convert

        return convert(self, value, role=role, index=index, layer=layer, forward=True)

    def to_source(self, value: Any, role: str = "input", index: int = 0, layer: Any = None) -> Any:
        """A value of the target's world as the source takes it."""
        from metannvis_translate.data import convert

        return convert(self, value, role=role, index=index, layer=layer, forward=False)

    def attach(self, layer: Any) -> tuple[Any, Any]:
        """The target model, and the layer object in it that returns what a layer of the *source* returns.

        Where no layer of the target does (a flatten in PyTorch is a function), the model returned is a copy with an
        identity layer in that place, which shares every weight with ``self.model``.

        Parameters
        ----------
        layer
            Name in the source's terms, or the source's layer object.

        Raises
        ------
        UnknownLayerError
            No such layer ran; the message names close ones.
        """
        row = self.layers.to_target(layer)
        with exclusive(self.model), generators_kept():
            return get_framework(self.target_framework).attach(self.model, row.target.name)

    def row(self, layer: Any) -> LayerRow:
        """Row of the layer map of a layer of the source."""
        return self.layers.to_target(layer)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the translated model; the ending decides the format. See :func:`~metannvis_translate.save_model`."""
        from metannvis_translate.files import save_model

        save_model(self.model, path, example_inputs=self.example_inputs(), overwrite=overwrite)

    def example_inputs(self, batch: int = 2) -> tuple[Any, ...]:
        """Zeros of the target's input shapes, NumPy, free sizes beside the batch taken as 1."""
        shapes = [
            tuple((batch if k == 0 else 1) if d is None else d for k, d in enumerate(port.target_shape))
            for port in self.inputs
        ]
        return tuple(np.zeros(shape, port.dtype) for shape, port in zip(shapes, self.inputs, strict=True))


def assemble(
    model: Any,
    source: Framework,
    target: Framework,
    hub: ExportedGraph,
    built: BuiltModel,
    dtype: str | None,
    notes: tuple[str, ...],
) -> Translation:
    rows = []
    for layer in hub.layers:
        found = built.values.get(layer.value)
        if found is None:
            continue
        order, info = found.order, found.info
        if len(layer.info.axes) == len(order):
            info = dataclasses.replace(info, axes="".join(layer.info.axes[axis] for axis in order))
        rows.append(LayerRow(layer.info, info, order, layer.value))

    def ports(of_hub: Sequence[Any], of_built: Sequence[Any]) -> tuple[Port, ...]:
        return tuple(
            Port(h.name, h.shape, b.shape, b.order, b.dtype, h.axes, b.axes)
            for h, b in zip(of_hub, of_built, strict=True)
        )

    outputs = ports(hub.outputs, built.outputs)
    return Translation(
        source=model,
        model=built.model,
        layers=LayerMap(
            tuple(rows),
            source_names={layer.object_id: layer.info.layer for layer in hub.layers if layer.object_id is not None},
            target_names=built.object_names,
        ),
        report=None,
        inputs=ports(hub.inputs, built.inputs),
        outputs=tuple(
            dataclasses.replace(port, place=place) for port, place in zip(outputs, built.output_places, strict=True)
        )
        if built.output_places
        else outputs,
        source_framework=source.key,
        target_framework=target.key,
        dtype=dtype,
        notes=(*notes, *hub.notes),
    )
