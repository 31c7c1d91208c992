"""Padding that a file leaves to the runtime, of images whose size is free."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate import UnsupportedOperatorError, translate
from onnx import TensorProto, helper


def lower(operator: str, stride: int) -> onnx.ModelProto:
    """``SAME_LOWER`` with a kernel of an even size: what is odd of the padding lies at the beginning."""
    attributes: dict[str, Any] = {"auto_pad": "SAME_LOWER", "strides": [stride, stride], "kernel_shape": [2, 2]}
    kernel = np.random.default_rng(0).standard_normal((3, 3, 2, 2)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"] if operator == "Conv" else ["x"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w_"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, None, None])],
        [onnx.numpy_helper.from_array(kernel, "w")] if operator == "Conv" else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


X = np.random.default_rng(1).standard_normal((2, 3, 7, 6)).astype(np.float32)


@pytest.mark.parametrize("operator", ["Conv", "MaxPool"])
def test_the_lower_side_is_padded(operator: str) -> None:
    report = translate(lower(operator, 1), "tensorflow", example_inputs=X).report
    assert report is not None and report.passed


@pytest.mark.parametrize("operator", ["Conv", "MaxPool", "AveragePool"])
def test_what_depends_on_the_size_is_refused(operator: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match="SAME_LOWER with strides needs to know"):
        translate(lower(operator, 2), "tensorflow", example_inputs=X, verify=False)
