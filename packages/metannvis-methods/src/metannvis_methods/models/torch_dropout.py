"""Dropout of PyTorch modules, under masks: modules and functions alike, caught where they call the function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.dropout import DropoutMask, DropoutMasks, DropoutSite, SiteCall, sites_of
from metannvis_methods.models.torch_dropout_inside import INSIDE

__all__ = ["TorchDropout"]

#: Functions that drop: the kind, and whether a channel drops as a whole.
FUNCTIONS: dict[Any, tuple[str, bool]] = {
    functional.dropout: ("inverted", False),
    functional.dropout1d: ("inverted", True),
    functional.dropout2d: ("inverted", True),
    functional.dropout3d: ("inverted", True),
    functional.alpha_dropout: ("alpha", False),
    functional.feature_alpha_dropout: ("alpha", True),
    torch.dropout: ("inverted", False),
    torch.feature_dropout: ("inverted", True),
    torch.alpha_dropout: ("alpha", False),
    torch.feature_alpha_dropout: ("alpha", True),
}
#: Modules that drop, or hold what drops.
HOLDERS = (torch.nn.modules.dropout._DropoutNd, torch.nn.MultiheadAttention, torch.nn.RNNBase)
#: Name of functions that no such module calls.
FUNCTION = "functional.dropout"


class TorchDropout(ModelAdapter):
    """The part of the model adapter that drops."""

    def dropout_sites(self, model: Any, inputs: Sequence[Any]) -> tuple[DropoutSite, ...]:
        """Of what Python runs as it is, modules and functions."""
        return _sites(model, inputs) if self.is_model(model) and self.can_tell_passes(model) else ()

    @contextmanager
    def dropping(self, model: Any, masks: DropoutMasks) -> Iterator[Any]:
        """By a mode of functions, and hooks that tell which module calls one."""

        def handle(name: str, kind: str, rate: float, by_channel: bool, tensor: Any) -> Any:
            mask = masks.next(name)
            return tensor if mask is None else _dropped(tensor, mask)

        with _caught(model, handle, masks.begin_pass):
            yield model

    def maskable(self, model: Any, layer: Any) -> Any:
        """An identity becomes a dropout, for which relevance propagation has rules."""
        if type(layer) is not torch.nn.Identity:
            return layer
        path, _, name = self.layer_name(model, layer).rpartition(".")
        dropout = torch.nn.Dropout()
        dropout.training = layer.training
        setattr(model.get_submodule(path), name, dropout)
        return dropout

    @contextmanager
    def masking(self, layers: Sequence[tuple[Any, Callable[[], DropoutMask | None]]]) -> Iterator[None]:
        """By hooks."""
        with ExitStack() as stack:
            for layer, mask_of in layers:

                def hook(_: Any, given: Any, output: Any, mask_of: Callable[[], DropoutMask | None] = mask_of) -> Any:
                    mask = mask_of()
                    return output if mask is None else _dropped(output, mask)

                stack.callback(layer.register_forward_hook(hook).remove)
            yield


class _Caught(TorchFunctionMode):
    """Every dropout function goes to ``handle(name, kind, rate, by_channel, tensor)`` instead."""

    def __init__(self, handle: Callable[[str, str, float, bool, Any], Any]) -> None:
        super().__init__()
        self.handle = handle
        self.inside: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in INSIDE:
            return INSIDE[func](func, self, *args, **kwargs)
        if func not in FUNCTIONS:
            return func(*args, **kwargs)
        tensor = args[0] if args else kwargs["input"]
        rate = float(args[1] if len(args) > 1 else kwargs.get("p", 0.5))
        if not rate:
            return tensor
        kind, by_channel = FUNCTIONS[func]
        return self.handle(self.inside[-1] if self.inside else FUNCTION, kind, rate, by_channel, tensor)


@contextmanager
def _caught(
    model: torch.nn.Module, handle: Callable[[str, str, float, bool, Any], Any], begin: Callable[[], None]
) -> Iterator[None]:
    """Within, dropout is handled so, and ``begin`` is called before each pass through the model."""
    mode = _Caught(handle)
    with ExitStack() as stack:
        hook = model.register_forward_pre_hook(lambda *_: begin())
        stack.callback(hook.remove)
        for name, module in model.named_modules():
            if isinstance(module, HOLDERS):
                enter = module.register_forward_pre_hook(lambda *_, name=name: mode.inside.append(name))
                leave = module.register_forward_hook(lambda *_: mode.inside.pop() and None, always_call=True)
                stack.callback(enter.remove)
                stack.callback(leave.remove)
        stack.enter_context(mode)
        yield


def _sites(model: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> tuple[DropoutSite, ...]:
    """Where a guarded model drops, seen by running it on one sample and on two that are the same."""
    modules = dict(model.named_modules())

    def calls(count: int) -> list[SiteCall]:
        seen: list[SiteCall] = []

        def handle(name: str, kind: str, rate: float, by_channel: bool, tensor: Any) -> Any:
            together = tuple(range(2, tensor.ndim)) if by_channel else ()
            inside = isinstance(modules.get(name), HOLDERS[1:])
            seen.append(SiteCall(name, kind, rate, tuple(tensor.shape), together, inside))
            return tensor

        with torch.no_grad(), _caught(model, handle, seen.clear):
            model(*(x[:1].repeat(count, *[1] * (x.ndim - 1)) for x in inputs))
        return seen

    return sites_of(calls(1), calls(2))


def _dropped(tensor: torch.Tensor, mask: DropoutMask) -> torch.Tensor:
    repeats = mask.repeats(tuple(tensor.shape))

    def fitted(array: Any) -> torch.Tensor:
        found = torch.from_numpy(array).to(tensor)
        return found if repeats is None else found.repeat(*(r or 1 for r in repeats))

    scaled = tensor * fitted(mask.scale)
    return scaled if mask.shift is None else scaled + fitted(mask.shift)
