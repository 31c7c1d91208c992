"""Layers of a model, and which layer of one model is which of another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from metannvis_translate.errors import UnknownLayerError

__all__ = ["ROLES", "LayerInfo", "LayerMap", "LayerRow", "ModelDescription", "first_role"]

#: What a layer may be for; of one that does several of these it is the first.
ROLES = ("convolution", "recurrent", "attention", "embedding", "normalization", "dense")


@dataclass(frozen=True)
class LayerInfo:
    """One call of a named unit of a model.

    Attributes
    ----------
    name
        Path of the layer in its own model: ``layer4.1.conv2`` (PyTorch), ``block/conv1`` (Keras),
        node or value name (ONNX). The second call of a shared layer is ``name:2``.
    kind
        Class of the layer (``"Conv2d"``), or ONNX operator.
    shape
        Shape of what it returns, in its own model's layout; ``None`` stands for a free size.
        Empty for a layer that returns no tensor.
    axes
        One letter an axis of ``shape``: N batch, C channels, D/H/W space, L a single spatial axis,
        T tokens or time, F features, ``?`` not known.
    parent
        The layer holds other layers (a container such as ``layer4``, a nested model).
    role
        What the layer does, as its operators tell, whatever its class is called: one of :data:`ROLES`, or nothing. The layers
        inside a container have roles, the container has that of what it does itself.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...] = ()
    axes: str = ""
    parent: bool = False
    role: str = field(default="", compare=False)

    @property
    def layer(self) -> str:
        """Name without the call number."""
        return self.name.rsplit(":", 1)[0] if self.call > 1 else self.name

    @property
    def call(self) -> int:
        """Which call of the layer this is, from 1."""
        _, sep, number = self.name.rpartition(":")
        return int(number) if sep and number.isdigit() else 1


@dataclass(frozen=True)
class ModelDescription:
    """What a framework says of a model: the axes of its inputs, and its layers.

    Attributes
    ----------
    input_axes
        One letter an axis of each input, as in :class:`LayerInfo`; nothing at all if the framework does not tell.
    layers
        As :func:`~metannvis_translate.list_layers` lists them.
    indices
        Places of the inputs whose whole numbers are looked up in a table, as those of tokens are.
    """

    input_axes: tuple[str, ...]
    layers: tuple[LayerInfo, ...]
    indices: tuple[int, ...] = ()


def first_role(table: Mapping[str, Collection[str]], operators: Iterable[str]) -> str:
    """The first of :data:`ROLES` whose entry in a framework's table holds one of the operators; nothing if none does."""
    found = set(operators)
    return next((role for role in ROLES if not found.isdisjoint(table.get(role, ()))), "")


@dataclass(frozen=True)
class LayerRow:
    """A source layer, the target layer that returns the same tensor, and how the two lie.

    Attributes
    ----------
    permutation
        Axis ``k`` of the target's output is axis ``permutation[k]`` of the source's.
        ``None`` where the shapes cannot be matched axis by axis.
    value
        Handle of the tensor in the hub graph.
    """

    source: LayerInfo
    target: LayerInfo
    permutation: tuple[int, ...] | None
    value: str = field(repr=False, default="")


class LayerMap(Mapping[str, LayerRow]):
    """Rows in the order in which the source executes its layers, by source name.

    ``objects`` maps ``id(layer object)`` of either model to names, so that a caller may give the
    object (``model.conv2``) instead of its name.
    """

    def __init__(
        self,
        rows: tuple[LayerRow, ...],
        *,
        source_names: Mapping[int, str] | None = None,
        target_names: Mapping[int, str] | None = None,
    ) -> None:
        self._rows = {row.source.name: row for row in rows}
        self._source_names = dict(source_names or {})
        self._target_names = dict(target_names or {})

    def __getitem__(self, name: str) -> LayerRow:
        return self.to_target(name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return self._name(name, self._source_names) in self._rows

    @property
    def rows(self) -> tuple[LayerRow, ...]:
        """Every row, in execution order."""
        return tuple(self._rows.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Source names, in execution order."""
        return tuple(self._rows)

    def to_target(self, layer: Any) -> LayerRow:
        """Row of a layer of the *source*, given by name or as the object itself."""
        name = self._name(layer, self._source_names)
        if name not in self._rows:
            raise UnknownLayerError(name, self._rows, of="the source model (among the layers that ran)")
        return self._rows[name]

    def to_source(self, layer: Any) -> LayerRow:
        """Row of a layer of the *target*, given by name or as the object itself; the innermost one."""
        name = self._name(layer, self._target_names)
        rows = [row for row in self._rows.values() if row.target.name == name]
        if not rows:
            raise UnknownLayerError(name, [row.target.name for row in self._rows.values()], of="the target model")
        leaves = [row for row in rows if not row.source.parent]
        return (leaves or rows)[0]

    @staticmethod
    def _name(layer: Any, names: Mapping[int, str]) -> Any:
        if isinstance(layer, str):
            return layer
        if id(layer) in names:
            return names[id(layer)]
        if isinstance(layer, LayerInfo):
            return layer.name
        return f"{type(layer).__name__}(…)"  # an object of another model, even one whose layer has the same name

    def __repr__(self) -> str:
        return f"LayerMap({len(self)} layers)"
