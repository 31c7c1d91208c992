"""Plug-in for PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError, UnknownLayerError
from metannvis_translate.frameworks.protocol import BuiltModel, DeclaredInput, FrameworkBase, Progress, Run, TieOrder
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.state import generators, on_processor, plain_mode
from metannvis_translate.frameworks.type_names import is_a

if TYPE_CHECKING:
    import torch

    from metannvis_translate.graph.model import ExportedGraph
    from metannvis_translate.layers import LayerInfo, ModelDescription

__all__ = ["TorchFramework", "framework"]

Array = np.ndarray[Any, Any]


class TorchFramework(FrameworkBase):
    """See :class:`~metannvis_translate.frameworks.Framework`."""

    key = "torch"
    label = "PyTorch"
    suffixes = (".pt2", ".pt", ".pth")
    engines = ("trace", "dynamo", "torchscript")
    former_engines = MappingProxyType({"quick": "trace", "torchscript-fast": "trace"})
    differentiable = True
    runs_by_name = True
    aliases = ("pytorch",)
    packages = ("torch",)
    channels_last = False

    plain_mode = staticmethod(plain_mode)
    generators = staticmethod(generators)

    def detect(self, model: Any) -> bool:
        return is_a(
            model,
            "torch.nn.modules.module.Module",
            "torch.export.exported_program.ExportedProgram",
            "torch.jit._script.ScriptModule",
        )

    def is_array(self, value: Any) -> bool:
        return is_a(value, "torch.Tensor")

    def to_numpy(self, value: Any) -> Array:
        from metannvis_translate.frameworks.torch.run import to_array

        return to_array(value)

    def from_numpy(self, array: Array) -> torch.Tensor:
        # in its own order: what draws random numbers like a tensor does so in the order of its memory
        return require("torch").from_numpy(np.array(array, dtype=_native(array.dtype), order="C"))

    def export(
        self,
        model: Any,
        inputs: Sequence[Array] | Mapping[str, Array] | None,
        *,
        dtype: str | None,
        engine: str,
        progress: Progress,
        free: Sequence[Sequence[int]] = (),
    ) -> ExportedGraph:
        from metannvis_translate.frameworks.torch.exporter.export import export_model

        engine = self.former_engines.get(engine, engine)
        with on_processor():
            return export_model(model, inputs, dtype=dtype, engine=engine, progress=progress, free=free)

    def declared_inputs(self, model: Any) -> list[DeclaredInput]:
        """What an exported program says of its inputs; nothing for a bare module."""
        from metannvis_translate.frameworks.torch.program import declared_inputs

        return [DeclaredInput(name, shape, dtype) for name, shape, dtype in declared_inputs(model)]

    def declared_shapes(self, model: Any) -> dict[str, tuple[int | None, ...]]:
        """Of an exported program, which alone says which sizes are free; none for a bare module."""
        from metannvis_translate.frameworks.torch.program import declared_inputs

        return {name: shape for name, shape, _ in declared_inputs(model)}

    def flattened(self, model: Any, values: Any) -> tuple[Any, Any]:
        from metannvis_translate.frameworks.torch.nested_inputs import flattened

        return flattened(model, values)

    def build(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> BuiltModel:
        """A ``torch.fx.GraphModule`` of native modules, in inference mode."""
        require("torch")
        from metannvis_translate.frameworks.torch.importer.importer import build

        with on_processor():
            return build(hub, dtype=dtype, progress=progress)

    def run(
        self,
        model: Any,
        inputs: Sequence[Array],
        *,
        layers: Sequence[str] = (),
        cotangents: Sequence[Array] | None = None,
        names: Sequence[str] = (),
    ) -> Run:
        """Run in inference mode; layers are modules by path, and functions of a ``GraphModule`` by node name."""
        from metannvis_translate.frameworks.torch.program import as_module
        from metannvis_translate.frameworks.torch.run import run_model

        return run_model(as_module(model), inputs, layers=layers, cotangents=cotangents, names=names)

    def ties_in_order(self, order: TieOrder) -> AbstractContextManager[Set[str]]:
        from metannvis_translate.frameworks.torch.order_of_ties import ties_in_order

        return ties_in_order(order)

    def as_float64(self, model: Any) -> torch.nn.Module:
        from metannvis_translate.frameworks.torch.changing_parameters import changing, mark_changing
        from metannvis_translate.frameworks.torch.float64 import doubled
        from metannvis_translate.frameworks.torch.model_copies import copied
        from metannvis_translate.frameworks.torch.program import as_module

        model = as_module(model)
        double = doubled(copied(model))
        mark_changing(double, changing(model))
        for module in double.modules():
            module.training = False
        return double

    def as_float32(self, model: Any) -> Any:
        """A copy in single precision of a module that has weights in half, as it is exported; else the model."""
        from metannvis_translate.frameworks.torch.changing_parameters import changing, mark_changing
        from metannvis_translate.frameworks.torch.float64 import singled
        from metannvis_translate.frameworks.torch.model_copies import copied
        from metannvis_translate.frameworks.torch.program import as_module

        module = as_module(model)
        if not any(t.dtype.itemsize == 2 and t.is_floating_point() for t in (*module.parameters(), *module.buffers())):
            return model
        single = copied(module)
        singled(single)
        mark_changing(single, changing(module))
        return single

    def list_layers(self, model: Any, inputs: Sequence[Array] | None) -> tuple[LayerInfo, ...]:
        """Modules that run.

        Raises
        ------
        UnsupportedOperatorError
            TorchScript compiled it: its layers run outside Python.
        """
        from metannvis_translate.frameworks.torch.state import refuse_compiled

        refuse_compiled(model)
        return self.describe(model, inputs).layers

    def describe(self, model: Any, inputs: Sequence[Array] | None) -> ModelDescription:
        """By the operators that run; of what TorchScript compiled, the inputs alone."""
        from metannvis_translate.frameworks.torch.program import as_module, example_arrays
        from metannvis_translate.frameworks.torch.run import described

        return described(as_module(model), example_arrays(model, 2, 0) if inputs is None else inputs)

    def example_inputs(self, model: Any, batch: int, seed: int) -> list[Array]:
        from metannvis_translate.frameworks.torch.program import example_arrays

        return example_arrays(model, batch, seed)

    def attach(self, model: Any, layer: str) -> tuple[torch.nn.Module, torch.nn.Module]:
        """The module of that path, or for a function of a graph an identity behind it, in a copy that shares all weights.

        Raises
        ------
        UnknownLayerError
            There is none of that name.
        InvalidArgumentError
            It is a further call of a module, whose hooks cannot tell one call from another.
        """
        torch = require("torch")
        from metannvis_translate.frameworks.torch.program import as_module

        model = as_module(model)
        modules = dict(model.named_modules())
        if layer in modules and layer:
            return model, modules[layer]
        path, _, call = layer.partition(":")
        if call and path in modules:
            raise InvalidArgumentError(
                f"{layer!r} is a further call of {path!r}: a hook on it sees all calls. "
                'translate(model, "torch", ...) gives each call a module of its own.'
            )
        nodes = {node.name: node for node in model.graph.nodes} if isinstance(model, torch.fx.GraphModule) else {}
        if layer not in nodes or nodes[layer].op == "output":
            raise UnknownLayerError(layer, [*(name for name in modules if name), *nodes])
        return _with_identity(model, layer)

    def load(self, path: Path, *, trust: bool, architecture: str | None) -> torch.nn.Module:
        from metannvis_translate.frameworks.torch.program import load_file

        return load_file(path, trust=trust, architecture=architecture)

    def save(self, model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
        from metannvis_translate.frameworks.torch.program import save_file

        save_file(model, path, inputs=inputs)

    def needs_canonical(self, model: Any, inputs: Sequence[Array], *, relevance: bool = False) -> list[str]:
        """Why methods that hook on module types would be wrong on this model as it stands; empty if they are not.

        ``relevance``: the method is layer-wise relevance propagation, which asks for more.
        """
        from metannvis_translate.frameworks.torch.canonical import reasons
        from metannvis_translate.frameworks.torch.program import as_module

        return reasons(as_module(model), inputs, relevance=relevance)


def _with_identity(model: torch.fx.GraphModule, name: str) -> tuple[torch.fx.GraphModule, torch.nn.Module]:
    torch = require("torch")
    graph = copy.deepcopy(model.graph)
    node = next(node for node in graph.nodes if node.name == name)
    path, number = f"{name}_output", 2
    while hasattr(model, path):
        path, number = f"{name}_output_{number}", number + 1
    last = node
    while last.next.op == "placeholder":
        last = last.next
    with graph.inserting_after(last):
        identity = graph.call_module(path, (node,))
    node.replace_all_uses_with(identity, delete_user_cb=lambda user: user is not identity)
    layer = torch.nn.Identity()
    parts = {
        str(n.target): _part(model, str(n.target))
        for n in graph.nodes
        if n.op in ("call_module", "get_attr") and n is not identity
    }
    exposed = torch.fx.GraphModule({**parts, path: layer}, graph, class_name=type(model).__name__)
    exposed.meta = dict(model.meta)
    for module in (exposed, layer):
        module.training = model.training
    return exposed, layer


def _part(model: torch.nn.Module, path: str) -> Any:
    found: Any = model
    for name in path.split("."):
        found = getattr(found, name)
    return found


framework = TorchFramework()


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in the order of bytes that the machine has, in which PyTorch has it; of long doubles double precision."""
    return np.dtype(np.float64) if dtype.kind == "f" and dtype.itemsize > 8 else dtype.newbyteorder("=")
