"""Recurrent operators as ONNX's evaluator is given them: what ONNX Runtime computes, lengths and all."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from metannvis_translate.importing.reference_recurrence import recurrent_operators
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ROWS: dict[str, dict[str, Any]] = {
    "forward": {},
    "reverse": {"direction": "reverse"},
    "both ways": {"direction": "bidirectional"},
    "clipped": {"clip": 0.5, "direction": "bidirectional"},
}


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("lengths", [(5, 2, 3), (5, 5, 5)])
def test_as_onnx_runtime(kind: str, row: str, lengths: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    options = {"hidden_size": 4, **ROWS[row], **({"linear_before_reset": 1} if kind == "GRU" else {})}
    ways = 2 if options.get("direction") == "bidirectional" else 1
    shapes = {
        "X": (5, 3, 2),
        "W": (ways, GATES[kind] * 4, 2),
        "R": (ways, GATES[kind] * 4, 4),
        "B": (ways, GATES[kind] * 8),
    }
    feeds: dict[str, Any] = {name: random.standard_normal(shape).astype("float32") for name, shape in shapes.items()}
    feeds["lengths"] = np.array(lengths, "int32")
    feeds["initial_h"] = random.standard_normal((ways, 3, 4)).astype("float32")
    outputs = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
    kinds = {"lengths": TensorProto.INT32}
    graph = helper.make_graph(
        [helper.make_node(kind, list(feeds), outputs, **options)],
        "g",
        [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), a.shape) for n, a in feeds.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    expected = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    found = ReferenceEvaluator(model, new_ops=list(recurrent_operators())).run(None, feeds)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
