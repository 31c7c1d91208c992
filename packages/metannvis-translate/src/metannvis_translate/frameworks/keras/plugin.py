"""Plug-in for TensorFlow: Keras 3 models, and other TensorFlow graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import (
    InvalidArgumentError,
    MissingArgumentError,
    UnknownFrameworkError,
    UnknownLayerError,
    UnsupportedOperatorError,
    UntrustedModelError,
)
from metannvis_translate.frameworks.keras.copy import flatten_model
from metannvis_translate.frameworks.keras.masks import quiet_masks
from metannvis_translate.frameworks.keras.saved_models import load_saved_model
from metannvis_translate.frameworks.keras.saving import is_loaded, save_file, save_folder
from metannvis_translate.frameworks.keras.state import generators, plain_mode
from metannvis_translate.frameworks.keras.tf_graphs import call_graph, signature_of
from metannvis_translate.frameworks.protocol import BuiltModel, DeclaredInput, FrameworkBase, Importer, Progress, Run
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.type_names import class_names, is_a
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    from metannvis_translate.graph.model import ExportedGraph

__all__ = ["TensorFlow", "flatten_model", "framework"]

Array = np.ndarray[Any, Any]

KERAS_MODEL = "keras.src.models.model.Model"
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
    aliases = ("keras", "tf", "tf2")
    packages = ("tensorflow",)
    channels_last = True
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
        try:
            return np.asarray(value)
        except NotImplementedError as error:
            raise InvalidArgumentError(
                f"{getattr(value, 'name', 'a tensor')} is symbolic: it stands in a graph that is being built (tf.Graph, "
                "tf.function) and has no values yet; give an array"
            ) from error

    def from_numpy(self, array: Array) -> Any:
        return require("tensorflow").convert_to_tensor(array)

    # --- models -------------------------------------------------------------------------------------------------------

    def export(
        self,
        model: Any,
        inputs: Sequence[Array] | Mapping[str, Array] | None,
        *,
        dtype: str | None,
        engine: str = "keras",
        progress: Progress,
    ) -> ExportedGraph:
        """Model to ONNX: layer by layer if it is a Keras 3 model, by ``tf2onnx`` if it is another TensorFlow graph."""
        if not is_a(model, KERAS_MODEL):
            from metannvis_translate.frameworks.keras.exporter.tf2onnx import export_graph

            return export_graph(model, inputs, dtype=dtype, progress=progress)
        from metannvis_translate.frameworks.keras.exporter.export import export_model

        _checked(model)
        _build(model, inputs)
        return export_model(model, inputs, dtype=dtype, progress=progress)

    def build(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
        """ONNX to a Keras model."""
        require("tensorflow")
        from metannvis_translate.frameworks.keras.importer.importer import build

        return build(hub, dtype=dtype, progress=progress)

    def run(
        self,
        model: Any,
        inputs: Sequence[Array],
        *,
        layers: Sequence[str] = (),
        cotangents: Sequence[Array] | None = None,
    ) -> Run:
        """Run a model in inference mode, eagerly; a Keras model layer by layer if layers are asked for."""
        tf, keras = require("tensorflow"), require("keras")
        from metannvis_translate.frameworks.keras.graph import functional_of

        is_keras = is_a(model, KERAS_MODEL)
        function = functional_of(_checked(model)) if is_keras and model.built else None
        signature = None if is_keras else signature_of(model, inputs)
        dtypes = [x.dtype for x in (function.inputs if function is not None else signature.specs if signature else ())]
        tensors = [self.from_numpy(np.asarray(array)) for array in inputs]
        if dtypes and len(dtypes) != len(tensors):
            raise InvalidArgumentError(f"the model takes {len(dtypes)} inputs, {len(tensors)} were given")
        tensors = [tf.cast(x, dtype) for x, dtype in zip(tensors, dtypes, strict=True)] if dtypes else tensors
        taped = [k for k, x in enumerate(tensors) if x.dtype.is_floating] if cotangents is not None else []
        seen: dict[str, Any] = {}
        # weights are not on the tape, nor is anything if no gradient is asked for: values are let go as soon as they are used
        with tf.GradientTape(watch_accessed_variables=False) as tape, _stateless(keras), quiet_masks():
            for k in taped:
                tape.watch(tensors[k])
            if signature is not None:
                structure = call_graph(signature, tensors)
            elif layers or (taped and function is not None):  # one by one, it lets values go that a whole model keeps
                structure = self._recorded(model, tensors, set(layers), seen)
            else:
                structure = model(_structured(function, tensors), training=False)
            outputs = keras.tree.flatten(structure)
        gradients: list[Array | None] | None = None
        if cotangents is not None:
            gradients = _gradients(tape, outputs, tensors, taped, cotangents)
        return Run(
            [self.to_numpy(x) for x in outputs],
            {name: self.to_numpy(x) for name, x in seen.items()},
            gradients,
        )

    def _recorded(self, model: Any, tensors: Sequence[Any], wanted: set[str], seen: dict[str, Any]) -> Any:
        """Outputs of a model, called layer by layer; the wanted layers' outputs go into ``seen``."""
        tf, keras = require("tensorflow"), require("keras")
        from metannvis_translate.frameworks.keras.graph import Call, Walk, is_layer, numbered

        def note(call: Call, outputs: Any) -> None:
            for k, value in enumerate(keras.tree.flatten(outputs)):
                name = numbered(call.name, 1, k)
                if name in wanted:
                    seen[name] = value

        def leaf(call: Call) -> Any:
            kwargs = dict(call.kwargs)
            if is_layer(call.operation) and getattr(call.operation, "_call_has_training_arg", False):
                kwargs["training"] = False
            outputs = call.operation(*call.args, **kwargs)
            note(call, outputs)
            return outputs

        def weight(layer: Any, variable: Any) -> Any:
            is_float = layer.autocast and "float" in variable.dtype
            return tf.cast(variable.value, layer.compute_dtype if is_float else variable.dtype)

        walk = Walk(
            leaf=leaf,
            is_value=tf.is_tensor,
            spec=lambda x: ((None, *x.shape[1:]), x.dtype.name),
            cast=lambda x, dtype: tf.cast(x, dtype),
            parent=note,
            leaves_mask=True,
            weight=weight,
        )
        return walk.model(model, tensors)

    def as_float64(self, model: Any) -> Any:
        """A copy in double precision that computes the same; the model stays as it is."""
        from metannvis_translate.frameworks.keras.copy import as_float64

        return as_float64(_checked(model))

    def list_layers(self, model: Any, inputs: Sequence[Array] | None) -> tuple[LayerInfo, ...]:
        """Layers that run, in order, containers behind what they hold; none in a graph that is no Keras model."""
        if not is_a(model, KERAS_MODEL):
            return ()
        from metannvis_translate.frameworks.keras.layers import list_layers

        _checked(model)
        _build(model, inputs)
        return list_layers(model, inputs)

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
            function = functional_of(_checked(model)) if model.built or is_free else None
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
        _checked(model)
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
        keras = require("keras")
        require("tensorflow")
        from metannvis_translate.frameworks.keras.files import check_keras_file, loading

        held = check_keras_file(path)
        with loading(path, held):
            try:
                return keras.saving.load_model(path, compile=False, safe_mode=not trust)
            except (ValueError, TypeError) as error:
                text = str(error)
                why = None if trust else next((why for sign, why in UNSAFE.items() if sign in text), None)
                if why is None:
                    raise
                raise UntrustedModelError(
                    f"{path.name} {why}. If you trust where it comes from, say trust=True (--trust)."
                ) from error

    def save(self, model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
        """To ``.keras`` or ``.h5``, by the file's ending."""
        save_file(_checked(model), path)

    def save_several(self, model: Any, path: Path, *, inputs: Sequence[Array] | None, overwrite: bool) -> bool:
        """To a SavedModel folder, if the name has no ending."""
        if path.suffix:
            return False
        save_folder(model if is_loaded(model) else _checked(model), path, overwrite=overwrite)
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


def _checked(model: Any) -> Any:
    """The model, if it is one of Keras on TensorFlow."""
    keras = require("keras")
    backend = keras.config.backend()
    if backend != "tensorflow" and is_a(model, KERAS_MODEL):
        raise UnknownFrameworkError(
            f"this Keras model runs on Keras' {backend} backend, and only its TensorFlow backend is supported. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported and load the model again."
        )
    if not is_a(model, KERAS_MODEL):
        raise UnsupportedOperatorError(class_names(model)[0], reason="this can be done with Keras 3 models only")
    return model


def _build(model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None) -> None:
    """Build a model that has no weights yet, as its first call would."""
    if model.built or inputs is None or not len(inputs):
        return
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    if is_a(model, "keras.src.models.sequential.Sequential"):
        model.build((None, *arrays[0].shape[1:]))
    else:
        model(arrays[0] if len(arrays) == 1 else arrays, training=False)


def _structured(function: Any, tensors: Sequence[Any]) -> Any:
    """Flat inputs in the structure that a model takes."""
    if function is None:
        return tensors[0] if len(tensors) == 1 else list(tensors)
    return require("keras").tree.pack_sequence_as(function._inputs_struct, list(tensors))


@contextmanager
def _stateless(keras: Any) -> Iterator[None]:
    """Keep what layers would note down about a call (losses, seeds) out of the caller's model."""
    with keras.StatelessScope():
        yield


def _gradients(
    tape: Any,
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    taped: Sequence[int],
    cotangents: Sequence[Array],
) -> list[Array | None]:
    tf = require("tensorflow")
    pairs = [(y, tf.cast(g, y.dtype)) for y, g in zip(outputs, cotangents, strict=True) if y.dtype.is_floating]
    found = tape.gradient(
        [y for y, _ in pairs], [inputs[k] for k in taped], [g for _, g in pairs], unconnected_gradients="zero"
    )
    result: list[Array | None] = [None] * len(inputs)
    for k, gradient in zip(taped, found, strict=True):
        result[k] = np.asarray(tf.convert_to_tensor(gradient))
    return result
