"""Fitness: whether a method fits a model and its inputs, told before the run as far as that can be seen, and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import UnfitWarning
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepared import Prepared

__all__ = ["tell_unfit_before", "tell_unfit_values"]

Array = np.ndarray[Any, Any]
#: Classes of layers and operations that are a ReLU, in either framework.
RELUS = ("relu", "relu6")


def tell_unfit_before(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> None:
    """Warn of what the row needs and the model or the call lacks, before time is spent."""
    spec = call.spec
    for place, value in enumerate(inputs):
        array = to_numpy(value)
        wrong = array.size - int(np.isfinite(array).sum()) if array.dtype.kind == "f" else 0
        if wrong:
            one = f"input {place}" if len(inputs) > 1 else "the input"
            tell(
                f"{one} holds {wrong} numbers that are not finite (NaN or infinity): what depends on them will not be either; "
                "fill in missing values first",
                UnfitWarning,
            )
    if "batch" in spec.needs and inputs and len(inputs[0]) < 2:
        tell(f"{spec.key} shuffles among samples, and there is one: give two or more", UnfitWarning)
    if "relu" in spec.needs and not _has_relu(prepared):
        tell(
            f"{spec.key} changes the gradients of ReLUs, and the model has none: what it gives is the plain gradient",
            UnfitWarning,
        )


def _has_relu(prepared: Prepared) -> bool:
    layers = prepared.adapter.layers_of(prepared.model)
    kinds = [type(layer).__name__.casefold() for layer in layers.values()]
    return not layers or any(kind in RELUS for kind in kinds)


def tell_unfit_values(spec: MethodSpec, values: Sequence[Array | None]) -> None:
    """Warn of values that say nothing: all zero in a sample, or not finite."""
    arrays = [array for array in values if array is not None and array.ndim and array.size and array.dtype.kind == "f"]
    if not arrays:
        return
    broken = sum(array.size - int(np.isfinite(array).sum()) for array in arrays)
    if broken:
        tell(f"{broken} of the values of {spec.key} are not finite (NaN or infinity)", UnfitWarning)
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        return
    (count,) = counts
    zero = [k for k in range(count) if not any(array[k].any() for array in arrays)]
    if zero:
        which = "every sample" if len(zero) == count else f"sample {', '.join(map(str, zero[:5]))}"
        tell(f"all values of {spec.key} are zero for {which}{_why_zero(spec)}", UnfitWarning)


def _why_zero(spec: MethodSpec) -> str:
    if spec.base == "lime":
        return (
            ": the penalty of its linear model outweighs a change of probabilities; explain the output before the softmax, or "
            "give interpretable_model= with a smaller alpha"
        )
    if spec.family == "cam":
        return ": no channel of the layer speaks for the target there, or the output does not depend on it; try another layer"
    return ": the target does not depend on what is explained there (saturated, or cut off), or the baseline equals the input"
