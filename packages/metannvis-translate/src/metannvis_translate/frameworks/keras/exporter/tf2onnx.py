"""Export of TensorFlow graphs that are no Keras layer graph, by ``tf2onnx``.

SavedModels, ``tf.function`` and ``tf.Module`` with a signature, ``tf_keras`` (Keras 2) models. Such a graph holds no layers
any more: its values have names, and nothing else to be addressed by.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.conventions import CONVENTIONS, state_conventions
from metannvis_translate.frameworks.keras.tf_graphs import Signature, signature_of
from metannvis_translate.frameworks.protocol import Progress
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.type_names import class_names
from metannvis_translate.graph.model import ExportedGraph, HubPort

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["export_graph"]

Array = np.ndarray[Any, Any]
#: The newest opset that ``tf2onnx`` and the importers of others understand alike.
OPSET = 17


def export_graph(
    model: Any, inputs: Sequence[Array] | Mapping[str, Array] | None, *, dtype: str | None, progress: Progress
) -> ExportedGraph:
    """Export by tracing.

    Raises
    ------
    UnsupportedOperatorError
        ``tf2onnx`` has no converter for an operation, or its result is no valid ONNX.
    """
    tf, convert = require("tensorflow"), require("tf2onnx").convert
    import onnx_ir as ir

    if dtype == "float64":
        raise UnsupportedOperatorError(
            class_names(model)[0], reason="a frozen TensorFlow graph cannot be computed in double precision"
        )
    signature = signature_of(model, inputs)
    progress(0, 1, "export (tf2onnx)")
    specs = [tf.TensorSpec(spec.shape, spec.dtype, name=f"in_{k}") for k, spec in enumerate(signature.specs)]
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        proto, _ = convert.from_function(
            tf.function(signature.call, autograph=False), input_signature=specs, opset=OPSET
        )
    except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError) as error:
        raise UnsupportedOperatorError(
            class_names(model)[0], reason=f"tf2onnx cannot export it: {' '.join(str(error).split())[:300]}"
        ) from error
    finally:
        logger.setLevel(level)
    hub = _hub(ir.from_proto(proto), signature)
    progress(1, 1, "export (tf2onnx)")
    return hub


def _hub(model: ir.Model, signature: Signature) -> ExportedGraph:
    from onnx import defs

    graph = model.graph
    for node in graph:
        if node.domain or not defs.has(node.op_type, OPSET):
            raise UnsupportedOperatorError(
                f"{node.domain + '::' if node.domain else ''}{node.op_type}",
                reason="tf2onnx leaves it in the graph, where no standard operator does the same",
            )
    state_conventions(graph)
    by_name = {(value.name or "").partition(":")[0]: value for value in graph.inputs}
    wanted = [f"in_{k}" for k in range(len(signature.specs))]
    if set(by_name) - set(wanted):
        raise UnsupportedOperatorError(
            "tf.function",
            reason=f"it captures values that tf2onnx turns into inputs: {sorted(set(by_name) - set(wanted))}",
        )
    if missing := [signature.names[k] for k, name in enumerate(wanted) if name not in by_name]:
        raise UnsupportedOperatorError("tf.function", reason=f"nothing depends on its inputs {missing}")
    values = [by_name[name] for name in wanted]
    names = signature.output_names or tuple(f"output_{k + 1}" for k in range(len(graph.outputs)))
    fixed = [spec.shape[0] for spec in signature.specs if spec.shape.rank and spec.shape[0] is not None]
    return ExportedGraph(
        model=model,
        layers=(),
        inputs=tuple(_port(name, value) for name, value in zip(signature.names, values, strict=True)),
        outputs=tuple(_port(name, value) for name, value in zip(names, graph.outputs, strict=True)),
        source="tensorflow",
        fixed_batch=fixed[0] if fixed else None,
        exporter="tf2onnx",
        conventions=CONVENTIONS,
    )


def _port(name: str, value: ir.Value) -> HubPort:
    shape = tuple(d if isinstance(d, int) else None for d in value.shape) if value.shape is not None else ()
    dtype = value.dtype.numpy().name if value.dtype is not None else "float32"
    return HubPort(name, value.name or "", shape, dtype)
