"""Model runs in PyTorch that leave no trace on the model."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import first_line
from metannvis_translate.frameworks.protocol import Run
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.axes import Value, watching
from metannvis_translate.frameworks.torch.changing_parameters import is_small
from metannvis_translate.frameworks.torch.hooks import (
    backward_hooks_disabled,
    is_compiled,
    recording,
    sound_batch_norms,
    tensors_in,
)
from metannvis_translate.frameworks.torch.kinds import convolves_over_one_axis, kind_of, role_of, takes_indices
from metannvis_translate.frameworks.torch.model_state import ModelState
from metannvis_translate.frameworks.torch.state import autocast_disabled, refuse_inference_tensors
from metannvis_translate.layers import LayerInfo, ModelDescription

if TYPE_CHECKING:
    import torch

__all__ = ["described", "run_model", "to_array", "to_tensors", "undisturbed"]

Array = np.ndarray[Any, Any]
log = logging.getLogger(__name__)
#: What axes usually are, by their number.
PLAIN_AXES = {1: "N", 2: "NF", 3: "NTF", 4: "NCHW", 5: "NCDHW"}


def to_array(tensor: torch.Tensor) -> Array:
    """A NumPy copy; ``bfloat16``, which NumPy lacks, as ``float32``, and of sparse ones all numbers."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return np.array(tensor.numpy())


def to_tensors(model: torch.nn.Module, inputs: Sequence[Array]) -> list[torch.Tensor]:
    """Inputs as tensors on the model's device, floats in the type of its weights."""
    torch = require("torch")
    weights = [*model.parameters(), *model.buffers()]
    dtype = next((w.dtype for w in weights if w.is_floating_point()), None)
    device = weights[0].device if weights else torch.device("cpu")
    tensors = []
    for array in inputs:
        tensor = torch.from_numpy(np.array(array)).to(device)
        tensors.append(tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor)
    return tensors


