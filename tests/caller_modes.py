"""Modes that a caller's code may be in when it calls us, by name. Shared by the tests of the packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from metannvis_translate.frameworks.requirements import require

__all__ = ["caller_modes"]


def caller_modes() -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """Each gives the same results as none of them."""
    torch, tf, keras = require("torch"), require("tensorflow"), require("keras")
    return {
        "torch.inference_mode": torch.inference_mode,
        "torch.no_grad": torch.no_grad,
        "torch.set_grad_enabled(False)": lambda: torch.set_grad_enabled(False),
        "torch.set_default_dtype": lambda: _set(torch.set_default_dtype, torch.float64, torch.float32),
        "torch.set_default_device": lambda: _set(torch.set_default_device, "meta", None),
        "torch.device": lambda: torch.device("meta"),
        "torch.autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "tf.Graph": lambda: tf.Graph().as_default(),
        "tf.init_scope": tf.init_scope,
        "tf.device": lambda: tf.device("/CPU:0"),
        "tf.GradientTape": tf.GradientTape,
        "tf.name_scope": lambda: tf.name_scope("mine"),
        "mixed_float16": lambda: _set(keras.config.set_dtype_policy, "mixed_float16", keras.config.dtype_policy()),
    }


@contextmanager
def _set(setter: Callable[[Any], Any], value: Any, before: Any) -> Iterator[None]:
    setter(value)
    try:
        yield
    finally:
        setter(before)
