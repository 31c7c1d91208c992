"""Export engines: the exporters of PyTorch, made to keep provenance and exact numbers.

The trace is our own recorder of operators, which makes the graph of the dynamo exporter in a tenth of its time. Dynamo says for
each node which module it came from and which traced call; TorchScript only in the node's name.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.torch.exporter.call_interception import Handler, refused
from metannvis_translate.frameworks.torch.exporter.custom_operators import translations
from metannvis_translate.frameworks.torch.exporter.explicit_float32 import SingleCall, calls_of, computed_in_single
from metannvis_translate.frameworks.torch.exporter.module_scopes import PREFIX, scope_of, torchscript_scope
from metannvis_translate.frameworks.torch.exporter.operator_trace import traced
from metannvis_translate.frameworks.torch.exporter.operator_translation import Rules, Translation
from metannvis_translate.frameworks.torch.exporter.packed_sequences import keeping_padded
from metannvis_translate.frameworks.torch.exporter.size_branches import refuse_branches, watching_branches
from metannvis_translate.frameworks.torch.exporter.stop_gradient import symbolic
from metannvis_translate.frameworks.torch.exporter.traced_calls import Call, numbers_in, values_in
from metannvis_translate.graph.constants import constant_array
from metannvis_translate.graph.metadata import LAYER, TIE_GRADIENT, TRACE, set_exact
from metannvis_translate.graph.stack_trace import written_line
from metannvis_translate.process import patched

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir
    import torch

__all__ = ["ENGINES", "Exported", "Recorder", "quiet"]

NUMBER = re.compile(r"(?<![\w.%])[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
#: What PyTorch computes with where the operator's default attributes, float32 in the standard, stand in the graph.
EXACT_DEFAULTS = {"Selu": {"alpha": 1.6732632423543772848170429916717, "gamma": 1.0507009873554804934193349852946}}

#: Traced calls whose derivative at a tie is not that of the operator they become, and the operators concerned.
TIED_CALLS = {
    # bounds that are tensors share the derivative
    "aten.clamp.default": "bound",
    "aten.clamp_min.default": "bound",
    "aten.clamp_max.default": "bound",
    "aten.max.dim": "index",
    "aten.min.dim": "index",
    "aten.adaptive_max_pool": "index",
    # PyTorch's sorts leave equal entries in their order though they do not promise it
    "aten.sort": "first",
    "aten.kthvalue": "first",
    "aten.median": "first",
    "aten.nanmedian": "first",
    "aten.mode": "first",
}
TIED = {"bound": ("Max", "Min"), "index": ("ReduceMax", "ReduceMin"), "first": ("TopK",)}


class Recorder(Protocol):
    """What an exporter needs to know of the wrapped model."""

    model: torch.nn.Module
    arrays: list[np.ndarray[Any, Any]]
    batched: list[bool]
    batch: int
    #: for each input the axes beside the batch whose size is free; empty if none is
    free_axes: Sequence[Sequence[int]]
    #: whether a trace has to copy what every layer returns
    copies: bool
    #: whether the last trace had to, and did not
    changed: bool
    #: how many samples the example inputs have
    given_batch: int
    #: lines that take the batch out of a tensor where it is one sample
    squeezes: list[str]

    def module(self, *handlers: Handler) -> torch.nn.Module:
        """The model, wrapped so that it returns what every layer does; its calls go through the handlers."""

    def keeps_batch(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Handler that refuses a call that depends on whether there is one sample."""

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Example inputs of the batch size to export with."""


@dataclass
class Exported:
    """A graph, and its outputs in order."""

    model: ir.Model
    #: value names of the outputs, each tensor once
    outputs: list[str]
    #: what the model itself computes in single precision though it is in double
    single: tuple[str, ...] = ()


def by_dynamo(recorder: Recorder, dynamic: bool) -> Exported:
    import torch

    shapes: Any = None
    if dynamic:
        batch = torch.export.Dim("batch", min=1)
        several = recorder.free_axes or [()] * len(recorder.batched)
        free = [dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in several]
        shapes = {
            "args": tuple(
                ({0: batch} if batched else {}) | axes for batched, axes in zip(recorder.batched, free, strict=True)
            )
        }
    with quiet(), _no_graph_printed(), keeping_padded(), watching_branches() as asked:
        program = torch.onnx.export(
            recorder.module(asked.squeeze) if dynamic else recorder.module(),
            recorder.tensors(),
            dynamo=True,
            optimize=False,
            verbose=False,
            dynamic_shapes=shapes,
            custom_translation_table=translations(),
        )
    if program is None:
        raise UnsupportedOperatorError(type(recorder.model).__name__, reason="torch.onnx.export returned nothing")
    model = program.model
    if dynamic:
        free_axes = [{0} if batched else set() for batched in recorder.batched]
        for axes, more in zip(free_axes, recorder.free_axes, strict=bool(recorder.free_axes)):
            axes.update(more)
        refuse_branches(model.graph, free_axes, asked, alone=recorder.given_batch == 1)
        recorder.squeezes = asked.squeezes
    for node in model.graph:
        layer = scope_of(node.metadata_props.get("pkg.torch.onnx.name_scopes", ""))
        text = node.metadata_props.get("pkg.torch.onnx.fx_node", "")
        trace = node.metadata_props.get("pkg.torch.onnx.stack_trace", "")
        node.metadata_props.clear()
        _annotate(node, layer, trace, text)
    outputs = [value.name or "" for value in model.graph.outputs]
    return Exported(model, outputs, computed_in_single(calls_of(program.exported_program)))


def _annotate(node: ir.Node, layer: str, trace: str, call: str) -> None:
    """Note on a node where it comes from and the exact numbers of the traced call, a text that has them all."""
    if layer:
        node.metadata_props[LAYER] = layer
    if trace:
        node.metadata_props[TRACE] = trace
    ties = next((kind for name, kind in TIED_CALLS.items() if name in call and node.op_type in TIED[kind]), None)
    if ties:
        node.metadata_props[TIE_GRADIENT] = ties
    if node.op_type == "Constant":
        _keep_exact(node, call)
    elif node.op_type in EXACT_DEFAULTS and not node.attributes:
        set_exact(node, EXACT_DEFAULTS[node.op_type])
    else:
        floats = {a.name: np.float32(a.value) for a in node.attributes.values() if a.type.name == "FLOAT"}
        if floats:
            with np.errstate(over="ignore"):  # the least double, a padding's, is minus infinity in single precision
                numbers = {np.float32(number): float(number) for number in NUMBER.findall(call)}
            set_exact(node, {name: numbers[value] for name, value in floats.items() if value in numbers})


def by_trace(recorder: Recorder, dynamic: bool) -> Exported:
    """What the model calls, recorded by ourselves: see ``operator_trace``."""
    names = {id(module): path for path, module in reversed(list(recorder.model.named_modules()))}
    inputs = [
        (tuple(tensor.shape), tensor.dtype, batched)
        for tensor, batched in zip(recorder.tensors(), recorder.batched, strict=True)
    ]
    rules = Rules(translations())
    with quiet():
        trace = traced(recorder.module(recorder.keeps_batch), names, inputs, recorder.batch, rules)
        held: dict[int, str] = {}
        for name, tensor in (
            *recorder.model.named_parameters(remove_duplicate=False),
            *recorder.model.named_buffers(remove_duplicate=False),
        ):
            held.setdefault(id(tensor), PREFIX + name)

        def annotate(node: ir.Node, call: Call) -> None:
            text = f"{call.operator} {' '.join(map(repr, numbers_in((call.args, list(call.kwargs.values())))))}"
            _annotate(node, call.layer, written_line(*call.line) if call.line else "", text)

        model = Translation(rules, held, annotate).translate(trace)
    calls = (
        SingleCall(
            call.operator,
            [(value, value.dtype) for value in values_in(call.result)],
            values_in((call.args, list(call.kwargs.values()))),
            call.layer,
        )
        for call in trace.calls
    )
    return Exported(model, [value.name or "" for value in model.graph.outputs], computed_in_single(calls))


def by_torchscript(recorder: Recorder, dynamic: bool) -> Exported:
    import onnx
    import onnx_ir as ir
    import torch

    if not all(array.size for array in recorder.arrays):
        # its inference of shapes divides by the number of elements, which ends the process
        raise UnsupportedOperatorError(
            type(recorder.model).__name__, reason="an input without elements is not exported by TorchScript"
        )
    buffer = io.BytesIO()
    module = recorder.module(refused, *([recorder.keeps_batch] if dynamic else [])).eval()
    names = [f"input_{i}" for i in range(len(recorder.arrays))]
    axes = {n: {0: "batch"} for n, b in zip(names, recorder.batched, strict=True) if b} if dynamic else None
    with quiet(), symbolic(17):
        # a value of the example inputs is about to become a constant, or a branch taken for good: silently wrong
        warnings.filterwarnings("error", category=torch.jit.TracerWarning)
        torch.onnx.export(
            module,
            recorder.tensors(),
            buffer,
            dynamo=False,
            opset_version=17,
            do_constant_folding=False,
            export_params=False,
            keep_initializers_as_inputs=True,  # else weights of equal values, as of a fresh network, would become one
            input_names=names,
            dynamic_axes=axes,
        )
    if recorder.changed and not recorder.copies:
        recorder.copies = True
        return by_torchscript(recorder, dynamic)
    model = ir.from_proto(_with_shapes(onnx.load_from_string(buffer.getvalue())))
    _attach_weights(model.graph, module)
    modules = {path for path, _ in recorder.model.named_modules()}
    for node in model.graph:
        layer = torchscript_scope(node.name or "", modules)
        if layer:
            node.metadata_props[LAYER] = layer
        # float32 attributes and constants were Python doubles; the shortest decimal is what somebody wrote
        exact = {
            name: float(str(np.float32(attribute.value)))
            for name, attribute in node.attributes.items()
            if attribute.type.name == "FLOAT"
        }
        if node.op_type == "Constant" and "value" in node.attributes:
            array = constant_array(node)
            if array.size == 1 and array.dtype == np.float32:
                exact["value"] = float(str(array.reshape(())))
        set_exact(node, exact)
    return Exported(model, [value.name or "" for value in model.graph.outputs])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The one place where the exporters' warnings, their log records and graphs on standard output are silenced.

    Whoever enters has the process (:func:`~metannvis_translate.process.exclusive`).

    ``nn.Transformer`` looks into the mask that it is given, whether it is a causal one, to take a faster way to the same
    result. What a tensor holds is not known in an export: there the mask is taken as it is. And bags of one size, which
    PyTorch cuts out of one long line, are looked up as rows.
    """
    import torch
    from torch.nn.modules import transformer

    # On an exception the TorchScript exporter prints whole graphs: it asks whether this *function* is true, which turns
    # the printing on for good.
    bindings: Any = torch._C
    asked = bindings._jit_is_onnx_log_enabled
    functional: Any = torch.nn.functional
    bag = functional.embedding_bag

    def bag_of_rows(input: Any, weight: Any, offsets: Any = None, *args: Any, **kwargs: Any) -> Any:
        # an index of zero is a value, though it equals False
        plain = {
            "mode": "mean",
            **{name: value for name, value in kwargs.items() if value is not None and value is not False},
        }
        rest = set(plain) - {"mode", "norm_type", "padding_idx", "per_sample_weights", "sparse", "scale_grad_by_freq"}
        if getattr(input, "ndim", 0) != 2 or offsets is not None or args or rest:
            return bag(input, weight, offsets, *args, **kwargs)
        rows, padding = functional.embedding(input, weight), plain.get("padding_idx")
        if "per_sample_weights" in plain:
            rows = rows * plain["per_sample_weights"].unsqueeze(-1)
        if padding is None:
            return rows.amax(1) if plain["mode"] == "max" else getattr(rows, plain["mode"])(1)
        counts = (input != padding % weight.shape[0]).unsqueeze(-1)
        if plain["mode"] == "max":
            largest = torch.where(counts, rows, torch.full_like(rows, -float("inf"))).amax(1)
            return torch.where(counts.to(rows.dtype).amax(1) > 0, largest, torch.zeros_like(largest))
        total = torch.where(counts, rows, torch.zeros_like(rows)).sum(1)
        return total if plain["mode"] == "sum" else total / counts.to(rows.dtype).sum(1).clamp(min=1.0)

    names = (
        "torch.onnx",
        "torch.onnx._internal",
        "onnxscript",
        "torch._subclasses.fake_tensor",
        "torch.export",
        "torch.fx.experimental.symbolic_shapes",
    )
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        bindings._jit_is_onnx_log_enabled = None
        with (
            patched(functional, "embedding_bag", bag_of_rows),
            patched(transformer, "_detect_is_causal_mask", lambda mask, is_causal=None, size=None: bool(is_causal)),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        bindings._jit_is_onnx_log_enabled = asked
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _no_graph_printed() -> Iterator[None]:
    """Inside, ``torch.export`` does not print the graph of a model whose shapes depend on data on standard error."""
    from torch.export import _trace

    vars(_trace).setdefault("print", print)
    with patched(_trace, "print", lambda *args, **kwargs: None):
        yield


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph with the shapes that ONNX infers: what this exporter notes of them is incomplete."""
    from onnx import shape_inference

    made = {name for node in model.graph.node for name in node.output}  # what is no input of the graph, returned again
    for value in (*model.graph.value_info, *model.graph.output):
        if value.name in made:
            value.type.tensor_type.ClearField("shape")
    return shape_inference.infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)


def _attach_weights(graph: ir.Graph, module: torch.nn.Module) -> None:
    """Weights, which the file leaves out and lists as inputs, as initialisers that share the module's memory."""
    from onnx_ir.tensor_adapters import TorchTensor

    tensors = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    for value in [value for value in graph.inputs if value.name in tensors]:
        graph.inputs.remove(value)
        value.const_value = TorchTensor(tensors[value.name or ""].detach(), name=value.name)
        graph.register_initializer(value)


def _keep_exact(node: ir.Node, text: str) -> None:
    """Attach the double that the traced program holds to a float32 scalar constant."""
    attribute = node.attributes.get("value") or node.attributes.get("value_float")
    if attribute is None:
        return
    value = attribute.value if attribute.name == "value_float" else attribute.as_tensor().numpy()
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):  # the least double, a mask's, is minus infinity in single precision
        single = np.float32(array.reshape(()))
        exact = next((float(match) for match in NUMBER.findall(text) if np.float32(match) == single), None)
    if exact is not None:
        set_exact(node, {"value": exact})


#: Ways to export, by name: ``engine(recorder, dynamic)``.
ENGINES: dict[str, Callable[[Recorder, bool], Exported]] = {
    "trace": by_trace,
    "dynamo": by_dynamo,
    "torchscript": by_torchscript,
}
