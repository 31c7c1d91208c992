"""What the rows of operators are held against: somebody's arithmetic that is the same on every processor."""

from __future__ import annotations

import numpy as np
import pytest

from ..cases.operators.case import Case, judge, model_of, reference, runtime_results
from ..cases.operators.integer_products import PRODUCTS
from ..cases.operators.table import CASES

ON_INTEGERS = [case for case in CASES if case.on_integers]


def test_rows_on_integers_are_not_left_to_one_runtime() -> None:
    operators = {case.operator for case in ON_INTEGERS}
    assert {*PRODUCTS, "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Mod", "BitShift"} <= operators
    assert not [case.id for case in ON_INTEGERS if judge(case) == "runtime"]


@pytest.mark.parametrize("operator", PRODUCTS)
def test_some_rows_exceed_sixteen_bits(operator: str) -> None:
    """Else the rows would say the same of an importer that saturates there."""
    rows = [case for case in ON_INTEGERS if case.operator == operator]
    first = [np.asarray(case.inputs[0]) for case in rows]
    second = [np.asarray(case.inputs[3 if operator.startswith("QLinear") else 1]) for case in rows]
    pairs = [2.0 * a.max() * np.abs(b.astype(int)).max() for a, b in zip(first, second, strict=True)]
    assert max(pairs) > np.iinfo(np.int16).max


@pytest.mark.parametrize("case", ON_INTEGERS, ids=lambda case: case.id)
def test_second_opinion(case: Case) -> None:
    """ONNX Runtime says the same wherever it has a kernel that is exact by construction."""
    if case.operator in PRODUCTS:  # its kernels saturate on some processors: no opinion
        return
    model = model_of(case, "float32")
    theirs = runtime_results(case, model)
    for ours, other in zip(reference(case, model), theirs or [], strict=theirs is not None):
        assert ours.dtype == other.dtype
        assert ours.shape == other.shape
        scale = np.abs(other).max(initial=0)
        assert np.abs(np.subtract(ours, other, dtype=np.float64)).max(initial=0) <= (
            1e-6 * scale if ours.dtype.kind == "f" else 0
        )
