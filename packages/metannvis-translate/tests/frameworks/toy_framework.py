"""A framework plug-in as a third party would write it: networks of dense layers and ReLUs in NumPy.

It also takes any operator of the ONNX standard as a step, and states no conventions of its own for them.
It edits nothing of ours: a package that declares ``toy = "toy_framework:framework"`` under ``metannvis.frameworks`` is all.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate import LayerInfo, MissingArgumentError, UnknownLayerError
from metannvis_translate.frameworks.protocol import BuiltModel, Run
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.graph.metadata import LAYER
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort
from metannvis_translate.importing.base import GraphImporter
from metannvis_translate.importing.registry import Registry
from metannvis_translate.importing.values import ConstantValue

OPSET = 20


@dataclass
class Step:
    name: str
    kind: str
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    #: of an operator of the standard: its other operands, its attributes, and which of its outputs goes on
    operands: tuple[np.ndarray, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    output: int = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.kind == "Dense":
            return x @ self.weight + self.bias
        return np.maximum(x, 0) if self.kind == "ReLU" else self.evaluate(x)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """By the standard's own evaluator."""
        from onnx import helper, numpy_helper
        from onnx.reference import ReferenceEvaluator

        names = [f"operand_{k}" for k in range(len(self.operands))]
        outputs = [f"y_{k}" for k in range(self.output + 1)]
        node = helper.make_node(self.kind, ["x", *names], outputs, **self.attributes)
        graph = helper.make_graph(
            [node],
            "step",
            [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
            [helper.make_empty_tensor_value_info(outputs[-1])],
            [numpy_helper.from_array(array, name) for name, array in zip(names, self.operands, strict=True)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        return ReferenceEvaluator(model).run(None, {"x": x})[0]


@dataclass
class ToyModel:
    width: int
    steps: list[Step]
    #: sizes of the other axes behind the batch
    space: tuple[int, ...] = ()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.values(x)[-1] if self.steps else x

    def values(self, x: np.ndarray) -> list[np.ndarray]:
        found = []
        for step in self.steps:
            x = step(x)
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

    def constant(self, const: ConstantValue, order):
        self.refuse("a constant cannot be computed with")

    def step(self, kind, value, weight=None, bias=None):
        if not isinstance(value, LaidOut) or value.tensor != len(self.steps) - 1:
            self.refuse("the toy framework's networks are chains")
        self.steps.append(Step(self.unique(self.layer or kind.lower()), kind, weight, bias))
        return LaidOut(len(self.steps) - 1, value.order)

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
        sizes = (*model.space, model.width)
        x = ir.Value(name="x", shape=ir.Shape(["batch", *sizes]), type=ir.TensorType(of))
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
            elif step.kind == "ReLU":
                node = ir.node("Relu", [last], metadata_props={LAYER: step.name})
            else:
                known = [
                    ir.Value(name=f"{step.name}.{k}", const_value=ir.tensor(array), shape=ir.Shape(array.shape))
                    for k, array in enumerate(step.operands)
                ]
                weights += known
                count = step.output + 1
                node = ir.node(
                    step.kind,
                    [last, *known],
                    step.attributes,
                    num_outputs=count,
                    metadata_props={LAYER: step.name},
                )
            last = node.outputs[step.output]
            last.name = f"{step.name}_out"
            nodes.append(node)
            layers.append((step, last))
        graph = ir.Graph([x], [last], nodes=nodes, initializers=weights, opset_imports={"": OPSET}, name="toy")
        given = inputs[0] if inputs else np.zeros((2, *sizes))
        values = model.values(given.astype(dtype))
        shapes = [(None, *value.shape[1:]) for value in values]
        return ExportedGraph(
            model=ir.Model(graph, ir_version=9),
            layers=tuple(
                HubLayer(LayerInfo(s.name, s.kind, shape), v.name, id(s))
                for (s, v), shape in zip(layers, shapes, strict=True)
            ),
            inputs=(HubPort("x", "x", (None, *sizes), dtype),),
            outputs=(HubPort("y", last.name, shapes[-1], values[-1].dtype.name),),
            source="toy",
        )

    def build(self, hub, *, dtype, progress) -> BuiltModel:
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
        return [np.random.default_rng(seed).standard_normal((batch, *model.space, model.width)).astype("float32")]

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
