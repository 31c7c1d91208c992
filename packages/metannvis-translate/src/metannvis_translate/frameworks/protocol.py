"""Plug-in protocol: what a framework has to provide, and what its importer returns.

A framework is found through the entry-point group ``metannvis.frameworks``; ours register the same way a third
party does. Loading a plug-in imports no framework; only its work does, through :func:`require`.

:class:`Framework` says what a plug-in does; :class:`FrameworkBase` has those of its members that most need not write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metannvis_translate.errors import MissingArgumentError, UnsupportedOperatorError
from metannvis_translate.layers import ModelDescription

if TYPE_CHECKING:
    from metannvis_translate.graph.layout import Order
    from metannvis_translate.graph.model import ExportedGraph
    from metannvis_translate.layers import LayerInfo

__all__ = [
    "BuiltModel",
    "BuiltPort",
    "BuiltValue",
    "DeclaredInput",
    "EngineDeclinedError",
    "Framework",
    "FrameworkBase",
    "Importer",
    "Progress",
    "Run",
    "TieOrder",
]

#: ``progress(done, total, stage)``
Progress = Callable[[int, int, str], None]
Array = np.ndarray[Any, Any]
#: Weights of the outputs in the sum that is differentiated; as a function of the outputs where a framework takes one.
Cotangents = Sequence[Array] | Callable[[list[Array]], Sequence[Array]]


class EngineDeclinedError(UnsupportedOperatorError):
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
class BuiltModel:
    """What an importer returns. ``values`` holds every value that a source layer returned, by hub name."""

    model: Any
    inputs: tuple[BuiltPort, ...]
    outputs: tuple[BuiltPort, ...]
    values: Mapping[str, BuiltValue]
    #: ``id(layer object)`` → name, for callers that give the object.
    object_names: Mapping[int, str] = field(default_factory=dict)
    #: Where each output stands among what the model returns, as its framework counts; empty: in the hub's order.
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


@dataclass(frozen=True)
class TieOrder:
    """Order of entries that a sort or a selection finds equal: by their places, the first one first, or by chance.

    Attributes
    ----------
    within
        How far apart entries are that count as equal, a part of the largest; 0 for exactly equal ones, by their places.
    seed, opposite
        Of the chance; the opposite of a draw has entries the other way round.
    """

    within: float = 0.0
    seed: int = 0
    opposite: bool = False


@dataclass(frozen=True)
class DeclaredInput:
    """What a model says of one of its inputs.

    Attributes
    ----------
    name
        As the model calls it.
    shape
        Batch first, ``None`` a free size. ``None`` as a whole: nothing is said, not even how many axes there are.
    dtype
        NumPy's name of it, or ``"bfloat16"``.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


