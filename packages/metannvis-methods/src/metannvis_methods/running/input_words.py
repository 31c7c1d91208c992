"""Words for what lies like the inputs, baselines and feature masks, as arrays in the caller's layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.inputs.baselines import baseline
from metannvis_methods.inputs.feature_masks import feature_mask
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.running.reference_words import with_hidden, with_segmentation

__all__ = ["value_range_word", "with_words"]

Array = np.ndarray[Any, Any]
#: Methods that fit a model of features, of which an image has too many without a mask.
WANT_A_MASK = ("lime", "kernel_shap")


def value_range_word(value: Any) -> tuple[float, float] | None:
    """``value_range`` as the caller gave it, checked."""
    if value is None:
        return None
    try:
        low, high = (float(item) for item in value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"value_range is a pair of numbers (low, high), not {value!r}") from error
    if not low < high:
        raise InvalidArgumentError(f"value_range is (low, high) with low below high, not {value!r}")
    return low, high


def with_words(
    call: MethodCall, values: Sequence[Array], axes: Sequence[str], prior: Callable[[Array], Sequence[int]]
) -> MethodCall:
    """The call with words for baselines and masks, and masks of fewer axes, as arrays in the shape of the inputs.

    Parameters
    ----------
    values, axes
        The inputs in the caller's layout, and a letter an axis of each.
    prior
        For each sample the place of the sample among given data whose prediction is nearest the prior.
    """
    spec = call.spec
    call = with_segmentation(call, values, axes) if spec.key in WANT_A_MASK else call
    generator = np.random.default_rng(call.seed)
    data = [to_numpy(item) for item in in_order(call.data)]
    sides = []
    for given, arguments in ((call.init_options, spec.init), (call.call_options, spec.call)):
        options = dict(given)
        for argument in arguments:
            value = options.get(argument.name)
            if argument.role in ("baseline", "distribution") and _has_word(value):
                parts = value if isinstance(value, tuple) else (value,) * len(values)
                options[argument.name] = _as_given(
                    call,
                    [
                        baseline(
                            part, values[k], axes[k], value_range=call.value_range, data=data[k] if k < len(data) else None,
                            neutral=prior, generator=generator,
                        )
                        if isinstance(part, str)
                        else part
                        for k, part in enumerate(parts)
                    ],
                )  # fmt: skip
            elif argument.role == "feature_mask":
                if value is None and spec.key in WANT_A_MASK and len(values) == 1 and _is_image(axes[0]):
                    value = "superpixels"
                if value is not None:
                    one = not isinstance(value, (tuple, list)) or _is_word_pair(value)
                    parts = (value,) * len(values) if one else tuple(value)
                    options[argument.name] = _as_given(
                        call, [feature_mask(part, values[k], axes[k]) for k, part in enumerate(parts)]
                    )
        sides.append(options)
    call = dataclasses.replace(call, init_options=sides[0], call_options=sides[1])
    return with_hidden(call, values, axes) if spec.key in WANT_A_MASK else call


def _has_word(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and any(isinstance(part, str) for part in value))


def _is_word_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _as_given(call: MethodCall, parts: list[Any]) -> Any:
    return tuple(parts) if call.several or len(parts) > 1 else parts[0]


def _is_image(axes: str) -> bool:
    return {"H", "W"} <= set(axes)
