"""Whether a model that stops gradients can be told as a graph: it is run once more, eagerly and with gradients, to find out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.torch.exporter.stop_gradient import (
    CUTS,
    SAME,
    Region,
    forward_of,
    functions_opened,
    is_cut,
    is_data,
    name_of,
    torch_function_disabled,
)
from metannvis_translate.frameworks.torch.hooks import tensors_in
from metannvis_translate.graph.stack_trace import line_of_error

if TYPE_CHECKING:
    import torch

__all__ = ["check_stops"]

BY_HAND = "A graph of operators has their derivatives: write it with x.detach(), as in y + (x - y).detach()."


class _OtherwiseError(Exception):
    """What a copy without history does not do, and what to do about it."""

    def __init__(self, reason: str, hint: str = "Make a new tensor there (x.detach().clone()).") -> None:
        super().__init__(reason)
        self.hint = hint


def check_stops(model: torch.nn.Module, call: Callable[[torch.nn.Module], Any]) -> None:
    """Run the model with gradients, and refuse what is not the same with the operator in those places.

    Parameters
    ----------
    model
        A copy that may be changed.
    call
        Calls it on example inputs that require gradients.

    Raises
    ------
    UnsupportedOperatorError
        A tensor that shares its memory with one that was cut off is changed in place, or one that has a gradient is changed
        without; or a ``torch.autograd.Function`` has another derivative than what it computes.
    """
    import torch

    for tensor in model.parameters():
        tensor.requires_grad_(tensor.is_floating_point())
    try:
        with torch.enable_grad(), functions_opened(_compare_function), _watching():
            call(model)
    except _OtherwiseError as error:
        where, module = line_of_error(error)
        paths = {id(part): path for path, part in model.named_modules()}
        raise UnsupportedOperatorError(
            type(model).__name__, layer=paths.get(id(module)), where=where, reason=str(error), hint=error.hint
        ) from error


def _watching() -> Any:
    from torch.overrides import TorchFunctionMode

    #: memory of tensors that were cut off while another tensor uses it too; the tensors, so that it stays theirs
    shared: dict[int, torch.Tensor] = {}
    region = Region()

    class Watching(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            given = tensors_in((args, kwargs))
            had = [(tensor, version_of(tensor), tensor.requires_grad) for tensor in given]
            result = func(*args, **kwargs)
            name = name_of(func)
            for tensor, version, required in had:
                if version_of(tensor) == version or name == "detach_":
                    continue
                if memory_of(tensor) in shared:
                    raise _OtherwiseError(f"{name} changes a tensor in place that shares memory with a detached one")
                if is_cut() and required:
                    raise _OtherwiseError(f"{name} changes a tensor in place while gradients are off")
            if not is_cut():
                region.clear()
            if not (is_data(func) or name in CUTS or is_cut()) or region.holds(given):
                return region.add(result) if is_cut() else result
            for tensor in tensors_in(result):
                origin = next((old for old, _, _ in had if old is tensor), None)
                if origin is None or name not in SAME:
                    region.add(tensor)
                if origin is None:
                    if tensor.is_floating_point() and any(memory_of(tensor) == memory_of(old) for old in given):
                        shared[memory_of(tensor)] = tensor
                elif name != "detach_":
                    changed = any(old is tensor and version_of(old) != version for old, version, _ in had)
                    if changed == (name in SAME) and tensor.requires_grad:
                        raise _OtherwiseError(f"{name} is called while gradients are off")
            return result

    return Watching()


def version_of(tensor: torch.Tensor) -> int:
    """How often a tensor was changed in place."""
    return -1 if tensor.is_inference() else tensor._version


def memory_of(tensor: torch.Tensor) -> int:
    """Where a tensor's elements lie."""
    return int(tensor.untyped_storage().data_ptr())


def _compare_function(cls: Any, apply: Callable[..., Any], args: tuple[Any, ...]) -> None:
    import torch

    def is_float(value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.is_floating_point()

    def gradients(call: Callable[..., Any]) -> list[torch.Tensor]:
        leaves = [v.detach().clone().requires_grad_() if is_float(v) else v for v in args]
        # not the leaves themselves, which cannot be changed in place
        found = [t for t in tensors_in(call(*(v * 1 if is_float(v) else v for v in leaves))) if is_float(t)]
        ends = [t for t in found if t.requires_grad]
        wanted = [v for v in leaves if is_float(v)]
        generator = torch.Generator().manual_seed(0)
        weights = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in ends]
        given = (
            torch.autograd.grad(ends, wanted, weights, allow_unused=True) if ends and wanted else [None] * len(wanted)
        )
        return [torch.zeros_like(v) if g is None else g for v, g in zip(wanted, given, strict=True)]

    name = f"the derivative of torch.autograd.Function {cls.__name__} is written by hand"
    try:
        with torch_function_disabled(), torch.enable_grad():
            pairs = list(zip(gradients(apply), gradients(functools.partial(forward_of, cls)), strict=True))
    except Exception as error:
        # whatever the user's own code raises
        raise _OtherwiseError(
            f"{name}, and could not be compared with that of what it computes ({error})", BY_HAND
        ) from error
    for by_hand, of_code in pairs:
        if not torch.allclose(
            by_hand, of_code, rtol=1e-3, atol=1e-4 * float(of_code.abs().max()) if of_code.numel() else 0
        ):
            raise _OtherwiseError(f"{name}, and is not that of what it computes", BY_HAND)
