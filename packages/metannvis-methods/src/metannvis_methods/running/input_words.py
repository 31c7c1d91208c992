"""Words for what lies like the inputs, baselines and feature masks, as arrays in the caller's layout."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metannvis_methods.inputs.baselines import baseline, check_baseline_word
from metannvis_methods.inputs.feature_masks import check_mask_word, feature_mask
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.running.arguments import BoundArguments
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.reference_words import with_hidden, with_segmentation

__all__ = ["check_input_words", "with_words"]

Array = np.ndarray[Any, Any]
#: Methods that fit a model of features, of which an image has too many without a mask.
WANT_A_MASK = ("lime", "kernel_shap")


def with_words(
    call: RunningCall,
    values: Sequence[Array],
    axes: Sequence[str],
    prior: Callable[[Array], Sequence[int]],
    ends: Callable[[int], tuple[Any, Any] | None],
) -> RunningCall:
    """The call with words for baselines and masks, and masks of fewer axes, as arrays in the shape of the inputs.

    Parameters
    ----------
    values, axes
        The inputs in the caller's layout, and a letter an axis of each.
    prior
        For each sample the place of the sample among given data whose prediction is nearest the prior.
    ends
        What black and white are for an input, if that is known.
    """
    spec = call.spec
    call = with_segmentation(call, values, axes) if spec.key in WANT_A_MASK else call
    generator: np.random.Generator | None = None
    data = [to_numpy(item) for item in in_order(call.words.data)]
    sides, has_words = [], False
    for given, arguments in ((call.init_options, spec.init), (call.call_options, spec.call)):
        options = dict(given)
        for argument in arguments:
            value = options.get(argument.name)
            of_numbers = argument.role == "distribution" and _has_number(value)  # toolkits take samples there
            if of_numbers or (argument.role in ("baseline", "distribution") and _has_word(value)):
                parts = value if isinstance(value, tuple) else (value,) * len(values)
                has_words = True
                generator = generator or np.random.default_rng(call.seed)
                options[argument.name] = _as_given(
                    call,
                    [
                        baseline(
                            part, values[k], axes[k], ends=functools.partial(ends, k), neutral=prior, generator=generator,
                            data=data[k] if k < len(data) else None,
                        )
                        if isinstance(part, str)
                        else np.full_like(values[k][:1], part) if of_numbers and isinstance(part, (int, float))
                        else part
                        for k, part in enumerate(parts)
                    ],
                )  # fmt: skip
            elif argument.role == "feature_mask":
                if value is None and spec.key in WANT_A_MASK and len(values) == 1 and _is_image(axes[0]):
                    value = "superpixels"
                if value is not None:
                    has_words = True
                    one = not isinstance(value, (tuple, list)) or _is_word_pair(value)
                    parts = (value,) * len(values) if one else tuple(value)
                    options[argument.name] = _as_given(
                        call, [feature_mask(part, values[k], axes[k]) for k, part in enumerate(parts)]
                    )
        sides.append(options)
    if has_words:
        call = dataclasses.replace(call, init_options=sides[0], call_options=sides[1])
    return with_hidden(call, values, axes) if spec.key in WANT_A_MASK else call


def check_input_words(bound: BoundArguments, data: Any) -> None:
    """Refuse a word for a baseline or a mask that is none, before a model is opened.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        There is no such word or option, or it is of data that were not given.
    """
    for argument in bound.spec.arguments:
        value = bound.side(argument.name).get(argument.name)
        parts = value if isinstance(value, (tuple, list)) and not _is_word_pair(value) else [value]
        for part in parts:
            if argument.role in ("baseline", "distribution") and isinstance(part, str):
                check_baseline_word(part, has_data=data is not None)
            elif (
                argument.role == "feature_mask" and part is not None and (isinstance(part, str) or _is_word_pair(part))
            ):
                check_mask_word(part)


def _has_word(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and any(isinstance(part, str) for part in value))


def _has_number(value: Any) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(part, (int, float)) for part in parts)


def _is_word_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _as_given(call: RunningCall, parts: list[Any]) -> Any:
    return tuple(parts) if call.several or len(parts) > 1 else parts[0]


def _is_image(axes: str) -> bool:
    return {"H", "W"} <= set(axes)
