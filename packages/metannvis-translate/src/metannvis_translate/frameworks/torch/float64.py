"""Copies of PyTorch models in double precision."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.model_state import convert_plain_tensors

if TYPE_CHECKING:
    import torch
    from torch.overrides import TorchFunctionMode

__all__ = ["doubled"]


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


class _Open(threading.local):
    """Modes of the modules that run just now, the innermost last."""

    def __init__(self) -> None:
        self.modes: list[TorchFunctionMode] = []


_open = _Open()


def _enter(module: torch.nn.Module, args: Any) -> None:
    mode = _raised()()
    mode.__enter__()
    _open.modes.append(mode)


def _leave(module: torch.nn.Module, args: Any, output: Any) -> None:
    _open.modes.pop().__exit__(None, None, None)


@functools.cache
def _raised() -> type[TorchFunctionMode]:
    """A mode in which a call that asks for single precision is given double."""
    import torch
    from torch.overrides import TorchFunctionMode

    calls: dict[Any, Any] = {torch.Tensor.float: torch.Tensor.double, torch.Tensor.cfloat: torch.Tensor.cdouble}
    types = {torch.float32: torch.float64, torch.complex64: torch.complex128}

    def raised(value: Any) -> Any:
        return types.get(value, value) if isinstance(value, torch.dtype) else value

    class Raised(TorchFunctionMode):
        def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            return calls.get(func, func)(*map(raised, args), **{k: raised(v) for k, v in (kwargs or {}).items()})

    return Raised
