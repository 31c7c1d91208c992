"""Rows of the table of ONNX operators: what they are, and what their results are held against.

A row is one node. Its first ``dynamic`` inputs are computed when the model runs, the others are initialisers. The reference of
floating-point rows is ONNX Runtime, and ONNX's own evaluator where that lacks a kernel; of rows on integers it is the standard's
arithmetic (a formula, or ONNX's evaluator), since kernels of ONNX Runtime saturate on some processors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from metannvis_translate.frameworks.requirements import require
from onnx import helper
from onnx.reference import ReferenceEvaluator

from .arrays import Array
from .integer_products import PRODUCTS

__all__ = ["Case", "judge", "model_of", "reference", "runtime_results"]

onnxruntime = require("onnxruntime")
onnxruntime.set_default_logger_severity(4)
onnxruntime_errors = (
    onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
)


@dataclass(frozen=True)
class Case:
    operator: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 20
    dynamic: int = 1
    outputs: int = 1
    tag: str = ""
    domain: str = ""
    batch_is_free: bool = True
    #: the operator's formula, for rows on which the evaluators are wrong, or right to single precision only
    formula: Callable[..., Any] | None = None
    #: inputs whose type stays what it is, whatever the row is computed in
    keep: tuple[int, ...] = ()

    @property
    def on_integers(self) -> bool:
        """Whether it computes with integers, or turns floats into them."""
        first = next(np.asarray(value) for value in self.inputs if value is not None)
        return first.dtype.kind in "iu" or self.operator in (*PRODUCTS, "QuantizeLinear", "DynamicQuantizeLinear")

    @property
    def id(self) -> str:
        return f"{self.operator}-{self.opset}{'-' + self.tag if self.tag else ''}"


def model_of(case: Case, dtype: str) -> onnx.ModelProto:
    """A model of the one node, floats in ``dtype``, batch free where the operator allows it."""

    def cast(value: Any, stays: bool) -> Array:
        array = np.asarray(value)
        return array.astype(dtype) if array.dtype.kind == "f" and not stays else array

    arrays = [None if value is None else cast(value, k in case.keep) for k, value in enumerate(case.inputs)]
    names = ["" if array is None else f"x{k}" for k, array in enumerate(arrays)]
    inputs = []
    for name, array in zip(names[: case.dynamic], arrays, strict=False):
        if array is None:
            continue
        shape: list[Any] = list(array.shape)
        if case.batch_is_free and len(shape) > 1 and shape[0] > 1:
            shape[0] = "batch"
        inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape))
    initializers = [
        onnx.numpy_helper.from_array(a, n)
        for n, a in list(zip(names, arrays, strict=True))[case.dynamic :]
        if a is not None
    ]
    outputs = [f"y{k}" for k in range(case.outputs)]
    attributes = dict(case.attributes)
    if case.operator == "Cast" and attributes["to"] == 11 and dtype == "float32":
        attributes["to"] = 1
    if "value" in attributes and case.operator == "Constant" and dtype == "float32":
        attributes["value"] = onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(attributes["value"]).astype(dtype)
        )
    if case.operator == "Constant":  # it has no input of its own: added to one
        nodes = [
            helper.make_node("Constant", [], ["c"], **attributes),
            helper.make_node("Add", ["x0", "c"], outputs, name="node"),
        ]
    else:
        nodes = [helper.make_node(case.operator, names, outputs, name="node", domain=case.domain, **attributes)]
    graph = helper.make_graph(
        nodes, case.operator, inputs, [helper.make_empty_tensor_value_info(name) for name in outputs], initializers
    )
    imports = [helper.make_opsetid("", case.opset)]
    if case.domain:
        imports.append(helper.make_opsetid(case.domain, 1))
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def judge(case: Case) -> str:
    """Who says what a row's results are: ``"formula"``, ONNX's ``"evaluator"``, or ONNX Runtime (``"runtime"``)."""
    if case.formula is not None or case.operator in PRODUCTS:
        return "formula"
    return "evaluator" if case.on_integers else "runtime"


def reference(case: Case, model: onnx.ModelProto) -> list[Array]:
    """What the row's judge gives on its inputs."""
    feeds = _feeds(case, model)
    if judge(case) == "formula":
        known = feeds | {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        if case.operator in PRODUCTS and case.formula is None:
            inputs = [known.get(f"x{k}") for k in range(len(case.inputs))]
            return [PRODUCTS[case.operator](*inputs, **case.attributes)]
        results = case.formula(*known.values())
        dtype = next(iter(feeds.values())).dtype
        results = [np.asarray(result) for result in (results if isinstance(results, tuple) else (results,))]
        # formulas of floats are in double precision, whatever the row is in
        return [result.astype(dtype) if {result.dtype.kind, dtype.kind} <= {"f", "b"} else result for result in results]
    if judge(case) == "runtime":
        results = runtime_results(case, model)
        if results is not None:
            return results
    return [np.asarray(result) for result in ReferenceEvaluator(model).run(None, feeds)]


def runtime_results(case: Case, model: onnx.ModelProto) -> list[Array] | None:
    """What ONNX Runtime gives; None where it has no kernel, as for many operators on doubles, or for so new an operator."""
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return [np.asarray(result) for result in session.run(None, _feeds(case, model))]
    except onnxruntime_errors:
        return None


def _feeds(case: Case, model: onnx.ModelProto) -> dict[str, Array]:
    return {value.name: _feed(model, k, case) for k, value in enumerate(model.graph.input)}


def _feed(model: onnx.ModelProto, k: int, case: Case) -> Array:
    dtype = helper.tensor_dtype_to_np_dtype(model.graph.input[k].type.tensor_type.elem_type)
    given = [value for value in case.inputs if value is not None]
    return np.asarray(given[k]).astype(dtype)
