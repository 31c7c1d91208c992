"""Canonical form: whether methods that hook on module types are right on a PyTorch model as it stands.

DeepLift, guided backpropagation, deconvolution and LRP replace gradients by hooks on ``nn.ReLU`` and its like. An activation
that is called as a function, a module that is called twice and one that works in place make them wrong without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.run import Array, to_tensors, undisturbed

if TYPE_CHECKING:
    import torch

__all__ = ["reasons"]

#: Functions that have a module, by their names without underscores in front and behind, and the modules they are right in.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "relu": ("ReLU",), "relu6": ("ReLU6",), "hardtanh": ("Hardtanh", "ReLU6"), "elu": ("ELU",), "selu": ("SELU",),
    "celu": ("CELU",), "leaky_relu": ("LeakyReLU",), "rrelu": ("RReLU",), "prelu": ("PReLU",), "gelu": ("GELU",),
    "silu": ("SiLU",), "mish": ("Mish",), "hardswish": ("Hardswish",), "hardsigmoid": ("Hardsigmoid",),
    "softplus": ("Softplus",), "softsign": ("Softsign",), "tanh": ("Tanh",), "sigmoid": ("Sigmoid",),
    "logsigmoid": ("LogSigmoid",), "softmax": ("Softmax", "Softmax2d"), "log_softmax": ("LogSoftmax",),
    "threshold": ("Threshold",), "hardshrink": ("Hardshrink",), "softshrink": ("Softshrink",), "glu": ("GLU",),
    **{f"{kind}_pool{n}d": (f"{name}Pool{n}d",) for kind, name in (
        ("max", "Max"), ("avg", "Avg"), ("adaptive_max", "AdaptiveMax"), ("adaptive_avg", "AdaptiveAvg")
    ) for n in (1, 2, 3)},
}  # fmt: skip
MODULES = frozenset(name for names in FUNCTIONS.values() for name in names)
#: What relevance propagation would have to see as a module, too, and the modules that it does.
ADDITIONS = ("add", "__add__", "__radd__", "__iadd__", "add_")
ADDERS = (
    "metannvis_translate.frameworks.torch.importer.modules.Add",
    "captum.attr._utils.custom_modules.Addition_Module",
)
#: Modules that only move elements, which relevance propagation has no rule for and would pass if they were functions.
PLUMBING = frozenset((
    "Flatten", "Unflatten", "Identity", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d", "PixelShuffle", "PixelUnshuffle",
    "ChannelShuffle", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout",
))  # fmt: skip


def reasons(model: torch.nn.Module, inputs: Sequence[Array], *, relevance: bool = False) -> list[str]:
    """What stands against hooks on module types, for people; empty if nothing does.

    Parameters
    ----------
    relevance
        Whether it is for layer-wise relevance propagation: additions have to be modules as well, and what only moves
        elements must not be one.
    """
    torch = require("torch")
    from torch.overrides import TorchFunctionMode

    if any(type(module).__name__ == "InterpreterModule" for module in model.modules()):
        return ["it is an exported program, whose layers are functions"]
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return ["TorchScript compiled it, so that hooks see none of its layers"]
    stack: list[tuple[str, str]] = [("", type(model).__name__)]
    adders = {name for name, module in model.named_modules() if _full_name(module) in ADDERS}
    found: dict[str, None] = {}

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            layer, kind = stack[-1]
            name = getattr(func, "__name__", "")
            plain = name.removesuffix("_with_indices").strip("_")
            where = f"layer {layer!r} ({kind})" if layer else kind
            if kind not in FUNCTIONS.get(plain, (kind,)):
                found[f"{where} calls {plain} as a function"] = None
            elif relevance and name in ADDITIONS and layer not in adders and _two_tensors(args):
                found[f"{where} adds as a function"] = None
            return func(*args, **(kwargs or {}))

    def _two_tensors(args: Sequence[Any]) -> bool:
        return len(args) > 1 and all(isinstance(a, torch.Tensor) and a.is_floating_point() for a in args[:2])

    calls: Counter[str] = Counter()
    with undisturbed(model), torch.no_grad(), _following(model, stack, calls), Watch():
        model(*to_tensors(model, inputs))
    for name, module in model.named_modules():
        if (
            relevance
            and calls[name]
            and _full_name(module).startswith("torch.nn.")
            and type(module).__name__ in PLUMBING
        ):
            found[f"layer {name!r} ({type(module).__name__}) only moves elements"] = None
        if type(module).__name__ not in MODULES and not (relevance and name in adders):
            continue
        if calls[name] > 1:
            found[f"layer {name!r} ({type(module).__name__}) is called {calls[name]} times"] = None
        if calls[name] and getattr(module, "inplace", False):
            found[f"layer {name!r} ({type(module).__name__}) works in place"] = None
    return list(found)


def _full_name(module: torch.nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


@contextmanager
def _following(model: torch.nn.Module, stack: list[tuple[str, str]], calls: Counter[str]) -> Iterator[None]:
    """Keep the stack of modules that are being called up to date."""
    handles = []

    def enter(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any) -> None:
            calls[name] += 1
            stack.append((name, type(module).__name__))

        return hook

    def leave(module: Any, args: Any, output: Any) -> None:
        stack.pop()

    try:
        for name, module in model.named_modules():
            if name:
                handles.append(module.register_forward_pre_hook(enter(name)))
                handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
