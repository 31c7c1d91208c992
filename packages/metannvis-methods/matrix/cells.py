"""Cells of the matrix: a method on a network of a framework, compared with its reference, or refused."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from metannvis_methods import MethodSpec, ToolsetError, explain, list_methods
from metannvis_methods.errors import MetannvisError

from .arguments import SEED, arguments, in_layout, layer_of, target_of
from .networks import NETWORKS, SOURCES, Network, network, to_keras, to_torch
from .references import reference, started

__all__ = ["Cell", "Outcome", "cells", "outcome"]

Array = np.ndarray[Any, Any]
TOOLSETS = ("captum", "grad-cam", "metannvis", "tf-keras-vis", "zennit")


@dataclass(frozen=True)
class Cell:
    """A method on a network of a framework."""

    source: str
    network: str
    toolset: str
    method: str

    def __str__(self) -> str:
        return f"{self.source}-{self.network}-{self.toolset}-{self.method}"


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes
    ----------
    difference
        max|a − b| / max|b| of the worst input; ``None`` if the method was refused.
    error, words
        Class of what was raised, with that of what a toolkit raised behind it, and its message.
    told
        Warnings.
    wrong
        What is not as the reference is, where no number says it.
    """

    difference: float | None = None
    error: str = ""
    words: str = ""
    told: tuple[str, ...] = ()
    wrong: str = ""


@functools.cache
def methods() -> dict[tuple[str, str], MethodSpec]:
    """Rows of the toolsets."""
    return {(spec.toolset, spec.key): spec for name in TOOLSETS for spec in list_methods(toolset=name)}


def cells() -> Iterator[Cell]:
    """Every cell, those that share a model one after the other."""
    for name in NETWORKS:
        for source in SOURCES:
            yield from (Cell(source, name, *key) for key in methods())


@functools.cache
def expected(name: str, toolset: str, method: str) -> tuple[Array, ...]:
    """The reference, which is the same for every source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reference(methods()[toolset, method], network(name))


def outcome(cell: Cell) -> Outcome:
    """Run a cell."""
    spec, net = methods()[cell.toolset, cell.method], network(cell.network)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message=r"the values of \S+ do not add up")  # of a few steps, which are meant
        try:
            found = ours(spec, net, cell.source)
        except MetannvisError as error:
            cause = f" from {type(error.__cause__).__name__}" if isinstance(error, ToolsetError) else ""
            return Outcome(error=f"{type(error).__name__}{cause}", words=str(error), told=_told(caught))
    told = _told(caught)
    right = expected(cell.network, cell.toolset, cell.method)
    if len(found) != len(right):
        return Outcome(wrong=f"{len(found)} arrays instead of {len(right)}", told=told)
    worst = 0.0
    for ours_, theirs in zip(found, right, strict=True):
        if ours_.shape != theirs.shape:
            return Outcome(wrong=f"shape {ours_.shape} instead of {theirs.shape}", told=told)
        if not np.isfinite(theirs).all() or (theirs.size and not theirs.any()):
            return Outcome(wrong="the reference is zero or no number, which shows nothing", told=told)
        scale = np.abs(theirs).max(initial=0)
        worst = max(worst, float(np.abs(ours_ - theirs).max(initial=0) / scale) if theirs.size else 0.0)
    return Outcome(difference=worst, told=told)


def ours(spec: MethodSpec, net: Network, source: str) -> tuple[Array, ...]:
    """Values of ``explain`` in PyTorch's layout."""
    keras, words = source == "tensorflow", in_layout(spec, net, arguments(spec, net), source)
    layer, target = layer_of(spec, net), target_of(spec, net)
    inputs = tuple(to_keras(x, net.row) if keras else x for x in net.inputs)
    if spec.key == "lime_base":
        inputs = tuple(x[:1] for x in inputs)
    if spec.family == "optimization":
        inputs = tuple(started(x) for x in inputs)
    neuron = None if spec.optimizes else spec.by_role("neuron")
    if neuron is not None:
        words["neuron"] = words.pop(neuron.name)
    if layer is not None:
        words["layer"] = net.layer(layer, source)
    if spec.key == "layer_feature_permutation":
        place = target if isinstance(target, tuple) else (target,)
        place = to_keras(place, net.row) if keras else place
        words["target"] = lambda output: output[(slice(None), *place)]
    elif target is not None:
        words["target"] = [to_keras(k, net.row) if keras and isinstance(k, tuple) else k for k in target]
    if "method" in words:  # which is a word of ours
        words["options"] = {"method": words.pop("method")}
    if net.row.output is not None:
        words["output"] = net.row.output
    found = explain(
        net.source(source), spec.key, inputs if len(inputs) > 1 else inputs[0], toolset=spec.toolset, seed=SEED, **words
    )
    values = found.values if isinstance(found.values, tuple) else (found.values,)
    if spec.key == "lime_base":
        return values
    if found.kind == "concepts":  # whose axes are the same everywhere
        return values
    return tuple(to_torch(x, net.row) if keras and x is not None else x for x in values if x is not None)


def _told(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Warnings of ours; what toolkits say is theirs."""
    ours_ = [item for item in caught if item.category.__module__.startswith("metannvis")]
    return tuple(dict.fromkeys(f"{item.category.__name__}: {item.message}" for item in ours_))
