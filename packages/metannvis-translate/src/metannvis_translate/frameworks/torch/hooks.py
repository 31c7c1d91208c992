"""Hooks: which layer of a PyTorch model returned which tensor, recorded while the model runs."""

from __future__ import annotations

import itertools
import types
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.module_walk import modules_of
from metannvis_translate.process import patched

if TYPE_CHECKING:
    import torch

__all__ = [
    "backward_hooks",
    "backward_hooks_disabled",
    "call_name",
    "holds_packed",
    "is_compiled",
    "recording",
    "sound_batch_norms",
    "structure_of",
    "tensors_in",
]


def call_name(name: str, call: int, position: int = 0) -> str:
    """``conv``, ``conv:2`` for its second call, ``lstm#2`` for its second output tensor."""
    return name + (f":{call}" if call > 1 else "") + (f"#{position + 1}" if position else "")


def backward_hooks(model: Any) -> list[str]:
    """What of a model has hooks that gradients pass: modules by path, the model itself as such, parameters, and forward."""
    import torch

    if not isinstance(model, torch.nn.Module):
        return []
    found = [
        path or type(module).__name__
        for path, module in model.named_modules()
        if getattr(module, "_backward_hooks", None) or getattr(module, "_backward_pre_hooks", None)
    ]
    found += [name for name, parameter in model.named_parameters() if parameter._backward_hooks]
    hooking = {kind for kind in map(type, model.modules()) if _hooks_tensors(kind)}
    found += [
        f"{path}.forward" if path else "forward" for path, module in model.named_modules() if type(module) in hooking
    ]
    return found


def _hooks_tensors(kind: Any) -> bool:
    """Whether a method of a class, or of one that it is made of, calls ``register_hook``."""
    own = [base for base in kind.__mro__ if base.__module__.partition(".")[0] not in ("torch", "builtins")]
    codes = [getattr(value, "__code__", None) for base in own for value in vars(base).values()]
    while codes:
        code = codes.pop()
        if isinstance(code, types.CodeType):
            if "register_hook" in code.co_names:
                return True
            codes += code.co_consts
    return False


def _as_they_lie(gradients: tuple[torch.Tensor | None, ...]) -> tuple[torch.Tensor | None, ...]:
    return tuple(None if gradient is None else gradient.contiguous() for gradient in gradients)


@contextmanager
def backward_hooks_disabled(model: torch.nn.Module) -> Iterator[None]:
    """Inside, the gradients of a model that is known to have backward hooks are those of what it computes."""
    import torch

    if not backward_hooks(model):
        yield
        return
    kind: Any = torch.Tensor
    register = kind.register_hook

    def left_out(tensor: torch.Tensor, hook: Any) -> Any:
        return register(tensor, lambda gradient: None)

    names = ("_backward_hooks", "_backward_pre_hooks")
    kept = [
        (module, {name: vars(module)[name] for name in names if name in vars(module)}) for module in model.modules()
    ]
    try:
        for module, hooks in kept:
            vars(module).update({name: OrderedDict() for name in hooks})
        with patched(kind, "register_hook", left_out):
            yield
    finally:
        for module, hooks in kept:
            vars(module).update(hooks)


def tensors_in(output: Any) -> list[torch.Tensor]:
    """The tensors in what a module returns or a call is given, depth first."""
    import torch

    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, torch.nn.utils.rnn.PackedSequence):  # as many rows as lengths say: no tensor of a layer
        return []
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for item in output for tensor in tensors_in(item)]
    return []


def holds_packed(output: Any) -> bool:
    """Whether there is a packed sequence in what a module returns."""
    import torch

    if isinstance(output, torch.nn.utils.rnn.PackedSequence):
        return True
    entries = output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else ()
    return any(map(holds_packed, entries))


def structure_of(output: Any) -> Any:
    """A module's output with the place of each tensor among :func:`tensors_in` instead of the tensor.

    Tuples and lists are lists, keys are strings; what holds no tensor is left out, ``None`` if nothing does.
    """
    places = itertools.count()

    def walk(item: Any) -> Any:
        import torch

        if isinstance(item, torch.Tensor):
            return next(places)
        if isinstance(item, Mapping):
            entries = {str(key): walk(entry) for key, entry in item.items()}
            return {key: entry for key, entry in entries.items() if entry is not None} or None
        if isinstance(item, (tuple, list)):
            return [entry for entry in map(walk, item) if entry is not None] or None
        return None

    return walk(output)


def is_compiled(module: Any) -> bool:
    """Whether TorchScript compiled a module, which then runs outside Python and takes no hooks."""
    import torch

    return isinstance(module, torch.jit.ScriptModule)


@contextmanager
def recording(model: torch.nn.Module, sink: Callable[[str, torch.nn.Module, torch.Tensor], None]) -> Iterator[None]:
    """Call ``sink(name, module, tensor)`` for each tensor that each submodule returns, in execution order.

    Containers come behind what they hold. A module registered under two paths goes by the first. The hooks are gone
    afterwards, whatever happens.
    """
    calls: Counter[str] = Counter()
    handles = []

    def hook_for(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
            calls[name] += 1
            for position, tensor in enumerate(tensors_in(output)):
                sink(call_name(name, calls[name], position), module, tensor)

        return hook

    try:
        for name, module in model.named_modules():
            if name and not is_compiled(module):
                handles.append(module.register_forward_hook(hook_for(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def sound_batch_norms(model: torch.nn.Module, modules: Iterable[torch.nn.Module] | None = None) -> Iterator[None]:
    """Batch normalisations differentiate right, of a batch of one too; ``modules`` are the model's, if they were looked up.

    PyTorch (2.15 and before, on CPU) takes axes for one another where the single sample of an image, or the gradient that comes
    back, lies in memory as ``tokens.transpose(1, 2)`` does: neither channels first nor last. In plain order it is right.
    Whoever enters has the process (:func:`~metannvis_translate.process.exclusive`).
    """
    import torch

    kind = torch.nn.modules.batchnorm._BatchNorm
    if not any(isinstance(module, kind) for module in modules or modules_of(model)):
        yield
        return
    functional = torch.nn.functional
    theirs = functional.batch_norm

    def batch_norm(input: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:  # noqa: A002 - as PyTorch calls it
        if not input.ndim or input.shape[0] != 1:
            return theirs(input, *args, **kwargs)
        output = theirs(input.contiguous(), *args, **kwargs)
        if output.requires_grad:  # for a third of the time of a hook of the tensor's
            output.grad_fn.register_prehook(_as_they_lie)
        return output

    with patched(functional, "batch_norm", batch_norm):
        yield
