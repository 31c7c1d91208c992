"""PyTorch models. :func:`metannvis_methods.models.registry.adapter_for` imports this, after the framework."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from metannvis_translate.errors import first_line
from metannvis_translate.frameworks.torch import (
    convolves_over_one_axis,
    framework,
    modules_of,
    refuse_inference_tensors,
    sound_batch_norms,
    takes_indices,
    walk,
)

from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError
from metannvis_methods.models.arrays import numbers, to_numpy
from metannvis_methods.models.base import Array, Listener, logger
from metannvis_methods.models.final_activation import FinalActivation
from metannvis_methods.models.structures import leaves
from metannvis_methods.models.torch_devices import HalfPrecision, available, current, moved
from metannvis_methods.models.torch_dropout import TorchDropout
from metannvis_methods.models.torch_leading import leading_values
from metannvis_methods.models.torch_names import NamedModules, parameters_of
from metannvis_methods.models.torch_overhearing import overhearing
from metannvis_methods.models.torch_pieces import InPieces
from metannvis_methods.models.torch_state import fingerprint_of, state_of, structure_of
from metannvis_methods.models.torch_taps import tapped
from metannvis_methods.models.torch_view import ViewedModule
from metannvis_methods.models.torch_weights import weights_of
from metannvis_methods.models.view import View
from metannvis_methods.models.weights import Weight

__all__ = ["adapter"]

AXES = {2: "NF", 3: "NTF", 4: "NCHW", 5: "NCDHW"}


class TorchAdapter(TorchDropout):
    """PyTorch modules."""

    key = "torch"
    bounds_rows = True
    no_autocast = ""
    tells_passes = True

    def __init__(self) -> None:
        #: Places of the inputs that a model was seen to look up in a table.
        self._indices: WeakKeyDictionary[Any, frozenset[int]] = WeakKeyDictionary()
        #: By the identity of a guarded model, attributes of the modules that work in place when it is not.
        self._in_place: dict[int, list[dict[str, Any]]] = {}

    def is_model(self, model: Any) -> bool:
        """An ``nn.Module``; an ``ExportedProgram`` is none."""
        return isinstance(model, torch.nn.Module)

    def open(self, model: Any) -> tuple[Any, Mapping[str, Any]]:
        """The model itself, and every module in it by its dotted name."""
        return model, NamedModules(model)

    def in_pieces(self, model: Any, size: int, tell: Callable[[], None]) -> Any:
        """A module that hands on so many samples at a time."""
        return InPieces(model, size, tell)

    def layer_name(self, model: Any, layer: Any) -> str:
        """Dotted name of a module of the model."""
        names = {id(module): name for name, module in model.named_modules() if name}
        if id(layer) not in names:
            raise UnknownLayerError(f"{type(layer).__name__}(…)", names.values())
        return names[id(layer)]

    def float_dtype(self, model: Any) -> str | None:
        """Dtype of the first floating weight."""
        return str(_like(model).dtype).removeprefix("torch.")

    def as_input(self, model: Any, value: Any, index: int) -> torch.Tensor:
        """A tensor of the weights' dtype and device.

        Whole numbers stay whole numbers if the model declares them, or looks them up in a table; otherwise they are counts or
        pixels.
        """
        like = _like(model)
        declared = framework.declared_inputs(model)
        with torch.inference_mode(False):  # a tensor made in inference mode could never have a gradient
            tensor = _tensor(value)
            if index < len(declared):
                dtype = getattr(torch, declared[index].dtype)
                return tensor.to(like.device, like.dtype if dtype.is_floating_point else dtype)
            if not tensor.is_floating_point() and self._is_index(model, index):
                return tensor.to(like.device)
            return tensor.to(like.device, like.dtype)

    def as_activation(self, model: Any, value: Any) -> torch.Tensor:
        """A tensor of the weights' dtype and device."""
        like = _like(model)
        with torch.inference_mode(False):
            return _tensor(value).to(like.device, like.dtype)

    def as_inputs(self, model: Any, values: Sequence[Any]) -> tuple[torch.Tensor, ...]:
        """As :meth:`as_input`; which of several inputs a model looks up in a table is seen by running it on all of them."""
        asks = isinstance(model, torch.nn.Module) and not framework.declared_inputs(model)
        if asks and not all(map(_is_floating, values)):
            self._learn_indices(model, [_tensor(value) for value in values])
        return super().as_inputs(model, values)

    def _learn_indices(self, model: torch.nn.Module, tensors: Sequence[torch.Tensor]) -> None:
        try:
            found = framework.describe(model, [to_numpy(tensor) for tensor in tensors]).indices
        except Exception as error:  # noqa: BLE001  # whatever the model raises on whole numbers that it does not take
            logger.info("the model does not run on whole numbers: %s", first_line(error))
            self._indices.pop(model, None)
            return
        self._indices[model] = frozenset(found)

    def _is_index(self, model: Any, index: int) -> bool:
        known = self._indices.get(model)
        return takes_indices(model) if known is None else index in known

    def as_index(self, model: Any, value: Any) -> torch.Tensor:
        """A tensor of int64 on the weights' device."""
        return _tensor(value).to(_like(model).device, torch.int64)

    def normal(self, shape: Sequence[int]) -> Array:
        """Drawn by PyTorch's global generator, as Captum's ``NoiseTunnel`` does."""
        return to_numpy(torch.empty(tuple(shape)).normal_())

    def same_kind(self, tensor: Any, array: Array) -> torch.Tensor:
        """A tensor of that dtype and device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(tensor)

    def is_floating(self, tensor: Any) -> bool:
        """Whether a tensor can have a gradient."""
        return bool(tensor.is_floating_point())

    def calls(self, model: Any, layer: Any, inputs: Sequence[Any]) -> int:
        """How often a module is called in one run; needs inputs to find out."""
        if not inputs:
            return 1
        seen: list[None] = []
        with self.guarded(model):
            layer.register_forward_hook(lambda *_: seen.append(None))
            self.predict(model, inputs)
        return len(seen)

    def input_names(self, model: Any) -> tuple[str, ...]:
        """As an exported program declares them, else the parameters of ``forward``."""
        if declared := framework.declared_inputs(model):
            return tuple(port.name for port in declared)
        if not isinstance(model, torch.nn.Module):
            return ()
        parameters = parameters_of(model.forward).values()
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return tuple(parameter.name for parameter in parameters if parameter.kind in kinds)

    def required_inputs(self, model: Any) -> int:
        """Those without a default."""
        if framework.declared_inputs(model) or not isinstance(model, torch.nn.Module):
            return super().required_inputs(model)
        known = parameters_of(model.forward)
        return sum(known[name].default is inspect.Parameter.empty for name in self.input_names(model))

    def predict(self, model: Any, inputs: Sequence[Any]) -> list[Array]:
        """The model's output tensors, in order; a model that refuses its inputs is the caller's mistake."""
        return [array for _, array in self.outputs(model, inputs)]

    def outputs(self, model: Any, inputs: Sequence[Any]) -> list[tuple[str, Array]]:
        """Tensors in whatever ``forward`` returns, with their paths."""
        try:
            with torch.no_grad():
                output = model(*inputs)
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
            given = ", ".join(f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}" for tensor in inputs)
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InvalidArgumentError(
                f"the model does not run on inputs of shape {given}, the first axis counting samples: {first}"
            ) from error
        return [(path, to_numpy(tensor)) for path, tensor in leaves(output, torch.is_tensor)]

    def can_tell_passes(self, model: Any) -> bool:
        """Of what Python runs as it is: a hook would make a compiled module be compiled anew."""
        return type(model).__name__ != "OptimizedModule" and not isinstance(model, torch.jit.ScriptModule)

    def overhearing(self, model: Any, listener: Listener) -> AbstractContextManager[None]:
        """By hooks on the model."""
        return overhearing(model, listener)

    def same_rows(self, given: Any, inputs: Any, count: int, start: int) -> bool:
        """Without a look at the derivatives."""
        if not torch.is_tensor(given) or not torch.is_tensor(inputs) or given.dtype != inputs.dtype:
            return False
        if given is inputs and count == len(given) and not start:
            return True
        return given.device == inputs.device and torch.equal(given[:count], inputs[start : start + count])

    def view(self, model: Any, view: View) -> Any:
        """A module around the model."""
        return ViewedModule(model, view)

    def ends_in_probabilities(self, model: Any, place: int, inputs: Sequence[Any]) -> bool:
        """Seen by running it on one row."""
        with torch.no_grad(), FinalActivation() as final:
            output = model(*(x[:1] for x in inputs))
            tensors = [tensor for _, tensor in leaves(output, torch.is_tensor)]
            return place < len(tensors) and final.before(tensors[place]) is not None

    def layer_gradients(self, model: Any, layers: Sequence[Any], inputs: Sequence[Any]) -> list[Array | None]:
        """By autograd; the model is guarded."""
        returned: dict[int, torch.Tensor] = {}

        def keep(layer: Any, given: Any, output: Any) -> None:
            if torch.is_tensor(output) and output.requires_grad:
                returned.setdefault(id(layer), output)

        with torch.enable_grad():
            hooks = [layer.register_forward_hook(keep) for layer in layers]
            moved = [x.detach().requires_grad_() if x.is_floating_point() else x for x in inputs]
            output = next(tensor for _, tensor in leaves(model(*moved), torch.is_tensor))
            for hook in hooks:
                hook.remove()
            if not returned or not output.requires_grad:
                return [None] * len(layers)
            score = output.reshape(len(output), -1).amax(1).sum()
            found = torch.autograd.grad(score, list(returned.values()), allow_unused=True)
        by_layer = dict(zip(returned, found, strict=True))
        return [None if (g := by_layer.get(id(layer))) is None else to_numpy(g) for layer in layers]

    def layers_of(self, model: Any) -> Mapping[str, Any]:
        """Modules by their dotted names."""
        return dict(model.named_modules())

    def weights(self, model: Any) -> Mapping[str, Sequence[Weight]]:
        """Parameters; buffers are none."""
        return weights_of(walk(model))

    def embedded(self, model: Any, layer: Any, inputs: Sequence[Any]) -> torch.Tensor:
        """The layer's output of its first call."""
        seen: list[torch.Tensor] = []
        hook = layer.register_forward_hook(lambda _, given, output: seen.append(output))
        try:
            self.outputs(model, inputs)
        finally:
            hook.remove()
        return seen[0].detach()

    def tapped(self, layer: Any, place: int) -> torch.nn.Module:
        """An identity through which that tensor passes from now on; the guard takes it out again."""
        return tapped(layer, place)

    def scored(self, function: Callable[[Any], Any], output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """The function is called with a tensor that requires a gradient."""
        with torch.enable_grad():
            tensor = torch.from_numpy(output.copy()).requires_grad_(output.dtype.kind == "f")
            value = function(tensor)
        if not isinstance(value, torch.Tensor):
            value = torch.as_tensor(numbers(value))

        def derivative(cotangent: Array) -> Array:
            if not value.requires_grad:
                raise InvalidArgumentError(
                    "the target function has no gradient: compute it from the output with PyTorch, or take a method "
                    "that needs predictions only"
                )
            (found,) = torch.autograd.grad(value, tensor, torch.from_numpy(cotangent.copy()), retain_graph=True)
            return to_numpy(found)

        return to_numpy(value), derivative

    def leading_values(self, model: Any, inputs: Sequence[Array], place: int) -> list[tuple[Array, Array | None]]:
        """Seen by running it up to there."""
        module = model if isinstance(model, torch.nn.Module) else model.module()
        tensors = self.as_inputs(module, inputs)
        with self.guarded(module):
            return leading_values(module, tensors, place)

    def devices(self) -> tuple[str, ...]:
        """The processor and what PyTorch knows beside it."""
        return available()

    def on_device(self, model: Any, device: str | None) -> AbstractContextManager[None]:
        """The module's tensors are there within."""
        return nullcontext() if device is None or not self.is_model(model) else moved(model, device)

    def half_precision(self, model: Any, name: str) -> HalfPrecision:
        """By ``torch.autocast``."""
        return HalfPrecision(name, _like(model).device.type)

    def needs_examples(self, model: Any) -> bool:
        """A module says nothing of its inputs."""
        return callable(model)

    def input_axes(self, model: Any, shape: Sequence[int | None]) -> str:
        """Channels first; three axes are a signal if the model has a layer for signals, else a sequence."""
        rank = len(shape)
        if rank == 3 and isinstance(model, torch.nn.Module) and convolves_over_one_axis(model):
            return "NCL"
        return AXES.get(rank, super().input_axes(model, shape))

    def layer_axes(self, model: Any, layer: Any, shape: Sequence[int | None]) -> str:
        """As for an input."""
        return self.input_axes(model, shape)

    def fingerprint(self, model: Any) -> str:
        """Weights, buffers, structure, options and modes."""
        try:
            return fingerprint_of(model)
        except (ValueError, NotImplementedError):  # of weights that are not there yet
            refuse_inference_tensors(model)
            raise

    def structure(self, model: Any) -> Hashable:
        """Modules by identity, with what they keep as plain values and functions."""
        return structure_of(model)

    def state(self, model: Any) -> Callable[[], None]:
        """Modes, hooks, submodules, gradients, and whatever state ``forward`` changes."""
        return state_of(model)

    @contextmanager
    def guarded(self, model: Any) -> Iterator[Callable[[], None]]:
        """Evaluation mode, gradients on, nothing in place; afterwards everything is back."""
        modules = modules_of(model)
        refuse_inference_tensors(model, modules)
        put_back = state_of(model, modules)
        before = self._in_place.get(id(model))
        self._in_place[id(model)] = in_place = list[dict[str, Any]]()
        try:
            for module in modules:
                attributes = module.__dict__
                if attributes.get("training") is not False:
                    if "training" in attributes:
                        attributes["training"] = False  # eval() is refused by an exported program
                    else:  # TorchScript has it elsewhere
                        module.training = False
                if attributes.get("inplace") is True:
                    attributes["inplace"] = False  # what the layer before it returned would be overwritten
                    in_place.append(attributes)
            with torch.inference_mode(False), torch.enable_grad(), sound_batch_norms(model, modules):
                yield put_back
        finally:
            put_back()
            if before is None:
                del self._in_place[id(model)]
            else:
                self._in_place[id(model)] = before

    @contextmanager
    def lightly_guarded(self, model: Any) -> Iterator[Callable[[], None]]:
        """Without a look at attributes and tensors: no layer of a translated model changes any."""
        modules = modules_of(model)
        training = [module for module in modules if module.training]
        try:
            for module in training:
                module.training = False
            with torch.inference_mode(False), torch.enable_grad(), sound_batch_norms(model, modules):
                yield lambda: None
        finally:
            for module in training:
                module.training = True

    def let_overwrite(self, model: Any) -> None:
        """As the model has it, but that its inputs are copied first."""
        in_place = self._in_place.get(id(model))
        if not in_place or not self.can_tell_passes(model):
            return
        for attributes in in_place:
            attributes["inplace"] = True
        model.register_forward_pre_hook(lambda _, given: tuple(x.clone() if torch.is_tensor(x) else x for x in given))


def _like(model: torch.nn.Module) -> torch.Tensor:
    """A tensor that has the dtype and device inputs should have."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    first = next(tensors, None)
    if first is None:
        return torch.empty(0, device=current())
    found = next((tensor for tensor in itertools.chain((first,), tensors) if tensor.is_floating_point()), None)
    return torch.empty(0, device=first.device) if found is None else found


def _is_floating(value: Any) -> bool:
    return value.is_floating_point() if isinstance(value, torch.Tensor) else to_numpy(value).dtype.kind == "f"


def _tensor(value: Any) -> torch.Tensor:
    """A copy of a value, detached."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone() if value.layout is torch.strided else value.detach().to_dense()
    return torch.from_numpy(np.array(to_numpy(value)))


adapter = TorchAdapter()
