"""Final activations of PyTorch models: what went into the softmax or the sigmoid that a model ends in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["FinalActivation", "comes_of_probabilities"]

#: Functions that make probabilities, by the names of PyTorch's functions and operators.
PROBABILITIES = frozenset(
    {"softmax", "_softmax", "log_softmax", "_log_softmax", "sigmoid", "softmax_int", "log_softmax_int"}
)
#: Functions that move numbers without changing them, through which the activation is still the last.
MOVES = frozenset(
    {
        "squeeze",
        "unsqueeze",
        "view",
        "reshape",
        "flatten",
        "permute",
        "transpose",
        "movedim",
        "contiguous",
        "__getitem__",
        "select",
    }
)
#: What autograd calls both.
PROBABILITY_NODES = frozenset({"SoftmaxBackward", "LogSoftmaxBackward", "SigmoidBackward"})
MOVE_NODES = frozenset(
    {
        "SqueezeBackward",
        "UnsqueezeBackward",
        "ViewBackward",
        "UnsafeViewBackward",
        "ReshapeAliasBackward",
        "PermuteBackward",
        "TransposeBackward",
        "TBackward",
        "CloneBackward",
        "AliasBackward",
        "SelectBackward",
        "SliceBackward",
        "IndexBackward",
    }
)
#: Activations that are remembered; a transformer has one a layer, and only the last of them can end the model.
REMEMBERED = 8


class FinalActivation(TorchFunctionMode):
    """While it is active, remembers what went into activations that make probabilities; :meth:`before` tells it."""

    def __init__(self) -> None:
        super().__init__()
        self._before: OrderedDict[int, tuple[torch.Tensor, torch.Tensor]] = OrderedDict()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        result = func(*args, **given)
        if not isinstance(result, torch.Tensor):
            return result
        packet = getattr(func, "overloadpacket", func)
        name = str(getattr(packet, "__name__", "")).partition(".")[0]
        first = args[0] if args else given.get("input", given.get("self"))
        if name in PROBABILITIES and isinstance(first, torch.Tensor) and result is not first:
            self._remember(result, first)
        elif name in MOVES and (known := self._before.get(id(first))) is not None:
            self._remember(result, func(known[1], *args[1:], **given) if args else func(**{**given, "input": known[1]}))
        return result

    def _remember(self, result: torch.Tensor, before: torch.Tensor) -> None:
        self._before[id(result)] = (result, before)
        while len(self._before) > REMEMBERED:
            self._before.popitem(last=False)

    def before(self, output: torch.Tensor) -> torch.Tensor | None:
        """What went into the activation whose result an output is; ``None`` if it is none's."""
        known = self._before.get(id(output))
        return None if known is None else known[1]


def comes_of_probabilities(output: torch.Tensor) -> bool | None:
    """Whether an output is what such an activation returned, as its gradient's graph says; ``None`` if it has none.

    To watch each function of a pass for that takes a tenth of the pass.
    """
    node = output.grad_fn
    if node is None:
        return None
    while node is not None:
        name = node.name().rstrip("0123456789")
        if name in PROBABILITY_NODES:
            return True
        if name not in MOVE_NODES or not node.next_functions:
            return False
        node = node.next_functions[0][0]
    return False
