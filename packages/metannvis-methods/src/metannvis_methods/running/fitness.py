"""Fitness: whether a method fits a model and its inputs, told before the run as far as that can be seen, and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_methods.errors import UnfitWarning
from metannvis_methods.models.arrays import all_finite, count_of, in_order, to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepared import Prepared

if TYPE_CHECKING:
    from metannvis_translate import LayerInfo

__all__ = ["tell_incomplete", "tell_labels", "tell_unfit_before", "tell_unfit_values"]

Array = np.ndarray[Any, Any]
#: How near to one the sum of the outputs of a sample is that are taken for probabilities.
NEAR_ONE = 1e-4
#: Share of a difference of outputs that attributions along a path may be off, and of their sizes, which is rounding.
INCOMPLETE, NEGLIGIBLE = 0.05, 0.01
#: Of a range of values, what counts as none beyond it: an image that was resized overshoots.
ROUNDING = 1e-3


def tell_unfit_before(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> None:
    """Warn of what the row needs and the model or the call lacks, before time is spent."""
    for place, value in enumerate(inputs):
        array = to_numpy(value)
        wrong = _not_finite(array)
        if wrong:
            one = f"input {place}" if len(inputs) > 1 else "the input"
            tell(
                f"{one} holds {wrong} numbers that are not finite (NaN or infinity): what depends on them will not be either; "
                "fill in missing values first",
                UnfitWarning,
            )
    text = _beyond_range(call, inputs)
    if text is not None:
        tell(text, UnfitWarning)
    for need in call.spec.needs:
        check = CHECKS.get(need)
        text = None if check is None else check(call, prepared, inputs)
        if text is not None:
            tell(text, UnfitWarning)


def _beyond_range(call: RunningCall, inputs: Sequence[Any]) -> str | None:
    """What is wrong about a range of values in which those of images, or of inputs if none is one, do not lie."""
    if call.words.value_range is None:
        return None
    low, high = call.words.value_range
    arrays = [to_numpy(value) for value in inputs]
    arrays = [array for array in arrays if array.ndim > 2] or arrays
    found = [float(end) for array in arrays if array.size for end in (array.min(), array.max())]
    slack = ROUNDING * (high - low)
    if not found or (min(found) >= low - slack and max(found) <= high + slack):
        return None
    return (
        f"the inputs reach from {min(found):g} to {max(found):g}, beyond value_range=({low:g}, {high:g}): black and white are "
        "not theirs; give the range in which the network gets its inputs"
    )


def _relu(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> str | None:
    kinds = prepared.adapter.kinds_of(prepared.model)
    if not kinds or "relu" in kinds:
        return None
    return (
        f"{call.spec.key} changes the gradients of ReLUs, and the model has none: what it gives is the plain gradient; take "
        "saliency or integrated_gradients"
    )


def _batch(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> str | None:
    if not inputs or count_of(inputs[0]) > 1:
        return None
    return f"{call.spec.key} shuffles among samples, and there is one: give two or more"


def _sample(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> str | None:
    if not inputs or count_of(inputs[0]) == 1:
        return None
    return f"{call.spec.key} takes one sample at a time, and there are {count_of(inputs[0])}: give them one by one"


def _baselines(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> str | None:
    given = call.option("distribution")
    counts = {len(item) for item in in_order(given) if getattr(item, "shape", ())}
    if counts != {1}:
        return None
    return f"{call.spec.key} averages over baselines, and there is one: give two or more, or take {_single(call.spec)}"


def _single(spec: MethodSpec) -> str:
    return spec.key.removesuffix("_shap")


def _places(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> str | None:
    found = _places_of_layer(call, prepared)
    return None if found is None or found[1] else _shows_no_place(found[0], "no places beside channels")


def _map(call: RunningCall, prepared: Prepared, inputs: Sequence[Any]) -> str | None:
    found = _places_of_layer(call, prepared)
    if found is None or not found[1] or any(size != 1 for size in found[1]):
        return None
    return _shows_no_place(found[0], "one place")


def _places_of_layer(call: RunningCall, prepared: Prepared) -> tuple[LayerInfo, tuple[int | None, ...]] | None:
    """The layer, and how many places lie along each of its axes of space; ``None`` if that is not known."""
    if prepared.row is None or not prepared.row.source.shape or call.arrange is not None:
        return None
    info, last = prepared.row.source, adapter_for(prepared.framework).channels_last
    return info, tuple(info.shape[1:-1] if last else info.shape[2:])


def _shows_no_place(layer: LayerInfo, has: str) -> str:
    return (
        f"layer {layer.name!r} returns shape {tuple(layer.shape)}, which has {has}: a map of it shows nothing of where; name a "
        "convolution in front of the pooling, or layer='auto'"
    )


#: What of a need can be told before the model is run; ``logits`` needs a prediction, rules are the toolset's.
CHECKS: Mapping[str, Callable[[RunningCall, Prepared, Sequence[Any]], str | None]] = {
    "relu": _relu,
    "batch": _batch,
    "sample": _sample,
    "baselines": _baselines,
    "places": _places,
    "map": _map,
}


def tell_probabilities(call: RunningCall, output: Array) -> None:
    """Warn of outputs that are probabilities by what they are, where the method is defined by the score before them."""
    if _sums_to_one(output):
        tell(
            f"{call.spec.key} is defined by the score before a softmax, and the outputs of the model sum to one, as "
            "probabilities do; no softmax was found that could be left out: explain a model that returns the scores, or say "
            "logits=False",
            UnfitWarning,
        )


def tell_labels(labels: Sequence[Any] | None, output: Array) -> None:
    """Warn of names that are not as many as the classes: one too many in front makes each the name of another class."""
    if labels is None or output.ndim != 2 or output.shape[1] < 2 or len(labels) == output.shape[1]:
        return
    tell(
        f"labels holds {len(labels)} names, and the output has {output.shape[1]} classes: a name may be that of another class",
        UnfitWarning,
    )


def _sums_to_one(output: Array) -> bool:
    if output.dtype.kind != "f" or output.ndim != 2 or output.shape[1] < 2 or not output.size:
        return False
    return bool(output.min() >= 0 and np.abs(output.sum(1) - 1).max() < NEAR_ONE)


def _not_finite(array: Array) -> int:
    """How many numbers of an array are NaN or infinite."""
    return 0 if all_finite(array) else array.size - int(np.isfinite(array).sum())


def tell_unfit_values(spec: MethodSpec, values: Sequence[Array | None]) -> None:
    """Warn of values that say nothing: all zero in a sample, or not finite."""
    arrays = [array for array in values if array is not None and array.ndim and array.size and array.dtype.kind == "f"]
    if not arrays:
        return
    broken = sum(map(_not_finite, arrays))
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


def tell_incomplete(
    spec: MethodSpec, options: Mapping[str, Any], values: Sequence[Array | None], delta: Array | None
) -> None:
    """Warn of a sum of attributions along a path that is not the difference of the outputs which it divides among the inputs.

    It falls as the steps become more; that of methods which draw baselines or samples is right on average only.
    """
    arrays = [array for array in values if array is not None]
    if options.get("multiply_by_inputs", True) is not True:  # derivatives alone add up to nothing
        return
    if (
        delta is None
        or spec.stochastic
        or spec.argument("n_steps") is None
        or any(len(a) != delta.size for a in arrays)
    ):
        return
    off = np.abs(delta.reshape(-1).astype(float))
    sums, sizes = (sum(f(a).reshape(len(a), -1).sum(1, dtype=float) for a in arrays) for f in (np.asarray, np.abs))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = off / np.maximum(np.abs(sums), np.abs(sums - delta.reshape(-1)))
    bad = (share > INCOMPLETE) & (off > NEGLIGIBLE * sizes)
    if bad.any():
        worst = int(np.argmax(np.where(bad, share, 0)))
        tell(
            f"the values of {spec.key} do not add up: those of sample {worst} are {sums[worst]:.3g} together, and its output "
            f"differs from that at the baseline by {(sums - delta.reshape(-1))[worst]:.3g}; take more steps (n_steps)",
            UnfitWarning,
        )


def _why_zero(spec: MethodSpec) -> str:
    if spec.base == "lime":
        return (
            ": the penalty of its linear model outweighs a change of probabilities; explain the output before the softmax, or "
            "give interpretable_model= with a smaller alpha"
        )
    if spec.family == "cam" and spec.by_role("target", "score") is None:
        return ": no channel of the layer stands out there; try another layer"
    if spec.family == "cam":
        return ": no channel of the layer speaks for the target there, or the output does not depend on it; try another layer"
    return ": the target does not depend on what is explained there (saturated, or cut off), or the baseline equals the input"
