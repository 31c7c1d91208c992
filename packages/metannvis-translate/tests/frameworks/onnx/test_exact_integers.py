"""The check of models that multiply eight-bit integers: exact on processors whose kernels saturate, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate import translate
from metannvis_translate.frameworks.onnx.exact_integers import MOST_TERMS, with_exact_integers
from metannvis_translate.frameworks.onnx.run import evaluator
from onnx import TensorProto, helper, numpy_helper

from ...cases.operators.case import Case, model_of, reference
from ...cases.operators.integer import CASES
from ...cases.operators.integer_products import PRODUCTS

SINGLE = [case for case in CASES if all(np.asarray(value).dtype != np.float64 for value in case.inputs)]


def operators(proto: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in proto.graph.node}


def feeds(case: Case) -> dict[str, Any]:
    return {f"x{k}": np.asarray(value) for k, value in enumerate(case.inputs[: case.dynamic])}


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.id)
def test_what_the_check_runs_is_exact(case: Case) -> None:
    proto = model_of(case, "float32")
    before = proto.SerializeToString()
    exact = with_exact_integers(proto)
    assert exact is not None and not operators(exact) & set(PRODUCTS)
    assert proto.SerializeToString() == before
    np.testing.assert_array_equal(evaluator(proto)(feeds(case))[0], reference(case, proto)[0])


@pytest.mark.parametrize("to", ["keras", "torch"])
@pytest.mark.parametrize("case", [case for case in CASES if case.tag == "beyond-16-bits"], ids=lambda case: case.id)
def test_a_right_translation_passes_the_check(case: Case, to: str) -> None:
    proto = model_of(case, "float32")
    given = np.asarray(case.inputs[0])
    translation = translate(proto, to, example_inputs=given)
    assert translation.report is not None and translation.report.passed
    found = translation.to_source(translation.model(translation.to_target(given)), role="output")
    np.testing.assert_array_equal(np.asarray(found), reference(case, proto)[0])


BYTES = np.full((2, 64), 255, np.uint8)
WEIGHT = np.full((64, 3), 127, np.int8)


def declared(name: str, kind: int, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def branches() -> onnx.ModelProto:
    """A product inside the branches of an If."""

    def branch(name: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node("MatMulInteger", ["x", "w"], [name])],
            name,
            [],
            [declared(name, TensorProto.INT32, [2, 3])],
        )

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    constants = [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(np.array(True), "c")]
    ends = [declared("x", TensorProto.UINT8, [2, 64])], [declared("y", TensorProto.INT32, [2, 3])]
    return helper.make_model(
        helper.make_graph([node], "g", *ends, constants), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )


def function() -> onnx.ModelProto:
    """A product inside a function of the model's own."""
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("mine", 1)]
    body = [helper.make_node("MatMulInteger", ["a", "b"], ["c"])]
    made = helper.make_function("mine", "Product", ["a", "b"], ["c"], body, imports[:1])
    ends = [declared("x", TensorProto.UINT8, [2, 64])], [declared("y", TensorProto.INT32, [2, 3])]
    graph = helper.make_graph(
        [helper.make_node("Product", ["x", "w"], ["y"], domain="mine")],
        "g", *ends, [numpy_helper.from_array(WEIGHT, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=imports, functions=[made], ir_version=8)


@pytest.mark.parametrize("proto", [branches(), function()], ids=["subgraph", "function"])
def test_wherever_a_product_stands(proto: onnx.ModelProto) -> None:
    assert evaluator(proto)({"x": BYTES})[0].tolist() == [[255 * 127 * 64] * 3] * 2


@pytest.mark.parametrize("terms", [MOST_TERMS, MOST_TERMS + 1])
def test_sums_of_as_many_terms_as_single_precision_holds(terms: int) -> None:
    """Of more, ONNX's own evaluator takes the whole graph."""
    image = np.full((1, 1, 1, terms), 255, np.uint8)
    kernel = numpy_helper.from_array(np.full((1, 1, 1, terms), 127, np.int8), "w")
    zero = numpy_helper.from_array(np.uint8(1), "z")
    graph = helper.make_graph(
        [helper.make_node("ConvInteger", ["x", "w", "z"], ["y"])],
        "g", [declared("x", TensorProto.UINT8, [1, 1, 1, terms])], [declared("y", TensorProto.INT32, [1, 1, 1, 1])],
        [kernel, zero],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=8)
    assert (with_exact_integers(proto) is None) == (terms > MOST_TERMS)
    assert evaluator(proto)({"x": image})[0].item() == 254 * 127 * terms


def test_other_models_are_handed_on_as_they_are() -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g", [declared("x", TensorProto.FLOAT, [2])], [declared("y", TensorProto.FLOAT, [2])],
    )  # fmt: skip
    proto = helper.make_model(graph)
    assert with_exact_integers(proto) is proto
