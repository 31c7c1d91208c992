"""Control flow and functions of ``.onnx`` files: written out where they are known, against ONNX Runtime's own values."""

from __future__ import annotations

import pytest
from metannvis_translate import LimitError, UnsupportedOperatorError, limits, translate

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


def test_an_endless_loop_is_held_against_the_limit() -> None:
    proto, inputs = models.endless()
    with limits(nodes=500), pytest.raises(LimitError, match="Loop"):
        translate(proto, "torch", example_inputs=inputs)
