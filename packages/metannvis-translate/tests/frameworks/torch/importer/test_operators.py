"""Every operator of the ONNX → PyTorch importer against ONNX's own evaluators."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.onnx.plugin import framework as onnx_framework
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.plugin import framework
from metannvis_translate.graph.layout import inverse
from metannvis_translate.passes import pipeline

from ....cases.operators.case import Case, model_of, reference
from ....cases.operators.table import AMBIGUOUS, CASES

LIMITS = {"float64": 1e-9, "float32": 1e-5}


def refusal(case: Case) -> str | None:
    """What this importer says of a row that it refuses."""
    return {"LSTM-14-clip": "input_forget", "Hardmax-11-old": "Hardmax"}.get(case.id)


@pytest.fixture(scope="module", autouse=True)
def _torch() -> None:
    require("torch")


def build(case: Case, dtype: str) -> tuple[Any, Any]:
    proto = model_of(case, dtype)
    hub = onnx_framework.export(proto, None, dtype=None, engine="onnx", progress=lambda *a: None)
    return proto, framework.build(pipeline.simplify(hub), dtype=None, progress=lambda *a: None)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_operator(case: Case, dtype: str) -> None:
    if refused := refusal(case):
        with pytest.raises(UnsupportedOperatorError, match=refused):
            build(case, dtype)
        return
    proto, built = build(case, dtype)
    expected = reference(case, proto)
    given_inputs = enumerate(case.inputs[: case.dynamic])
    arrays = [(np.asarray(value), k in case.keep) for k, value in given_inputs if value is not None]
    arrays = [a.astype(dtype) if a.dtype.kind == "f" and not stays else a for a, stays in arrays]
    given = [a.transpose(port.order) for a, port in zip(arrays, built.inputs, strict=True)]
    torch = require("torch")
    found = built.model(*(torch.from_numpy(np.ascontiguousarray(a)) for a in given))
    found = found if isinstance(found, tuple) else (found,)
    for port, tensor, theirs in zip(built.outputs, found, expected, strict=True):
        ours = tensor.detach().numpy()
        assert ours.dtype == theirs.dtype
        ours = ours.transpose(inverse(port.order))
        assert ours.shape == theirs.shape
        if theirs.dtype.kind != "f" or not np.isfinite(theirs).all():
            np.testing.assert_array_equal(ours, theirs)
        else:
            scale = np.abs(theirs).max(initial=0)
            assert np.abs(ours - theirs).max(initial=0) <= LIMITS[str(theirs.dtype)] * max(scale, 1e-3)


#: operators that are functions or modules of ours, a row each
OWN = {
    "LSTM",
    "GRU",
    "RNN",
    "Attention",
    "LinearAttention",
    "QuantizeLinear",
    "QLinearConv",
    "DeformConv",
    "Col2Im",
    "STFT",
    "Unique",
}


@pytest.mark.parametrize(
    "case", {case.operator: case for case in CASES if case.operator in OWN}.values(), ids=lambda case: case.id
)
def test_copies_and_exports(case: Case) -> None:
    torch = require("torch")
    built = build(case, "float32")[1]
    arrays = [np.asarray(value) for value in case.inputs[: case.dynamic] if value is not None]
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays]
    given = [torch.from_numpy(a.transpose(p.order).copy()) for a, p in zip(arrays, built.inputs, strict=True)]
    expected = built.model(*given)
    expected = expected if isinstance(expected, tuple) else (expected,)
    twin = copy.deepcopy(built.model)
    twin.load_state_dict(built.model.state_dict())
    with warnings.catch_warnings():  # PyTorch warns of its own recurrent modules while it traces them
        warnings.simplefilter("ignore", UserWarning)
        exported = torch.export.export(built.model, tuple(given)).module()
    for other in (twin, exported):
        found = other(*given)
        for ours, theirs in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("case", AMBIGUOUS, ids=lambda case: case.id)
def test_what_evaluators_disagree_on_is_refused(case: Case) -> None:
    with pytest.raises(UnsupportedOperatorError, match="runtimes disagree"):
        build(case, "float32")


def test_every_converter_has_a_row() -> None:
    require("torch")
    from metannvis_translate.frameworks.torch.importer.importer import TorchImporter

    registry = TorchImporter.registry
    opsets: dict[tuple[str, str], list[int]] = {}
    for case in CASES:
        opsets.setdefault((case.domain, case.operator), []).append(case.opset)
    missing = []
    for row in registry:
        found = [
            registry.find(row.operator, 1 if row.domain else o, row.domain)
            for o in opsets.get((row.domain, row.operator), [])
        ]
        if row not in found:
            missing.append(f"{row.operator} since {row.since}")
    assert not missing
