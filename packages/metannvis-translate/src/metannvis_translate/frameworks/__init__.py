"""Framework plug-ins, and the one place that imports a framework.

A framework is found through the entry-point group ``metannvis.frameworks``; ours register the same way a third
party does. Loading a plug-in imports no framework; only its work does, through :func:`require`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metannvis_translate.errors import MetannvisError, MissingFrameworkError, UnsupportedOperatorError

if TYPE_CHECKING:
    from metannvis_translate.hub import HubModel
    from metannvis_translate.layers import LayerInfo
    from metannvis_translate.layout import Order

__all__ = [
    "Built",
    "BuiltPort",
    "BuiltValue",
    "DeclinedError",
    "Framework",
    "Importer",
    "Progress",
    "Run",
    "framework_keys",
    "frameworks",
    "get_framework",
    "is_installed",
    "require",
]

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


INSTALL = {
    "torch": "pip install 'metannvis-translate[torch]'",
    "tensorflow": "pip install 'metannvis-translate[tensorflow]'",
    "keras": "pip install 'metannvis-translate[tensorflow]'",
    "onnxscript": "pip install 'metannvis-translate[torch]'",
    "onnx2torch": "pip install 'metannvis-translate[torch]'",
    "tf2onnx": "pip install 'metannvis-translate[tensorflow]'",
    "onnxruntime": "pip install 'metannvis-translate[runtime]'",
    "onnx2keras": "pip install 'metannvis-translate[onnx2keras]'",
}


#: Two threads that import PyTorch and TensorFlow at once would meet half-way: see :func:`require`.
_importing = threading.RLock()


@cache
def _plugins() -> dict[str, Framework]:
    found: dict[str, tuple[str, Framework]] = {}
    for entry in entry_points(group="metannvis.frameworks"):
        owner = entry.dist.name if entry.dist else entry.value
        framework: Framework = entry.load()
        if framework.key in found and found[framework.key][0] != owner:
            raise MetannvisError(
                f"two packages register the framework {framework.key!r}: {found[framework.key][0]} and {owner}. Uninstall one."
            )
        found[framework.key] = (owner, framework)
    return {key: framework for key, (_, framework) in found.items()}


def frameworks() -> tuple[Framework, ...]:
    """Every registered framework plug-in."""
    return tuple(_plugins().values())


def framework_keys() -> tuple[str, ...]:
    """Keys of every registered framework."""
    return tuple(_plugins())


def get_framework(key: str) -> Framework:
    """Plug-in by key or alias."""
    from metannvis_translate.detect import framework_key

    return _plugins()[framework_key(key)]


def is_installed(module: str) -> bool:
    """Whether a module could be imported; imports nothing."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def require(module: str) -> ModuleType:
    """Import a framework or a library built on one, in an order that is safe.

    TensorFlow and triton (which PyTorch loads lazily) each carry LLVM and register the same command-line options.
    If TensorFlow comes first, loading triton's native library aborts the process, which cannot be caught. So triton
    is loaded first where there is still time, and kept out of the process where there is not.

    Raises
    ------
    MissingFrameworkError
        It is not installed; the message says what to install.
    """
    root = module.partition(".")[0]
    if not is_installed(root):
        how = INSTALL.get(root, f"pip install {root}")
        raise MissingFrameworkError(f"{root} is needed for this and is not installed: {how}")
    with _importing:
        _separate_llvm()
        if root == "onnxruntime" and root not in sys.modules:
            return _without_telemetry(module)
        return importlib.import_module(module)


def _without_telemetry(module: str) -> ModuleType:
    """Import ONNX Runtime such that it reports nothing: from 1.32 on it sends what it runs to its makers, and keeps a file.

    It asks for the variable once, while it is imported. Who set it, or imported it before us, has decided.
    """
    if "ORT_DISABLE_TELEMETRY" in os.environ:
        return importlib.import_module(module)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        return importlib.import_module(module)
    finally:
        del os.environ["ORT_DISABLE_TELEMETRY"]


def _separate_llvm() -> None:
    """Load triton's native library before TensorFlow, or keep it out if TensorFlow is there already."""
    if "triton" in sys.modules or not (is_installed("tensorflow") and is_installed("triton")):
        return
    if "tensorflow" in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]  # an import of it now fails instead of aborting
    else:
        importlib.import_module("triton._C.libtriton")


# The one thing done at import: a process that holds TensorFlow already is kept from loading triton (an entry in a table;
# nothing is imported), so that the user's own `import torchvision` further down does not abort it.
if "tensorflow" in sys.modules:
    _separate_llvm()
