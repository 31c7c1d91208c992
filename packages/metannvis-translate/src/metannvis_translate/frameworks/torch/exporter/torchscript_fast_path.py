"""Fast path of the TorchScript exporter, for models of which it tells everything.

It is several times faster than the dynamo exporter, but knows less: scalars come as float32, and a call is not told from
another that computes the same and has another derivative. So only what is in the two tables below goes this way; anything
else is left to the dynamo exporter. What it finds out costs nothing (the classes of the modules) or little (the graph).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metannvis_translate.frameworks.protocol import EngineDeclinedError
from metannvis_translate.graph.metadata import LAYER, set_exact

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

__all__ = ["check_graph", "check_modules"]

#: Modules of ``torch.nn`` whose trace says all that they compute.
MODULES = {
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Linear",
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "ReLU", "ReLU6", "Hardtanh", "LeakyReLU", "ELU", "PReLU", "Sigmoid", "Tanh",
    "Softmax", "LogSoftmax", "Hardswish", "Hardsigmoid", "SiLU", "MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d",
    "AvgPool2d", "AvgPool3d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "Flatten", "Identity",
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
}  # fmt: skip
#: Operators that are the same in the source, derivatives and ties included, whatever call they came from.
OPERATORS = {
    "Conv", "ConvTranspose", "BatchNormalization", "Gemm", "MatMul", "Relu", "PRelu", "LeakyRelu", "Elu", "Sigmoid", "Tanh",
    "Softmax", "LogSoftmax", "HardSwish", "HardSigmoid", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Add",
    "Sub", "Mul", "Div", "Pad", "Concat", "Flatten", "Reshape", "Transpose", "Identity", "ReduceMean", "Constant",
}  # fmt: skip
#: Operators that are allowed on what a Shape returns.
ON_SHAPES = {"Gather", "Unsqueeze", "Concat", "Mul", "Cast", "Squeeze", "Identity", "Slice"}
#: Operators that return integers where they are given integers.
ARRANGING = {"Add", "Sub", "Mul", "Concat", "Gather", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
#: PyTorch has one hard sigmoid, with a slope of a sixth.
ALWAYS = {"HardSigmoid": {"alpha": 1 / 6, "beta": 0.5}}
#: Attributes that say nothing about inference.
IDLE = {"momentum"}


def check_modules(model: torch.nn.Module) -> None:
    """Refuse a model that holds a module, or a parameter of its own, that is not in the table.

    A class made from one of the table is as good if it adds no parameter: whatever its own ``forward`` does with those it
    inherits is in the graph, operator by operator.
    """
    for path, module in model.named_modules():
        if _is_known(module) and getattr(module, "padding_mode", "zeros") == "zeros":
            if hasattr(module, "running_mean") and (module.running_mean is None or module.weight is None):
                raise _left(f"{path} normalises by its batch")
            continue
        if (
            next(module.parameters(recurse=False), None) is not None
            or next(module.buffers(recurse=False), None) is not None
        ):
            raise _left(f"{path or 'the model'} ({type(module).__name__}) has parameters of its own")
        if type(module).__module__.startswith("torch.nn.modules.") and next(module.children(), None) is None:
            raise _left(f"{path} ({type(module).__name__})")


def _is_known(module: torch.nn.Module) -> bool:
    """Whether a module's class is in the table, or is made from one there and holds nothing else than that one does."""
    base = next((c for c in type(module).__mro__ if c.__module__.startswith("torch.nn.modules.")), None)
    if base is None or base.__name__ not in MODULES:
        return False
    if base is type(module):
        return True
    held = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
    return held.keys() <= {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def check_graph(model: ir.Model, source: torch.nn.Module) -> None:
    """Refuse a graph with an operator that is not in the table or a number that is not exact; note the exact ones."""
    modules = dict(source.named_modules())
    shapes: set[str] = set()
    settled: set[str] = set()
    bounds = {
        value.name for node in model.graph if node.op_type == "Clip" for value in node.inputs[1:] if value is not None
    }
    for node in model.graph:
        inputs = [value.name or "" for value in node.inputs if value is not None]
        if inputs and settled.issuperset(inputs) and not _is_float(node):
            settled |= {value.name or "" for value in node.outputs}  # how a list of paddings is put together
            continue
        if node.op_type == "Shape" or (node.op_type in ON_SHAPES and any(name in shapes for name in inputs)):
            shapes |= {value.name or "" for value in node.outputs}
            continue
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise _left(f"it holds {node.op_type}")
        module = modules.get(node.metadata_props.get(LAYER, ""))
        if node.op_type == "Constant":
            _check_constant(node, module, is_bound=node.outputs[0].name in bounds)
            if not _is_float(node):
                settled.add(node.outputs[0].name or "")
        elif node.op_type == "Div" and not _is_float(node):
            raise _left("it holds a division of integers")
        elif node.op_type == "Clip" and len(node.inputs) > 2 and type(module).__name__ not in ("ReLU6", "Hardtanh"):
            raise _left("it holds a clamp that is no module")
        elif node.op_type == "BatchNormalization" and len(node.outputs) > 1:
            raise _left("it normalises by its batch")
        if _moves_batch(node):
            raise _left(f"{node.op_type} moves the batch")
        exact = dict(ALWAYS.get(node.op_type, {}))
        for name, attribute in node.attributes.items():
            if attribute.type.name == "FLOAT" and name not in exact and name not in IDLE:
                exact[name] = _exactly(attribute.value, module)
        set_exact(node, exact)


def _is_float(node: ir.Node) -> bool:
    """Whether a node returns numbers that precision matters to, by its attributes or its type; if neither says it, it does."""
    import onnx_ir as ir

    from metannvis_translate.graph.constants import constant_array

    if node.op_type == "Constant":
        return bool(constant_array(node).dtype.kind == "f")
    if node.op_type == "Cast":
        return ir.DataType(node.attributes["to"].as_int()).is_floating_point()
    if node.op_type == "ConstantOfShape":
        return "value" not in node.attributes or bool(node.attributes["value"].as_tensor().dtype.is_floating_point())
    dtype = node.outputs[0].dtype
    return dtype.is_floating_point() if dtype is not None else node.op_type not in ARRANGING


def _moves_batch(node: ir.Node) -> bool:
    """Whether axis 0 of what a node returns may be something else than axis 0 of its input."""
    from metannvis_translate.graph.constants import constant_of

    given = {name: attribute.value for name, attribute in node.attributes.items()}
    match node.op_type:
        case "Transpose":
            return "perm" not in given or given["perm"][0] != 0
        case "Flatten":
            return given.get("axis", 1) != 1
        case "Concat":
            return bool(given["axis"] == 0)
        case "ReduceMean":
            return len(node.inputs) > 1 or 0 in given.get("axes", (0,)) or min(given["axes"]) < -3
        case "Reshape":
            shape = constant_of(node.inputs[1])
            return shape is not None and shape[0] not in (0, -1)
    return False


def _check_constant(node: ir.Node, module: torch.nn.Module | None, *, is_bound: bool) -> None:
    from metannvis_translate.graph.constants import constant_array

    array = constant_array(node)
    if array.dtype.kind in "iub":
        return
    if array.dtype.kind != "f" or array.size != 1:
        raise _left("it holds a constant that is no parameter")
    set_exact(node, {"value": _exactly(array.reshape(()).item(), module if is_bound else None)})


def _exactly(value: float, module: torch.nn.Module | None) -> float:
    """The double that the source computes with, if a float32 tells it: a setting of the module, or a short binary number."""
    for setting in vars(module).values() if module is not None else ():
        if isinstance(setting, (int, float)) and np.float32(setting) == np.float32(value):
            return float(setting)
    if float(value) * 1024 % 1 == 0:
        return float(value)  # nobody writes a number that is near one of these without meaning it
    raise _left(f"the number {value} is known to single precision only")


def _left(reason: str) -> EngineDeclinedError:
    return EngineDeclinedError("this model", reason=f"{reason}: that is left to another exporter")
