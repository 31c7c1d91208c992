"""Regions of interest: pooling over regions, where torchvision is loaded. No gradient goes to the regions themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20 as op

from metannvis_translate.frameworks.torch.exporter.building_blocks import stop

__all__ = ["translations"]


# The exporter reads signatures: parameters are named and typed as the operator's schema in torchvision has them.
def roi_align(  # type: ignore[no-untyped-def]
    input, rois, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int, aligned: bool
):
    if sampling_ratio <= 0:
        raise NotImplementedError(
            "roi_align without a sampling_ratio reads as many points as the regions' sizes say, which are data"
        )
    rows, along = stop(rois), op.Constant(value_ints=[1])
    sample = op.Squeeze(op.Slice(rows, op.Constant(value_ints=[0]), along, along), along)
    corners = op.Slice(rows, along, op.Constant(value_ints=[5]), along)
    return op.RoiAlign(
        input,
        corners,
        op.Cast(sample, to=ir.DataType.INT64.value),
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        output_height=pooled_height,
        output_width=pooled_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )


def roi_pool(input, rois, spatial_scale: float, pooled_height: int, pooled_width: int):  # type: ignore[no-untyped-def]
    raise NotImplementedError(
        "roi_pool takes the largest of as many points as the regions' sizes say, which are data; roi_align with a "
        "sampling_ratio does not"
    )


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    known = torch.ops.torchvision
    if not hasattr(known, "roi_align"):
        return {}
    return {known.roi_align.default: roi_align, known.roi_pool.default: roi_pool}
