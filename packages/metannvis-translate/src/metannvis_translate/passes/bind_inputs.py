"""Inputs bound to constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from metannvis_translate.graph.model import ExportedGraph

__all__ = ["bind_inputs"]

Array = np.ndarray[Any, Any]


def bind_inputs(hub: ExportedGraph, values: Mapping[str, Array]) -> ExportedGraph:
    """Turn inputs that are really constants (shapes, axes) into constants, by name."""
    import onnx_ir as ir

    graph = hub.model.graph
    ports = {port.name: port for port in hub.inputs}
    for name, array in values.items():
        port = ports[name]
        value = next(value for value in graph.inputs if value.name == port.value)
        node = ir.node("Constant", [], attributes={"value": ir.tensor(np.asarray(array))})
        graph.inputs.remove(value)
        node.outputs[0].name = f"{port.value}_bound"
        graph.insert_before(graph[0], node) if len(graph) else graph.append(node)
        ir.convenience.replace_all_uses_with(value, node.outputs[0])
    return dataclasses.replace(hub, inputs=tuple(port for port in hub.inputs if port.name not in values))
