"""Running an ONNX graph: by ONNX Runtime where that computes what the standard says, else by ONNX's own evaluator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidModelError
from metannvis_translate.frameworks.onnx.exact_integers import with_exact_integers
from metannvis_translate.frameworks.onnx.onnx_ml import as_array
from metannvis_translate.frameworks.requirements import is_installed, require
from metannvis_translate.graph.reference_operators import reference_evaluator
from metannvis_translate.importing.reference_recurrence import recurrent_operators

if TYPE_CHECKING:
    import onnx

__all__ = ["evaluator"]

Array = np.ndarray[Any, Any]
#: Values of all outputs, in order, on arrays by input name.
Evaluate = Callable[[Mapping[str, Array]], list[Array]]

#: Operators whose kernels for doubles have twiddles or weights of single precision, or stop when they are run.
ROUGH = frozenset(
    ("DFT", "STFT", "HannWindow", "HammingWindow", "BlackmanWindow", "MelWeightMatrix", "LSTM", "GRU", "RNN")
)


def evaluator(proto: onnx.ModelProto, values: Sequence[str] = ()) -> Evaluate:
    """What runs a graph: its outputs, and after them the named values inside it.

    Products of eight-bit integers are written out first: ONNX Runtime's own kernels saturate on some processors.
    """
    proto = _with_outputs(proto, values)
    if not is_installed("onnxruntime"):
        return _reference(proto, "onnxruntime is not installed")
    if _is_rough(proto):
        return _reference(proto, "ONNX Runtime computes an operator in single precision only, which is in double here")
    exact = with_exact_integers(proto)
    if exact is None:
        return _reference(proto, "a product of integers whose shapes are not declared")
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = runtime.InferenceSession(exact.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001
        # ONNX Runtime has no kernel for some operators and types (doubles above all); ONNX's evaluator has.
        return _reference(proto, str(error))
    return lambda feeds: _run(session.run, feeds, "ONNX Runtime")


def _is_rough(proto: onnx.ModelProto) -> bool:
    """Whether a graph has doubles and an operator of which ONNX Runtime computes a part, or all, in single precision."""
    import onnx

    if not any(node.op_type in ROUGH for node in proto.graph.node):
        return False
    double = onnx.TensorProto.DOUBLE
    return any(value.type.tensor_type.elem_type == double for value in proto.graph.input) or any(
        attribute.name == "output_datatype" and attribute.i == double
        for node in proto.graph.node
        for attribute in node.attribute
    )


def _run(run: Callable[..., Any], feeds: Mapping[str, Array], by: str) -> list[Array]:
    """What a runtime makes of the inputs.

    Raises
    ------
    InvalidModelError
        It stops: an index that there is not, shapes that do not belong together, more memory than there is. The message names
        the node as far as the runtime does.
    """
    try:
        return [as_array(x) for x in run(None, dict(feeds))]
    except Exception as error:  # what the node's kernel raises, in C++ or NumPy
        said = " ".join(str(error).split())[:400]
        shapes = ", ".join(f"{name} {array.shape}" for name, array in feeds.items())
        raise InvalidModelError(
            f"the ONNX model cannot be run on inputs of the shapes {shapes}: {by} says {said or type(error).__name__}"
        ) from error


def _with_outputs(proto: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return copy


def _reference(proto: onnx.ModelProto, reason: str) -> Evaluate:
    logging.getLogger(__name__).info("running by ONNX's own evaluator: %s", reason)
    opset = next((row.version for row in proto.opset_import if row.domain in ("", "ai.onnx")), 14)
    try:
        evaluator = reference_evaluator(
            proto, [*recurrent_operators(), *([_batch_normalization()] if opset < 14 else [])]
        )
    except Exception as error:  # of its reader of attributes and constants, which has no class for it
        said = " ".join(str(error).split())[:400]
        raise InvalidModelError(f"no runtime takes the ONNX model: {said}; before that, {reason[:400]}") from error
    return lambda feeds: _run(evaluator.run, feeds, "ONNX's evaluator")


def _batch_normalization() -> Any:
    """Inference before opset 14, of which ONNX's evaluator makes training from opset 9 on, and an error before."""
    from onnx.reference.op_run import OpRun

    class BatchNormalization(OpRun):
        op_domain = ""

        def _run(self, x: Array, scale: Array, bias: Array, mean: Array, var: Array, **attributes: Any) -> tuple[Array]:
            epsilon = getattr(self, "epsilon", None) or 1e-5
            shape = (1, -1, *(1,) * (x.ndim - 2))
            scale, bias, mean, var = (array.reshape(shape) for array in (scale, bias, mean, var))
            return ((scale * (x - mean) / np.sqrt(var + epsilon) + bias).astype(x.dtype),)

    return BatchNormalization
