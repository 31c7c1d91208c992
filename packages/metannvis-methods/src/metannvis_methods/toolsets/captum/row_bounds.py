"""Bounds on the rows of a pass, for methods of Captum that look into the model and take no batch size of their own.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["baselines_one_by_one", "draws_in_pieces"]


@contextmanager
def draws_in_pieces(size: int) -> Iterator[None]:
    """Within, the gradients of ``GradientShap`` of a layer or a neuron are worked out for so many of its draws at a time.

    They are drawn as without a bound, all at once; one thread at a time runs a toolkit, so that its classes may be changed.
    """
    from captum.attr._core.gradient_shap import InputBaselineXGradient
    from captum.attr._core.layer.layer_gradient_shap import LayerInputBaselineXGradient

    before = [(cls, cls.attribute) for cls in (InputBaselineXGradient, LayerInputBaselineXGradient)]
    try:
        for cls, attribute in before:
            cls.attribute = _in_pieces(attribute, size)
        yield
    finally:
        for cls, attribute in before:
            cls.attribute = attribute


def _in_pieces(attribute: Callable[..., Any], size: int) -> Callable[..., Any]:
    def in_pieces(self: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
        count = (inputs[0] if isinstance(inputs, tuple) else inputs).shape[0]
        parts = [
            attribute(
                self,
                _cut(inputs, start, size, count),
                *(_cut(value, start, size, count) for value in arguments),
                **{name: _cut(value, start, size, count) for name, value in options.items()},
            )
            for start in range(0, count, size)
        ]
        return _joined(parts)

    in_pieces.__wrapped__ = in_pieces  # type: ignore[attr-defined]  # where Captum goes past its own decorator
    return in_pieces


def baselines_one_by_one(attribute: Callable[[Any], Any], baselines: Any) -> Any:
    """The mean over baselines of what ``attribute`` gives for each alone: DeepLiftShap is that of DeepLift."""
    several = isinstance(baselines, tuple)
    count = (baselines[0] if several else baselines).shape[0]
    total: Any = None
    for k in range(count):
        one = tuple(part[k : k + 1] for part in baselines) if several else baselines[k : k + 1]
        total = attribute(one) if total is None else _added(total, attribute(one))
    return _divided(total, count)


def _cut(value: Any, start: int, size: int, count: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_cut(item, start, size, count) for item in value)
    if isinstance(value, list) and len(value) == count:
        return value[start : start + size]
    if torch.is_tensor(value) and value.ndim and value.shape[0] == count:
        return value[start : start + size]
    return value


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], tuple):
        return tuple(_joined(list(items)) for items in zip(*parts, strict=True))
    return torch.cat(parts)


def _added(a: Any, b: Any) -> Any:
    return tuple(_added(x, y) for x, y in zip(a, b, strict=True)) if isinstance(a, tuple) else a + b


def _divided(value: Any, count: int) -> Any:
    return tuple(_divided(item, count) for item in value) if isinstance(value, tuple) else value / count
