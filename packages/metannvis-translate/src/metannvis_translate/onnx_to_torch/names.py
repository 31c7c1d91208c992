"""Paths of the target's modules: those of the source's layers, as far as PyTorch can have them."""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from metannvis_translate.hub import LAYER, HubModel

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

    def __init__(self, hub: HubModel) -> None:
        nodes = [node for node in hub.model.graph if node.op_type != "Constant"]
        layers = [layer.info.name for layer in hub.layers] + [node.metadata_props.get(LAYER, "") for node in nodes]
        # the first call of a layer has its path; further calls (`relu:2`) get what is left
        layers = sorted(dict.fromkeys(filter(None, layers)), key=lambda name: ":" in name)
        self._parents = {module_path(layer.info.layer) for layer in hub.layers if layer.info.parent}
        for layer in layers:
            parts = module_path(layer).split(".")
            self._parents |= {".".join(parts[:end]) for end in range(1, len(parts))}
        self._paths: dict[str, str] = {}
        self._reserved: set[str] = set()
        self._used: set[str] = set(self._parents)
        for layer in layers:
            path = module_path(layer)
            if path not in self._parents:
                path = self._free(path)
                self._reserved.add(path)
            self._paths[layer] = path
        self._main = self._main_outputs(hub, nodes)

    def _main_outputs(self, hub: HubModel, nodes: list[ir.Node]) -> set[str]:
        produced = {layer.value for layer in hub.layers if not layer.info.parent}
        groups = defaultdict(list)
        for node in nodes:
            groups[node.metadata_props.get(LAYER, "")].append(node)
        main = set()
        for layer, group in groups.items():
            if layer and self._paths[layer] not in self._parents:
                weighted = [node for node in group if node.op_type in WEIGHTED and len(node.inputs) > 1]
                last = [node for node in group if node.outputs[0].name in produced]
                main.add((weighted or last or group)[0].outputs[0].name or "")
        return main

    def _free(self, path: str) -> str:
        candidate, number = path, 2
        while candidate in self._used or candidate in self._reserved:
            candidate, number = f"{path}_{number}", number + 1
        return candidate

    def scope(self, layer: str | None) -> str:
        """The source layer's path, ``""`` for none."""
        return self._paths[layer] if layer in self._paths else ""

    def wish(self, node: ir.Node, suffix: str) -> str:
        """The path that a module for the node should have; its own operator's name as ``suffix`` if there are more."""
        layer = node.metadata_props.get(LAYER)
        path = self.scope(layer)
        if not path:
            return suffix
        if path in self._parents:
            return f"{path}.{suffix}"
        main = node.outputs[0].name in self._main and suffix == node.op_type.lower()
        return path if main else f"{path}_{suffix}"

    def claim(self, path: str) -> str:
        """The path itself if it is free or reserved for whoever asks for just it, else one made unique."""
        if path in self._reserved and path not in self._used:
            self._reserved.discard(path)
        else:
            path = self._free(path)
        self._used.add(path)
        return path
