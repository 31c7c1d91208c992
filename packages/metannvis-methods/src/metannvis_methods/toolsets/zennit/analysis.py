"""What a pass through a model shows of its modules: their order, what relevance reaches, which batch norms may be merged.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.overrides import TorchFunctionMode
from zennit.types import BatchNorm, Linear

from metannvis_methods.models.structures import leaves
from metannvis_methods.models.torch_state import structure_of

__all__ = ["Analysis", "analysis", "called_twice"]

#: Functions that only ask a tensor something.
ASKS = frozenset(("get", "size", "dim", "numel", "stride", "is_floating_point", "len", "ndimension", "element_size"))


@dataclass(frozen=True)
class Analysis:
    """What was seen, modules by their names.

    Attributes
    ----------
    order
        Innermost modules, in the order in which they ran.
    reached
        Those that the score depends on through what they return.
    first
        Linear layers that no other one comes before.
    merged
        Linear layers and the batch norms behind them that nothing else looks between.
    inside
        By layers whose input was padded before: 1 where it was not, shape ``(1, …)``, and 0 where it was.
    """

    order: tuple[str, ...]
    reached: frozenset[str]
    first: frozenset[str]
    merged: tuple[tuple[str, str], ...]
    inside: Mapping[str, torch.Tensor]


_known: WeakKeyDictionary[Any, dict[Any, Analysis]] = WeakKeyDictionary()


def analysis(
    model: torch.nn.Module,
    layer: torch.nn.Module | None,
    inputs: Sequence[Any],
    key: Any,
    run: Callable[[], torch.Tensor],
) -> Analysis:
    """What a pass shows, which is remembered as long as the model has the same modules.

    Parameters
    ----------
    layer
        Where relevance ends; ``None``: at the inputs.
    key
        What else it depends on.
    run
        Runs the model on inputs that require gradients, and gives the score.
    """
    shapes = tuple(tuple(x.shape[1:]) for x in inputs if isinstance(x, torch.Tensor))
    structure, known = structure_of(model), _known.setdefault(model, {})
    if any(before != structure for before, *_ in known):
        known.clear()
    state = (structure, id(layer), shapes, key)
    if state not in known:
        known[state] = _seen(model, layer, run)
    return known[state]


def called_twice(model: torch.nn.Module, inputs: Sequence[Any]) -> tuple[str, ...]:
    """Linear layers that are called several times, or whose weights are computed, which a rule would mistake."""
    calls: Counter[str] = Counter()
    named = {name: module for name, module in model.named_modules() if isinstance(module, Linear)}
    with ExitStack() as stack:
        for name, module in named.items():
            hook = module.register_forward_hook(lambda *_, name=name: calls.update([name]))
            stack.callback(hook.remove)
        with torch.no_grad():
            model(*inputs)
    twice = [f"layer {name!r} ({type(named[name]).__name__}) is called {n} times" for name, n in calls.items() if n > 1]
    made = [f"the weights of layer {name!r} are computed" for name in named if hasattr(named[name], "parametrizations")]
    return (*twice, *made)


class _Watch(TorchFunctionMode):
    """Which functions outside the innermost modules take which tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.taken = 0, Counter[int]()
        #: Tensors that are told by their identity, which another one would have after them.
        self._alive: list[torch.Tensor] = []
        #: Where what a function has padded comes from its input, by the identity of what it returned.
        self.padded: dict[int, torch.Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.inside and getattr(func, "__name__", "").strip("_") not in ASKS:
            flat = [item for value in args for item in (value if isinstance(value, (tuple, list)) else (value,))]
            self.take(flat)
        found = func(*args, **(kwargs or {}))
        if not self.inside and getattr(func, "__name__", "") in ("pad", "constant_pad_nd"):
            self.pads(found, args[0], lambda x: func(x, *args[1:], **(kwargs or {})))
        return found

    def take(self, values: Iterable[Any]) -> None:
        """Something outside takes these, or a module does."""
        tensors = [x for x in values if isinstance(x, torch.Tensor)]
        self._alive += tensors
        self.taken.update(map(id, tensors))

    def pads(self, found: torch.Tensor, given: torch.Tensor, pad: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Something has been padded by a function."""
        self._alive.append(found)
        with torch.no_grad():
            one = torch.ones_like(given[:1])
            self.padded[id(found)] = pad(one) - pad(torch.zeros_like(one))


def _seen(model: torch.nn.Module, layer: torch.nn.Module | None, run: Callable[[], torch.Tensor]) -> Analysis:
    watch, order = _Watch(), list[str]()
    calls: list[tuple[str, list[torch.Tensor], list[torch.Tensor]]] = []
    ends: set[Any] = set()
    inside: dict[str, torch.Tensor] = {}
    innermost = {name: module for name, module in model.named_modules() if not any(module.children())}

    def enter(module: Any, given: Any) -> None:
        watch.inside += 1
        watch.take(given)

    def leave(name: str, module: Any, given: Any, output: Any) -> None:
        watch.inside -= 1
        order.append(name)
        calls.append((name, _tensors(given), _tensors(output)))
        if isinstance(module, Linear) and id(given[0]) in watch.padded:
            inside[name] = watch.padded[id(given[0])]
        if "Pad" in type(module).__name__:
            watch.pads(output, given[0], module.forward)

    def end(module: Any, given: Any, output: torch.Tensor) -> torch.Tensor | None:
        here = output if output.requires_grad else output.detach().requires_grad_().clone()
        ends.add(here.grad_fn)
        return None if here is output else here

    with ExitStack() as stack:
        for name, module in innermost.items():
            stack.callback(module.register_forward_pre_hook(enter).remove)
            hook = module.register_forward_hook(lambda *told, name=name: leave(name, *told), always_call=True)
            stack.callback(hook.remove)
        if layer is not None:
            stack.callback(layer.register_forward_hook(end).remove)
        with torch.enable_grad(), watch:
            score = run()
    linear = {name for name, module in innermost.items() if isinstance(module, Linear)}
    nodes = {x.grad_fn for name, _, outputs in calls if name in linear for x in outputs}
    first = {
        name for name, inputs, _ in calls if name in linear and not any(_comes_of(x.grad_fn, nodes) for x in inputs)
    }
    reached = _reached(calls, score)
    if layer is not None:
        behind = {name for name, inputs, _ in calls if any(_comes_of(x.grad_fn, ends) for x in inputs)}
        reached &= behind
    merged = _merged(innermost, calls, watch, linear)
    return Analysis(tuple(dict.fromkeys(order)), frozenset(reached), frozenset(first), merged, inside)


def _tensors(value: Any) -> list[torch.Tensor]:
    return [tensor for _, tensor in leaves(value, torch.is_tensor)]


def _reached(calls: Sequence[tuple[str, Any, list[torch.Tensor]]], score: torch.Tensor) -> set[str]:
    """Modules that a score depends on through what they return."""
    moving = [(name, x) for name, _, outputs in calls for x in outputs if x.requires_grad]
    if not score.requires_grad or not moving:
        return set()
    found = torch.autograd.grad(score.sum(), [x for _, x in moving], allow_unused=True)
    return {name for (name, _), gradient in zip(moving, found, strict=True) if gradient is not None}


def _merged(
    modules: Mapping[str, torch.nn.Module],
    calls: Sequence[tuple[str, list[torch.Tensor], list[torch.Tensor]]],
    watch: _Watch,
    linear: set[str],
) -> tuple[tuple[str, str], ...]:
    """Batch norms that alone take what a linear layer returns, with that layer."""
    made_by = {id(x): name for name, _, outputs in calls for x in outputs}
    times = Counter(name for name, _, _ in calls)
    found = []
    for name, inputs, _ in calls:
        norm: Any = modules[name]
        if not isinstance(norm, BatchNorm) or norm.running_mean is None or times[name] > 1:
            continue
        (x,) = inputs
        before = made_by.get(id(x), "")
        if before not in linear or times[before] > 1 or watch.taken[id(x)] > 1:
            continue
        if not isinstance(modules[before], torch.nn.Linear) or x.ndim == 2:  # else a norm of tokens, not of features
            found.append((before, name))
    return tuple(found)


def _comes_of(node: Any, nodes: set[Any]) -> bool:
    """Whether what a node of the graph computes depends on one of some others."""
    waiting, seen = [node], set[Any]()
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        if one in nodes:
            return True
        seen.add(one)
        waiting += [parent for parent, _ in one.next_functions]
    return False
