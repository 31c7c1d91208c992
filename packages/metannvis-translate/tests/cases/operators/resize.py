"""Rows of resizing images."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator

from .arrays import IMAGE, LINE, ints
from .case import Case, model_of

__all__ = ["AMBIGUOUS", "CASES"]

SCALES: dict[str, Any] = {"up": (1.0, 1.0, 2.0, 3.0), "fraction": (1.0, 1.0, 1.5, 2.4), "down": (1.0, 1.0, 0.5, 0.75)}


def _resize(how: str, tag: str = "", opset: int = 18, x: Any = IMAGE, formula: Any = None, **attributes: Any) -> Case:
    scales = np.array(SCALES[how], np.float32)
    name = "-".join(
        [how, tag or attributes.get("mode", "nearest"), attributes.get("coordinate_transformation_mode", "")]
    )
    # the region of interest is empty and float32 always; scales are too
    row = Case("Resize", (x, np.zeros(0, np.float32), scales), attributes, opset, tag=name, keep=(1, 2))
    # ONNX Runtime has the weights in single precision; the evaluator takes sizes that are not whole for lengths
    exact = _aligned if attributes.get("coordinate_transformation_mode") == "align_corners" else _evaluated
    return dataclasses.replace(row, formula=lambda *inputs: exact(row, *inputs)) if "mode" in attributes else row


def _evaluated(row: Case, *inputs: Any) -> Any:
    # the evaluator divides by the scales in their own precision, so they are handed over as doubles
    evaluator = ReferenceEvaluator(model_of(dataclasses.replace(row, dynamic=3), inputs[0].dtype.name))
    for node in evaluator.rt_nodes_:  # and by the coefficient in its own, too
        node.cubic_coeff_a = float(node.cubic_coeff_a)
    return evaluator.run(None, {f"x{k}": value.astype(np.float64) for k, value in enumerate(inputs)})[0]


def _aligned(row: Case, x: Any, roi: Any, scales: Any) -> Any:
    for axis in (2, 3):
        old, new = x.shape[axis], int(x.shape[axis] * scales[axis])
        at = np.arange(new) * (old - 1) / (new - 1)
        low = np.minimum(at.astype(int), old - 2)
        weight = (at - low).reshape([-1 if k == axis else 1 for k in range(4)])
        x = x.take(low, axis) * (1 - weight) + x.take(low + 1, axis) * weight
    return x


CASES: list[Case] = [
    Case("Resize", (IMAGE, np.array([0, 0, 0.1, 0.2, 1, 1, 0.9, 1.3]), None, ints(2, 6, 5, 7)), {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 0.5}, 19, tag="crop", keep=(1,), batch_is_free=False),
    Case("Resize", (IMAGE, None, None, ints(20, 16)), {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger", "mode": "linear"}, 19, tag="not-larger"),
    _resize("up", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    _resize("up", nearest_mode="round_prefer_ceil"),
    _resize("up", nearest_mode="ceil", coordinate_transformation_mode="align_corners"),
    _resize("down", coordinate_transformation_mode="pytorch_half_pixel"),
    *(_resize(how, mode="linear", coordinate_transformation_mode=c) for how in SCALES for c in ("half_pixel", "align_corners", "asymmetric") if how == "up" or c != "align_corners"),
    _resize("up", mode="cubic"),
    _resize("fraction", mode="cubic", cubic_coeff_a=-0.5),
    _resize("down", mode="cubic", exclude_outside=1),
    _resize("down", "antialias", mode="linear", antialias=1),
    Case("Resize", (IMAGE, np.zeros(0, np.float32), np.zeros(0, np.float32), ints(2, 6, 5, 20)), {"mode": "linear"}, 13, tag="sizes", keep=(1, 2), batch_is_free=False),
    Case("Resize", (IMAGE, np.array([1, 1, 2, 2], np.float32)), {}, 10, tag="opset10", formula=lambda x, s: x.repeat(2, 2).repeat(2, 3), keep=(1,)),
    Case("Resize", (LINE, np.zeros(0, np.float32), np.array([1, 1, 2], np.float32)), {"mode": "linear"}, 13, tag="1d", keep=(1, 2)),
    Case("Upsample", (IMAGE, np.array([1, 1, 2, 3], np.float32)), {}, 9, keep=(1,), formula=lambda x, s: x.repeat(2, 2).repeat(3, 3)),
    Case("Upsample", (IMAGE,), {"scales": [1.0, 1.0, 2.0, 2.0]}, 7, tag="attribute", formula=lambda x: x.repeat(2, 2).repeat(2, 3)),
]  # fmt: skip

#: Sizes that come out rounded, with aligned corners: ONNX Runtime and ONNX's evaluator disagree, and both importers refuse.
AMBIGUOUS: list[Case] = [
    _resize(how, mode="linear", coordinate_transformation_mode="align_corners") for how in ("fraction", "down")
]
