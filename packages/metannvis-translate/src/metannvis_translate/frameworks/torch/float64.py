"""Copies of PyTorch models in double precision, and of those in half in single."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.model_copies import convert_plain_tensors

if TYPE_CHECKING:
    import torch
    from torch.overrides import TorchFunctionMode

__all__ = ["doubled", "singled"]


def doubled(module: torch.nn.Module) -> torch.nn.Module:
    """The module made double, in place.

    Where its own code asks for single precision (``x.float()``, ``softmax(dtype=torch.float32)``, the types in the graph of an
    exported program), it computes in double as well: the copy is there to prove that two models are one function, and rounding
    on the way would hide differences. A module that is in double precision already means its casts, and keeps them.
    """
    torch = require("torch")
    floats = [tensor.dtype for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()]
    is_double = bool(floats) and all(dtype == torch.float64 for dtype in floats)
    if not is_double and not isinstance(module, torch.jit.ScriptModule):  # which runs outside Python
        # hooks, for a copy of the module has them too
        module.register_forward_pre_hook(_enter, prepend=True)
        module.register_forward_hook(_leave, always_call=True)
    module = module.double()
    if not is_double and not isinstance(module, torch.jit.ScriptModule):
        # what double() leaves: tensors that are no buffers
        raised = {torch.float16, torch.bfloat16, torch.float32}
        convert_plain_tensors(module, lambda tensor: tensor.double() if tensor.dtype in raised else tensor)
    return module


def singled(module: torch.nn.Module) -> bool:
    """Make a module that holds half precision single, in place, as well as what its code asks for; whether it held any."""
    torch = require("torch")
    halves = {torch.float16, torch.bfloat16}
    if not any(tensor.dtype in halves for tensor in (*module.parameters(), *module.buffers())):
        return False
    if not isinstance(module, torch.jit.ScriptModule):
        module.register_forward_pre_hook(_enter_single, prepend=True)
        module.register_forward_hook(_leave, always_call=True)
        convert_plain_tensors(module, lambda tensor: tensor.float() if tensor.dtype in halves else tensor)
    module.float()
    return True


class _Open(threading.local):
    """Modes of the modules that run just now, the innermost last."""

    def __init__(self) -> None:
        self.modes: list[TorchFunctionMode] = []


_open = _Open()


def _enter(module: torch.nn.Module, args: Any) -> None:
    _open_mode("float64")


def _enter_single(module: torch.nn.Module, args: Any) -> None:
    _open_mode("float32")


def _open_mode(dtype: str) -> None:
    mode = _raised(dtype)()
    mode.__enter__()
    _open.modes.append(mode)


def _leave(module: torch.nn.Module, args: Any, output: Any) -> None:
    _open.modes.pop().__exit__(None, None, None)


@functools.cache
def _raised(dtype: str) -> type[TorchFunctionMode]:
    """A mode in which a call that asks for single precision is given double, or one that asks for half single."""
    import torch
    from torch.overrides import TorchFunctionMode

    calls: dict[Any, Any] = {torch.Tensor.float: torch.Tensor.double, torch.Tensor.cfloat: torch.Tensor.cdouble}
    types = {torch.float32: torch.float64, torch.complex64: torch.complex128}
    if dtype == "float32":
        calls = {torch.Tensor.half: torch.Tensor.float, torch.Tensor.bfloat16: torch.Tensor.float}
        types = {torch.float16: torch.float32, torch.bfloat16: torch.float32}

    def raised(value: Any) -> Any:
        return types.get(value, value) if isinstance(value, torch.dtype) else value

    class Raised(TorchFunctionMode):
        def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            return calls.get(func, func)(*map(raised, args), **{k: raised(v) for k, v in (kwargs or {}).items()})

    return Raised
