"""DeepLift: its rules for what a network computes, whether modules or functions do it.

Captum has rules for ten kinds of modules, which it hooks on them. Where two such modules are adjacent, where the windows of a
max pool overlap, and where a nonlinear function is none of the ten, the sums do not come to the difference of the outputs
(Shrikumar et al., 2017, arXiv:1704.02685, equation 1). Here each nonlinear function that the model calls becomes an autograd
function of its own whose backward pass multiplies by the rule; Captum does the rest (baselines, targets, layers, averages).

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR  # no public name leads there
from torch import Tensor
from torch.overrides import TorchFunctionMode

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.toolsets.captum.deep_lift_composites import COMPOSITES, RECURRENT
from metannvis_methods.toolsets.captum.deep_lift_pairing import found_pairing, sample_of
from metannvis_methods.toolsets.captum.deep_lift_rules import BILINEAR, ELEMENTWISE, RULES, Function, Rule

__all__ = ["functions_without_rules", "own_rules"]

#: Functions that compute several nonlinear steps at once, so that no rule can be given for what they do as a whole.
WHOLE = frozenset((
    "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell",
    "multi_head_attention_forward", "native_multi_head_attention", "transformer_encoder_layer_fwd",
))  # fmt: skip


def functions_without_rules(model: torch.nn.Module, inputs: Sequence[Any]) -> list[str]:
    """What stands against these rules on a model as it is, for people: what it computes out of their sight.

    Parameters
    ----------
    inputs
        Tensors that the model takes.
    """
    scripted = [
        name or "the model" for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)
    ]
    if scripted:
        return [f"{scripted[0]} is TorchScript, which cannot be looked into"]
    found: dict[str, None] = {}

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            name = plain_name(func)
            if name in WHOLE or (
                name in RECURRENT and isinstance(args[3], (tuple, list))
            ):  # the latter is of packed sequences
                found[f"{name!r} computes several steps at once"] = None
            return func(*args, **(kwargs or {}))

    with Watch():
        model(*inputs)
    return list(found)


@contextmanager
def own_rules(model: torch.nn.Module, eps: float = 1e-10) -> Iterator[None]:
    """Within, Captum's DeepLift of the model follows these rules; the model's ``forward`` is put back by the caller's guard.

    Parameters
    ----------
    model
        The first axis of its inputs is the batch, inputs before baselines, as Captum joins them.
    eps
        Where input and baseline of a function differ by less, its derivative is taken.
    """
    forward = model.forward

    @functools.wraps(forward)
    def with_rules(*args: Any, **kwargs: Any) -> Any:
        seen: list[_Call] = []
        with torch.no_grad(), _Recording(seen):
            forward(*map(_baselines, args), **{name: _baselines(value) for name, value in kwargs.items()})
        with _Ruled(seen, eps):
            return forward(*args, **kwargs)

    with patch.dict(model.__dict__, {"forward": with_rules}), patch.dict(SUPPORTED_NON_LINEAR, clear=True):
        yield


def _baselines(value: Any) -> Any:
    """The second half of what Captum joined; other arguments as they are."""
    if isinstance(value, Tensor) and value.ndim:
        return value[len(value) // 2 :].detach()
    if isinstance(value, (tuple, list)):
        return type(value)(map(_baselines, value))
    return value


@dataclass(frozen=True)
class _Call:
    """A call that a rule is for, as it is on the baselines alone: shapes of its operands, and a sample of their values."""

    name: str
    shapes: tuple[torch.Size, ...]
    samples: tuple[Tensor, ...]


def plain_name(function: Function) -> str:
    """Name of a function without its overload, underscores and the mark of working in place: of ``relu_``, ``__imul__``."""
    name = getattr(function, "__name__", "").split(".")[0].strip("_").removesuffix("_with_indices")
    in_place = name[:1] == "i" and name[1:] in ("mul", "truediv", "div", "pow", "matmul")
    return name[1:] if in_place else name


class _Intercepting(TorchFunctionMode):
    """What the nonlinear functions of a forward pass go through, by name."""

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = plain_name(func)
        composite = COMPOSITES.get(name)
        if composite is not None and not (name in RECURRENT and isinstance(args[3], (tuple, list))):
            with self:
                return composite(*args, **{"x" if key == "input" else key: value for key, value in kwargs.items()})
        if name not in RULES:
            return func(*args, **kwargs)
        places = [k for k, value in enumerate(args) if isinstance(value, Tensor) and value.is_floating_point()]
        if not places and isinstance(kwargs.get("input"), Tensor):
            args, kwargs = (kwargs["input"], *args), {k: value for k, value in kwargs.items() if k != "input"}
            places = [0]
        return self.call(name, func, args, kwargs, places) if places else func(*args, **kwargs)

    def call(self, name: str, func: Function, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> Any:
        raise NotImplementedError


class _Recording(_Intercepting):
    """The pass of the baselines alone, which shows where the batch lies in each operand."""

    def __init__(self, seen: list[_Call]) -> None:
        super().__init__()
        self.seen = seen

    def call(self, name: str, func: Function, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> Any:
        operands = [args[k] for k in places]
        self.seen.append(_Call(name, tuple(t.shape for t in operands), tuple(map(sample_of, operands))))
        return func(*args, **kwargs)


class _Ruled(_Intercepting):
    """The pass of inputs and baselines together, by the rules."""

    def __init__(self, seen: Sequence[_Call], eps: float) -> None:
        super().__init__()
        self.seen = iter(seen)
        self.eps = eps

    def call(self, name: str, func: Function, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> Any:
        operands = [args[k] for k in places]
        alone = next(self.seen, None)
        if alone is None or alone.name != name or len(alone.shapes) != len(operands):
            raise InvalidArgumentError(
                f"DeepLift compares an input with its baseline function by function, and on both together the model comes to "
                f"{name!r} where on the baseline alone it comes to {alone and alone.name!r}: its way depends on its values"
            )
        moving = [
            k
            for k, operand, shape in zip(places, operands, alone.shapes, strict=True)
            if operand.requires_grad and operand.shape != shape
        ]
        if not moving or (name in BILINEAR and len(moving) == 1):
            return func(*args, **kwargs)
        pairings = [
            found_pairing(args[k], alone.shapes[place], alone.samples[place])
            for place, k in enumerate(places)
            if k in moving
        ]
        if not all(pairings):
            raise InvalidArgumentError(
                f"DeepLift compares each input with its baseline, and what the model hands to {name!r} mixes samples of a batch"
            )

        def of(*values: Tensor) -> Any:
            full = list(args)
            for k, value in zip(moving, values, strict=True):
                full[k] = value
            return func(*full, **kwargs)

        rule = Rule(of, [pairing for pairing in pairings if pairing], self.eps, args, kwargs)
        given = [args[k] for k in moving]
        in_place = _works_in_place(func, args, kwargs)
        result = RULES[name](rule, *([value.clone() for value in given] if in_place else given))
        if in_place:
            args[0].copy_(result)
            return args[0]
        return result


def _works_in_place(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    name = getattr(func, "__name__", "").split(".")[0]
    if name.startswith("__i") and name.endswith("__"):
        return True
    if name.endswith("_") and not name.startswith("__"):
        return True
    return kwargs.get("inplace") is True or (name in ELEMENTWISE and len(args) > 1 and args[-1] is True)
