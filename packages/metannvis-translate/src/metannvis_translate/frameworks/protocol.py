"""Framework plug-ins, and the one place that imports a framework.

A framework is found through the entry-point group ``metannvis.frameworks``; ours register the same way a third
party does. Loading a plug-in imports no framework; only its work does, through :func:`require`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from metannvis_translate.graph.layout import Order
    from metannvis_translate.graph.model import HubModel
    from metannvis_translate.layers import LayerInfo

__all__ = ["Built", "BuiltPort", "BuiltValue", "DeclinedError", "Framework", "Importer", "Progress", "Run"]

#: ``progress(done, total, stage)``
Progress = Callable[[int, int, str], None]
Array = np.ndarray[Any, Any]


class DeclinedError(UnsupportedOperatorError):
    """One way to export leaves a model to the next, which knows more of it; no failure worth a word to the user."""


@dataclass(frozen=True)
class BuiltPort:
    """An input or output of a model that an importer built.

    ``order``: axis ``k`` of the model's tensor is axis ``order[k]`` of the hub value.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    order: Order
    axes: str = ""


@dataclass(frozen=True)
class BuiltValue:
    """Where a hub value is found in a built model: the layer (or operation) that puts it out."""

    info: LayerInfo
    order: Order


@dataclass
class Built:
    """What an importer returns. ``values`` holds every value that a source layer put out, by hub name."""

    model: Any
    inputs: tuple[BuiltPort, ...]
    outputs: tuple[BuiltPort, ...]
    values: Mapping[str, BuiltValue]
    #: ``id(layer object)`` → name, for callers that give the object.
    object_names: Mapping[int, str] = field(default_factory=dict)
    #: Where each output stands among what the model puts out, as its framework counts; empty: in the hub's order.
    output_places: Sequence[int] = ()


@dataclass
class Run:
    """Arrays of one run of a model, each in the model's own layout.

    ``gradients`` has an entry an input (``None`` for an integer input): the derivative of the sum of all outputs
    times their cotangents.
    """

    outputs: list[Array]
    layers: dict[str, Array] = field(default_factory=dict)
    gradients: list[Array | None] | None = None


class Importer(Protocol):
    """Makes a model of a hub graph."""

    def __call__(self, hub: HubModel, *, dtype: str | None, progress: Progress) -> Built: ...


class Framework(Protocol):
    """What a framework plug-in does. All arrays are NumPy, in the framework's own layout."""

    key: str
    label: str
    #: File name endings it loads, with the dot.
    suffixes: tuple[str, ...]
    #: Ways to export, the one to try first in front.
    engines: tuple[str, ...]
    #: Whether :meth:`run` gives gradients; differences are taken where it does not.
    differentiable: bool
    # A framework may also have ``importers``: other ways to build than :meth:`build`, by the name that ``engine=`` asks for,
    # each a function ``(hub, *, dtype, progress) -> Built``; and ``declared_shapes(model)``, shapes by name of input with
    # ``None`` for a free size, if its ``export`` has to be told by ``free=`` which axes beside the batch are free. What it
    # saves as more than one file it saves by ``save_several(model, path, *, inputs, overwrite)``, which is asked before
    # :meth:`save` and answers whether it did; ``saves_folders = True`` if names without an ending are among it.
    # Two context managers, both of which import nothing: ``plain_mode()``, inside which no mode counts that the caller's thread
    # is in (no gradients, reduced precision, a graph under construction); and ``generators(seed)``, which puts the framework's
    # generators of random numbers back, and seeds them inside if the seed is not ``None``.
    # ``channels_axis`` says where its images have their channels, 1 or -1; without it values of four and five axes of its
    # models are taken to lie as the other framework's do. What its exporter may state of a graph, and of the nodes of an
    # operator, stands in :mod:`~metannvis_translate.graph.conventions`.

    def detect(self, model: Any) -> bool:
        """Whether the object is a model of this framework; imports nothing."""

    def is_array(self, value: Any) -> bool:
        """Whether the value is a tensor of this framework; imports nothing."""

    def to_numpy(self, value: Any) -> Array: ...

    def from_numpy(self, array: Array) -> Any: ...

    def export(
        self,
        model: Any,
        inputs: Sequence[Array] | Mapping[str, Array] | None,
        *,
        dtype: str | None,
        engine: str,
        progress: Progress,
    ) -> HubModel:
        """Model to ONNX with provenance, by one of ``engines``; the model stays as it is.

        ``inputs`` are example inputs, ``None`` if the model declares its own shapes. ``dtype="float64"`` exports a
        copy in double precision.
        """

    def build(self, hub: HubModel, *, dtype: str | None, progress: Progress) -> Built:
        """ONNX to a model of this framework."""

    def run(
        self,
        model: Any,
        inputs: Sequence[Array],
        *,
        layers: Sequence[str] = (),
        cotangents: Sequence[Array] | None = None,
    ) -> Run:
        """Run a model in inference mode; the model stays as it is.

        ``layers`` names layers whose outputs are wanted (those that the model lacks are left out of the result).
        ``cotangents``, one an output, asks for input gradients.
        """

    def as_float64(self, model: Any) -> Any:
        """A copy in double precision that computes the same; the model stays as it is."""

    def list_layers(self, model: Any, inputs: Sequence[Array] | None) -> tuple[LayerInfo, ...]: ...

    def example_inputs(self, model: Any, batch: int, seed: int) -> list[Array]:
        """Random inputs of the declared shapes; ``MissingArgumentError`` if the model declares none."""

    def attach(self, model: Any, layer: str) -> tuple[Any, Any]:
        """A model that shares the given one's weights, and in it a layer object that puts out that layer's tensor."""

    def load(self, path: Path, *, trust: bool, architecture: str | None) -> Any: ...

    def save(self, model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
        """Write one file. The path is a hidden one with the right ending, which becomes the caller's when all is written."""
