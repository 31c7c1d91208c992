"""Every operator of the ONNX → Keras importer against ONNX's own evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.onnx.plugin import framework as onnx_framework
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.graph.layout import inverse
from metannvis_translate.passes import pipeline

from ....cases.operators.case import Case, model_of, reference
from ....cases.operators.table import AMBIGUOUS, CASES

LIMITS = {"float64": 1e-9, "float32": 2e-5}


def refusal(case: Case) -> str | None:
    """What this importer says of a row that it refuses."""
    if case.dynamic == 0:
        return "does not depend on any input"
    return None


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    require("tensorflow")


def build(case: Case, dtype: str):
    proto = model_of(case, dtype)
    hub = onnx_framework.export(proto, None, dtype=None, engine="onnx", progress=lambda *a: None)
    from metannvis_translate.frameworks.keras.importer.importer import KerasImporter

    return proto, KerasImporter(pipeline.simplify(hub), dtype=None, progress=lambda *a: None).run()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_operator(case: Case, dtype: str) -> None:
    if refused := refusal(case):
        with pytest.raises(UnsupportedOperatorError, match=refused):
            build(case, dtype)
        return
    proto, built = build(case, dtype)
    expected = reference(case, proto)
    arrays = [np.asarray(value) for value in case.inputs[: case.dynamic] if value is not None]
    arrays = [a.astype(dtype) if a.dtype.kind == "f" and k not in case.keep else a for k, a in enumerate(arrays)]
    given = [a.transpose(port.order) for a, port in zip(arrays, built.inputs, strict=True)]
    # a row whose inputs or results stay in single precision is a model in single precision, in both runs
    limit = LIMITS["float32" if any(a.dtype == np.float32 for a in (*arrays, *expected)) else dtype]
    found = built.model(given[0] if len(given) == 1 else given) if given else built.model.outputs
    found = found if isinstance(found, (list, tuple)) else [found]
    for port, ours, theirs in zip(built.outputs, found, expected, strict=True):
        ours = np.asarray(ours)
        assert ours.dtype == theirs.dtype
        ours = ours.transpose(inverse(port.order))
        assert ours.shape == theirs.shape
        if theirs.dtype.kind != "f" or not np.isfinite(theirs).all():
            np.testing.assert_array_equal(ours, theirs)
        else:
            scale = np.abs(theirs).max(initial=0)
            assert np.abs(ours - theirs).max(initial=0) <= limit * max(scale, 1e-3)


@pytest.mark.parametrize("case", AMBIGUOUS, ids=lambda case: case.id)
def test_what_evaluators_disagree_on_is_refused(case: Case) -> None:
    with pytest.raises(UnsupportedOperatorError, match="aligns the corners"):
        build(case, "float32")


def test_every_converter_has_a_row() -> None:
    from metannvis_translate.frameworks.keras.importer.importer import KerasImporter

    rows = {(case.domain, case.operator) for case in CASES}
    versions: dict[tuple[str, str], list[int]] = {}
    for case in CASES:
        versions.setdefault((case.domain, case.operator), []).append(case.opset)
    for converter in KerasImporter.registry:
        key = (converter.domain, converter.operator)
        assert key in rows, f"{converter.operator} has no row in cases/operators"
        reached = [
            KerasImporter.registry.find(converter.operator, 1 if converter.domain else opset, converter.domain)
            for opset in versions[key]
        ]
        assert converter in reached, f"{converter.operator} since {converter.since} is reached by no row"
