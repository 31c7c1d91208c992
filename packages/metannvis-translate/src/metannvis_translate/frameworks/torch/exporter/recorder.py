"""What an exporter is handed for a PyTorch model: the model, wrapped so that each layer's output is an output, and inputs."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.torch.conventions import CONVENTIONS, state_conventions
from metannvis_translate.frameworks.torch.exporter.call_interception import Handler, handled, reworded
from metannvis_translate.frameworks.torch.exporter.engines import Exported, quiet
from metannvis_translate.frameworks.torch.exporter.export_errors import cause_in_a_line
from metannvis_translate.frameworks.torch.exporter.module_scopes import PREFIX
from metannvis_translate.frameworks.torch.exporter.output_snapshots import OutputSnapshots
from metannvis_translate.frameworks.torch.exporter.rewritten_functions import rewritten
from metannvis_translate.frameworks.torch.exporter.size_branches import SQUEEZES
from metannvis_translate.frameworks.torch.exporter.stop_gradient import Stops, marking, torch_function_disabled
from metannvis_translate.frameworks.torch.exporter.stop_gradient_check import check_stops
from metannvis_translate.frameworks.torch.hooks import holds_packed, recording, structure_of, tensors_in
from metannvis_translate.frameworks.torch.kinds import kind_of, role_of
from metannvis_translate.frameworks.torch.model_copies import copied
from metannvis_translate.frameworks.torch.model_state import ModelState
from metannvis_translate.frameworks.torch.state import autocast_disabled
from metannvis_translate.graph.metadata import BUFFER, FROZEN, WEIGHT
from metannvis_translate.graph.model import ExportedGraph, HubLayer, HubPort
from metannvis_translate.graph.stack_trace import line_of_error
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

__all__ = ["Recorder"]

Array = np.ndarray[Any, Any]


@dataclass
class Recorder:
    """The model, wrapped so that what each layer returns is an output too."""

    model: torch.nn.Module
    inputs: Sequence[Array] | Mapping[str, Array]
    dtype: str | None
    #: ``id`` of each module of the caller's own model, by path
    originals: Mapping[str, int]
    name: str
    free_axes: Sequence[Sequence[int]] = ()
    batch: int = 2
    layers: list[tuple[LayerInfo, int | None]] = field(default_factory=list)
    outputs: list[tuple[int | None, ...]] = field(default_factory=list)
    #: where among the exported outputs the model's own ones stand, and behind them those of the layers
    places: list[int] = field(default_factory=list)
    #: whether a trace has to copy what every layer returns, see ``output_snapshots``
    copies: bool = False
    #: whether an operation in place has changed what was not copied
    changed: bool = False
    output_dtypes: list[str] = field(default_factory=list)
    structure: Any = None
    stops: Stops = field(default_factory=Stops)
    #: names of what ``forward`` changes: buffers, attributes, parameters
    changing: list[str] = field(default_factory=list)
    #: names of what the last trace put something else into
    reassigned: list[str] = field(default_factory=list)
    #: lines that take the batch out of a tensor where it is one sample, so that the graph is right for several
    squeezes: list[str] = field(default_factory=list)
    #: names of parameters that the caller does not train
    frozen: frozenset[str] = frozenset()
    #: whether ``forward`` asks for reduced precision by ``torch.autocast``
    autocast: bool = False

    def __post_init__(self) -> None:
        named = isinstance(self.inputs, Mapping)
        self.arrays = list(self.inputs.values()) if isinstance(self.inputs, Mapping) else list(self.inputs)
        self.names = (
            list(self.inputs) if isinstance(self.inputs, Mapping) else _parameter_names(self.model, len(self.arrays))
        )
        self.keywords = self.names if named else []
        sizes = {array.shape[0] for array in self.arrays if array.ndim}
        self.batched = [array.ndim > 0 and array.shape[0] == self.arrays[0].shape[0] for array in self.arrays]
        if not sizes:
            raise InvalidArgumentError("example inputs need a batch on axis 0; scalars were given")
        self.given_batch = int(self.arrays[0].shape[0])

    def tensors(self, batch: int | None = None) -> tuple[torch.Tensor, ...]:
        """Example inputs with ``batch`` samples: an exporter takes a size of one for a constant."""
        import torch

        batch = batch or self.batch
        tensors = []
        for array, batched in zip(self.arrays, self.batched, strict=True):
            if batched and array.shape[0] != batch:
                array = np.resize(array, (batch, *array.shape[1:]))
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            if tensor.is_floating_point():
                tensor = tensor.to(self.float_dtype())
            tensors.append(tensor)
        return tuple(tensors)

    def float_dtype(self) -> torch.dtype:
        """The dtype of the copy's weights; single precision where it has none."""
        import torch

        if self.dtype == "float64":
            return torch.float64
        return next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)

    def try_inputs(self) -> None:
        """Run the model once: an input that it does not take is said here, not by an exporter; and see what it changes.

        A model may take the samples that are given and no others, as where an input of another length counts them: then
        these are what it is exported with.
        """
        for batch in dict.fromkeys((self.batch, self.given_batch)):
            self.batch = batch
            state = ModelState(self.model, parameters=True)
            try:
                self._run_once()
                self.changing = state.changes()
            except Exception as error:
                # whatever the model's own code raises
                if batch != self.given_batch:
                    continue
                shapes = ", ".join(f"{a.dtype.name} {tuple(a.shape)}" for a in self.arrays)
                line, _ = line_of_error(error)
                where = f" [{line}]" if line else ""
                raise InvalidArgumentError(
                    f"{self.name} does not take the example inputs ({shapes}): {cause_in_a_line(error)}{where}"
                ) from error
            finally:
                state.put_back()
            return

    def _run_once(self) -> None:
        import torch

        with torch.no_grad(), autocast_disabled():
            self.call(self.model, self.tensors())

    def call(self, model: torch.nn.Module, given: Sequence[torch.Tensor]) -> Any:
        """What a model makes of inputs in order, which it may take by name."""
        return model(**dict(zip(self.keywords, given, strict=True))) if self.keywords else model(*given)

    def keeps_batch(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Handler for a trace that sees samples in some numbers only: refuse to take out an axis that may be the batch.

        That is the first one, if it has as many entries as the trace has samples, or any whose size is no number.

        Raises
        ------
        NotImplementedError
            For such a call.
        """
        sizes = _sizes(args[0]) if name in SQUEEZES and args else ()
        free = [k for k, n in enumerate(sizes) if not isinstance(n, int) or (k == 0 and n == self.batch)]
        if free:
            axes = args[1] if len(args) > 1 else kwargs.get("dim", tuple(range(len(sizes))))
            if any(axis % len(sizes) in free for axis in (axes if isinstance(axes, (tuple, list)) else (axes,))):
                raise NotImplementedError("squeeze, which takes the batch out where it is one sample")
        return args, kwargs

    def check_stops(self) -> None:
        """Refuse a model that stops gradients in a way that cannot be told in a graph."""
        given = [tensor.requires_grad_(tensor.is_floating_point()) for tensor in self.tensors()]
        with quiet():
            # an input itself cannot be changed in place, as a model may do
            check_stops(copied(self.model), lambda m: self.call(m, [x * 1 if x.requires_grad else x for x in given]))

    def module(self, *handlers: Handler) -> torch.nn.Module:
        """What an exporter is handed; calls go through the handlers."""
        import torch

        recorder = self

        class Recorded(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = recorder.model

            def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, ...]:
                recorder.layers.clear()
                # an export of another kind than a trace has no copies, only operations
                always = recorder.copies or not torch.jit.is_tracing()
                weights = (*recorder.model.parameters(), *recorder.model.buffers())
                kept = OutputSnapshots((*args, *weights), always=always)

                def sink(name: str, module: torch.nn.Module, tensor: torch.Tensor) -> None:
                    shape = recorder.free(_sizes(tensor))
                    parent = next(module.children(), None) is not None
                    role = "" if "#" in name else role_of((), module)
                    info = LayerInfo(name, kind_of(module), shape, parent=parent, role=role)
                    recorder.layers.append((info, recorder.originals.get(info.layer.split("#")[0])))
                    kept.add(tensor)

                # not self.model: torch.export puts a proxy there, for which a module on two paths is two modules
                watching = handled(reworded, *handlers, kept.before)
                with recorder.held(), recording(recorder.model, sink), watching, marking(recorder.stops), rewritten():
                    output = recorder.call(self.model, args)
                if holds_packed(output):
                    raise NotImplementedError(
                        "the model returns a PackedSequence, whose rows depend on lengths that are data"
                    )
                flat = tensors_in(output)
                recorder.changed = kept.is_changed
                recorder.structure = structure_of(output)
                recorder.outputs = [recorder.free(_sizes(t)) for t in flat]
                recorder.output_dtypes = [str(t.dtype).removeprefix("torch.") for t in flat]
                # what several layers return (a container and its last one) goes to the exporter once
                unique = {id(tensor): tensor for tensor in (*flat, *kept.tensors)}
                order = {key: place for place, key in enumerate(unique)}
                recorder.places = [order[id(tensor)] for tensor in (*flat, *kept.tensors)]
                return tuple(unique.values())

        return Recorded()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside a trace, what ``forward`` changes is a copy, so that the graph starts from the state that the model holds.

        Afterwards everything stands where it stood: an exporter may call ``forward`` again, and what a trace computes must not
        stay in the model.
        """
        state = ModelState(self.model, values=False)
        try:
            state.renew(self.changing)
            with autocast_disabled() as asked:
                yield
            self.autocast = self.autocast or bool(asked)
        finally:
            with torch_function_disabled():
                self.reassigned = state.changes()
            state.put_back()

    def free(self, sizes: Sequence[Any]) -> tuple[int | None, ...]:
        """Sizes of a tensor, ``None`` for a free one: what is no number, and the batch on axis 0."""
        known = [int(d) if isinstance(d, int) else None for d in sizes]
        return tuple(None if axis == 0 and d == self.batch else d for axis, d in enumerate(known))

    def _batch_reason(self, fixed_batch: int | None, batched: bool, reason: str) -> str:
        """Why the first axis of an input cannot be of any size."""
        if not batched:
            return (
                "in the example inputs it is not as long as the first input's, so that it was taken for no batch. Translate it "
                "with example inputs of the other size."
            )
        if fixed_batch is not None:
            return f"{reason}. Translate it with example inputs of that many samples for another batch."
        return f"with one sample an axis is taken out: {self.squeezes[0]}" if self.squeezes else ""

    def hub(
        self, exported: Exported, exporter: str, fixed_batch: int | None, notes: tuple[str, ...], reason: str = ""
    ) -> ExportedGraph:
        """The exported graph with its ports and layers; ``reason`` says why the batch is fixed, if it is."""
        graph = exported.model.graph
        count = len(self.outputs)
        values = {value.name: value for value in graph.outputs}
        if len(exported.outputs) != len(set(self.places)):
            raise UnsupportedOperatorError(type(self.model).__name__, reason="the exporter lost an output")
        names = [exported.outputs[place] for place in self.places]
        own = names[:count]
        graph.outputs.clear()
        graph.outputs.extend(values[name] for name in own)
        parameters = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        for name, value in graph.initializers.items():
            path = name.removeprefix(PREFIX)
            if path not in parameters:
                value.metadata_props[BUFFER] = "1"
            elif path in self.frozen:
                value.metadata_props[FROZEN] = "1"
            value.metadata_props[WEIGHT] = path
        state_conventions(graph)
        order = [value.name or "" for value in graph.inputs]
        free = None if fixed_batch is None else fixed_batch
        least = 2 if free is None and self.squeezes else 1
        ports = []
        several = self.free_axes or [()] * len(order)
        for name, given, array, batched, axes in zip(
            self.names, order, self.arrays, self.batched, several, strict=True
        ):
            shape = (free if batched else array.shape[0], *array.shape[1:]) if array.ndim else ()
            shape = tuple(None if axis in axes else size for axis, size in enumerate(shape))
            ports.append(
                HubPort(
                    name,
                    given,
                    shape,
                    _dtype_name(graph, given, array),
                    least_batch=least if batched else 1,
                    batch_reason=self._batch_reason(fixed_batch, batched, reason),
                )
            )
        return ExportedGraph(
            model=exported.model,
            layers=tuple(
                HubLayer(info, value, object_id)
                for (info, object_id), value in zip(self.layers, names[count:], strict=True)
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
            conventions=CONVENTIONS,
            structure=self.structure,
            single=exported.single,
        )


def _sizes(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Sizes of a tensor; a trace under way does not see that they were asked for, which would go into its graph."""
    import torch

    bindings: Any = torch._C
    state = bindings._get_tracing_state()
    if state is None:
        return tuple(tensor.shape)
    bindings._set_tracing_state(None)
    try:
        with torch_function_disabled():
            return tuple(tensor.shape)
    finally:
        bindings._set_tracing_state(state)


def _parameter_names(model: torch.nn.Module, count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"input_{i}" for i in range(len(names), count)]


def _output_names(structure: Any, count: int) -> list[str]:
    """Keys of a dict, those of a nested one and places in lists behind a dot; numbers where there are no keys."""
    names: dict[int, str] = {}

    def walk(item: Any, path: str) -> None:
        if isinstance(item, int):
            names[item] = path
            return
        for key, entry in item.items() if isinstance(item, dict) else enumerate(item):
            walk(entry, f"{path}.{key}" if path else str(key))

    if isinstance(structure, dict):
        walk(structure, "")
        return [names[k] for k in range(count)]
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]


def _dtype_name(graph: ir.Graph, name: str, array: Array) -> str:
    value = next(value for value in graph.inputs if value.name == name)
    return value.dtype.numpy().name if value.dtype is not None else array.dtype.name
