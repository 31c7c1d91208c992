"""Branches on sizes: places where a model's own code decides by a size that a translation leaves free.

``torch.export`` takes the way that the example goes and, at sizes of one, does not even note that there was a choice. So while
it traces, each condition on a free size that the model's own code asks is looked at: if some other size would have answered
otherwise, the size cannot stay free. A ``squeeze`` asks such a question without a word: it takes out an axis of one sample.
What is traced with several samples is then right for two or more.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from metannvis_translate.graph.stack_trace import described_frame, is_the_users, line_of_frame
from metannvis_translate.process import patched, patches

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Asked", "SizeBranchError", "refuse_branches", "watching_branches"]

#: Sizes at which a condition is asked again.
SIZES = (*range(1, 34), 48, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 1000, 1023, 1024, 1025, 4096, 100_003)


@dataclass
class Asked:
    """Lines of the model's own code that ask for a free size."""

    #: conditions with another answer at another size
    conditions: list[str] = field(default_factory=list)
    #: what becomes of it a Python number: ``len()``, ``range()``, ``int()``, a loop over an axis
    numbers: list[str] = field(default_factory=list)
    #: calls that take an axis of a free size out of a tensor if the size is one
    squeezes: list[str] = field(default_factory=list)

    def squeeze(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Handler of calls: a ``squeeze`` of a free size is noted, and told which axes it takes out at other sizes than one."""
        if name not in SQUEEZES or not args:
            return args, kwargs
        x = args[0]
        axes = args[1] if len(args) > 1 else kwargs.get("dim", tuple(range(x.ndim)))
        axes = [axis % x.ndim for axis in (axes if isinstance(axes, (tuple, list)) else (axes,))] if x.ndim else []
        free = [axis for axis in axes if getattr(getattr(x.shape[axis], "node", None), "expr", None) is not None]
        free = [axis for axis in free if _varies_at_one(x.shape[axis])]
        if not free:
            return args, kwargs
        self.squeezes.append(line_of_frame(sys._getframe(1)) or f"a call of {name}")
        rest = tuple(axis for axis in axes if axis not in free)
        if rest or name == "squeeze_":
            return (x, rest), {}
        return (x.unsqueeze(-1), (x.ndim,)), {}  # a call that changes nothing: the exporters fail at one of no axes


#: Calls that take axes of size one out of a tensor.
SQUEEZES = ("squeeze", "squeeze_")


class SizeBranchError(NotImplementedError):
    """The model decides by a size that is to stay free."""


@contextlib.contextmanager
def watching_branches() -> Iterator[Asked]:
    """Inside, it is noted where the model's own code asks for a free size and goes another way at another one."""
    import torch
    from torch.fx.experimental.sym_node import SymNode

    found = Asked()
    asked_before: dict[str, bool] = {}

    def watch(original: Any) -> Any:
        def asked(self: Any) -> bool:
            answer: bool = original(self)
            frame = _asking(sys._getframe(1))
            if frame is None:
                return answer
            try:
                condition = self.node.expr
                text = str(condition)
                if text not in asked_before:
                    asked_before[text] = _varies(condition)
            except Exception:  # noqa: BLE001
                return answer  # no symbol of a size: a number that data decide, which the exporter refuses itself
            if asked_before[text]:
                found.conditions.append(described_frame(frame))
            return answer

        return asked

    guard = SymNode.guard_int

    def made_a_number(self: Any, *args: Any, **kwargs: Any) -> int:
        if getattr(self.expr, "free_symbols", None):
            line = line_of_frame(sys._getframe(1))
            if line:
                found.numbers.append(line)
        number: int = guard(self, *args, **kwargs)
        return number

    with (
        patched(SymNode, "guard_int", made_a_number),
        patched(torch.SymBool, "__bool__", watch(torch.SymBool.__bool__)),
        patched(torch.SymInt, "__bool__", watch(torch.SymInt.__bool__)),
    ):
        yield found


def refuse_branches(graph: ir.Graph, free: Sequence[Iterable[int]], asked: Asked, *, alone: bool) -> None:
    """Refuse what was exported of a model that decides by a size that was to stay free.

    Parameters
    ----------
    graph
        What was exported; where a size is fixed in it, the model made a Python number of it.
    free
        For each input the axes whose size is free.
    asked
        What was noted meanwhile.
    alone
        Whether the example is of one sample, which is not what is exported.

    Raises
    ------
    SizeBranchError
        It names the line.
    """
    if asked.conditions:
        raise SizeBranchError(f"the model decides by a size that is free: {asked.conditions[0]}")
    if alone and asked.squeezes:
        raise SizeBranchError(f"an axis whose size is free is taken out where it is one: {asked.squeezes[0]}")
    for value, axes in zip(graph.inputs, free, strict=True):
        for axis in sorted(axes):
            if value.shape is not None and isinstance(value.shape[axis], int):
                where = f": {asked.numbers[0]}" if asked.numbers else ""
                raise SizeBranchError(
                    f"the model makes a Python number (a loop, len(), range(), int()) of a size that is free{where}"
                )


def _asking(frame: FrameType | None) -> FrameType | None:
    """The frame that asks, unless it is PyTorch's own, which asks about layouts in memory, broadcasting and its own guards."""
    import torch

    while frame is not None and frame.f_code.co_filename in (torch.__file__, __file__, patches.__file__):
        frame = frame.f_back
    return frame if frame is not None and is_the_users(frame.f_code.co_filename) else None


def _varies(condition: Any) -> bool:
    """Whether a condition is true for some sizes and false for others."""
    symbols = sorted(getattr(condition, "free_symbols", ()), key=str)
    if not symbols:
        return False
    if len(symbols) == 1:
        rows: Any = ((size,) for size in SIZES)
    else:
        rows = itertools.islice(itertools.product((1, 2, 3, 7, 8, 65), repeat=len(symbols)), 300)
    answers = (bool(condition.subs(dict(zip(symbols, row, strict=True)))) for row in rows)
    first = next(answers)
    return any(answer is not first for answer in answers)


def _varies_at_one(size: Any) -> bool:
    """Whether a size may be one, and may be another."""
    symbols = sorted(getattr(size.node.expr, "free_symbols", ()), key=str)
    rows = itertools.islice(itertools.product((1, 2, 3, 7), repeat=len(symbols)), 256)
    return len({size.node.expr.subs(dict(zip(symbols, row, strict=True))) == 1 for row in rows}) > 1
