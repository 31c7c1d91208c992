"""Comparison of toolsets: the same method of several, side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.explain import WORDS, explain
from metannvis_methods.registry.spec import MethodSpec, fold
from metannvis_methods.registry.table import find_methods, registry
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.maps import SPACE, resized
from metannvis_methods.results.plain import as_tuple
from metannvis_methods.running.request import installed
from metannvis_methods.running.sharing import sharing
from metannvis_methods.running.streams import is_stream

__all__ = ["ALIGNMENTS", "Alignment", "compare", "differences"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Alignment:
    """Options with which a toolset's method means the same as the other toolsets'.

    Attributes
    ----------
    method, toolset
        Which row of the registry.
    options
        Set for every comparison of that method.
    signed
        Set as well if signs are to be kept.
    expand
        Set as well if a layer's map is to be as large as the input; ``None``: we enlarge it (linear, corners
        aligned).
    """

    method: str
    toolset: str
    options: Mapping[str, Any] = field(default_factory=dict)
    signed: Mapping[str, Any] = field(default_factory=dict)
    expand: Mapping[str, Any] | None = None


#: Measured to agree to 4e-9 (saliency) and 9e-10 (Grad-CAM) in float64 on twins with copied weights.
ALIGNMENTS: tuple[Alignment, ...] = (
    Alignment("saliency", "captum", {"abs": True}, {"abs": False}),
    Alignment("saliency", "tf-keras-vis", {"keepdims": True, "normalize_map": False}, {"gradient_modifier": None}),
    Alignment("grad_cam", "captum", {"relu_attributions": True}, {"relu_attributions": False}),
    Alignment(
        "grad_cam",
        "tf-keras-vis",
        {"expand_cam": False, "normalize_cam": False},
        {"activation_modifier": None},
        {"expand_cam": True},
    ),
    Alignment("grad_cam", "grad-cam", {"relu": True}, {"relu": False}),
    Alignment("lrp", "captum", {}),  # whose rule is epsilon, with that epsilon
    Alignment("lrp", "zennit", {"composite": "epsilon", "stabilizer": 1e-9}),
    Alignment("layer_lrp", "captum", {}),
    Alignment("layer_lrp", "zennit", {"composite": "epsilon", "stabilizer": 1e-9}),
    Alignment("layer_cam", "grad-cam", {"relu": True}),
    Alignment("layer_cam", "tf-keras-vis", {"expand_cam": False, "normalize_cam": False}, {}, {"expand_cam": True}),
)


def compare(
    model: Any,
    method: str,
    inputs: Any,
    *,
    toolsets: Sequence[str] | None = None,
    align: bool = True,
    signed: bool = False,
    expand: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    **arguments: Any,
) -> Comparison:
    """Run a method of several toolsets on the same inputs, and measure how far the results are apart.

    Parameters
    ----------
    model, method, inputs
        As for :func:`explain`.
    toolsets
        Keys; ``None`` takes every installed toolset that has the method.
    align
        Set the options whose defaults differ so that the toolkits compute the same (:data:`ALIGNMENTS`).
        ``False`` compares each toolkit's own defaults.
    signed
        With ``align``: keep signs, instead of absolute values and positive parts.
    expand
        With ``align``: maps of a layer as large as the input, instead of as large as the layer.
    options
        Options a toolset, by its own names: ``{"captum": {"abs": False}}``.
    **arguments
        Every word of :func:`explain` (one layer), and options of the method for every toolset.

    Returns
    -------
    Comparison
        The figures are of the worst sample. Before measuring, a map with channels is reduced to their maximum
        if the other has none, and the smaller map is enlarged.

    Raises
    ------
    InvalidArgumentError
        There are not two toolsets that have the method.
    MetannvisError
        As for :func:`explain`.
    """
    if is_stream(inputs):
        raise InvalidArgumentError("compare takes one batch: call it for each that an iterator gives")
    if isinstance(arguments.get("layer"), (list, tuple, set)):
        raise InvalidArgumentError("compare takes one layer: call it for each")
    if "toolset" in arguments:
        raise InvalidArgumentError("compare takes toolsets=[…], two or more, instead of toolset")
    toolkit = {name: arguments.pop(name) for name in list(arguments) if name not in WORDS}
    chosen = list(find_methods(method))
    if sum(map(installed, chosen)) > 1:
        chosen = list(filter(installed, chosen))
    if toolsets is not None:
        wanted = [registry.toolset(key).key for key in toolsets]
        chosen = [row for key in wanted for row in find_methods(method, key)]
    if len(chosen) < 2:
        have = ", ".join(row.toolset for row in chosen)
        raise InvalidArgumentError(
            f"a comparison takes two toolsets or more; of those asked, {have} alone has {method!r}"
        )
    given = {registry.toolset(key).key: dict(value) for key, value in (options or {}).items()}
    notes: list[str] = []
    if arguments.get("layer") is None and any(row.by_role("layer") for row in chosen):
        arguments = {**arguments, "layer": "auto"}
    explanations: list[Explanation] = []
    with sharing():
        for row in chosen:
            own = _aligned(row, signed, expand, notes) if align else {}
            if explanations and arguments.get("target") is None and _aims(row):
                arguments = {**arguments, "target": explanations[0].target}
            set_here = {**own, **toolkit, **given.get(row.toolset, {})}
            explanations.append(explain(model, method, inputs, toolset=row.toolset, options=set_here, **arguments))
    pairs = itertools.combinations(explanations, 2)
    rows = tuple({"a": a.toolset, "b": b.toolset, **_apart(a, b, notes)} for a, b in pairs)
    return Comparison(tuple(explanations), rows, align, chosen[0].key, tuple(dict.fromkeys(notes)))


def _aims(row: MethodSpec) -> bool:
    return row.by_role("target", "score") is not None


def _aligned(row: MethodSpec, signed: bool, expand: bool, notes: list[str]) -> dict[str, Any]:
    for known in ALIGNMENTS:
        if (fold(known.method), fold(known.toolset)) == (fold(row.key), fold(row.toolset)):
            found = {
                **known.options,
                **(known.signed if signed else {}),
                **((known.expand or {}) if expand else {}),
            }
            if found:
                notes.append(f"{row.toolset}: " + ", ".join(f"{name}={value!r}" for name, value in found.items()))
            return found
    notes.append(f"{row.toolset}: no options are known that align it")
    return {}


def _apart(a: Explanation, b: Explanation, notes: list[str]) -> dict[str, float]:
    left, right = as_tuple(a.values), as_tuple(b.values)
    if len(left) != len(right):
        raise InvalidArgumentError(
            f"{a.toolset} gave {len(left)} maps and {b.toolset} {len(right)}; they cannot be compared"
        )
    pairs = []
    for x, y, axes_x, axes_y in zip(left, right, as_tuple(a.axes), as_tuple(b.axes), strict=True):
        if x is None or y is None:  # an input that was held
            continue
        pairs.append(_same_shape(x, axes_x, y, axes_y, notes))
    flat = [np.concatenate([p[k].reshape(len(p[k]), -1) for p in pairs], axis=1) for k in (0, 1)]
    return differences(flat[0], flat[1])


def _same_shape(x: Array, axes_x: str, y: Array, axes_y: str, notes: list[str]) -> tuple[Array, Array]:
    """Both maps with the same axes and sizes."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != y.ndim and ("C" in axes_x) != ("C" in axes_y):
        if "C" in axes_x:
            x, axes_x = x.max(axis=axes_x.index("C")), axes_x.replace("C", "")
        else:
            y, axes_y = y.max(axis=axes_y.index("C")), axes_y.replace("C", "")
        notes.append("the largest channel was taken where the other map has none")
    if x.shape == y.shape:
        return x, y
    # space can be enlarged; samples, channels and features of another number are others
    apart = [k for k in range(min(x.ndim, y.ndim)) if x.shape[k] != y.shape[k]]
    if axes_x != axes_y or x.ndim != y.ndim or any(axes_x[k] not in SPACE for k in apart):
        raise InvalidArgumentError(f"maps of shape {x.shape} ({axes_x}) and {y.shape} ({axes_y}) cannot be compared")
    sizes = [max(sizes) for sizes in zip(x.shape, y.shape, strict=True)]
    notes.append("the smaller map was enlarged (linear, corners aligned)")
    return resized(x, sizes), resized(y, sizes)


