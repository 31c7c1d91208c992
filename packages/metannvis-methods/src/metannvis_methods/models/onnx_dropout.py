"""Dropout of ONNX graphs, under masks: of graphs that were exported with it. Exporters leave it out for inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from metannvis_translate.frameworks import get_framework

from metannvis_methods.models.dropout import DropoutMasks, DropoutSite, SiteCall, sites_of

__all__ = ["dropout_sites", "dropping"]

Array = np.ndarray[Any, Any]


def dropout_sites(model: Any, inputs: Sequence[Array]) -> tuple[DropoutSite, ...]:
    """Where a graph drops, seen by running it on one sample and on two that are the same."""
    plain = _copy(model)
    rates = {node.name: _rate(plain, node) for node in _dropouts(plain)}
    rates = {name: rate for name, rate in rates.items() if rate}
    if not rates:
        return ()
    for node in _dropouts(plain):  # what trains drops at random, whatever runs it
        del node.input[1:], node.output[1:], node.attribute[:]
        node.op_type = "Identity"

    def calls(count: int) -> list[SiteCall]:
        rows = [np.repeat(x[:1], count, axis=0) for x in inputs]
        found = get_framework("onnx").run(plain, rows, layers=list(rates)).layers
        return [SiteCall(name, "inverted", rate, tuple(found[name].shape)) for name, rate in rates.items()]

    return sites_of(calls(1), calls(2))


@contextmanager
def dropping(model: Any, masks: DropoutMasks) -> Iterator[Any]:
    """A graph that drops by the masks that are in force."""
    from onnx import helper, numpy_helper

    thinned = _copy(model)
    graph = thinned.graph
    for node in _dropouts(thinned):
        mask = masks.next(node.name)
        if mask is None:
            continue
        tensor, returned = node.input[0], node.output[0]
        repeats = mask.repeats(mask.site.call.shape)
        array = mask.scale if repeats is None else np.broadcast_to(mask.scale, mask.site.call.shape)
        stored, cast = f"{node.name}/mask", f"{node.name}/mask_cast"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), stored))
        place = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(place, helper.make_node("CastLike", [stored, tensor], [cast], f"{node.name}/cast"))
        graph.node.insert(place + 1, helper.make_node("Mul", [tensor, cast], [returned], f"{node.name}/drop"))
    yield thinned


def _copy(model: Any) -> Any:
    """A copy whose dropouts have names, and in which nothing else is in training mode."""
    copy = type(model)()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        if node.op_type == "BatchNormalization":
            kept = [attribute for attribute in node.attribute if attribute.name != "training_mode"]
            del node.attribute[:], node.output[1:]  # the further outputs are statistics for training
            node.attribute.extend(kept)
    for place, node in enumerate(_dropouts(copy)):
        node.name = node.name or node.output[0] or f"Dropout_{place}"
    return copy


def _dropouts(model: Any) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == "Dropout" and node.domain in ("", "ai.onnx")]


def _rate(model: Any, node: Any) -> float:
    """Its share that is dropped; 0 of one whose share is computed."""
    from onnx import numpy_helper

    for attribute in node.attribute:
        if attribute.name == "ratio":
            return float(attribute.f)
    if len(node.input) < 2 or not node.input[1]:
        return 0.5
    for tensor in model.graph.initializer:
        if tensor.name == node.input[1]:
            return float(numpy_helper.to_array(tensor))
    for other in model.graph.node:
        if other.op_type == "Constant" and other.output[0] == node.input[1]:
            return float(numpy_helper.to_array(other.attribute[0].t))
    return 0.0