class Importer(Protocol):
    """Makes a model of a hub graph."""

    def __call__(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel: ...


class Framework(Protocol):
    """What a framework plug-in does. All arrays are NumPy, in the framework's own layout.

    What :class:`FrameworkBase` has too may be left out: it is taken from there, also for an object that does not inherit it.
    """

    key: str
    label: str
    #: File name endings it loads, with the dot.
    suffixes: tuple[str, ...]
    #: Ways to export, the one to try first in front.
    engines: tuple[str, ...]
    #: Whether :meth:`run` gives gradients; differences are taken where it does not.
    differentiable: bool
    #: Whether a run that is asked for gradients computes its outputs and layers just as one that is not.
    gradients_by_tape: bool
    #: Other names that users have for it, in lower case.
    aliases: Sequence[str]
    #: Modules that its models need, as :func:`require` is given them.
    packages: Sequence[str]
    #: Whether images have their channels last by custom; ``None`` if there is none, and sizes have to tell.
    channels_last: bool | None
    #: Whether sizes that its models leave free can be fixed when they are exported.
    fixes_sizes: bool
    #: Whether names without an ending are among what it saves: folders.
    saves_folders: bool

    #: Former names of ``engines``, which are understood still.
    former_engines: Mapping[str, str]

    @property
    def importers(self) -> Mapping[str, Importer]:
        """Other ways to build than :meth:`build`, by the name that ``engine=`` asks for."""

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
    ) -> ExportedGraph:
        """Model to ONNX with provenance, by one of ``engines``; the model stays as it is.

        ``inputs`` are example inputs, ``None`` if the model declares its own shapes. ``dtype="float64"`` exports a
        copy in double precision. One that has :meth:`declared_shapes` takes ``free=`` too: for each input the axes of free
        size beside the batch. One that ``fixes_sizes`` takes ``fixed=True``: free sizes beside the
        batch become those of the inputs.
        """

    def check(self, model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None) -> None:
        """Refuse a model that is not valid, or too large on these inputs, before anything else looks at it."""

    def build(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
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
        ``cotangents``, one an output, asks for input gradients; where :attr:`gradients_by_tape`, also as a function of the
        outputs.
        """

    def as_float64(self, model: Any) -> Any:
        """A copy in double precision that computes the same; the model stays as it is."""

    def as_float32(self, model: Any) -> Any:
        """A copy in single precision of a model whose exported graph is in that and which is itself in half; else the model."""

    def list_layers(self, model: Any, inputs: Sequence[Array] | None) -> tuple[LayerInfo, ...]: ...

    def describe(self, model: Any, inputs: Sequence[Array] | None) -> ModelDescription:
        """Layers, what the axes of the inputs mean, and which of them are indices; inputs as for :meth:`list_layers`."""

    def declared_inputs(self, model: Any) -> Sequence[DeclaredInput]:
        """What the model says of its inputs, in order; nothing if it does not say what it takes."""

    def declared_shapes(self, model: Any) -> Mapping[str, tuple[int | None, ...]] | None:
        """Shapes by name of input, ``None`` a free size, if the exporter has to be told which sizes are free; else ``None``."""

    def flattened(self, model: Any, values: Any) -> tuple[Any, Any]:
        """A model that takes one by one the tensors that are given in lists and dicts, and these; both as given without any."""

    def example_inputs(self, model: Any, batch: int, seed: int) -> list[Array]:
        """Random inputs of the declared shapes; ``MissingArgumentError`` if the model declares none."""

    def attach(self, model: Any, layer: str) -> tuple[Any, Any]:
        """A model that shares the given one's weights, and in it a layer object that returns that layer's tensor."""

    def model_adapter(self) -> Any:
        """What methods do to its models: a :class:`metannvis_methods.ModelAdapter`; imports the framework.

        ``None``: another package may have registered one in the group ``metannvis.models``, as a plug-in does that is to be
        had without metannvis-methods.
        """

    def needs_canonical(self, model: Any, inputs: Sequence[Array], *, relevance: bool = False) -> Sequence[str]:
        """Why methods that hook on layers would be wrong on this model as it stands; empty if they are not.

        ``relevance``: the method is layer-wise relevance propagation, which asks for more.
        """

    def plain_mode(self) -> AbstractContextManager[None]:
        """Inside, no mode counts that the caller's thread is in: no gradients, reduced precision, a graph under construction.

        Imports nothing.
        """

    def ties_in_order(self, order: TieOrder) -> AbstractContextManager[Set[str]]:
        """Inside, what it leaves open about equal entries is as said; yields names of operators that met such entries."""

    def generators(self, seed: int | None) -> AbstractContextManager[None]:
        """Afterwards its generators of random numbers are back; inside they are seeded, if there is a seed. Imports nothing."""

    def opens_folder(self, path: Path) -> bool:
        """Whether a folder is a model of this framework; imports nothing."""

    def load(self, path: Path, *, trust: bool, architecture: str | None) -> Any: ...

    def save(self, model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
        """Write one file. The path is a hidden one with the right ending, which becomes the caller's when all is written."""

    def save_several(self, model: Any, path: Path, *, inputs: Sequence[Array] | None, overwrite: bool) -> bool:
        """Write a model that takes several files, and say whether it does; asked before :meth:`save`."""


class FrameworkBase:
    """The members of a plug-in that most frameworks need not write; what each is for says :class:`Framework`."""

    former_engines: Mapping[str, str] = MappingProxyType({})
    aliases: Sequence[str] = ()
    packages: Sequence[str] = ()
    channels_last: bool | None = None
    fixes_sizes: bool = False
    gradients_by_tape: bool = False
    saves_folders: bool = False

    @property
    def importers(self) -> Mapping[str, Importer]:
        """None but ``build``."""
        return {}

    def check(self, model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None) -> None:
        """Nothing is refused."""

    def as_float32(self, model: Any) -> Any:
        """The model is exported as it is."""
        return model

    def describe(self, model: Any, inputs: Sequence[Array] | None) -> ModelDescription:
        """The layers; nothing is said of the inputs."""
        layers = self.list_layers(model, inputs)  # type: ignore[attr-defined]  # which every plug-in has itself
        return ModelDescription((), tuple(layers))

    def declared_inputs(self, model: Any) -> Sequence[DeclaredInput]:
        """As the plug-in's example inputs are."""
        try:
            arrays = self.example_inputs(model, 1, 0)  # type: ignore[attr-defined]  # which every plug-in has itself
        except MissingArgumentError:
            return ()
        return [
            DeclaredInput(f"input_{k}", (None, *array.shape[1:]), array.dtype.name) for k, array in enumerate(arrays)
        ]

    def declared_shapes(self, model: Any) -> Mapping[str, tuple[int | None, ...]] | None:
        """The exporter sees for itself which sizes are free."""
        return None

    def flattened(self, model: Any, values: Any) -> tuple[Any, Any]:
        """The model takes its inputs one by one."""
        return model, values

    def model_adapter(self) -> Any:
        """None in the plug-in itself."""
        return None

    def needs_canonical(self, model: Any, inputs: Sequence[Array], *, relevance: bool = False) -> Sequence[str]:
        """Any form will do."""
        return ()

    def plain_mode(self) -> AbstractContextManager[None]:
        """There are no modes."""
        return nullcontext()

    def ties_in_order(self, order: TieOrder) -> AbstractContextManager[Set[str]]:
        """It leaves nothing open."""
        return nullcontext(frozenset())

    def generators(self, seed: int | None) -> AbstractContextManager[None]:
        """There are no generators beside NumPy's and Python's."""
        return nullcontext()

    def opens_folder(self, path: Path) -> bool:
        """Models are files."""
        return False

    def save_several(self, model: Any, path: Path, *, inputs: Sequence[Array] | None, overwrite: bool) -> bool:
        """A model is one file."""
        return False
