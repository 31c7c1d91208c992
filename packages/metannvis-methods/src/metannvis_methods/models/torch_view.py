"""Views of PyTorch modules: a module around the model, of which a toolkit sees one output, so many rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.scores import OutputScore
from metannvis_methods.models.structures import leaves
from metannvis_methods.models.view import View

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
        if not torch.is_grad_enabled() or not any(torch.is_tensor(x) and x.requires_grad for x in inputs):
            return torch.cat([self.seen(piece) for piece in pieces])
        tensors = [x for x in inputs if torch.is_tensor(x)]
        result: torch.Tensor = _InPieces.apply(self, inputs, count, *tensors)
        return result

    def seen(self, inputs: Sequence[Any]) -> torch.Tensor:
        """One pass through the model."""
        view = self.view
        if view.before_pass is not None:
            view.before_pass(_count(inputs) or 1)
        output = self.model(*inputs)
        tensor = next(itertools.islice((t for _, t in leaves(output, torch.is_tensor)), view.place, None))
        if view.score is not None:
            scored: torch.Tensor = _Scored.apply(tensor, view.score)
            return scored
        if view.target is None:
            return tensor
        place = view.target if isinstance(view.target, tuple) else (view.target,)
        return tensor[(slice(None), *place)]


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
        ctx: Any, viewed: ViewedModule, inputs: Sequence[Any], count: int, *tensors: torch.Tensor
    ) -> torch.Tensor:
        wanted = [k for k, x in enumerate(inputs) if torch.is_tensor(x) and x.requires_grad and _counts(x, count)]
        gradients: list[list[torch.Tensor]] = [[] for _ in wanted]
        rows = []
        for start in range(0, count, viewed.view.rows or count):
            stop = min(start + (viewed.view.rows or count), count)
            piece = list(_piece([x.detach() if torch.is_tensor(x) else x for x in inputs], count, start, stop))
            for k in wanted:
                piece[k] = piece[k].requires_grad_()
            with torch.enable_grad():
                scores = viewed.seen(piece)
            found = torch.autograd.grad(scores.sum(), [piece[k] for k in wanted], allow_unused=True)
            rows.append(scores.detach())
            for gradient, part, k in zip(gradients, found, wanted, strict=True):
                gradient.append(torch.zeros_like(piece[k]) if part is None else part)
        ctx.places = [sum(torch.is_tensor(x) for x in inputs[:k]) for k in wanted]
        ctx.count = len(tensors)
        ctx.gradients = [torch.cat(parts) for parts in gradients]
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found: list[torch.Tensor | None] = [None] * ctx.count
        for place, gradient in zip(ctx.places, ctx.gradients, strict=True):
            found[place] = gradient * cotangent.reshape(-1, *[1] * (gradient.ndim - 1))
        return (None, None, None, *found)


def _count(inputs: Sequence[Any]) -> int | None:
    """Number of rows of the inputs, ``None`` if there are none."""
    return next((x.shape[0] for x in inputs if torch.is_tensor(x) and x.ndim), None)


def _counts(tensor: torch.Tensor, count: int) -> bool:
    return bool(tensor.ndim) and tensor.shape[0] == count


def _piece(inputs: Sequence[Any], count: int, start: int, stop: int) -> tuple[Any, ...]:
    return tuple(x[start:stop] if torch.is_tensor(x) and _counts(x, count) else x for x in inputs)
