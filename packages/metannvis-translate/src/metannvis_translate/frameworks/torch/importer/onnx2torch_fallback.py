"""Fallback to onnx2torch, for operators without a converter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.requirements import is_installed, require
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.torch.importer.context import TorchImporter

__all__ = ["convert_by_onnx2torch"]

#: onnx2torch knows no operator that changed after this version of the standard.
NEWEST = 17


def convert_by_onnx2torch(
    ctx: TorchImporter, node: ir.Node, inputs: Sequence[Value | None]
) -> tuple[Value, ...] | None:
    """Convert a node by onnx2torch, its values in plain order; ``None`` where that cannot be done or is not sure.

    An operator that we have, though not in this version of the standard, is refused: what we know of it would be wrong.
    """
    if not is_installed("onnx2torch") or any(row.operator == node.op_type for row in ctx.registry):
        return None
    module, names = _module(ctx, node, inputs)
    if module is None:
        return None
    values = {value.name: given for value, given in zip(node.inputs, inputs, strict=False) if value is not None}
    tensors = [ctx.plain(given).tensor for name in names if (given := values.get(name)) is not None]
    ranks = [None if out.shape is None else len(out.shape) for out in node.outputs]
    if None in ranks or len(ranks) != 1:
        return None
    return (LaidOut(ctx.module(module, *tensors), identity(int(ranks[0] or 0))),)


def _module(ctx: TorchImporter, node: ir.Node, inputs: Sequence[Value | None]) -> tuple[Any, tuple[str, ...]]:
    import onnx
    import onnx_ir

    registry = require("onnx2torch.node_converters.registry")
    onnx_graph = require("onnx2torch.onnx_graph")
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        since = onnx.defs.get_schema(node.op_type, max_inclusive_version=ctx.opset, domain=domain).since_version
        if domain == "" and since > NEWEST:
            return None, ()
        converter = registry.get_converter(node.op_type, ctx.opset, domain)
    except (onnx.defs.SchemaError, NotImplementedError):
        return None, ()
    proto = onnx_ir.to_proto(node)
    known = {
        value.name: np.asarray(given.array)
        for value, given in zip(node.inputs, inputs, strict=False)
        if value is not None and isinstance(given, ConstantValue)
    }
    free = [
        onnx.helper.make_tensor_value_info(value.name or "", value.dtype.value if value.dtype else 1, None)
        for value in node.inputs
        if value is not None and value.name not in known
    ]
    outputs = [onnx.helper.make_empty_tensor_value_info(value.name or "") for value in node.outputs]
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in known.items()]
    graph = onnx_graph.OnnxGraph(onnx.helper.make_graph([proto], "node", free, outputs, initializers))
    single = next(iter(graph.nodes.values()))
    try:
        result = converter(single, graph)
    except Exception as error:  # noqa: BLE001
        # its converters raise what they like (assertions, KeyErrors) on what they do not understand
        ctx.refuse(f"onnx2torch says {type(error).__name__}: {error}")
    return result.torch_module, tuple(result.onnx_mapping.inputs)
