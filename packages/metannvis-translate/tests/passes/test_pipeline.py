"""What is worked out on the hub's graph before a framework is asked."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from metannvis_translate.graph.evaluate import evaluate
from metannvis_translate.graph.metadata import set_exact
from metannvis_translate.passes.fuse_linear import known_values

from ...conformance.run import run_all


def test_constants_are_computed_with_the_exact_numbers() -> None:
    node = ir.node("LeakyRelu", [ir.val("x")], {"alpha": 0.1})
    set_exact(node, {"alpha": 0.1})
    (result,) = evaluate(node, [np.array([-1.0])], 20)
    assert result[0] == -0.1


def test_known_values_of_a_graph_however_deep() -> None:
    """Deeper than Python's own calls go, and with more paths through it than could be walked one by one."""
    x = ir.val("x", ir.DataType.FLOAT, (2,))
    weight = ir.val("w", ir.DataType.FLOAT, (2,), const_value=ir.tensor(np.ones(2, np.float32)))
    nodes, ends = [], []
    for start in (x, weight):
        value = start
        for _ in range(2000):
            nodes.append(ir.node("Add", [value, value]))
            value = nodes[-1].outputs[0]
        ends.append(value)
    graph = ir.Graph([x], ends, nodes=nodes, initializers=[weight], opset_imports={"": 20})
    known = known_values(graph)
    assert weight in known and ends[1] in known
    assert x not in known and ends[0] not in known


def test_sizes_are_followed_beside_vectors_of_unknown_length() -> None:
    """Functions of ONNX that are written out: shapes are put together of sizes, and a Range counts the steps."""
    names = ("test_attention_3d_causal_expanded", "test_rotary_embedding_3d_input_expanded")
    outcomes = run_all("torch", lambda case: case.name in names)
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(names, "passed")