@contextmanager
def undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Inference mode inside; afterwards mode and state are as before, even where ``forward`` wrote to them."""
    modes = [(module, module.training) for module in model.modules()]
    state = ModelState(model, parameters=is_small(model))
    try:
        for module, _ in modes:
            # not eval(): modules may override it, and those of exported programs refuse it
            module.training = False
        yield
    finally:
        state.put_back()
        for module, training in modes:
            module.training = training


def run_model(
    model: torch.nn.Module,
    inputs: Sequence[Array],
    *,
    layers: Sequence[str] = (),
    cotangents: Sequence[Array] | None = None,
    names: Sequence[str] = (),
) -> Run:
    """See :meth:`metannvis_translate.frameworks.Framework.run`; inputs go by ``names`` where ``forward`` has another order."""
    torch = require("torch")
    if cotangents is not None:
        refuse_inference_tensors(model)
    wanted = set(layers)
    found: dict[str, Array] = {}

    def sink(name: str, module: Any, tensor: Any) -> None:
        if name in wanted:
            found[name] = to_array(tensor)

    with torch.inference_mode(False), torch.set_grad_enabled(cotangents is not None), undisturbed(model):
        tensors = to_tensors(model, inputs)
        floats = [tensor for tensor in tensors if tensor.is_floating_point()]
        for tensor in floats:
            tensor.requires_grad_(cotangents is not None)
        hooks = backward_hooks_disabled(model) if cotangents is not None else contextlib.nullcontext()
        with hooks, recording(model, sink), sound_batch_norms(model), autocast_disabled():
            call = _caller(model, wanted, found)
            by_name = dict(zip(names, tensors, strict=True)) if _are_keywords(model, names) else {}
            outputs = tensors_in(call(**by_name) if by_name else call(*tensors))
        gradients = None
        if cotangents is not None:
            gradients = _gradients(outputs, cotangents, tensors)
    return Run([to_array(output) for output in outputs], found, gradients)


def _gradients(
    outputs: Sequence[torch.Tensor], cotangents: Sequence[Array], inputs: Sequence[torch.Tensor]
) -> list[Array | None]:
    torch = require("torch")
    floats = [tensor for tensor in inputs if tensor.is_floating_point()]
    pairs = [
        (output, torch.from_numpy(np.array(cotangent)).to(output))
        for output, cotangent in zip(outputs, cotangents, strict=True)
        if output.requires_grad
    ]
    results: list[Any] = [None] * len(floats)
    if pairs and floats:
        ends, weights = zip(*pairs, strict=True)
        results = list(torch.autograd.grad(ends, floats, weights, allow_unused=True))
    found = iter(results)
    gradients: list[Array | None] = []
    for tensor in inputs:
        gradient = next(found) if tensor.is_floating_point() else None
        if tensor.is_floating_point():
            gradients.append(to_array(torch.zeros_like(tensor) if gradient is None else gradient))
        else:
            gradients.append(None)
    return gradients


def _are_keywords(model: torch.nn.Module, names: Sequence[str]) -> bool:
    """Whether a model takes these names, and not as the first ones in their order."""
    try:
        parameters = inspect.signature(model.forward).parameters
    except (TypeError, ValueError):
        return False
    return list(parameters)[: len(names)] != list(names) and all(
        name in parameters and parameters[name].kind != inspect.Parameter.POSITIONAL_ONLY for name in names
    )


def _caller(model: torch.nn.Module, wanted: set[str], found: dict[str, Array]) -> Callable[..., Any]:
    """What to call to run the model; for a graph whose functions are wanted too, an interpreter that keeps them."""
    torch = require("torch")
    modules = {name for name, _ in model.named_modules()}
    if not isinstance(model, torch.fx.GraphModule) or all(name.partition(":")[0] in modules for name in wanted):
        return model

    class Keeping(torch.fx.Interpreter):  # type: ignore[name-defined]
        def run_node(self, n: Any) -> Any:
            result = super().run_node(n)
            name = str(n.target) if n.op == "get_attr" else n.name
            if name in wanted and name not in modules and isinstance(result, torch.Tensor):
                found[name] = to_array(result)
            return result

    return Keeping(model).run


def described(model: torch.nn.Module, inputs: Sequence[Array]) -> ModelDescription:
    """Layers that run, in execution order, containers behind what they hold; axes of their outputs and of the inputs.

    What the axes mean, and what a layer does, is told by the operators that run. A model that cannot be watched is told by the
    classes of its layers alone.
    """
    batch = {array.shape[0] for array in inputs if array.ndim}
    tensors = to_tensors(model, inputs)
    try:
        with _listing(model) as listing, watching(listing.note) as passages:
            given = [passages.value_of(tensor) for tensor in tensors]
            listing.value_of = passages.value_of
            model(*tensors)
    # an operator that cannot run in this mode, or the model itself, which then raises again
    except Exception as error:  # noqa: BLE001
        log.info("the operators of the model cannot be watched: %s", first_line(error))
        return _by_classes(model, tensors, batch)
    letters = passages.infer(given)
    rows = [row.info(batch, letters.get(row.value.key, "")) for row in listing.rows]
    whole = [place for place, tensor in enumerate(tensors) if not tensor.is_floating_point()]
    indices = [place for place in passages.looked_up(given) if place in whole]
    return ModelDescription(tuple(letters.get(v.key, _unknown(v.shape)) for v in given), tuple(rows), tuple(indices))


def _by_classes(model: torch.nn.Module, tensors: Sequence[torch.Tensor], batch: set[int]) -> ModelDescription:
    torch = require("torch")
    with _listing(model) as listing, torch.no_grad():
        model(*tensors)
    is_signal = convolves_over_one_axis(model)

    def letters(rank: int) -> str:
        return "NCL" if rank == 3 and is_signal else PLAIN_AXES.get(rank, "")

    rows = tuple(row.info(batch, letters(len(row.value.shape))) for row in listing.rows)
    indices = [place for place, t in enumerate(tensors) if not t.is_floating_point() and takes_indices(model)]
    return ModelDescription(tuple(letters(t.ndim) or _unknown(t.shape) for t in tensors), rows, tuple(indices))


@dataclass
class _Output:
    """A tensor that a layer returned, and the operators that ran in the layer itself."""

    name: str
    module: Any
    value: Value
    operators: Sequence[str]

    def info(self, batch: set[int], axes: str) -> LayerInfo:
        shape = self.value.shape
        return LayerInfo(
            self.name,
            kind_of(self.module),
            (None, *shape[1:]) if shape and shape[0] in batch else shape,
            axes or _unknown(shape),
            parent=next(self.module.children(), None) is not None,
            role="" if "#" in self.name else role_of(self.operators, self.module),
        )


@dataclass
class _Listing:
    """Outputs of layers as they come, and the operators of the layers that are running, the innermost last."""

    rows: list[_Output] = field(default_factory=list)
    running: list[list[str]] = field(default_factory=list)
    value_of: Callable[[Any], Value] = field(default=lambda tensor: Value(id(tensor), tuple(tensor.shape)))

    def note(self, operator: str) -> None:
        if self.running:
            self.running[-1].append(operator)


@contextmanager
def _listing(model: torch.nn.Module) -> Iterator[_Listing]:
    """Inside, what the layers of a model return when it runs is listed; afterwards the model is as it was."""
    listing = _Listing()
    handles: list[Any] = []

    def enter(module: Any, args: Any) -> None:
        listing.running.append([])

    def leave(module: Any, args: Any, output: Any) -> None:
        listing.running.pop()

    def sink(name: str, module: Any, tensor: Any) -> None:
        listing.rows.append(_Output(name, module, listing.value_of(tensor), listing.running[-1]))

    with undisturbed(model), recording(model, sink):
        try:
            for name, module in model.named_modules():
                if name and not is_compiled(module):
                    handles.append(module.register_forward_pre_hook(enter, prepend=True))
                    handles.append(module.register_forward_hook(leave, always_call=True))
            yield listing
        finally:
            for handle in handles:
                handle.remove()


def _unknown(shape: Sequence[Any]) -> str:
    return "N" + "?" * (len(shape) - 1) if len(shape) else ""
