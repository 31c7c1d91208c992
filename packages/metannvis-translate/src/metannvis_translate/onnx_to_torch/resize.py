"""Resizing images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from metannvis_translate.importer import Const, Value
from metannvis_translate.layout import Placed
from metannvis_translate.onnx_to_torch.modules import Resample, Take
from metannvis_translate.onnx_to_torch.registry import converter

if TYPE_CHECKING:
    from metannvis_translate.onnx_to_torch.importer import TorchImporter

Array = np.ndarray[Any, Any]
LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@converter("Upsample", since=7)
def Upsample_7(ctx: TorchImporter, X: Value, *, mode: str = "nearest", scales: Sequence[float]) -> Placed:
    """``nn.Upsample``."""
    return resize(ctx, X, list(scales), None, mode=mode, coordinates="asymmetric", nearest="floor")


@converter("Upsample", since=9)
def Upsample(ctx: TorchImporter, X: Value, scales: Value, *, mode: str = "nearest") -> Placed:
    """``nn.Upsample``."""
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=10)
def Resize_10(ctx: TorchImporter, X: Value, scales: Value, *, mode: str = "nearest") -> Placed:
    """``nn.Upsample``."""
    return Upsample_7(ctx, X, mode=mode, scales=ctx.known(scales, "scales").tolist())


@converter("Resize", since=11)
def Resize(
    ctx: TorchImporter,
    X: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Placed:
    """``nn.Upsample`` where it does the same, else a matrix (or, for the nearest, indices) an axis."""
    if coordinate_transformation_mode == "tf_crop_and_resize" or keep_aspect_ratio_policy != "stretch":
        ctx.refuse(f"{coordinate_transformation_mode}, {keep_aspect_ratio_policy} are not supported")
    along = [axis % X.rank for axis in (range(X.rank) if axes is None else axes)]

    def full(value: Value | None, what: str) -> list[Any] | None:
        if value is None or (isinstance(value, Const) and value.array.size == 0):
            return None
        given = dict(zip(along, ctx.known(value, what).tolist(), strict=True))
        return [given.get(axis) for axis in range(X.rank)]

    return resize(
        ctx,
        X,
        full(scales, "scales"),
        full(sizes, "sizes"),
        mode=mode,
        coordinates=coordinate_transformation_mode,
        nearest=nearest_mode,
        antialias=antialias,
        cubic_coeff_a=cubic_coeff_a,
        exclude_outside=exclude_outside,
    )


def resize(
    ctx: TorchImporter,
    X: Value,
    scales: list[Any] | None,
    sizes: list[Any] | None,
    *,
    mode: str,
    coordinates: str,
    nearest: str,
    **others: Any,
) -> Placed:
    """Resize by ``scales`` or to ``sizes`` (logical axes, ``None`` for one that stays)."""
    shape = ctx.shape(0) or (None,) * X.rank
    if scales is None and sizes is not None:
        steps = [axis for axis, size in enumerate(sizes) if size is not None and size != shape[axis]]
        # an axis whose size is free and is said to come out as something cannot be checked to stay
        if any(shape[axis] is None for axis in steps):
            ctx.refuse("an axis of free size is resized to a fixed one")
        scales = [size / (shape[axis] or 1) if axis in steps else 1.0 for axis, size in enumerate(sizes)]
    else:
        scales = [1.0 if scale is None else float(scale) for scale in scales or []]
        steps = [axis for axis, scale in enumerate(scales) if scale != 1]
    x = ctx.placed(X)
    if not steps:
        return x
    if not others.get("antialias") and steps[0] >= 2 and x.rank in LINEAR:
        image = ctx.plain(x)
        factors = tuple(scales[2:])
        if all(scale > 1 or scale == 1 for scale in factors):
            module = _upsample(image.rank, factors, mode, coordinates, nearest, others)
            if module is not None:
                return Placed(ctx.module(module, image.tensor), image.order)
    if any(shape[axis] is None for axis in steps):
        ctx.refuse(f"PyTorch has no {mode} resizing with {coordinates!r} coordinates for images of free size")
    axes = sorted(steps, key=x.axis)
    dims = [x.axis(axis) for axis in axes]
    parts = []
    for axis in axes:
        size = int(shape[axis] or 0)
        wanted = None if sizes is None else int(sizes[axis])
        parts.append((size, scales[axis], wanted))
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": nearest, **others}
    module = _by_index(ctx, dims, parts, attributes) if mode == "nearest" else _by_matrix(ctx, dims, parts, attributes)
    return Placed(ctx.module(module, x.tensor), x.order)


def _upsample(
    rank: int, factors: tuple[float, ...], mode: str, coordinates: str, nearest: str, others: dict[str, Any]
) -> nn.Upsample | None:
    """``nn.Upsample`` if it has what is asked for."""
    whole = all(float(factor).is_integer() for factor in factors)
    if mode == "nearest" and whole:
        if coordinates == "asymmetric" and nearest == "floor":
            return nn.Upsample(scale_factor=factors, mode="nearest")
        # half a pixel is a tie only if the factor is odd, and then it falls on the centre
        if coordinates in ("half_pixel", "pytorch_half_pixel") and nearest.startswith("round"):
            return nn.Upsample(scale_factor=factors, mode="nearest")
    if mode == "linear" or (mode == "cubic" and rank == 4):
        name = LINEAR[rank] if mode == "linear" else "bicubic"
        if mode == "cubic" and (others.get("cubic_coeff_a") != -0.75 or others.get("exclude_outside")):
            return None
        if coordinates == "align_corners":
            return nn.Upsample(scale_factor=factors, mode=name, align_corners=True) if whole else None
        if coordinates in ("half_pixel", "pytorch_half_pixel"):
            return nn.Upsample(scale_factor=factors, mode=name, align_corners=False)
    return None


Part = tuple[int, float, int | None]


def _by_index(ctx: TorchImporter, dims: list[int], parts: list[Part], attributes: dict[str, Any]) -> Take:
    indices = [_resized(np.arange(part[0], dtype=np.float64), part, attributes) for part in parts]
    return Take(dims, [ctx.buffer(np.rint(index).astype(np.int64)) for index in indices])


def _by_matrix(ctx: TorchImporter, dims: list[int], parts: list[Part], attributes: dict[str, Any]) -> Resample:
    dtype = ctx.numpy_dtype(ctx.node.outputs[0]) or np.dtype("float32")
    matrices = []
    for part in parts:
        columns = [_resized(row, part, attributes) for row in np.eye(part[0])]
        matrices.append(ctx.buffer(np.stack(columns, axis=1).astype(dtype)))
    return Resample(dims, matrices)


def _resized(line: Array, part: Part, attributes: dict[str, Any]) -> Array:
    """One line resized by ONNX's own reference, which knows every mode."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    _, scale, size = part
    helper = onnx.helper
    inputs = ["x", "", "s"] if size is None else ["x", "", "", "s"]
    node = helper.make_node("Resize", inputs, ["y"], **attributes)
    info = [helper.make_tensor_value_info(n, t, [None]) for n, t in (("x", 11), ("s", 1 if size is None else 7))]
    graph = helper.make_graph([node], "line", info, [helper.make_tensor_value_info("y", 11, [None])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    how = np.array([scale], np.float32) if size is None else np.array([size], np.int64)
    return np.asarray(ReferenceEvaluator(model).run(None, {"x": line, "s": how})[0], dtype=np.float64)
