"""A framework plug-in as a third party would write it: networks of dense layers and ReLUs in NumPy.

It edits nothing of ours: a package that declares ``toy = "toy_framework:framework"`` under ``metannvis.frameworks`` is all.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from metannvis_translate import LayerInfo, MissingArgumentError, UnknownLayerError
from metannvis_translate.frameworks.protocol import Built, Run
from metannvis_translate.graph.layout import Placed, identity
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import HubLayer, HubModel, HubPort
from metannvis_translate.importing.base import GraphImporter
from metannvis_translate.importing.registry import Registry
from metannvis_translate.importing.values import Const


@dataclass
class Step:
    name: str
    kind: str
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None


@dataclass
class ToyModel:
    width: int
    steps: list[Step]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.values(x)[-1] if self.steps else x

    def values(self, x: np.ndarray) -> list[np.ndarray]:
        found = []
        for step in self.steps:
            x = x @ step.weight + step.bias if step.kind == "Dense" else np.maximum(x, 0)
            found.append(x)
        return found


registry = Registry("onnx_to_toy")


@registry.converter("Gemm", since=7)
def Gemm(ctx, A, B, C, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    weight = ctx.known(B, "weight")
    return ctx.step("Dense", A, weight.T if transB else weight, ctx.known(C, "bias"))


@registry.converter("Linear", since=1, domain="metannvis")
def Linear(ctx, X, W, B):
    return ctx.step("Dense", X, ctx.known(W, "weight"), ctx.known(B, "bias"))


@registry.converter("Relu", since=1)
def Relu(ctx, X):
    return ctx.step("ReLU", X)


class ToyImporter(GraphImporter):
    registry = registry
    register_hint = "The toy framework knows dense layers and ReLUs."

    def __init__(self, hub, **given):
        super().__init__(hub, **given)
        self.steps: list[Step] = []

    def input_order(self, port):
        return identity(len(port.shape))

    def add_input(self, port, order):
        self.width = port.shape[-1]
        return -1

    def constant(self, const: Const, order):
        self.refuse("a constant cannot be computed with")

    def step(self, kind, value, weight=None, bias=None):
        if not isinstance(value, Placed) or value.tensor != len(self.steps) - 1:
            self.refuse("the toy framework's networks are chains")
        self.steps.append(Step(self.unique(self.layer or kind.lower()), kind, weight, bias))
        return Placed(len(self.steps) - 1, value.order)

    def describe(self, placed, value):
        step = self.steps[placed.tensor]
        return LayerInfo(step.name, step.kind, (None, *value.shape[1:]))

    def finish(self, outputs):
        return ToyModel(self.width, self.steps)


class ToyFramework:
    key = "toy"
    label = "Toy"
    suffixes = (".toy",)
    engines = ("toy",)
    differentiable = False

    def detect(self, model):
        return isinstance(model, ToyModel)

    def is_array(self, value):
        return False

    def to_numpy(self, value):
        return np.asarray(value)

    def from_numpy(self, array):
        return array

    def export(self, model, inputs, *, dtype, engine, progress):
        import onnx_ir as ir

        dtype = dtype or "float32"
        of = ir.DataType.DOUBLE if dtype == "float64" else ir.DataType.FLOAT
        x = ir.Value(name="x", shape=ir.Shape(["batch", model.width]), type=ir.TensorType(of))
        nodes, layers, weights, last = [], [], [], x
        for step in model.steps:
            if step.kind == "Dense":
                known = [
                    ir.Value(
                        name=f"{step.name}.{part}",
                        const_value=ir.tensor(array.astype(dtype)),
                        shape=ir.Shape(array.shape),
                    )
                    for part, array in (("weight", step.weight), ("bias", step.bias))
                ]
                weights += known
                node = ir.node("Gemm", [last, *known], metadata_props={LAYER: step.name})
            else:
                node = ir.node("Relu", [last], metadata_props={LAYER: step.name})
            last = node.outputs[0]
            last.name = f"{step.name}_out"
            nodes.append(node)
            layers.append((step, last))
        graph = ir.Graph([x], [last], nodes=nodes, initializers=weights, opset_imports={"": 17}, name="toy")
        width = model.steps[-1].bias.shape[0] if model.steps[-1].bias is not None else model.width
        return HubModel(
            model=ir.Model(graph, ir_version=9),
            layers=tuple(HubLayer(LayerInfo(s.name, s.kind, (None, width)), v.name, id(s)) for s, v in layers),
            inputs=(HubPort("x", "x", (None, model.width), dtype),),
            outputs=(HubPort("y", last.name, (None, width), dtype),),
            source="toy",
        )

    def build(self, hub, *, dtype, progress) -> Built:
        return ToyImporter(hub, dtype=dtype, progress=progress).run()

    def run(self, model, inputs, *, layers=(), cotangents=None):
        values = model.values(inputs[0])
        found = {step.name: value for step, value in zip(model.steps, values, strict=True)}
        return Run([values[-1]], {name: found[name] for name in layers if name in found})

    def as_float64(self, model):
        double = copy.deepcopy(model)
        for step in double.steps:
            if step.weight is not None:
                step.weight, step.bias = step.weight.astype(float), step.bias.astype(float)
        return double

    def list_layers(self, model, inputs):
        return tuple(LayerInfo(step.name, step.kind) for step in model.steps)

    def example_inputs(self, model, batch, seed):
        return [np.random.default_rng(seed).standard_normal((batch, model.width)).astype("float32")]

    def attach(self, model, layer):
        for step in model.steps:
            if step.name == layer:
                return model, step
        raise UnknownLayerError(layer, [step.name for step in model.steps])

    def load(self, path: Path, *, trust, architecture):
        raise MissingArgumentError("toy models are not kept in files")

    def save(self, model, path: Path, *, inputs):
        raise MissingArgumentError("toy models are not kept in files")


framework = ToyFramework()
__all__ = ["Step", "ToyModel", "framework"]