def differences(a: Array, b: Array) -> dict[str, float]:
    """How far ``a`` is from ``b``, both of shape ``(N, …)``; each figure is that of the worst sample.

    ``max_rel`` is max|a − b| / max|b|, ``rel_l2`` is ‖a − b‖ / ‖b‖; ``spearman`` is Pearson's correlation of
    ranks, ties sharing their mean rank. Two samples that are all zero agree.
    """
    a, b = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (a, b))
    rows = [
        (
            _ratio(np.abs(x - y).max(initial=0), np.abs(y).max(initial=0)),
            _ratio(np.linalg.norm(x - y), np.linalg.norm(y)),
            _cosine(x, y),
            _cosine(*(_ranks(v) - (v.size - 1) / 2 for v in (x, y))),
        )
        for x, y in zip(a, b, strict=True)
    ]
    largest, l2, cosine, spearman = zip(*rows, strict=True)
    return {"max_rel": max(largest), "rel_l2": max(l2), "cosine": min(cosine), "spearman": min(spearman)}


def _ratio(difference: Any, size: Any) -> float:
    if difference == 0:
        return 0.0
    return float(difference / size) if size else math.inf


def _cosine(x: Array, y: Array) -> float:
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    if norms == 0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(np.clip(np.dot(x, y) / norms, -1, 1))


def _ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    ranks: Array = (last - (counts - 1) / 2)[inverse.reshape(-1)]
    return ranks
