"""Call interception: calls that are looked at while a model is traced, and rewritten, refused, or reported before they run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from metannvis_translate.frameworks.torch.exporter.stop_gradient import name_of

__all__ = ["Handler", "handled", "refused", "reworded"]

#: What looks at a call: its function's name, arguments and keywords; it gives those to call it with.
Handler = Callable[[str, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]

#: Calls whose bounds are numbers: one integer and one float (``clamp(-1, 0.5)``) are refused as of different types.
BOUNDED = {"clamp", "clamp_", "clip", "clip_", "hardtanh", "hardtanh_"}

#: Calls whose second operand is taken from by the first: ``1.0 - mask``.
REVERSED = {"__rsub__", "rsub"}


@contextlib.contextmanager
def handled(*handlers: Handler) -> Iterator[None]:
    """Inside, every call of a function of PyTorch goes through the handlers first, one after the other."""
    from torch.overrides import TorchFunctionMode

    # one mode for all of them: each costs as much as a small operation does, for every call
    class Handled(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs, name = kwargs or {}, name_of(func)
            for handler in handlers:
                args, kwargs = handler(name, args, kwargs)
            return func(*args, **kwargs)

    with Handled():
        yield


def reworded(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call in the exporters' words, which stumble over the user's."""
    import torch

    if name in BOUNDED and args and isinstance(args[0], torch.Tensor) and args[0].is_floating_point():
        return tuple(map(_as_float, args)), {key: _as_float(value) for key, value in kwargs.items()}
    if name in REVERSED and len(args) == 2 and isinstance(args[1], float) and _holds_integers(args[0]):
        # the exporter makes the number a tensor of its own kind only where the other one is of floats
        return (args[0].to(torch.get_default_dtype()), args[1]), kwargs
    return args, kwargs


def refused(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Refuse what the TorchScript exporter would write wrongly, without a word: it forgets an argument or rounds it.

    Raises
    ------
    NotImplementedError
        For such a call.
    """
    if name in ("avg_pool2d", "avg_pool3d") and (kwargs.get("divisor_override") or (args[6:] or [None])[0]):
        raise NotImplementedError("divisor_override of an average pool")
    if name == "scaled_dot_product_attention" and (kwargs.get("dropout_p") or (args[4:] or [None])[0]):
        raise NotImplementedError("scaled_dot_product_attention drops at random (dropout_p), in inference too")
    if name in ("rrelu", "rrelu_"):
        raise NotImplementedError("the slope of rrelu, which is not exact in single precision")
    if name == "one_hot" and (kwargs.get("num_classes", -1) if len(args) < 2 else args[1]) < 0:
        raise NotImplementedError("one_hot of as many classes as the data has")
    if name in ("logsigmoid", "log_sigmoid"):
        raise NotImplementedError("logsigmoid, whose sigmoid is rounded to zero")
    if name in ("atan2", "arctan2", "atan2_", "arctan2_"):
        raise NotImplementedError("atan2, which is exported with another sign on the negative axis")
    if name in ("scatter_reduce", "scatter_reduce_"):
        raise NotImplementedError("scatter_reduce, whose mean is exported as the last entry")
    if name in ("masked_select", "masked_scatter", "masked_scatter_") and _sizes(args[0]) != _sizes(
        kwargs.get("mask", (args[1:] or [None])[0])
    ):
        raise NotImplementedError(f"{name} with a mask of another shape")
    if name in ("cdist", "_cdist_forward"):
        raise NotImplementedError("cdist, which is exported as something else")
    return args, kwargs


def _sizes(value: Any) -> tuple[int, ...] | None:
    return None if value is None else tuple(map(int, value.shape))


def _holds_integers(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and not value.is_floating_point() and not value.is_complex()


def _as_float(value: Any) -> Any:
    return float(value) if type(value) is int else value
