"""ONNX models, which are translated before any toolkit sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from metannvis_translate.frameworks.onnx import inlined

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_pieces, to_numpy
from metannvis_methods.models.base import Array, ModelAdapter
from metannvis_methods.models.dropout import DropoutMasks, DropoutSite
from metannvis_methods.models.onnx_dropout import dropout_sites, dropping
from metannvis_methods.models.onnx_leading import leading_values
from metannvis_methods.models.onnx_weights import fixed_weights, weights_of
from metannvis_methods.models.weights import Weight

__all__ = ["adapter"]


class OnnxAdapter(ModelAdapter):
    """``onnx.ModelProto``."""

    key = "onnx"
    any_batch = False
    has_tensors = False
    no_dropout = (
        "the graph has no Dropout left: exporters leave it out for inference. Give the model that it was exported from, or "
        "export it with its dropout (torch.onnx.export(..., training=torch.onnx.TrainingMode.TRAINING, dynamo=False))"
    )

    def is_model(self, model: Any) -> bool:
        """No toolkit runs on one."""
        return False

    def predicts(self, model: Any) -> bool:
        """A graph is evaluated as it is."""
        return True

    def predict(self, model: Any, inputs: Sequence[Any]) -> list[Array]:
        """The graph's outputs; a graph that refuses its inputs is the caller's mistake."""
        from metannvis_translate.frameworks import get_framework

        self.check_inputs(model, inputs)
        framework = get_framework("onnx")
        return in_pieces(lambda part: list(framework.run(model, list(part)).outputs), inputs, self.fixed_batch(model))

    def outputs(self, model: Any, inputs: Sequence[Any]) -> list[tuple[str, Array]]:
        """The graph's outputs by their names."""
        names = [port.name for port in model.graph.output]
        return list(zip(names, self.predict(model, inputs), strict=True))

    def fixed_batch(self, model: Any) -> int | None:
        """The first size of every input, if it is one number."""
        sizes = {_first_size(port) for port in _declared(model)}
        return sizes.pop() if len(sizes) == 1 else None

    def as_input(self, model: Any, value: Any, index: int) -> Array:
        """An array of the dtype that the model declares."""
        from onnx.helper import tensor_dtype_to_np_dtype

        declared = _declared(model)
        array = to_numpy(value)
        if index < len(declared):
            return np.array(array, dtype=tensor_dtype_to_np_dtype(declared[index].type.tensor_type.elem_type))
        return np.array(array)

    def check_inputs(self, model: Any, values: Sequence[Any]) -> None:
        """Number and shapes, as the model declares them."""
        declared = _declared(model)
        if len(values) > len(declared):
            raise InvalidArgumentError(f"the model has {len(declared)} inputs, not {len(values)}")
        for port, value in zip(declared, values, strict=False):
            if not port.type.tensor_type.HasField("shape"):
                continue
            dims = port.type.tensor_type.shape.dim
            wanted = [dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?") for dim in dims]
            shape = to_numpy(value).shape
            fixed = self.fixed_batch(model)
            if fixed and shape and shape[0] % fixed == 0:  # piece by piece
                wanted[0] = shape[0]
            if len(wanted) != len(shape) or any(
                isinstance(w, int) and w not in (0, s) for w, s in zip(wanted, shape, strict=True)
            ):
                raise InvalidArgumentError(
                    f"input {port.name!r} has shape ({', '.join(map(str, wanted))}), not {shape}"
                )

    def input_names(self, model: Any) -> tuple[str, ...]:
        """As the graph declares them."""
        return tuple(port.name for port in _declared(model))

    def leading_values(self, model: Any, inputs: Sequence[Array], place: int) -> list[tuple[Array, Array | None]]:
        """Operator after operator."""
        return leading_values(model, [self.as_input(model, x, k) for k, x in enumerate(inputs)], place)

    def dropout_sites(self, model: Any, inputs: Sequence[Any]) -> tuple[DropoutSite, ...]:
        """Of the nodes that an exporter left in."""
        return dropout_sites(model, inputs)

    def dropping(self, model: Any, masks: DropoutMasks) -> AbstractContextManager[Any]:
        """A graph with the masks in it."""
        return dropping(model, masks)

    def weights(self, model: Any) -> Mapping[str, Sequence[Weight]]:
        """Initialisers and constants of operators that have weights."""
        return weights_of(model)

    def fixed_weights(self, model: Any) -> Mapping[str, str]:
        """Operators whose weights are quantized, or computed."""
        return fixed_weights(model)

    def has_settable_weights(self, model: Any) -> bool:
        """A graph's are, though no toolkit runs on it."""
        return True

    def order_of_layers(self, model: Any, inputs: Sequence[Array]) -> list[str]:
        """That of the graph, which the standard wants to be one in which it can run."""
        return list(weights_of(model))

    def copied(self, model: Any) -> Any:
        """A proto of its own, whose local functions are written out: their weights are those of each call."""
        copy = type(model)()
        copy.CopyFrom(inlined(model))
        return copy

    def fingerprint(self, model: Any) -> str | None:
        """Digest of the serialised model."""
        return hashlib.sha1(model.SerializeToString(deterministic=True), usedforsecurity=False).hexdigest()


def _declared(model: Any) -> list[Any]:
    """Graph inputs that are no weights."""
    weights = {initializer.name for initializer in model.graph.initializer}
    return [port for port in model.graph.input if port.name not in weights]


def _first_size(port: Any) -> int | None:
    dims = port.type.tensor_type.shape.dim
    return dims[0].dim_value or None if len(dims) else None


adapter = OnnxAdapter()
