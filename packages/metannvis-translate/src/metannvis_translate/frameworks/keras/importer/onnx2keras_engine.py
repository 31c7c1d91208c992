"""The onnx2keras engine: the converter of that name on the exported graph, as another way to the same equivalence check.

It builds its model channels first and rebuilds it channels last. What it returns is found again by the names of its layers,
which are those of the graph's values; a layer that is not found is not in the layer map, and so is not compared.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.protocol import BuiltModel, BuiltPort, BuiltValue, Progress
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.graph import layout
from metannvis_translate.layers import LayerInfo
from metannvis_translate.passes.stop_gradient import stops_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from metannvis_translate.graph.layout import Order
    from metannvis_translate.graph.model import ExportedGraph, HubPort

__all__ = ["build"]

HINT = "engine='auto' takes the importer of MetaNNvis, which knows more operators."


def build(hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
    """Convert a hub graph by onnx2keras.

    Raises
    ------
    MissingFrameworkError
        onnx2keras is not installed.
    UnsupportedOperatorError
        It has no converter for an operator, or fails on the graph; the message holds what it said.
    """
    converter = require("onnx2keras.converter")
    if dtype == "float64":
        raise UnsupportedOperatorError(
            "this model", reason="onnx2keras builds models in single precision only", hint=HINT
        )
    if stops_of(hub):
        raise UnsupportedOperatorError("this model", reason="it stops gradients, which onnx2keras does not", hint=HINT)
    proto = get_framework("onnx").build(hub, dtype=None, progress=progress).model
    names = _rename(proto)
    for node in proto.graph.node:
        if node.op_type not in converter.AVAILABLE_CONVERTERS:
            raise UnsupportedOperatorError(node.op_type, reason="onnx2keras has no converter for it", hint=HINT)
    shapes = [list(port.shape[1:]) for port in hub.inputs]
    progress(0, 1, "build (onnx2keras)")
    try:
        with _image_format_kept():
            model = converter.onnx_to_keras(
                proto,
                [names[port.name] for port in hub.inputs],
                input_shapes=shapes,
                verbose=False,
                change_ordering=True,
            )
            _run_once(model)
    except Exception as error:
        # It raises whatever its converters, written for certain graphs, stumble over; some graphs it builds do not run.
        lines = str(error).strip().splitlines()
        raise UnsupportedOperatorError(
            "this model",
            reason=f"onnx2keras fails on it: {type(error).__name__}: {lines[0][:200] if lines else ''}",
            hint=HINT,
        ) from error
    progress(1, 1, "build (onnx2keras)")
    return _described(hub, model, names)


def _run_once(model: Any) -> None:
    shapes = [[2 if size is None else size for size in tensor.shape] for tensor in model.inputs]
    zeros = [keras.ops.zeros(shape, tensor.dtype) for shape, tensor in zip(shapes, model.inputs, strict=True)]
    model(zeros[0] if len(zeros) == 1 else zeros, training=False)


@contextmanager
def _image_format_kept() -> Iterator[None]:
    """onnx2keras switches Keras to channels first, and leaves it there when it fails."""
    before = keras.config.image_data_format()
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def _rename(proto: onnx.ModelProto) -> dict[str, str]:
    """Give every value a name that is a Keras layer's as it stands, so that nothing has to be guessed; returns them."""
    graph = proto.graph
    new: dict[str, str] = {}
    taken: set[str] = set()
    values = [value.name for value in (*graph.input, *graph.initializer)]
    for name in dict.fromkeys((*values, *(output for node in graph.node for output in node.output if output))):
        base = re.sub(r"[^0-9A-Za-z_.]", "_", name)
        candidate, number = base, 1
        while candidate in taken:
            number += 1
            candidate = f"{base}_{number}"
        taken.add(candidate)
        new[name] = candidate
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new[value.name]
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    return new


def _described(hub: ExportedGraph, model: Any, names: dict[str, str]) -> BuiltModel:
    layers = {layer.name: layer for layer in model.layers}
    values: dict[str, BuiltValue] = {}
    for row in hub.layers:
        layer = layers.get(names.get(row.value, row.value))
        if layer is None or len(layer._inbound_nodes) != 1 or isinstance(layer.output, (list, tuple)):
            continue
        order = _order(row.info.shape, tuple(layer.output.shape))
        if order is not None:
            info = LayerInfo(layer.name, type(layer).__name__, tuple(layer.output.shape))
            values[row.value] = BuiltValue(info, order)
    return BuiltModel(
        model=model,
        inputs=_ports(hub.inputs, model.inputs),
        outputs=_ports(hub.outputs, model.outputs),
        values=values,
        object_names={id(layer): layer.name for layer in model.layers},
    )


def _ports(ports: tuple[HubPort, ...], tensors: list[Any]) -> tuple[BuiltPort, ...]:
    if len(ports) != len(tensors):
        raise UnsupportedOperatorError(
            "this model", reason=f"onnx2keras built {len(tensors)} ports of {len(ports)}", hint=HINT
        )
    rows = []
    for port, tensor in zip(ports, tensors, strict=True):
        shape = tuple(tensor.shape)
        order = _order(port.shape, shape) or layout.identity(len(port.shape))
        axes = "".join(port.axes[axis] for axis in order) if len(port.axes) == len(order) else ""
        rows.append(BuiltPort(port.name, shape, keras.backend.standardize_dtype(tensor.dtype), order, axes))
    return tuple(rows)


def _order(source: tuple[int | None, ...], target: tuple[int | None, ...]) -> Order | None:
    """How a tensor of onnx2keras lies: channels last, which it makes of everything, or else as in the source."""
    if len(source) != len(target):
        return None
    for order in (layout.channels_last(len(source)), layout.identity(len(source))):
        if all(source[axis] in (size, None) or size is None for axis, size in zip(order, target, strict=True)):
            return order
    return None
