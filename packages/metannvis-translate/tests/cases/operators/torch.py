"""Rows of the operator table for what the ONNX → PyTorch importer has beyond the common ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator

from .case import BOOL, IMAGE, Case, _ints, _positive, _random, model_of, reference

__all__ = ["AMBIGUOUS", "TORCH_CASES"]

INTEGERS = np.array([[5, 6, 7], [1, 2, 12]])
INFINITE = np.array([[1.0, np.inf, -np.inf, np.nan]])
LINE, VOLUME = _random(2, 3, 7), _random(2, 2, 3, 4, 5)
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


def _cropped(x: Any, weight: Any) -> Any:
    row = Case("ConvTranspose", (x, weight), {"strides": [2, 2], "pads": [1, 1, 0, 0]}, 11)
    return reference(row, model_of(row, x.dtype.name))[0]


TORCH_CASES: list[Case] = [
    Case("Hardmax", (_random(2, 5, 3),), {"axis": 1}, 13),
    Case("Hardmax", (np.array([[1.0, 3.0, 3.0]]),), {}, 13, tag="tie"),
    Case("BitwiseNot", (INTEGERS,), {}, 18),
    Case("BitwiseAnd", (INTEGERS, INTEGERS[::-1].copy()), {}, 18, 2),
    Case("BitwiseOr", (INTEGERS, INTEGERS[::-1].copy()), {}, 18, 2),
    Case("BitwiseXor", (INTEGERS, INTEGERS[::-1].copy()), {}, 18, 2),
    Case("BitShift", (INTEGERS.astype(np.uint8), np.array([[1, 0, 2]], np.uint8)), {"direction": "LEFT"}, 11, 2),
    Case("BitShift", (INTEGERS.astype(np.uint8), np.array([[1, 0, 2]], np.uint8)), {"direction": "RIGHT"}, 11, 2, tag="right"),
    Case("IsInf", (INFINITE,), {}, 10),
    Case("IsInf", (INFINITE,), {"detect_negative": 0}, 10, tag="positive"),
    Case("IsInf", (INFINITE,), {"detect_positive": 0}, 10, tag="negative"),
    Case("CumSum", (_random(2, 5), np.array(1)), {}, 14),
    Case("CumSum", (_random(2, 5), np.array(-1)), {"exclusive": 1, "reverse": 1}, 14, tag="both"),
    Case("Einsum", (_random(2, 3, 4), _random(2, 4, 5)), {"equation": "bij,bjk->bik"}, 12, 2),
    Case("Einsum", (_random(2, 3, 4), _random(4, 5)), {"equation": "...j, jk"}, 12, tag="implicit"),
    Case("Clip", (INTEGERS, np.array(2), np.array(6)), {}, 13, tag="integers"),
    Case("Clip", (_random(2, 5), np.array(-0.5), np.array(0.5)), {}, 13, 3, tag="dynamic", batch_is_free=False),
    Case("Dropout", (_random(2, 5),), {"ratio": 0.3}, 10, tag="attribute"),
    Case("Identity", (_random(2, 5),), {}, 13, tag="plain"),
    Case("Trilu", (_random(2, 4, 5),), {}, 14),
    Case("Trilu", (_random(2, 4, 5), np.array(-1)), {"upper": 0}, 14, tag="lower"),
    Case("TopK", (_random(2, 7), _ints(3)), {}, 11, outputs=2),
    Case("TopK", (_random(2, 7, 2), _ints(2)), {"axis": 1, "largest": 0}, 11, outputs=2, tag="smallest"),
    Case("OneHot", (np.array([[0, 2], [-1, 5]]), np.array(4), np.array([0.5, 2.0])), {}, 11),
    Case("OneHot", (np.array([[0, 2], [-1, 3]]), np.array(4), np.array([0.0, 1.0])), {"axis": 1}, 11, tag="axis"),
    Case("Gather", (_random(2, 5, 3), np.array([[3, 0], [1, -1]])), {"axis": 1}, 13, 2, tag="computed", batch_is_free=False),
    Case("Gather", (_random(2, 5, 3), np.array(-2)), {"axis": -1}, 13, tag="negative"),
    Case("GatherElements", (_random(2, 3), np.array([[0, 2, -1], [1, 1, 0]])), {"axis": 1}, 13, 2),
    Case("GatherND", (_random(2, 3, 4), np.array([[0, 1], [1, -1]])), {}, 13, 2, batch_is_free=False),
    Case("ScatterElements", (_random(2, 3), np.array([[0, 2]]), _random(1, 2)), {"axis": 1}, 16, 3, batch_is_free=False),
    Case("ScatterElements", (_random(2, 3), np.array([[0, -1]]), _random(1, 2)), {"axis": 1, "reduction": "add"}, 16, 3, tag="add", batch_is_free=False),
    Case("ScatterND", (_random(4, 3), np.array([[1], [-1]]), _random(2, 3)), {}, 16, 3, batch_is_free=False),
    Case("ScatterND", (_random(4, 3), np.array([[1], [3]]), _random(2, 3)), {"reduction": "add"}, 16, 3, tag="add", batch_is_free=False),
    Case("GridSample", (IMAGE, _random(2, 3, 4, 2, low=-1.2, high=1.2)), {"align_corners": 1}, 20, 2),
    Case("GridSample", (IMAGE, _random(2, 3, 4, 2)), {"padding_mode": "border", "mode": "nearest"}, 20, 2, tag="border"),
    Case("DepthToSpace", (_random(2, 8, 3, 4),), {"blocksize": 2}, 13),
    Case("DepthToSpace", (_random(2, 8, 3, 4),), {"blocksize": 2, "mode": "CRD"}, 13, tag="crd"),
    Case("SpaceToDepth", (_random(2, 3, 4, 6),), {"blocksize": 2}, 13),
    Case("LpNormalization", (_random(2, 5),), {"axis": 1}, 9, formula=lambda x: x / np.sqrt((x**2).sum(1, keepdims=True))),
    Case("LpNormalization", (_random(2, 5, 3),), {"axis": 1, "p": 1}, 9, tag="l1", formula=lambda x: x / np.abs(x).sum(1, keepdims=True)),
    Case("LpPool", (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "p": 3}, 18, formula=lambda x: _lp_pool(x, 3, 3, 2, 2, 1)),
    Case("GlobalLpPool", (IMAGE,), {"p": 3}, 9, formula=lambda x: (np.abs(x) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)),
    Case("RMSNormalization", (_random(2, 4, 6), _random(6)), {"epsilon": 1e-3}, 23, formula=lambda x, s: x / np.sqrt((x**2).mean(-1, keepdims=True) + float(np.float32(1e-3))) * s),
    Case("LayerNormalization", (_random(2, 4, 6), _random(1), _random(6)), {}, 17, tag="broadcast"),
    Case("GroupNormalization", (IMAGE, _random(3), _random(3, seed=1)), {"num_groups": 3}, 18, tag="by-group"),
    Case("BatchNormalization", (VOLUME, _random(2), _random(2, seed=1), _random(2, seed=2), _positive(2)), {}, 15, tag="3d"),
    Case("InstanceNormalization", (LINE, _random(3), _random(3, seed=1)), {}, 13, tag="1d"),
    Case("MaxPool", (VOLUME,), {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2], "ceil_mode": 1, "pads": [0, 0, 0, 1, 0, 1]}, 12, tag="3d-ceil-uneven", batch_is_free=False),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}, 12, tag="behind"),
    Case("MaxPool", (IMAGE,), {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, 12, tag="same-lower"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, 12, tag="same-lower"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 2], "pads": [0, 1, 1, 0], "count_include_pad": 1}, 12, tag="uneven-counted"),
    Case("AveragePool", (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 3], "strides": [1, 2]}, 19, tag="dilated"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3)), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, 11, tag="same-upper"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3)), {"strides": [2, 2], "pads": [2, 1, 1, 1]}, 11, tag="more-before"),
    Case("ConvTranspose", (IMAGE, _random(6, 4, 3, 3)), {"strides": [2, 2], "output_shape": [18, 22]}, 11, tag="output-shape", formula=_cropped),
    Case("Conv", (IMAGE, _random(4, 6, 3, 3), _random(4)), {"pads": [1, 1, 1, 1]}, 11, 3, tag="computed-weight", batch_is_free=False),
    Case("Gemm", (_random(2, 5), _random(3, 5), _random(2, 3)), {"transB": 1}, 13, tag="bias-a-row", batch_is_free=False),
    Case("Gemm", (_random(2, 5), _random(3, 5)), {"transB": 1}, 13, 2, tag="both-computed", batch_is_free=False),
    Case("MatMul", (_random(3, 4, 5), _random(5)), {}, 13, 2, tag="vector", batch_is_free=False),
    Case("MatMul", (_random(4, 5), _random(2, 5, 3)), {}, 13, 2, tag="more-axes", batch_is_free=False),
    Case("Where", (BOOL, np.array(1.5), np.array(-1.0)), {}, 16, tag="numbers"),
    Case("Where", (BOOL[:1], _random(2, 3), np.array(0.0)), {}, 16, 2, tag="number", batch_is_free=False),
    Case("Max", (_random(2, 3), _random(2, 3, seed=1), _random(3)), {}, 13, 2, tag="three"),
    Case("Pow", (np.array([[2, 3]]), np.array(2.0)), {}, 15, tag="integer-base"),
    Case("PRelu", (_random(2, 5), _random(2, 5)), {}, 16, 2, tag="computed"),
    Case("Squeeze", (_random(2, 1, 3, 1),), {}, 13, tag="all", batch_is_free=False),
    Case("Flatten", (_random(2, 3, 4),), {"axis": 0}, 13, tag="axis0", batch_is_free=False),
    Case("Flatten", (_random(2, 3, 4),), {"axis": 3}, 13, tag="axis3", batch_is_free=False),
    Case("Reshape", (_random(2, 3, 4), _ints(0, 0, 2, 2)), {}, 14, tag="zeros"),
    Case("Reshape", (np.zeros((0, 3)), _ints(3, 0)), {"allowzero": 1}, 14, tag="empty", batch_is_free=False),
    Case("Expand", (_random(3, 1), _ints(2, 1, 4)), {}, 13, tag="front", batch_is_free=False),
    Case("Slice", (_random(2, 6, 5), _ints(4, 0), _ints(0, 3), _ints(1, 2), _ints(-1, 2)), {}, 13, tag="mixed"),
    Case("Slice", (_random(2, 6), _ints(0), _ints(9)), {}, 13, tag="batch"),
    Case("Split", (_random(2, 6),), {"axis": 1}, 13, outputs=3, tag="equal"),
    Case("Concat", (_random(2, 3), _random(2, 2)), {"axis": 1}, 13, tag="weight", batch_is_free=False),
    Case("Tile", (IMAGE, _ints(1, 2, 1, 3)), {}, 13, tag="image"),
    Case("Pad", (_random(2, 3, 4), _ints(0, 2, 0, 0, 1, 0)), {"mode": "reflect"}, 18, tag="tokens", batch_is_free=False),
    Case("Pad", (_random(2, 6), _ints(2, 3), np.array(0.0), _ints(1)), {}, 18, tag="axes"),
    Case("ReduceMean", (_random(2, 3, 4, 5), _ints()), {"noop_with_empty_axes": 1}, 18, tag="nothing"),
    Case("ReduceSum", (_random(2, 3, 4),), {}, 13, tag="everything", batch_is_free=False),
    Case("ReduceMean", (LINE, _ints(2)), {"keepdims": 0}, 18, tag="1d"),
    Case("ReduceMean", (VOLUME, _ints(2, 3, 4)), {}, 18, tag="3d"),
    Case("Range", (np.array(1), np.array(9), np.array(2)), {}, 11, 0, batch_is_free=False),
    Case("Shape", (_random(2, 3, 4),), {}, 13),
    Case("Shape", (_random(2, 3, 4),), {"start": 1}, 15, tag="static"),
    Case("ConstantOfShape", (_ints(2, 3),), {}, 9, 0, batch_is_free=False),
    _resize("up", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    _resize("up", nearest_mode="round_prefer_ceil"),
    _resize("up", nearest_mode="ceil", coordinate_transformation_mode="align_corners"),
    _resize("down", coordinate_transformation_mode="pytorch_half_pixel"),
    *(_resize(how, mode="linear", coordinate_transformation_mode=c) for how in SCALES for c in ("half_pixel", "align_corners", "asymmetric") if how == "up" or c != "align_corners"),
    _resize("up", mode="cubic"),
    _resize("fraction", mode="cubic", cubic_coeff_a=-0.5),
    _resize("down", mode="cubic", exclude_outside=1),
    _resize("down", "antialias", mode="linear", antialias=1),
    Case("Resize", (IMAGE, np.zeros(0, np.float32), np.zeros(0, np.float32), _ints(2, 6, 5, 20)), {"mode": "linear"}, 13, tag="sizes", keep=(1, 2), batch_is_free=False),
    Case("Resize", (IMAGE, np.array([1, 1, 2, 2], np.float32)), {}, 10, tag="opset10", formula=lambda x, s: x.repeat(2, 2).repeat(2, 3), keep=(1,)),
    Case("Resize", (LINE, np.zeros(0, np.float32), np.array([1, 1, 2], np.float32)), {"mode": "linear"}, 13, tag="1d", keep=(1, 2)),
    Case("Upsample", (IMAGE, np.array([1, 1, 2, 3], np.float32)), {}, 9, keep=(1,), formula=lambda x, s: x.repeat(2, 2).repeat(3, 3)),
    Case("Upsample", (IMAGE,), {"scales": [1.0, 1.0, 2.0, 2.0]}, 7, tag="attribute", formula=lambda x: x.repeat(2, 2).repeat(2, 3)),
]  # fmt: skip


def _lp_pool(x: Any, p: int, kh: int, kw: int, sh: int, sw: int) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(x) ** p, (kh, kw), axis=(2, 3))[:, :, ::sh, ::sw]
    return windows.sum((-1, -2)) ** (1 / p)


#: Sizes that come out rounded, with aligned corners: ONNX Runtime and ONNX's evaluator disagree, and both importers refuse.
AMBIGUOUS: list[Case] = [
    _resize(how, mode="linear", coordinate_transformation_mode="align_corners") for how in ("fraction", "down")
]
