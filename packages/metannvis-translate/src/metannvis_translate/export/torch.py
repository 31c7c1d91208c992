"""PyTorch → ONNX with provenance.

``torch.onnx`` exports; forward hooks add what every layer puts out to the exported outputs, so that the value of each
layer is recorded where it happens instead of guessed from names afterwards. The dynamo exporter comes first, the
TorchScript one where it fails: each fails where the other works.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks import Progress, require
from metannvis_translate.frameworks.torch_hooks import recording, tensors_in
from metannvis_translate.hub import BUFFER, LAYER, TRACE, HubLayer, HubModel, HubPort, set_exact
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

__all__ = ["export_model"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
PREFIX = "model."
NUMBER = re.compile(r"(?<![\w.%])[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
#: What PyTorch computes with where the operator's default attributes, float32 in the standard, stand in the graph.
EXACT_DEFAULTS = {"Selu": {"alpha": 1.6732632423543772848170429916717, "gamma": 1.0507009873554804934193349852946}}


def export_model(
    model: Any,
    inputs: Sequence[Array] | Mapping[str, Array] | None,
    *,
    dtype: str | None,
    progress: Progress,
    engine: str = "dynamo",
) -> HubModel:
    """Export a module in inference mode.

    Parameters
    ----------
    model
        ``nn.Module`` or ``ExportedProgram``; it stays as it is, a copy is exported.
    inputs
        Example inputs, each with the batch on axis 0, or a mapping of ``forward``'s keywords to them.
    dtype
        ``"float64"`` exports a copy in double precision; ``None`` keeps single precision (half becomes single).
    engine
        ``"dynamo"`` or ``"torchscript"``.

    Raises
    ------
    MissingArgumentError
        No example inputs.
    UnsupportedOperatorError
        The exporter cannot export it, with a free batch or without; the message holds what it said.
    """
    require("torch")
    if inputs is None or not len(inputs):
        raise MissingArgumentError(
            "a PyTorch module does not say what it takes: give example_inputs=, e.g. torch.randn(1, 3, 224, 224)"
        )
    originals = {path: id(module) for path, module in model.named_modules()} if hasattr(model, "named_modules") else {}
    recorder = _Recorder(_inference_copy(model, dtype), inputs, dtype, originals, type(model).__name__)
    failures: list[str] = []
    for dynamic in (True, False):
        progress(0, 1, f"export ({engine})")
        recorder.batch = 2 if dynamic else recorder.given_batch
        try:
            exported = ENGINES[engine](recorder, dynamic)
        except Exception as error:
            # The exporters raise whatever the model's code or their own passes raise; a fixed batch may still work, and if
            # it does not, both causes are in the message.
            failures.append(f"{'' if dynamic else 'with a fixed batch: '}{_first_line(error)}")
            log.info("exporter %s failed: %s", engine, failures[-1])
            last = error
            continue
        progress(1, 1, f"export ({engine})")
        notes = tuple(f"the batch size is fixed: {failure}" for failure in failures)
        return recorder.hub(exported, engine, None if dynamic else recorder.given_batch, notes)
    raise UnsupportedOperatorError(
        type(model).__name__,
        reason=f"exporter {engine}: {'; '.join(dict.fromkeys(failures))}",
        hint="A model whose control flow depends on data cannot be exported; torch.export.export(model, args) shows where.",
    ) from last


def _inference_copy(model: Any, dtype: str | None) -> torch.nn.Module:
    import torch

    if isinstance(model, torch.export.ExportedProgram):
        module = copy.deepcopy(model).module()
    else:
        module = copy.deepcopy(model).eval()
    module = module.cpu()
    for parameter in module.parameters():
        parameter.grad = None
    if dtype == "float64":
        return module.double()
    halves = {torch.float16, torch.bfloat16}
    if any(tensor.dtype in halves for tensor in (*module.parameters(), *module.buffers())):
        return module.float()
    return module


@dataclass
class _Exported:
    model: ir.Model
    #: value names of the outputs: the model's own ones, then one a recorded layer output
    outputs: list[str]


@dataclass
class _Recorder:
    """The model, wrapped so that what each layer puts out is an output too."""

    model: torch.nn.Module
    inputs: Sequence[Array] | Mapping[str, Array]
    dtype: str | None
    #: ``id`` of each module of the caller's own model, by path
    originals: Mapping[str, int]
    name: str
    batch: int = 2
    layers: list[tuple[LayerInfo, int | None]] = field(default_factory=list)
    outputs: list[tuple[int | None, ...]] = field(default_factory=list)
    output_dtypes: list[str] = field(default_factory=list)
    structure: Any = None

    def __post_init__(self) -> None:
        named = isinstance(self.inputs, Mapping)
        self.arrays = list(self.inputs.values()) if isinstance(self.inputs, Mapping) else list(self.inputs)
        self.names = list(self.inputs) if isinstance(self.inputs, Mapping) else _parameter_names(self.model, len(self.arrays))
        self.keywords = self.names if named else []
        sizes = {array.shape[0] for array in self.arrays if array.ndim}
        self.batched = [array.ndim > 0 and array.shape[0] == self.arrays[0].shape[0] for array in self.arrays]
        if not sizes:
            raise InvalidArgumentError("example inputs need a batch on axis 0; scalars were given")
        self.given_batch = int(self.arrays[0].shape[0])

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Example inputs with ``batch`` samples: an exporter takes a size of one for a constant."""
        import torch

        tensors = []
        for array, batched in zip(self.arrays, self.batched, strict=True):
            if batched and array.shape[0] != self.batch:
                array = np.resize(array, (self.batch, *array.shape[1:]))
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            if tensor.is_floating_point():
                tensor = tensor.to(torch.float64 if self.dtype == "float64" else torch.float32)
            tensors.append(tensor)
        return tuple(tensors)

    def module(self) -> torch.nn.Module:
        import torch

        recorder = self

        class Recorded(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = recorder.model

            def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, ...]:
                recorder.layers.clear()
                extra: list[torch.Tensor] = []

                def sink(name: str, module: torch.nn.Module, tensor: torch.Tensor) -> None:
                    shape = tuple(int(d) if isinstance(d, int) else None for d in tensor.shape)
                    if shape and recorder.dynamic(tensor.shape[0]):
                        shape = (None, *shape[1:])
                    parent = next(module.children(), None) is not None
                    info = LayerInfo(name, type(module).__name__, shape, parent=parent)
                    recorder.layers.append((info, recorder.originals.get(info.layer.split("#")[0])))
                    # a clone: an operation in place further on must not change what this layer put out
                    extra.append(tensor.clone())

                with recording(self.model, sink):
                    if recorder.keywords:
                        output = self.model(**dict(zip(recorder.keywords, args, strict=True)))
                    else:
                        output = self.model(*args)
                flat = tensors_in(output)
                recorder.structure = output
                recorder.outputs = [
                    tuple(None if i == 0 and recorder.dynamic(d) else int(d) if isinstance(d, int) else None for i, d in enumerate(t.shape))
                    for t in flat
                ]
                recorder.output_dtypes = [str(t.dtype).removeprefix("torch.") for t in flat]
                return (*flat, *extra)

        return Recorded()

    def dynamic(self, size: Any) -> bool:
        return not isinstance(size, int) or size == self.batch

    def hub(self, exported: _Exported, exporter: str, fixed_batch: int | None, notes: tuple[str, ...]) -> HubModel:
        graph = exported.model.graph
        count = len(self.outputs)
        values = {value.name: value for value in graph.outputs}
        own = exported.outputs[:count]
        for index in reversed(range(len(graph.outputs))):
            if graph.outputs[index].name not in own:
                del graph.outputs[index]
        buffers = {name for name, _ in self.model.named_buffers()}
        for name, value in graph.initializers.items():
            path = name.removeprefix(PREFIX)
            if path in buffers or path not in dict(self.model.named_parameters()):
                value.metadata_props[BUFFER] = "1"
        if not all(name in values for name in exported.outputs):
            raise UnsupportedOperatorError(type(self.model).__name__, reason="the exporter lost an output")
        order = [value.name or "" for value in graph.inputs]
        free = None if fixed_batch is None else fixed_batch
        ports = []
        for name, value, array, batched in zip(self.names, order, self.arrays, self.batched, strict=True):
            shape = (free if batched else array.shape[0], *array.shape[1:]) if array.ndim else ()
            ports.append(HubPort(name, value, shape, _dtype_name(graph, value, array)))
        return HubModel(
            model=exported.model,
            layers=tuple(
                HubLayer(info, value, object_id)
                for (info, object_id), value in zip(self.layers, exported.outputs[count:], strict=True)
            ),
            inputs=tuple(ports),
            outputs=tuple(
                HubPort(name, value, shape, dtype)
                for name, value, shape, dtype in zip(
                    _output_names(self.structure, count), own, self.outputs, self.output_dtypes, strict=True
                )
            ),
            source="torch",
            fixed_batch=fixed_batch,
            exporter=exporter,
            name=self.name,
            notes=notes,
        )


