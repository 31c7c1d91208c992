"""Views of PyTorch modules: a module around the model, of which a toolkit sees one output, so many rows at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np
import torch

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.final_activation import FinalActivation
from metannvis_methods.models.scores import OutputScore
from metannvis_methods.models.structures import leaves
from metannvis_methods.models.view import View, Within

__all__ = ["ViewedModule"]


class ViewedModule(torch.nn.Module):
    """A model as a :class:`~metannvis_methods.models.view.View` shows it; its layers are the model's own."""

    def __init__(self, model: torch.nn.Module, view: View) -> None:
        super().__init__()
        self.model, self.view = model, view

    def forward(self, *inputs: Any) -> torch.Tensor:
        """The chosen tensor; a score is one number a row, shape ``(N,)``."""
        rows, count = self.view.rows, _count(inputs)
        if rows is None or count is None or count <= rows:
            return self.seen(inputs)
        pieces = [_piece(inputs, count, start, min(start + rows, count)) for start in range(0, count, rows)]
        wanted = [k for k, x in enumerate(inputs) if torch.is_tensor(x) and x.requires_grad and _counts(x, count)]
        if not wanted or not torch.is_grad_enabled():
            return torch.cat([self.seen(piece) for piece in pieces])
        result: torch.Tensor = _InPieces.apply(self, wanted, pieces, *(inputs[k] for k in wanted))
        return result

    def seen(self, inputs: Sequence[Any]) -> torch.Tensor:
        """One pass through the model."""
        return self.scored(self.output(inputs), inputs)

    def output(self, inputs: Sequence[Any]) -> torch.Tensor:
        """The chosen tensor of one pass, whose score or target is not taken yet."""
        view = self.view
        if view.before_pass is not None:
            view.before_pass()
        inputs = inputs[:-1] if view.by_row else inputs
        if view.within is not None:
            inputs = (_in_volume(inputs[0], view.within), *inputs[1:])
        embedded, inputs = (inputs[0], inputs[1:]) if view.embedding is not None else (None, inputs)
        places = view.order or range(len(inputs))
        ordered = [inputs[place] for place in sorted(range(len(inputs)), key=lambda k: places[k])]
        with ExitStack() as stack:
            if view.embedding is not None:
                hook = view.embedding.register_forward_hook(lambda *_: embedded)
                stack.callback(hook.remove)
            final = stack.enter_context(FinalActivation()) if view.logits else None
            with view.half.on() if view.half is not None else nullcontext():
                output = self.model(*ordered)
        tensor = next(itertools.islice((t for _, t in leaves(output, torch.is_tensor)), view.place, None))
        if final is not None:
            before = final.before(tensor)
            tensor = tensor if before is None else before
        if view.half is not None:
            tensor = view.half.looked(tensor)
        return tensor

    def scored(self, tensor: torch.Tensor, inputs: Sequence[Any]) -> torch.Tensor:
        """What is seen of the chosen tensor: its score or target of each row, or it itself."""
        view, which = self.view, inputs[-1] if self.view.by_row else None
        if view.scores:
            return _by_row(tensor, which, [functools.partial(_scored, score) for score in view.scores])
        if not view.targets:
            return tensor
        targets = [target if isinstance(target, tuple) else (target,) for target in view.targets]
        return _by_row(tensor, which, [functools.partial(_at, target) for target in targets])


def _in_volume(rows: torch.Tensor, within: Within) -> torch.Tensor:
    """Slices, shape ``(N, …)``, each in the volume, shape ``(N, …)`` with an axis more."""
    volume = within.volume.to(rows).expand(len(rows), *within.volume.shape[1:])
    before, behind = volume.narrow(within.axis, 0, within.place), within.place + 1
    after = volume.narrow(within.axis, behind, volume.shape[within.axis] - behind)
    return torch.cat([before, rows.unsqueeze(within.axis), after], within.axis)


def _scored(score: OutputScore, rows: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = _Scored.apply(rows, score)
    return result


def _at(place: tuple[int, ...], rows: torch.Tensor) -> torch.Tensor:
    return rows[(slice(None), *place)]


def _by_row(
    tensor: torch.Tensor, which: torch.Tensor | None, functions: Sequence[Callable[[torch.Tensor], torch.Tensor]]
) -> torch.Tensor:
    """One of the functions of each row, shape ``(N,)``."""
    if which is None:
        return functions[0](tensor)
    parts, places = [], []
    for index in which.unique().tolist():
        rows = (which == index).nonzero().reshape(-1)
        parts.append(functions[index](tensor.index_select(0, rows)))
        places.append(rows)
    return torch.cat(parts).index_select(0, torch.cat(places).argsort())


class _Scored(torch.autograd.Function):
    """A score worked out in NumPy, with its derivative."""

    @staticmethod
    def forward(ctx: Any, output: torch.Tensor, score: OutputScore) -> torch.Tensor:
        values, ctx.derivative = score(to_numpy(output))
        return torch.from_numpy(np.ascontiguousarray(values)).to(output)

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(np.ascontiguousarray(ctx.derivative(to_numpy(cotangent)))).to(cotangent), None


class _InPieces(torch.autograd.Function):
    """Rows piece after piece, each with its gradients at once, so that no more than a piece is ever in memory.

    A row is one number that depends on that row of the inputs alone, so its gradient times a cotangent is a product.
    """

    @staticmethod
    def forward(
        ctx: Any, viewed: ViewedModule, wanted: Sequence[int], pieces: Sequence[Sequence[Any]], *tensors: torch.Tensor
    ) -> torch.Tensor:
        rows, gradients = [], []
        for piece in pieces:
            inputs = [x.detach() if torch.is_tensor(x) else x for x in piece]
            points = [inputs[k].requires_grad_() for k in wanted]
            with torch.enable_grad():
                scores = viewed.seen(inputs)
                found = torch.autograd.grad(scores.sum(), points, allow_unused=True)
            rows.append(scores.detach())
            gradients.append([torch.zeros_like(x) if g is None else g for x, g in zip(points, found, strict=True)])
        ctx.gradients = [torch.cat(parts) for parts in zip(*gradients, strict=True)]
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (None, None, None, *(g * cotangent.reshape(-1, *[1] * (g.ndim - 1)) for g in ctx.gradients))


def _count(inputs: Sequence[Any]) -> int | None:
    """Number of rows of the inputs, ``None`` if there are none."""
    return next((x.shape[0] for x in inputs if torch.is_tensor(x) and x.ndim), None)


def _counts(tensor: torch.Tensor, count: int) -> bool:
    return bool(tensor.ndim) and tensor.shape[0] == count


def _piece(inputs: Sequence[Any], count: int, start: int, stop: int) -> tuple[Any, ...]:
    return tuple(x[start:stop] if torch.is_tensor(x) and _counts(x, count) else x for x in inputs)
