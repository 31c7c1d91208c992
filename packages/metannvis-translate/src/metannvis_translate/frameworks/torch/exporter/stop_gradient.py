"""Where a PyTorch model stops gradients: ``detach``, ``.data``, ``.item()``, ``torch.no_grad()``, derivatives written by hand.

An exporter has no use for gradients and forgets all of it. So while the model is traced, what comes out of such a place goes
through an operator of our own, ``metannvis::stop_gradient``, which both exporters keep and importers know. Where that would not
be the same, :mod:`.torch_stops_check` refuses the model.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.hooks import tensors_in
from metannvis_translate.graph.metadata import DOMAIN, STOP_GRADIENT
from metannvis_translate.process import in_this_thread

if TYPE_CHECKING:
    import torch

__all__ = [
    "CUTS",
    "SAME",
    "Region",
    "Stops",
    "forward_of",
    "functions_opened",
    "is_cut",
    "is_data",
    "marking",
    "name_of",
    "symbolic",
    "torch_function_disabled",
    "translations",
]

#: Calls that give a tensor without its history, and calls that give a Python number.
CUTS = {"detach", "detach_"}
NUMBERS = {"item", "__float__", "__int__", "__index__", "__bool__", "__complex__", "tolist", "numpy", "__array__"}
#: Calls that may hand back the tensor they were given, untouched.
SAME = {
    "contiguous", "to", "type", "type_as", "float", "double", "half", "bfloat16", "cpu", "cuda", "dropout", "alpha_dropout",
    "feature_dropout", "feature_alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "requires_grad_", "identity",
    "__get__", "resolve_conj", "resolve_neg", "real", "positive", "_to_copy", "broadcast_tensors", "atleast_1d", "atleast_2d",
    "atleast_3d", "retain_grad", "__pos__", "__deepcopy__",
}  # fmt: skip


class Stops:
    """What was found while a model was traced."""

    def __init__(self) -> None:
        #: whether something was cut off
        self.found = False
        #: ``torch.autograd.Function`` classes that were applied
        self.functions: set[type] = set()

    def __bool__(self) -> bool:
        return self.found or bool(self.functions)


@functools.cache
def stop_gradient() -> Any:
    """The operator ``metannvis::stop_gradient``: a copy of a tensor that has no history."""
    import torch

    library = torch.library.Library(DOMAIN, "FRAGMENT")
    library.define("stop_gradient(Tensor x) -> Tensor")
    library.impl("stop_gradient", lambda x: x.detach().clone(), "CompositeExplicitAutograd")
    library.impl("stop_gradient", torch.empty_like, "Meta")
    stop_gradient.__dict__["library"] = library  # what was defined goes when this does
    return torch.ops.metannvis.stop_gradient


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    from metannvis_translate.frameworks.torch.exporter.building_blocks import operator

    stop = operator(STOP_GRADIENT, ())

    def stopped(x):  # type: ignore[no-untyped-def]
        return stop(x)

    return {stop_gradient().default: stopped}


@contextlib.contextmanager
def symbolic(opset: int) -> Iterator[None]:
    """The operator made known to the TorchScript exporter."""
    import torch

    stop_gradient()
    name = f"{DOMAIN}::stop_gradient"

    def stopped(g: Any, x: Any) -> Any:
        return g.op(f"{DOMAIN}::{STOP_GRADIENT}", x).setType(x.type())

    torch.onnx.register_custom_op_symbolic(name, stopped, opset)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(name, opset)


@contextlib.contextmanager
def marking(stops: Stops) -> Iterator[None]:
    """Inside, every tensor that PyTorch would cut off goes through the operator; ``stops`` says whether there was one."""
    import torch
    from torch.overrides import TorchFunctionMode

    operator, region = stop_gradient(), Region()

    def mark(tensor: torch.Tensor) -> torch.Tensor:
        stops.found = True
        return operator(tensor)

    def marked(result: Any, given: list[Any], name: str) -> Any:
        from torch.utils._pytree import tree_map_only

        def one(tensor: torch.Tensor) -> torch.Tensor:
            if not tensor.is_floating_point():
                return tensor
            if any(tensor is other for other in given):
                return tensor if name in SAME else region.add(tensor.copy_(mark(tensor)))
            return region.add(mark(tensor))

        if region.holds(given):
            return region.add(result)
        return tree_map_only(torch.Tensor, one, result)

    class Marking(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            name = name_of(func)
            if name == "_set_grad_enabled":
                # not a part of the graph: an exporter would put what follows into a graph of its own
                with torch_function_disabled():
                    return func(*args, **kwargs)
            if name == "wrap_with_set_grad_enabled":  # such a graph, of an exported program
                with _gradients(args[0]), self:
                    return args[1](*args[2:], **kwargs)
            given = tensors_in((args, kwargs))
            if name in NUMBERS and given and given[0].is_floating_point():
                return func(mark(args[0]), *args[1:], **kwargs)
            if not is_cut():
                region.clear()
            if is_data(func):  # a trace does not see it
                return marked(args[0].detach(), [], name)
            result = func(*args, **kwargs)
            if name == "__setitem__" and is_cut():
                marked(args[0], given, name)
            elif name in CUTS or is_cut():
                return marked(result, given, name)
            return result

    with _gradients(True), functions_opened(lambda cls, apply, args: stops.functions.add(cls)), Marking():
        yield


@contextlib.contextmanager
def _gradients(enabled: bool) -> Iterator[None]:
    """Gradients on or off inside, without a word to an exporter."""
    import torch

    before = torch.is_grad_enabled()
    with torch_function_disabled():
        torch._C._set_grad_enabled(enabled)
    try:
        yield
    finally:
        with torch_function_disabled():
            torch._C._set_grad_enabled(before)


class Region:
    """Tensors that were computed since gradients were switched off, and of others of them alone, if anything."""

    def __init__(self) -> None:
        from torch.utils.weak import WeakIdKeyDictionary

        self._tensors = WeakIdKeyDictionary()

    def holds(self, given: list[torch.Tensor]) -> bool:
        """Whether there is nothing to stop in what is computed of these, so that it may share their memory."""
        floats = [tensor for tensor in given if tensor.is_floating_point()]
        return bool(floats) and all(tensor in self._tensors for tensor in floats)

    def add(self, result: Any) -> Any:
        for tensor in tensors_in(result):
            self._tensors[tensor] = True
        return result

    def clear(self) -> None:
        """What is computed with gradients may be put into any of them."""
        if self._tensors:  # clearing an empty one takes longer
            self._tensors.clear()


def is_cut() -> bool:
    import torch

    return not torch.is_grad_enabled() or torch.is_inference_mode_enabled()


def torch_function_disabled() -> Any:
    """Inside, no call is seen by a mode, neither ours nor an exporter's."""
    import torch

    return torch._C.DisableTorchFunction()


