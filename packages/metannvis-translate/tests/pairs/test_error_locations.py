"""A refusal says which operator, in which module, on which line of the user's code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, translate
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.graph.stack_trace import line_of_error, line_of_trace
from torch import nn

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype("float32")


class Values(nn.Module):
    def forward(self, x):
        return torch.linalg.svdvals(x)


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x.relu()
        return x.tanh()


class Errors(nn.Module):
    def forward(self, x):
        y = torch.erf(x)
        return y * 2


class Outer(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.inner = inner

    def forward(self, x):
        return self.inner(self.conv(x))


def refusal(inner: nn.Module) -> UnsupportedOperatorError:
    with pytest.raises(UnsupportedOperatorError) as caught:
        translate(Outer(inner), "keras", example_inputs=IMAGE)
    error = caught.value
    assert error.layer == "inner"
    assert error.where is not None and error.where in str(error) and "needed by layer 'inner'" in str(error)
    file, _, line = error.where.partition(".py:")
    assert file.endswith("test_error_locations") and " in forward: " in line
    return error


def test_an_operator_that_pytorchs_exporters_lack() -> None:
    error = refusal(Values())
    assert "linalg_svd" in error.operator
    assert error.where.endswith("return torch.linalg.svdvals(x)")


def test_control_flow_that_depends_on_data() -> None:
    assert refusal(Branching()).where.endswith("if x.sum() > 0:")


@pytest.fixture
def no_erf() -> Iterator[None]:
    """A registry in which an operator is missing."""
    require("tensorflow")
    import metannvis_translate.frameworks.keras.importer.importer  # noqa: F401  # it registers the converters
    from metannvis_translate.frameworks.keras.importer.registry import converter, registry

    row = registry.find("Erf", 20)
    registry.remove("Erf", since=row.since)
    try:
        yield
    finally:
        converter("Erf", since=row.since)(row.function)


@pytest.mark.usefixtures("no_erf")
def test_an_operator_without_a_converter() -> None:
    error = refusal(Errors())
    assert error.operator == "Erf" and error.opset is not None
    assert error.where.endswith("y = torch.erf(x)")
    assert "@converter" in str(error)


def test_lines_of_traces_and_errors() -> None:
    trace = (
        'File "/home/me/net.py", line 12, in forward\n    return self.inner(x)\n'
        'File "/env/lib/python3.11/site-packages/torch/nn/functional.py", line 3, in relu\n    return torch.relu(x)\n'
    )
    assert line_of_trace(trace) == "/home/me/net.py:12 in forward: return self.inner(x)"
    assert line_of_trace("") is None
    with pytest.raises(RuntimeError) as caught:
        Outer(Values())(torch.zeros(1, 4, 2, 2))
    line, owner = line_of_error(caught.value)
    assert line.endswith("return self.inner(self.conv(x))") and isinstance(owner, Outer)
    assert line_of_error(ValueError()) == (None, None)
