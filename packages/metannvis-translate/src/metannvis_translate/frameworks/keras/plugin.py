"""Plug-in for TensorFlow: Keras 3 models, and other TensorFlow graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import (
    MissingArgumentError,
    UnknownLayerError,
    UntrustedModelError,
)
from metannvis_translate.frameworks.keras.copy import flatten_model
from metannvis_translate.frameworks.keras.masks import quiet_masks
from metannvis_translate.frameworks.keras.run import KERAS_MODEL, checked, from_array, run_model, to_array
from metannvis_translate.frameworks.keras.saved_models import load_saved_model
from metannvis_translate.frameworks.keras.saving import is_loaded, save_file, save_folder
from metannvis_translate.frameworks.keras.state import generators, plain_mode
from metannvis_translate.frameworks.keras.tf_graphs import signature_of
from metannvis_translate.frameworks.protocol import (
    BuiltModel,
    Cotangents,
    DeclaredInput,
    FrameworkBase,
    Importer,
    Progress,
    Run,
)
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.type_names import class_names, is_a
from metannvis_translate.layers import LayerInfo, ModelDescription

if TYPE_CHECKING:
    from metannvis_translate.graph.model import ExportedGraph

__all__ = ["TensorFlow", "flatten_model", "framework"]

Array = np.ndarray[Any, Any]

OTHER_MODELS = (
    "tf_keras.src.engine.training.Model",
    "tensorflow.python.eager.polymorphic_function.polymorphic_function.Function",
    "tensorflow.python.eager.polymorphic_function.concrete_function.ConcreteFunction",
)
#: What Keras says in safe mode, and what it means.
UNSAFE = {
    "of a `TFSMLayer`": "holds a TFSMLayer, which opens another model, a SavedModel, whose graph is a program",
    "loading of a vocabulary file": "holds a layer that reads its vocabulary from another file on this machine",
    "is not a modeling function": "names a function of Keras that is no part of a model, and could read or write files",
    "of a `Lambda` layer": "holds a Lambda layer, which is Python code that would run when the file is opened",
    "of a Python lambda": "holds a Python lambda, which is code that would run when the file is opened",
    "safe_mode": "holds what Keras does not open in safe mode",
    "enable_unsafe_deserialization": "holds what Keras does not open in safe mode",
}
#: Size for an axis of example inputs that the model leaves free.
FREE_SIZE = 32


class TensorFlow(FrameworkBase):
    """See :class:`~metannvis_translate.frameworks.Framework`."""

    key = "tensorflow"
    label = "Keras"
    suffixes = (".keras", ".h5", ".hdf5")
    engines = ("keras",)
    differentiable = True
    gradients_by_tape = True
    aliases = ("keras", "tf", "tf2")
    packages = ("tensorflow",)
    channels_last = True
    fixes_sizes = True
    saves_folders = True
    plain_mode = staticmethod(plain_mode)
    generators = staticmethod(generators)

    @property
    def importers(self) -> Mapping[str, Importer]:
        """Ways to build beside our own importer, by engine."""
        return {"onnx2keras": _by_onnx2keras}

    # --- arrays and detection -----------------------------------------------------------------------------------------

    def detect(self, model: Any) -> bool:
        """Whether the object is a Keras model, a SavedModel, or a ``tf.function`` or ``tf.Module`` with a signature."""
        if is_a(model, KERAS_MODEL, *OTHER_MODELS):
            return True
        if is_a(model, "tensorflow.python.module.module.Module") or any(
            "saved_model.load" in n for n in class_names(model)
        ):
            return bool(getattr(model, "signatures", None)) or callable(model)
        return False

    def is_array(self, value: Any) -> bool:
        """Whether the value is a tensor or variable of TensorFlow or Keras."""
        return any(
            name.startswith(("tensorflow.", "keras.src.backend"))
            and name.endswith((".Tensor", ".Variable", ".BaseResourceVariable"))
            for name in class_names(value)
        )

    def to_numpy(self, value: Any) -> Array:
        return to_array(value)

    def from_numpy(self, array: Array) -> Any:
        return from_array(array)

    # --- models -------------------------------------------------------------------------------------------------------

    def export(
        self,
        model: Any,
        inputs: Sequence[Array] | Mapping[str, Array] | None,
        *,
        dtype: str | None,
        engine: str = "keras",
        progress: Progress,
        fixed: bool = False,
    ) -> ExportedGraph:
        """Model to ONNX: layer by layer if it is a Keras 3 model, by ``tf2onnx`` if it is another TensorFlow graph."""
        if not is_a(model, KERAS_MODEL):
            from metannvis_translate.frameworks.keras.exporter.tf2onnx import export_graph

            return export_graph(model, inputs, dtype=dtype, progress=progress)
        from metannvis_translate.frameworks.keras.exporter.export import export_model

        checked(model)
        _build(model, inputs)
        return export_model(model, inputs, dtype=dtype, progress=progress, fixed=fixed)

    def build(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
        """ONNX to a Keras model."""
        require("tensorflow")
        from metannvis_translate.frameworks.keras.importer.importer import build

        with quiet_masks():
            return build(hub, dtype=dtype, progress=progress)

    def run(
        self,
        model: Any,
        inputs: Sequence[Array],
        *,
        layers: Sequence[str] = (),
        cotangents: Cotangents | None = None,
    ) -> Run:
        """Run a model in inference mode, eagerly; a Keras model layer by layer if layers are asked for."""
        return run_model(model, inputs, layers=layers, cotangents=cotangents)

    def as_float64(self, model: Any) -> Any:
        """A copy in double precision that computes the same; the model stays as it is."""
        from metannvis_translate.frameworks.keras.copy import as_float64

        return as_float64(checked(model))

    def list_layers(self, model: Any, inputs: Sequence[Array] | None) -> tuple[LayerInfo, ...]:
        """Layers that run, in order, containers behind what they hold; none in a graph that is no Keras model."""
        return self.describe(model, inputs).layers

    def describe(self, model: Any, inputs: Sequence[Array] | None) -> ModelDescription:
        """By the layers that values pass; nothing is told of a graph that is no Keras model."""
        if not is_a(model, KERAS_MODEL):
            return ModelDescription((), ())
        from metannvis_translate.frameworks.keras.layers import describe

        checked(model)
        _build(model, inputs)
        return describe(model, inputs)

    def declared_inputs(self, model: Any) -> list[DeclaredInput]:
        """The input tensors of a model that has any before it is called, or what the signature of a SavedModel takes."""
        tensors = getattr(model, "inputs", None)
        if not tensors and getattr(model, "signatures", None):
            signature = signature_of(model)
            return [_declared(name, spec) for name, spec in zip(signature.names, signature.specs, strict=True)]
        return [_declared(tensor.name, tensor) for tensor in tensors or ()]

    def example_inputs(self, model: Any, batch: int, seed: int) -> list[Array]:
        """Random inputs of the declared shapes: normal floats, integers 0 and 1; free sizes are 32."""
        from metannvis_translate.frameworks.keras.graph import functional_of

        is_free = is_a(model, "keras.src.models.sequential.Sequential")
        if is_a(model, KERAS_MODEL):
            function = functional_of(checked(model)) if model.built or is_free else None
            if function is None:
                raise MissingArgumentError(
                    f"the model {model.name!r} does not declare what it takes: give example_inputs="
                )
            declared = [(tuple(x.shape), x.dtype) for x in function.inputs]
        else:
            declared = [(tuple(spec.shape), spec.dtype.name) for spec in signature_of(model).specs]
        rng = np.random.default_rng(seed)
        arrays = []
        for (first, *rest), dtype in declared:
            sizes = [FREE_SIZE if size is None else size for size in rest]
            shape = [batch if first is None or is_free else first, *sizes]
            kind = np.dtype(dtype if dtype != "bfloat16" else "float32")
            values = rng.standard_normal(shape) if kind.kind == "f" else rng.integers(0, 2, shape)
            arrays.append(values.astype(kind))
        return arrays

    def attach(self, model: Any, layer: str) -> tuple[Any, Any]:
        """The model itself for a layer of a flat graph that is called once, else a flat one with shared weights."""
        checked(model)
        function = getattr(model, "_functional", None) or model
        operations = {op.name: op for op in getattr(function, "_operations", ())}
        from metannvis_translate.frameworks.keras.graph import is_layer, opens

        is_flat = not any(opens(op) for op in operations.values())
        own = operations.get(layer)
        if is_flat and own is not None and is_layer(own) and len(own._inbound_nodes) == 1:
            return model, own
        flat, layers = flatten_model(model, expose=[layer])
        if layer not in layers:
            raise UnknownLayerError(layer, layers)
        return flat, layers[layer]

    # --- files --------------------------------------------------------------------------------------------------------

    def opens_folder(self, path: Path) -> bool:
        """Whether it is a SavedModel."""
        return (path / "saved_model.pb").is_file()

    def load(self, path: Path, *, trust: bool, architecture: str | None) -> Any:
        """A ``.keras`` or ``.h5`` file, or a SavedModel folder.

        Raises
        ------
        UntrustedModelError
            The file holds code or names other files (a ``Lambda`` layer, a ``TFSMLayer``, a graph with operators that
            do more than compute), and ``trust`` is off.
        DamagedFileError
            It cannot be read.
        InvalidModelError
            It can, and makes no model.
        LimitError
            It comes to more than the limits.
        """
        path = Path(path)
        if path.is_dir():
            return load_saved_model(path, trust=trust)
        from metannvis_translate.frameworks.keras.files import check_keras_file, loading

        held = check_keras_file(path)  # before Keras is imported, which takes seconds
        keras = require("keras")
        require("tensorflow")
        from metannvis_translate.frameworks.keras.frozen_weights import freeze_again

        with loading(path, held):
            try:
                model = keras.saving.load_model(path, compile=False, safe_mode=not trust)
                freeze_again(model, path)
                return model
            except (ValueError, TypeError) as error:
                text = str(error)
                why = None if trust else next((why for sign, why in UNSAFE.items() if sign in text), None)
                if why is None:
                    raise
                raise UntrustedModelError(
                    f"{path.name} {why}. If you trust where it comes from, say trust=True (--trust), or save it there "
                    "as a SavedModel folder, by net.export(FOLDER) (`metannvis export-help FILE` has the lines)."
                ) from error

    def save(self, model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
        """To ``.keras`` or ``.h5``, by the file's ending."""
        save_file(checked(model), path)

    def save_several(self, model: Any, path: Path, *, inputs: Sequence[Array] | None, overwrite: bool) -> bool:
        """To a SavedModel folder, if the name has no ending."""
        if path.suffix:
            return False
        save_folder(model if is_loaded(model) else checked(model), path, overwrite=overwrite)
        return True


def _by_onnx2keras(hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
    require("tensorflow")
    require("onnx2keras")
    from metannvis_translate.frameworks.keras.importer.onnx2keras_engine import build

    return build(hub, dtype=dtype, progress=progress)


framework = TensorFlow()


def _declared(name: str, tensor: Any) -> DeclaredInput:
    """An input by its symbolic tensor or its ``TensorSpec``; symbolic sizes are free ones."""
    known = getattr(tensor.shape, "rank", 0) is not None
    shape = tuple(size if isinstance(size, int) else None for size in tensor.shape) if known else None
    return DeclaredInput(str(name), shape, getattr(tensor.dtype, "name", tensor.dtype))


def _build(model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None) -> None:
    """Build a model that has no weights yet, as its first call would."""
    if model.built or inputs is None or not len(inputs):
        return
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    if is_a(model, "keras.src.models.sequential.Sequential"):
        model.build((None, *arrays[0].shape[1:]))
    else:
        model(arrays[0] if len(arrays) == 1 else arrays, training=False)