def _dynamo(recorder: _Recorder, dynamic: bool) -> _Exported:
    import torch

    shapes: Any = None
    if dynamic:
        batch = torch.export.Dim("batch", min=1)
        shapes = {"args": tuple({0: batch} if batched else {} for batched in recorder.batched)}
    with _quiet():
        program = torch.onnx.export(
            recorder.module(),
            recorder.tensors(),
            dynamo=True,
            optimize=False,
            verbose=False,
            dynamic_shapes=shapes,
        )
    if program is None:
        raise UnsupportedOperatorError(type(recorder.model).__name__, reason="torch.onnx.export returned nothing")
    model = program.model
    for node in model.graph:
        layer = _scope(node.metadata_props.get("pkg.torch.onnx.name_scopes", ""))
        text = node.metadata_props.get("pkg.torch.onnx.fx_node", "")
        trace = node.metadata_props.get("pkg.torch.onnx.stack_trace", "")
        node.metadata_props.clear()
        if layer:
            node.metadata_props[LAYER] = layer
        if trace:
            node.metadata_props[TRACE] = trace
        if node.op_type == "Constant":
            _keep_exact(node, text)
        elif node.op_type in EXACT_DEFAULTS and not node.attributes:
            set_exact(node, EXACT_DEFAULTS[node.op_type])
    return _Exported(model, [value.name or "" for value in model.graph.outputs])


