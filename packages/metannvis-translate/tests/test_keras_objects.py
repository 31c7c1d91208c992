"""Layers of our own, which stand in Keras models made from PyTorch, on the way to PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
from metannvis_translate import check_equivalence, keras_objects, translate
from metannvis_translate.frameworks.keras.exporter.layers import find_layer_converter


@dataclass
class Row:
    """A layer, its inputs (the batch on axis 0) and constants that follow them."""

    inputs: tuple[Any, ...]
    constants: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def whole(*shape: int, below: int, dtype: str = "int64", seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, below, shape).astype(dtype)


UNSIGNED = whole(2, 5, below=2**30, dtype="uint64"), whole(2, 5, below=2**20, dtype="uint64", seed=1) + np.uint64(1)
BITS = whole(2, 5, below=99), whole(2, 5, below=99, seed=1)
ROWS = {
    **{f"Unsigned64-{name}": Row(UNSIGNED, options={"operation": name}) for name in ("add", "multiply", "equal")},
    **{f"BitwiseOperation-{name}": Row(BITS, options={"operation": name}) for name in ("and", "or", "xor")},
    "BatchLimit": Row((draw(2, 5),), options={"axis": 0, "exact": 2, "least": 1, "text": "two"}),
    "BitwiseNot": Row(BITS[:1]),
    "BitShift": Row(
        (whole(2, 5, below=99, dtype="uint8"), whole(2, 5, below=9, dtype="uint8")), options={"left": False}
    ),
    "Shape": Row((draw(2, 5),), options={"start": 0, "end": None}),
    "Size": Row((draw(2, 5),)),
    "EyeLike": Row((draw(2, 5),), options={"k": 1, "to": "float64"}),
    "Filled": Row((np.asarray([2, 3]),), options={"value": 1.5, "to": "float64"}),
    "Range": Row(tuple(np.asarray([x]) for x in (2, 11, 3))),
    "Window": Row((np.asarray([7]),), options={"parts": [0.5, 0.5, 0.0], "periodic": False, "to": "float64"}),
    "MelWeights": Row(
        tuple(np.asarray([x]) for x in (8, 64, 16000)), (np.float32([20]), np.float32([7600])), {"to": "float64"}
    ),
    "OneHot": Row((whole(2, 5, below=4), np.asarray([4, 4])[:1]), (np.asarray([0.5, 2.0]),), {"axis": 1}),
    "IntegerProduct": Row((whole(2, 5, below=2**30), whole(5, 3, below=2**30))),
    "NonMaxSuppression": Row(
        (np.abs(draw(2, 9, 4)).astype("float32"), np.abs(draw(2, 3, 9)).astype("float32")),
        (np.asarray([4]), np.asarray([0.3], "float32"), np.asarray([0.2], "float32")),
        {"centre": True},
    ),
    "RoiAlign": Row(
        (draw(2, 7, 8, 3), np.asarray([[3.0, 2, 11, 9], [-3, -2, 5, 20]]), np.asarray([1, 0])),
        options={"height": 2, "width": 3, "ratio": 0, "scale": 0.3, "half": True, "largest": False},
    ),
    "NonZero": Row((whole(2, 5, below=2),)),
    "Compress": Row((draw(2, 5),), (np.asarray([True, False, True, True, False]),), {"axis": 1}),
    "Unique": Row((whole(2, 5, below=4),), options={"axis": None, "sort": True}),
    "GatherND": Row((draw(2, 5, 4),), (np.asarray([[0, -1], [1, 2], [1, 0]]),)),
    "GatherND-rows": Row((draw(2, 5, 4), whole(2, 3, 1, below=5)), options={"batch_dims": 1}),
    "ScatterND": Row((draw(2, 5),), (np.asarray([[0, -1], [1, 2]]), draw(2)), {"reduction": "none"}),
    "ScatterND-add": Row((draw(2, 5),), (np.asarray([[0, 1], [0, 1]]), draw(2)), {"reduction": "add"}),
    "ScatterElements": Row(
        (draw(2, 5), whole(2, 3, below=5), draw(2, 3, seed=1)), options={"axis": 1, "reduction": "add"}
    ),
    "ReverseSequence": Row((draw(2, 5, 3), np.asarray([2, 5])), options={"seq_axis": 1, "batch_axis": 0}),
    "WholeSequence": Row((draw(2, 5, 3), np.asarray([2, 5])), options={"axis": 1}),
    "InverseFourier": Row((draw(2, 8), draw(2, 8, seed=1))),
    "Resample": Row(
        (draw(2, 5, 6, 3),),
        options={
            "axes": [1, 2],
            "scales": None,
            "lengths": [9, 4],
            "mode": "nearest",
            "coordinates": "half_pixel",
            "rounding": "floor",
            "a": -0.75,
        },
    ),
}
#: Layers that are refused on the way, and why.
REASONS = {
    "BitCast": "newer than the opset of the hub",
    "TensorScatter": "newer than the opset of the hub",
}


def test_every_layer_has_a_row_or_a_reason() -> None:
    made = set(keras_objects.__all__) - {"OperatorLayer", "operator_layer"}
    assert made == {name.partition("-")[0] for name in ROWS} | set(REASONS)


def model_of(name: str) -> Any:
    row = ROWS[name]
    # what has a batch has one of two
    shapes = [(None if len(x) == 2 and x.ndim > 1 else len(x), *x.shape[1:]) for x in row.inputs]
    inputs = [
        keras.Input(batch_shape=shape, dtype=x.dtype.name, name=f"x{k}")
        for k, (x, shape) in enumerate(zip(row.inputs, shapes, strict=True))
    ]
    layer = getattr(keras_objects, name.partition("-")[0])(dtype="float64", **row.options)
    given = [*inputs, *row.constants]
    return keras.Model(inputs, layer(given if len(given) > 1 else given[0])), layer


@pytest.mark.parametrize("name", sorted(ROWS))
def test_to_pytorch(name: str) -> None:
    inputs = list(ROWS[name].inputs)
    model, layer = model_of(name)
    assert find_layer_converter(layer) is not None
    translation = translate(model, "torch", example_inputs=inputs, dtype="float64", verify=False)
    report = check_equivalence(model, translation, inputs, dtype="float64")
    assert report.outputs and all(row.compared and row.max_rel <= 1e-12 for row in report.outputs), report
