"""Agreement of explanations: binarised maps held against each other or against a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.metrics.localization.binarize import binarized, intersection_over_union
from metannvis_methods.metrics.subjects import map_of
from metannvis_methods.results.agreement import Agreement, ScoreBoard
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.plain import jsonable

__all__ = ["agreement", "score_board"]

Array = np.ndarray[Any, Any]
SIGNS = ("absolute", "positive", "both")
#: Words of ``explain`` that are parameters of a run, beside its options.
PARAMETERS = ("baselines", "feature_mask", "neuron", "noise", "reshape")


def agreement(
    first: Any,
    second: Any,
    *,
    threshold: str = "quantile",
    quantile: float = 0.9,
    sign: str = "absolute",
    names: tuple[str, str] | None = None,
) -> Agreement:
    """Hold the places that two explanations mark against each other: intersection over union of each image.

    Parameters
    ----------
    first, second
        Explanations of the same inputs, by any methods of models of any framework; or arrays of shape ``(N, places…)``, of
        which booleans are taken as they are. Maps of fewer places, as of layers, are enlarged by linear interpolation.
    threshold
        Above what a place counts: ``"quantile"``, ``"otsu"`` (needs scikit-image), or ``"mean"``.
    quantile
        Share of the places below the quantile.
    sign
        ``"absolute"`` for magnitudes, ``"positive"`` values, or ``"both"`` for values as they are; summed over channels.
    names
        What the two are called; ``None``: their methods.

    Returns
    -------
    Agreement
        Both sets of places, and a score a sample.

    Raises
    ------
    InvalidArgumentError
        One is no map of one input, they are not of the same inputs, or there is no such threshold.
    """
    if sign not in SIGNS:
        raise InvalidArgumentError(f"sign is one of {', '.join(SIGNS)}, not {sign!r}")
    if names is not None and (isinstance(names, str) or not isinstance(names, Sequence) or len(names) != 2):
        raise InvalidArgumentError(f"names are two, what the explanations are called, not {names!r}")
    known = next((item for item in (first, second) if isinstance(item, Explanation)), None)
    layout = None if known is None else _layout_of(known)
    one, other = (_marked(item, layout, threshold, quantile, sign) for item in (first, second))
    if one.shape != other.shape:
        raise InvalidArgumentError(f"maps of shapes {one.shape} and {other.shape} are not of the same inputs")
    pictures = None
    if known is not None and layout is not None and isinstance(known.pictures, np.ndarray):
        pictures = known.pictures
        pictures = layout.arranged(pictures) if pictures.shape == layout.shape else None
    return Agreement(
        intersection_over_union(one, other),
        one,
        other,
        names=names or (_name(first, "first"), _name(second, "second")),
        threshold=threshold,
        quantile=quantile,
        sign=sign,
        letters="?" * (one.ndim - 1) if layout is None else layout.letters,
        pictures=pictures,
    )


def score_board(
    runs: Mapping[str, Any] | Sequence[Any],
    target: Any,
    *,
    threshold: str = "quantile",
    quantile: float = 0.9,
    sign: str = "absolute",
) -> ScoreBoard:
    """Runs with their parameters: mean IoU against a target, and seconds a sample, the best first.

    Parameters
    ----------
    runs
        Explanations, or lists of those of several batches, by name; a list of them is called by their methods.
    target
        What they are held against: an explanation or an array, as :func:`agreement` takes it; for a run of several batches
        booleans or maps for all of their samples.
    threshold, quantile, sign
        As for :func:`agreement`.

    Returns
    -------
    ScoreBoard
        A row a run, the best first.

    Raises
    ------
    InvalidArgumentError
        There is no run, or one is not of the target's inputs.
    """
    if isinstance(runs, (str, Explanation)) or not isinstance(runs, (Mapping, Sequence)):
        raise InvalidArgumentError(
            f"runs are explanations in a list, or in a dict by what they are called, not one {type(runs).__name__}"
        )
    named = dict(runs) if isinstance(runs, Mapping) else {}
    for place, run in enumerate(runs if not isinstance(runs, Mapping) else ()):
        name = _name(run[0] if isinstance(run, (list, tuple)) else run, f"run {place}")
        named[name if name not in named else f"{name}, {place}"] = run
    if not named:
        raise InvalidArgumentError("there is no run to score")
    rows = []
    for name, run in named.items():
        batches = list(run) if isinstance(run, (list, tuple)) else [run]
        if not batches or not all(isinstance(one, Explanation) for one in batches):
            raise InvalidArgumentError(f"run {name!r} is no explanation, and no list of them")
        if len(batches) > 1 and isinstance(target, Explanation):
            raise InvalidArgumentError(
                f"run {name!r} is of {len(batches)} batches, and the target an explanation of one: give booleans or a map of "
                "all samples"
            )
        whole, found = np.asarray(target) if len(batches) > 1 else target, []
        done = 0
        for batch in batches:
            count = len(map_of(batch)[0])
            part = whole[done : done + count] if len(batches) > 1 else whole
            done += count
            found.append(agreement(batch, part, threshold=threshold, quantile=quantile, sign=sign).scores)
        scores = np.concatenate(found)
        head = batches[0]
        rows.append(
            {
                "run": name,
                "method": head.method,
                "toolset": head.toolset,
                "layer": head.layer,
                "options": _parameters(head),
                "iou": float(scores.mean()),
                "spread": float(scores.std()),
                "seconds": sum(batch.seconds for batch in batches) / len(scores),
                "samples": len(scores),
            }
        )
    return ScoreBoard(tuple(sorted(rows, key=lambda row: -row["iou"])), threshold, quantile, sign)


def _parameters(explanation: Explanation) -> dict[str, Any]:
    """What the caller set of a run, in JSON-able form."""
    words = {} if explanation.record is None else explanation.record.words
    beside = {name: words[name] for name in PARAMETERS if words.get(name) is not None}
    found: dict[str, Any] = jsonable({**(words.get("options") or {}), **beside, **explanation.options})
    return found


def _layout_of(explanation: Explanation) -> Layout:
    inputs, axes = explanation.inputs, explanation.input_axes
    if isinstance(inputs, np.ndarray) and isinstance(axes, str):
        return Layout(axes, inputs.shape)
    values, axes = map_of(explanation)
    return Layout(axes, values.shape)


def _marked(one: Any, layout: Layout | None, threshold: str, quantile: float, sign: str) -> Array:
    if isinstance(one, Explanation):
        if layout is None:
            raise InvalidArgumentError(f"{one.method} of {one.toolset} gives no map of one input")
        own = _layout_of(one)
        if own.shape[0] != layout.shape[0] or own.places != layout.places:
            raise InvalidArgumentError(f"maps of inputs of {own.shape} and {layout.shape} are not of the same inputs")
        values = own.arranged_values(*map_of(one))
        signed = np.abs(values) if sign == "absolute" else np.maximum(values, 0) if sign == "positive" else values
        return binarized(signed.sum(-1), threshold, quantile)
    array = np.asarray(one)
    if layout is not None and array.dtype == bool:
        return layout.arranged_mask(array)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise InvalidArgumentError(f"a map is an explanation, or an array of shape (N, places…), not {array.shape}")
    if array.dtype == bool:
        return array
    if not np.isfinite(array).all():
        raise InvalidArgumentError("a map of numbers that are not finite marks no places")
    signed = np.abs(array) if sign == "absolute" else np.maximum(array, 0) if sign == "positive" else array
    return binarized(signed.astype(np.float64), threshold, quantile)


def _name(one: Any, otherwise: str) -> str:
    return f"{one.method} ({one.toolset})" if isinstance(one, Explanation) else otherwise