def _torchscript(recorder: _Recorder, dynamic: bool) -> _Exported:
    import onnx
    import onnx_ir as ir
    import torch

    buffer = io.BytesIO()
    module = recorder.module().eval()
    names = [f"input_{i}" for i in range(len(recorder.arrays))]
    axes = {n: {0: "batch"} for n, b in zip(names, recorder.batched, strict=True) if b} if dynamic else None
    with _quiet():
        torch.onnx.export(
            module,
            recorder.tensors(),
            buffer,
            dynamo=False,
            opset_version=17,
            do_constant_folding=False,
            input_names=names,
            dynamic_axes=axes,
        )
    model = ir.from_proto(onnx.load_from_string(buffer.getvalue()))
    for node in model.graph:
        layer = _torchscript_scope(node.name or "", recorder.model)
        if layer:
            node.metadata_props[LAYER] = layer
        # float32 attributes and constants were Python doubles; the shortest decimal is what somebody wrote
        exact = {
            name: float(str(np.float32(attribute.value)))
            for name, attribute in node.attributes.items()
            if attribute.type.name == "FLOAT"
        }
        if node.op_type == "Constant" and "value" in node.attributes:
            value = node.attributes["value"].as_tensor().numpy()
            if value.size == 1 and value.dtype == np.float32:
                exact["value"] = float(str(value.reshape(())))
        set_exact(node, exact)
    return _Exported(model, [value.name or "" for value in model.graph.outputs])


ENGINES = {"dynamo": _dynamo, "torchscript": _torchscript}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The one place where the exporters' deprecation and tracer warnings, and their log records, are silenced."""
    names = ("torch.onnx", "torch.onnx._internal", "onnxscript", "torch._subclasses.fake_tensor", "torch.export")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _scope(name_scopes: str) -> str:
    """Path of the innermost module from the exporter's list of scopes."""
    scopes = re.findall(r"'([^']*)'", name_scopes)[:-1]
    inner = [scope for scope in scopes if scope.startswith(PREFIX)]
    return inner[-1].removeprefix(PREFIX) if inner else ""


def _torchscript_scope(name: str, model: torch.nn.Module) -> str:
    """Path of the innermost module from a TorchScript node name, ``/model/blk/blk.0/conv/Conv``."""
    known = {path for path, _ in model.named_modules()}
    parts = [part for part in name.split("/")[:-1] if part]
    if parts and parts[0] == PREFIX.rstrip("."):
        parts = parts[1:]
    path = ""
    for part in parts:
        part = re.sub(r"_\d+$", "", part) if f"{path}.{part}".lstrip(".") not in known and part not in known else part
        longer = f"{path}.{part}".lstrip(".")
        path = longer if longer in known else part if part in known else path
    return path


def _keep_exact(node: ir.Node, text: str) -> None:
    """Attach the double that the traced program holds to a float32 scalar constant."""
    attribute = node.attributes.get("value") or node.attributes.get("value_float")
    if attribute is None:
        return
    value = attribute.value if attribute.name == "value_float" else attribute.as_tensor().numpy()
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind != "f":
        return
    single = np.float32(array.reshape(()))
    for match in NUMBER.findall(text):
        if np.float32(match) == single:
            set_exact(node, {"value": float(match)})
            return


def _parameter_names(model: torch.nn.Module, count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"input_{i}" for i in range(len(names), count)]


def _output_names(structure: Any, count: int) -> list[str]:
    if isinstance(structure, Mapping) and len(structure) == count:
        return [str(key) for key in structure]
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]


def _dtype_name(graph: ir.Graph, name: str, array: Array) -> str:
    value = next(value for value in graph.inputs if value.name == name)
    return value.dtype.numpy().name if value.dtype is not None else array.dtype.name


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0] if text else ''}"[:300]
