"""Model runs in PyTorch that leave no trace on the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.protocol import Run
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.hooks import recording, sound_batch_norms, tensors_in
from metannvis_translate.frameworks.torch.model_state import ModelState
from metannvis_translate.frameworks.torch.state import autocast_disabled, refuse_inference_tensors
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import torch

__all__ = ["layers_of", "run_model", "to_array", "to_tensors", "undisturbed"]

Array = np.ndarray[Any, Any]
#: Axes of what a layer returns, by its number of axes, for layers on images and for all others.
IMAGE_AXES = {2: "NF", 3: "NCL", 4: "NCHW", 5: "NCDHW"}
PLAIN_AXES = {1: "N", 2: "NF", 3: "NTF", 4: "NCHW", 5: "NCDHW"}


def to_array(tensor: torch.Tensor) -> Array:
    """A NumPy copy; ``bfloat16``, which NumPy lacks, as ``float32``."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
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
    state = ModelState(model)
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
        with recording(model, sink), sound_batch_norms(model), autocast_disabled():
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


def layers_of(model: torch.nn.Module, inputs: Sequence[Array]) -> tuple[LayerInfo, ...]:
    """Layers that run, in execution order, containers behind what they hold."""
    torch = require("torch")
    batch = {array.shape[0] for array in inputs if array.ndim}
    rows: list[LayerInfo] = []

    def sink(name: str, module: Any, tensor: Any) -> None:
        sizes: tuple[int | None, ...] = tuple(tensor.shape)
        if sizes and sizes[0] in batch:
            sizes = (None, *sizes[1:])
        kind = type(module).__name__
        if kind == "InterpreterModule":  # of an exported program: the class it was
            kind = str(module.type_name()).rpartition(".")[2]
        parent = next(module.children(), None) is not None
        rows.append(LayerInfo(name, kind, sizes, _axes(kind, tensor.ndim), parent=parent))

    with undisturbed(model), torch.no_grad(), recording(model, sink):
        model(*to_tensors(model, inputs))
    return tuple(rows)


def _axes(kind: str, rank: int) -> str:
    image = any(word in kind for word in ("Conv", "Pool", "BatchNorm", "InstanceNorm"))
    return (IMAGE_AXES if image else PLAIN_AXES).get(rank, "N" + "?" * (rank - 1) if rank else "")