@contextlib.contextmanager
def functions_opened(see: Callable[[Any, Callable[..., Any], tuple[Any, ...]], Any]) -> Iterator[None]:
    """Inside, a ``torch.autograd.Function`` is what its ``forward`` does; ``see(class, apply, arguments)`` is told first.

    One that PyTorch made for an operator with a derivative of its own stays: the operator is translated, and its derivative
    with it. In other threads, where somebody may be training a model, every one keeps its own derivative.
    """
    import torch

    kind: Any = torch.autograd.Function
    own = kind.__dict__["apply"]

    def opened(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_an_operators(cls):
            return closed(cls, *args, **kwargs)
        see(cls, own.__get__(None, cls), args)
        return forward_of(cls, *args, **kwargs)

    def closed(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return own.__get__(None, cls)(*args, **kwargs)

    kind.apply = classmethod(in_this_thread(opened, closed))
    try:
        yield
    finally:
        kind.apply = own


def _is_an_operators(cls: Any) -> bool:
    """Whether PyTorch made a ``torch.autograd.Function`` of what ``torch.library.register_autograd`` was given."""
    from torch._library import autograd

    code = getattr(cls.forward, "__code__", None)
    return code is not None and code.co_filename == autograd.__file__


def forward_of(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """What a ``torch.autograd.Function`` computes, as ordinary operations."""
    import torch

    if cls.setup_context is not torch.autograd.function._SingleLevelFunction.setup_context:
        return cls.forward(*args, **kwargs)
    context: Any = torch.autograd.function.FunctionCtx()
    context.needs_input_grad = tuple(isinstance(value, torch.Tensor) for value in args)
    return cls.forward(context, *args, **kwargs)


def name_of(func: Any) -> str:
    """Name of a function of PyTorch, of an operator or of a tensor's method."""
    schema = getattr(func, "_schema", None)
    return schema.name.rpartition("::")[2] if schema is not None else getattr(func, "__name__", str(func))


def is_data(func: Any) -> bool:
    """Whether it reads ``tensor.data``."""
    import torch

    return getattr(func, "__name__", "") == "__get__" and getattr(func, "__self__", None) is torch.Tensor.data
