"""Nodes on known inputs: results as the standard has them, without a word of NumPy's."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from metannvis_translate.graph.evaluate import evaluate


def test_what_is_infinite_is_folded_in_silence() -> None:
    # a warning is an error here: the node would stay as it is, in tables of positions that others read their places from
    node = ir.Node("", "Log", [ir.Value(name="x")])
    (found,) = evaluate(node, [np.array([0.0, 1.0])], 20)
    assert found.tolist() == [-np.inf, 0.0]


def test_a_cast_of_what_is_infinite_is_folded_in_silence() -> None:
    node = ir.Node("", "Cast", [ir.Value(name="x")], [ir.AttrInt64("to", ir.DataType.INT64.value)])
    (found,) = evaluate(node, [np.array([-np.inf, 1.0])], 20)
    assert found[1] == 1
