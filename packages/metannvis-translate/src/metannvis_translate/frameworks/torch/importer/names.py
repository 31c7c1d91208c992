"""Paths of the target's modules: those of the source's layers, as far as PyTorch can have them."""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import ExportedGraph

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Names", "identifier"]

#: Operators that hold a layer's weights: the node that gives the target module its source layer's own path.
WEIGHTED = {
    "Conv", "ConvTranspose", "Gemm", "Linear", "MatMul", "BatchNormalization", "InstanceNormalization",
    "GroupNormalization", "LayerNormalization", "RMSNormalization", "PRelu", "Gather", "LSTM", "GRU", "RNN",
}  # fmt: skip
#: Names that a module cannot give to a submodule, since it has something of that name itself.
TAKEN = {*dir(torch.nn.Module()), *dir(torch.fx.GraphModule), "graph", "meta"}


def identifier(name: str) -> str:
    """The name as a Python identifier that is no keyword."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII) or "value"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "self" else name


def module_path(layer: str) -> str:
    """A source layer's name (``block/conv-1:2``) as a path of PyTorch submodules (``block.conv_1_2``)."""
    parts = []
    for part in layer.replace("/", ".").split("."):
        part = re.sub(r"[^0-9A-Za-z_]", "_", part)
        if part:
            parts.append(f"{part}_" if part in TAKEN or keyword.iskeyword(part) else part)
    return ".".join(parts) or "layer"


class Names:
    """Hands out paths, each once.

    A layer's own path is kept for its main node, whatever else asks for it earlier. Layers that hold layers, by their
    record or by the look of their paths, are never modules that compute.
    """

    def __init__(self, hub: ExportedGraph) -> None:
        nodes = [node for node in hub.model.graph if node.op_type != "Constant"]
        #: the layer, with its call, that a node came from, by the node's first output
        self._layers = _calls(hub, nodes)
        named = [*(layer.info.name for layer in hub.layers), *self._layers.values()]
        # the first call of a layer has its path; further calls (`relu:2`) get what is left
        named = sorted(dict.fromkeys(filter(None, named)), key=lambda name: ":" in name)
        self._parents = {module_path(layer.info.layer) for layer in hub.layers if layer.info.parent}
        for layer in named:
            parts = module_path(layer).split(".")
            self._parents |= {".".join(parts[:end]) for end in range(1, len(parts))}
        self._paths: dict[str, str] = {}
        self._reserved: set[str] = set()
        self._used: set[str] = set(self._parents)
        for layer in named:
            path = module_path(layer)
            if path not in self._parents:
                path = self._free(path)
                self._reserved.add(path)
            self._paths[layer] = path
        self._main = self._main_outputs(hub, nodes)

    def _main_outputs(self, hub: ExportedGraph, nodes: list[ir.Node]) -> set[str]:
        ends = {id(end) for end in _ends(hub).values()}
        groups = defaultdict(list)
        for node in nodes:
            groups[self._layer(node)].append(node)
        main = set()
        for layer, group in groups.items():
            if not layer or self._paths[layer] in self._parents:
                continue
            weighted = [node for node in group if node.op_type in WEIGHTED and len(node.inputs) > 1]
            last = [node for node in group if id(node) in ends]
            pools = [node for node in group if "Pool" in node.op_type]
            main.add(_output((weighted or pools or last or group)[0]))
        return main

    def _layer(self, node: ir.Node | None) -> str:
        return self._layers.get(_output(node), "") if node is not None else ""

    def _free(self, path: str) -> str:
        candidate, number = path, 2
        while candidate in self._used or candidate in self._reserved:
            candidate, number = f"{path}_{number}", number + 1
        return candidate

    def scope(self, node: ir.Node | None) -> str:
        """Path of the source layer that a node came from, ``""`` for none."""
        return self._paths.get(self._layer(node), "")

    def wish(self, node: ir.Node | None, suffix: str) -> str:
        """The path that a module for the node should have; its own operator's name as ``suffix`` if there are more."""
        path = self.scope(node)
        if not path or node is None:
            return suffix
        if path in self._parents:
            return f"{path}.{suffix}"
        return path if self.is_main(node) and suffix == node.op_type.lower() else f"{path}_{suffix}"

    def is_main(self, node: ir.Node) -> bool:
        """Whether what computes the node goes by its layer's own path."""
        return _output(node) in self._main

    def is_free(self, path: str) -> bool:
        """Whether a layer's own path is still to be had."""
        return path in self._reserved

    def claim(self, path: str) -> str:
        """The path itself if it is free or reserved for whoever asks for just it, else one made unique."""
        if path in self._reserved and path not in self._used:
            self._reserved.discard(path)
        else:
            path = self._free(path)
        self._used.add(path)
        return path


def _output(node: ir.Node) -> str:
    return node.outputs[0].name or ""


def _ends(hub: ExportedGraph) -> dict[str, ir.Node]:
    """For each source layer that holds no other, the node that computes what it returns, transpositions and casts apart."""
    producers = {value.name: node for node in hub.model.graph for value in node.outputs}
    ends = {}
    for layer in hub.layers:
        node = producers.get(layer.value)
        while node is not None and node.op_type in ("Transpose", "Cast") and node.inputs[0] is not None:
            node = producers.get(node.inputs[0].name)
        if node is not None and not layer.info.parent:
            ends[layer.info.name] = node
    return ends


def _calls(hub: ExportedGraph, nodes: list[ir.Node]) -> dict[str, str]:
    """Name of the layer each node came from, with the number of its call where a layer is called several times.

    Exporters say which layer, not which call: a node belongs to the first call that ends with or behind it.
    """
    position = {id(node): k for k, node in enumerate(nodes)}
    calls = defaultdict(list)
    for name, node in _ends(hub).items():
        if "#" not in name and id(node) in position:
            calls[name.rpartition(":")[0] if ":" in name else name].append((position[id(node)], name))
    found = {}
    for k, node in enumerate(nodes):
        layer = node.metadata_props.get(LAYER, "")
        if ":" not in layer:
            layer = next((name for end, name in sorted(calls[layer]) if end >= k), layer) if layer in calls else layer
        found[_output(node)] = layer
    return found
