"""Operators of PyTorch that its exporter takes apart into something hardly anybody could put together again.

They stay whole, as operators of the hub's own domain ``metannvis``; :mod:`~metannvis_translate.lowering` writes them in the
standard's own where the target is ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from metannvis_translate.hub import DOMAIN

__all__ = ["translations"]


def translations() -> dict[Any, Callable[..., Any]]:
    """What ``torch.onnx.export(custom_translation_table=...)`` takes: operator → function that puts out its nodes."""
    import torch

    aten = torch.ops.aten
    average = _operator("AdaptiveAveragePool", ("output_size",))
    largest = _operator("AdaptiveMaxPool", ("output_size",), outputs=2)
    moved = _operator("Roll", ("shifts", "dims"))

    # The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
    def adaptive_avg_pool(self, output_size: Sequence[int]):  # type: ignore[no-untyped-def]
        return average(self, output_size=list(output_size))

    def adaptive_max_pool(self, output_size: Sequence[int]):  # type: ignore[no-untyped-def]
        return largest(self, output_size=list(output_size))

    def roll(self, shifts: Sequence[int], dims: Sequence[int] = ()):  # type: ignore[no-untyped-def]
        return moved(self, shifts=list(shifts), dims=list(dims) or None)

    return {
        aten.adaptive_avg_pool1d.default: adaptive_avg_pool,
        aten.adaptive_avg_pool2d.default: adaptive_avg_pool,
        aten.adaptive_avg_pool3d.default: adaptive_avg_pool,
        aten.adaptive_max_pool1d.default: adaptive_max_pool,
        aten.adaptive_max_pool2d.default: adaptive_max_pool,
        aten.adaptive_max_pool3d.default: adaptive_max_pool,
        aten.roll.default: roll,
    }


def _operator(name: str, attributes: Sequence[str], outputs: int = 1) -> Any:
    """An operator of one tensor and lists of integers, for the exporter to call."""
    from onnx.defs import OpSchema
    from onnxscript.values import Op, Opset

    schema = OpSchema(
        name,
        DOMAIN,
        1,
        inputs=[OpSchema.FormalParameter("X", "T")],
        outputs=[OpSchema.FormalParameter(f"Y{k}", f"T{k or ''}") for k in range(outputs)],
        type_constraints=[
            ("T", _TYPES, ""),
            *((f"T{k}", ["tensor(int64)"], "") for k in range(1, outputs)),
        ],
        attributes=[OpSchema.Attribute(a, OpSchema.AttrType.INTS, "", required=False) for a in attributes],
    )
    return Op(Opset(DOMAIN, 1), name, schema)


_TYPES = [
    f"tensor({name})"
    for name in ("float", "double", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool")
]
