"""Keras layers of a translation: named as the source's are, one for weights that are used several times."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from metannvis_translate.frameworks.protocol import Progress
from metannvis_translate.graph.metadata import LAYER, WEIGHT, is_weight
from metannvis_translate.graph.model import ExportedGraph
from metannvis_translate.importing.base import GraphImporter
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["LayerMaker", "policy"]

Array = np.ndarray[Any, Any]
#: Operators that hold a layer's weights: the node that gives the target layer its source's own name.
WEIGHTED = {
    "Conv",
    "ConvTranspose",
    "Gemm",
    "Linear",
    "MatMul",
    "BatchNormalization",
    "PRelu",
    "Gather",
    "LSTM",
    "GRU",
    "RNN",
}

#: What stands in a layer's configuration after its weights were handed over; zeros for the others.
DEFAULTS = {
    "kernel_initializer": "glorot_uniform",
    "depthwise_initializer": "glorot_uniform",
    "gamma_initializer": "ones",
    "moving_variance_initializer": "ones",
    "embeddings_initializer": "uniform",
}


class LayerMaker(GraphImporter):
    """The part of the importer that makes layers."""

    def __init__(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> None:
        super().__init__(hub, dtype=dtype, progress=progress)
        self._shared: dict[Any, Any] = {}
        self._again = {layer.info.layer for layer in hub.layers if layer.info.call > 1}
        self._several = {
            value.metadata_props.get(WEIGHT, name)
            for name, value in hub.model.graph.initializers.items()
            if len(value.uses()) > 1 and is_weight(hub, value)
        }
        self._forms = {
            value.metadata_props.get(WEIGHT, name): set(_forms(value))
            for name, value in hub.model.graph.initializers.items()
            if value.metadata_props.get(WEIGHT, name) in self._several
        }
        #: Embeddings by the weights that they hold.
        self.tables: dict[str, Any] = {}
        self._main = self._main_nodes()

    def _main_nodes(self) -> dict[str, str]:
        """For each source layer that is no container, the output of the node that takes its name."""
        parents = {layer.info.layer for layer in self.hub.layers if layer.info.parent}
        produced = {layer.value for layer in self.hub.layers if not layer.info.parent}
        groups = defaultdict(list)
        for node in self.hub.model.graph:
            path = node.metadata_props.get(LAYER)
            if path and path not in parents and node.op_type != "Constant":
                groups[path].append(node)
        main: dict[str, str] = {}
        for path, nodes in groups.items():
            weighted = [node for node in nodes if node.op_type in WEIGHTED and len(node.inputs) > 1]
            last = [node for node in nodes if node.outputs[0].name in produced]
            main[path] = (weighted or last or nodes)[0].outputs[0].name or ""
        return main

    @property
    def compute(self) -> str:
        """The float dtype in which the current node computes."""
        for value in (*self.node.outputs, *self.node.inputs):
            if (
                value is not None
                and value.dtype is not None
                and value.dtype.name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
            ):
                return self.float_dtype(value.dtype.name)
        return self.dtype or "float32"

    @property
    def exact(self) -> bool:
        """Whether operators that Keras computes in single precision have to be composed of others."""
        return self.compute == "float64"

    def name(self, part: str = "") -> str:
        """Name for what the current node becomes: the source layer's own for its main node, else a name below it.

        ``part`` names a piece of it (``"pad"``).
        """
        path = self.layer
        if not part and path is not None and self._main.get(path) == self.node.outputs[0].name:
            return path
        part = part or self.node.op_type.lower()
        return part if path is None else f"{path}.{part}"

    def layer_of(
        self, cls: Any, *tensors: Any, weights: dict[str, Array] | None = None, shared: bool = True, **config: Any
    ) -> Any:
        """Make a layer, named after the current node, and call it.

        ``weights`` gives arrays by the layer's own weight names (``kernel``, ``gamma``, ``moving_mean``); they are handed
        over while the layer is built, which takes less memory than building first and assigning then. The same weights
        used twice make one layer, called twice, as in the source, unless ``shared`` says that the caller sees to it.
        A layer of nothing but constants of the source (buffers) is not trained, if the source's conventions say so.
        """
        config.setdefault("dtype", self.compute)
        name = config.pop("name", None)
        accepted = _arguments(cls)
        late = {part: array for part, array in (weights or {}).items() if f"{part}_initializer" not in accepted}
        early = {part: array for part, array in (weights or {}).items() if part not in late}
        initializers = {f"{part}_initializer": Given(array) for part, array in early.items()}

        def make(name: str) -> Any:
            return cls(name=name, **config, **initializers)

        layer, is_new = self.layer_for(
            (cls, repr(sorted(config.items()))), make, name=name, shared=shared and bool(weights)
        )
        result = layer(tensors[0] if len(tensors) == 1 else list(tensors))
        if not is_new:
            return result
        for part, array in late.items():  # a layer that takes no initialiser for it
            getattr(layer, part).assign(array)
        for argument in initializers.keys() & vars(layer).keys():
            # past Keras' own __setattr__, which looks for weights in what it is given
            object.__setattr__(layer, argument, keras.initializers.get(DEFAULTS.get(argument, "zeros")))
        self._freeze(layer, weights or {})
        # a normalisation that is not trained would no longer follow the batches either
        follows = not self.hub.conventions.fixed_buffers or issubclass(cls, keras.layers.BatchNormalization)
        if weights and not follows and layer.trainable and not any(const.trainable for const in self._constants()):
            layer.trainable = False
        return result

    def _freeze(self, layer: Any, weights: dict[str, Array]) -> None:
        """Train no weight that the source does not train: the whole layer, or single weights where it is only those."""
        trained = [const for const in self._constants() if const.trainable]
        if not any(const.frozen for const in trained) or not weights:
            return
        # a normalisation that is not trained would no longer follow the batches either
        if all(const.frozen for const in trained) and not isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
            return
        for part, array in weights.items():
            own = [const for const in trained if _is_of(array, const.array)]
            variable = getattr(layer, part, None)
            if own and all(const.frozen for const in own) and variable is not None:
                variable.trainable = False

    def in_other_forms(self, const: Value | None) -> bool:
        """Whether a weight is read in several ways, as by an embedding and by the dense layer that is its transpose."""
        if not isinstance(const, ConstantValue):
            return False
        if const.recipe is not None:
            return any(self.in_other_forms(value) for value in const.recipe.inputs)
        return const.trainable and len(self._forms.get(const.name, ())) > 1

    def _constants(self) -> list[ConstantValue]:
        """What the current node is given that is known now."""
        values = [self.values.get(value.name or "") for value in self.node.inputs if value is not None]
        return [value for value in values if isinstance(value, ConstantValue)]

    def _is_again(self) -> bool:
        """Whether another node has weights of the current one: a module called twice, or one in two places."""
        return self.layer in self._again or any(map(self._is_several, self._constants()))

    def _is_several(self, const: ConstantValue) -> bool:
        if const.recipe is not None:
            return any(value is not None and self._is_several(value) for value in const.recipe.inputs)
        return const.trainable and const.name in self._several

    def layer_for(
        self, kind: Any, make: Callable[[str], Any], *, name: str | None = None, shared: bool = True
    ) -> tuple[Any, bool]:
        """A new layer, or the one that the same weights have become; whether it is new."""
        if not (shared and self._is_again()):
            return make(self.unique(name or self.name())), True
        key = (kind, tuple(const.identity() for const in self._constants()))
        is_new = key not in self._shared
        if is_new:
            self._shared[key] = make(self.unique(name or self.name()))
        return self._shared[key], is_new

    def operator_layer(self, cls: Any, *tensors: Any, **options: Any) -> Any:
        """A layer of :mod:`~metannvis_translate.keras_objects`, named after the current node, called on tensors.

        Its first operands may be constants; one at least is computed when the model runs.
        """
        return self.layer_of(cls, *tensors, dtype="float32", **options)


def _is_of(array: Array, whole: Array) -> bool:
    """Whether an array holds the elements of another one, or is a part of it."""
    return np.shares_memory(array, whole) or (
        array.size == whole.size and bool(np.array_equal(np.sort(array, axis=None), np.sort(whole, axis=None)))
    )


def _forms(value: ir.Value, turned: bool = False) -> Iterator[tuple[Any, ...]]:
    """In which ways a weight is read: looked up, or multiplied from which side and beside which bias."""
    for node, place in value.uses():
        if node.op_type in ("Identity", "Cast"):
            yield from _forms(node.outputs[0], turned)
        elif node.op_type == "Transpose":
            yield from _forms(node.outputs[0], not turned)
        else:
            is_turned = turned != bool("transB" in node.attributes and node.attributes["transB"].value)
            operator = "dense" if node.op_type in ("Gemm", "MatMul", "Linear") else node.op_type
            others = (other.name for k, other in enumerate(node.inputs) if other is not None and k != place)
            yield (operator, place, is_turned, *(name for name in others if name in value.graph.initializers))  # type: ignore[union-attr]


def policy(tensor: Any) -> str:
    """``dtype`` argument of a layer that passes a tensor on; Keras takes ``"int8"`` there for quantisation."""
    dtype: str = keras.backend.standardize_dtype(tensor.dtype)
    return "int32" if dtype == "int8" else dtype


class Given(keras.initializers.Initializer):
    """Hands an array to a layer that is being built; never stays in a model's configuration."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __call__(self, shape: Sequence[int], dtype: str | None = None, **kwargs: Any) -> Any:
        array = np.reshape(self.array, shape)
        return array if array.dtype.name == dtype else keras.ops.convert_to_tensor(array, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {}


@functools.cache
def _arguments(cls: Any) -> frozenset[str]:
    """Names of what a layer class takes."""
    return frozenset(inspect.signature(cls.__init__).parameters)
