"""Control flow and functions of ``.onnx`` files: written out where they are known, against ONNX Runtime's own values."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_translate import LimitError, UnsupportedOperatorError, limits, translate
from metannvis_translate.frameworks.onnx.plugin import framework as onnx_framework

from ...frameworks.onnx import control_flow_models as models

NAMES = tuple(models.MODELS)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
@pytest.mark.parametrize("name", NAMES)
def test_known_control_flow(name: str, to: str) -> None:
    """The check compares with ONNX Runtime; a second input has other values, for which the same steps hold."""
    proto, inputs = models.MODELS[name]()
    translation = translate(proto, to, example_inputs=inputs)
    report = translation.report
    assert report is not None and report.passed
    assert all(row.compared for row in report.outputs)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
@pytest.mark.parametrize("name", tuple(models.UNKNOWN))
def test_control_flow_that_depends_on_data_is_refused(name: str, to: str) -> None:
    proto, inputs = models.UNKNOWN[name]()
    with pytest.raises(UnsupportedOperatorError, match="has to be known beforehand"):
        translate(proto, to, example_inputs=inputs)


@pytest.mark.parametrize("to", ["torch", "tensorflow"])
def test_a_condition_chooses_when_the_model_runs(to: str) -> None:
    proto, (x,) = models.branch_of_one_shape()
    translation = translate(proto, to, example_inputs=x)
    for values in (np.abs(x), -np.abs(x)):
        expected = onnx_framework.run(proto, [values]).outputs
        found = translation.model(translation.to_target(values))
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            ours = np.asarray(translation.to_source(ours, role="output", index=k))
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_an_endless_loop_is_held_against_the_limit() -> None:
    proto, inputs = models.endless()
    with limits(nodes=500), pytest.raises(LimitError, match="Loop"):
        translate(proto, "torch", example_inputs=inputs)
