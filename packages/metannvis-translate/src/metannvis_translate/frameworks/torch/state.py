"""Modes and generators that PyTorch keeps for a thread or for the process. Imports nothing that is not loaded."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from metannvis_translate.errors import InvalidArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.torch.module_walk import modules_of, tensors_of, walk
from metannvis_translate.process import patched

__all__ = [
    "autocast_disabled",
    "generators",
    "on_processor",
    "plain_mode",
    "refuse_compiled",
    "refuse_inference_tensors",
]

#: Kinds of devices that autocast may be on for.
DEVICES = ("cpu", "cuda")


@contextmanager
def plain_mode() -> Iterator[None]:
    """Gradients on, and neither inference mode nor autocast, whatever the caller's code is in."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for device in DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def autocast_disabled() -> Iterator[list[str]]:
    """Inside, ``torch.autocast`` in a model's own code does nothing; the kinds of devices that it was asked for are listed.

    Whoever enters has the process (:func:`~metannvis_translate.process.exclusive`).
    """
    from torch.amp.autocast_mode import autocast

    asked: list[str] = []

    def enter(context: Any) -> Any:
        if context._enabled:
            asked.append(context.device)
        return context

    def leave(context: Any, *error: Any) -> None:
        return None

    with patched(autocast, "__enter__", enter), patched(autocast, "__exit__", leave):
        yield asked


@contextmanager
def on_processor() -> Iterator[None]:
    """What is made without a device is made on the processor: models are exported and built there.

    A model of the caller's runs where the caller is, whose ``forward`` may count on a default device.
    """
    import torch

    if torch.get_default_device().type == "cpu":
        yield
        return
    with torch.device("cpu"):
        yield


def refuse_inference_tensors(model: Any, modules: Iterable[Any] | None = None) -> None:
    """Raise ``InvalidArgumentError`` for weights that never have a gradient: made in inference mode, or not made at all."""
    try:
        if hasattr(model, "_modules"):
            if _all_are_there(modules_of(model) if modules is None else modules):
                return
            weights: Any = tensors_of(walk(model))
        else:  # an ExportedProgram
            weights = itertools.chain(model.named_parameters(), model.named_buffers())
        name, found = next(((name, x) for name, x in weights if x.is_inference() or x.is_meta), (None, None))
    except ValueError as error:
        raise InvalidArgumentError(
            "the model has lazy layers, whose weights are made when it runs first: call it on an input, then explain or "
            "translate it"
        ) from error
    if found is not None and found.is_meta:
        raise InvalidArgumentError(
            f"the model has no values for {name!r}: it is on the device 'meta'. Load its weights first, e.g. "
            "model.to_empty(device='cpu') and model.load_state_dict(...)"
        )
    if name is not None:
        raise InvalidArgumentError(
            f"the model was made inside torch.inference_mode(), so that nothing can be differentiated through {name!r}: make "
            "it, or take copy.deepcopy(model), outside"
        )


def _all_are_there(modules: Iterable[Any]) -> bool:
    """Whether all weights have values, and can have gradients; which one does not is another question."""
    import torch

    registries = [registry.values() for module in modules for registry in (module._parameters, module._buffers)]
    weights = [weight for weight in itertools.chain.from_iterable(registries) if weight is not None]
    return not any(map(torch.Tensor.is_inference, weights)) and not any(weight.is_meta for weight in weights)


def refuse_compiled(model: Any) -> None:
    """Refuse what TorchScript compiled: it runs outside Python, where no layer can be seen or compared."""
    import torch

    modules = model.named_modules() if isinstance(model, torch.nn.Module) else ()
    for path, module in modules:
        if isinstance(module, torch.jit.ScriptModule):
            raise UnsupportedOperatorError(
                type(module).__name__,
                layer=path or None,
                reason="it was compiled by TorchScript and runs outside Python, where its layers can be neither seen nor "
                "compared",
                hint="Translate the module that it was made from, or what torch.onnx.export(..., dynamo=False) makes of it: "
                "an .onnx file is a model here.",
            )


@contextmanager
def generators(seed: int | None) -> Iterator[None]:
    """The global generators, those of accelerators in use too, are put back; seeded inside if there is a seed."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    # to ask a device that nobody has used for its generator would start it
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(devices)):
        if seed is not None:
            torch.manual_seed(seed)
        yield
