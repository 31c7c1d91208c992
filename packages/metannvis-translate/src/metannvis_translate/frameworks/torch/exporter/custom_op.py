"""Custom operators of the graph's own domain, as PyTorch's exporter takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_translate.graph.metadata import DOMAIN

__all__ = ["operator"]


def operator(
    name: str,
    attributes: Sequence[str],
    outputs: int = 1,
    *,
    inputs: Sequence[str] = ("X",),
    kinds: Sequence[str] = (),
    types: Sequence[str] = (),
) -> Any:
    """An operator of tensors and lists of integers (or attributes of other kinds), for the exporter to call."""
    from onnx.defs import OpSchema
    from onnxscript.values import Op, Opset

    schema = OpSchema(
        name,
        DOMAIN,
        1,
        inputs=[
            OpSchema.FormalParameter(name, kind) for name, kind in zip(inputs, types or "T" * len(inputs), strict=True)
        ],
        outputs=[OpSchema.FormalParameter(f"Y{k}", f"T{k or ''}") for k in range(outputs)],
        type_constraints=[
            ("T", _TYPES, ""),
            *((f"T{k}", ["tensor(int64)"], "") for k in range(1, outputs)),
            *((kind, ["tensor(int64)"], "") for kind in dict.fromkeys(types) if kind != "T"),
        ],
        attributes=[
            OpSchema.Attribute(a, getattr(OpSchema.AttrType, kind), "", required=False)
            for a, kind in zip(attributes, kinds or ["INTS"] * len(attributes), strict=True)
        ],
    )
    return Op(Opset(DOMAIN, 1), name, schema)


_TYPES = [
    f"tensor({name})"
    for name in ("float", "double", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool")
]
