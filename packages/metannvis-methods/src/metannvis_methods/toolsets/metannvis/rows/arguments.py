"""Shared parts of the rows of our methods: arguments and caveats."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import Values, number
from metannvis_methods.registry.spec import Argument, MethodSpec

INPUTS = Argument("inputs", "input", required=True)
BASELINES = Argument("baselines", "baseline")
TARGET = Argument("target", "target")
EXTRA = Argument("additional_forward_args", "extra")
MASK = Argument("feature_mask", "feature_mask")
LAYER = Argument("layer", "layer", required=True)

POSITIVE = number(above=0)
NOT_NEGATIVE = number(0)
SHARE = Values("a number between 0 and 1", lambda value: POSITIVE.fits(value) and value < 1)

CHANGING = "depends on the baseline"
ESTIMATE = "is a random estimate: give seed=… to repeat it"
BLIND = "is nearly blind to the weights of the later layers (Adebayo et al., 2018, arXiv:1810.03292)"
NOISY = "is noisy, and zero where the output is saturated"
PRODUCT = "is zero where what is explained is, and where the output is saturated"
PROBABILITIES = "is defined for probabilities: of a model that returns logits it explains those"


def for_inputs(key: str, cls: str, *options: Argument, **fields: Any) -> MethodSpec:
    """A row of a method that differentiates, for what goes in: one of its inputs and target, with options of its own."""
    call = (INPUTS, TARGET, *options, EXTRA)
    return row(key, cls, **{"call": call, "only_calls": True, "rows_a_sample": 1, **fields})


def at_a_layer(key: str, cls: str, *call: Argument, **fields: Any) -> MethodSpec:
    """A row of a method that looks at a layer, with the arguments of its call beside the inputs."""
    return row(key, cls, **{"init": (LAYER,), "call": (INPUTS, *call, EXTRA), "rows_a_sample": 1, **fields})


def masking(key: str, cls: str, *options: Argument, **fields: Any) -> MethodSpec:
    """A row of a method that needs the outputs for masked inputs only, with options of its own."""
    call = (INPUTS, TARGET, BASELINES, MASK, *options)
    return row(key, cls, framework=None, call=call, family="perturbation", stochastic=True, **fields)


def row(key: str, cls: str, *, framework: str | None = "torch", **fields: Any) -> MethodSpec:
    """A row of one of our classes, named below this package."""
    fields = {"kind": "primary", "only_calls": framework is None, **fields}
    where = "visualization" if fields.get("optimizes") else "perturbation" if framework is None else "backprop"
    return MethodSpec(
        key=key,
        toolset="metannvis",
        framework=framework,
        cls=f"metannvis_methods.toolsets.metannvis.{where}.{cls}",
        **fields,
    )
