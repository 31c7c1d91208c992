"""Casts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.frameworks.keras.importer.operators.elementwise import cast
from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import LaidOut
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter


@converter("Cast", since=6)
def Cast(ctx: KerasImporter, input: Value, *, to: int, saturate: int = 1, round_mode: str = "up") -> LaidOut:
    import onnx_ir as ir

    return cast(ctx, input, ctx.float_dtype(ir.DataType(to).name))


@converter("CastLike", since=15)
def CastLike(
    ctx: KerasImporter, input: Value, target_type: Value, *, saturate: int = 1, round_mode: str = "up"
) -> LaidOut:
    dtype = ctx.node.inputs[1].dtype if ctx.node.inputs[1] is not None else None
    if dtype is None:
        ctx.refuse("the type to cast to is not known")
    return cast(ctx, input, ctx.float_dtype(dtype.name))
