"""Runs every Captum method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import Job, Outcome
from metannvis_methods.toolsets.captum.lrp_rules import attach_rules
from metannvis_methods.toolsets.load import load_class

__all__ = ["run"]

#: What Captum says of its own doings, which the guard undoes.
EXPECTED = (
    "Setting forward, backward hooks and attributes on non-linear",
    "Setting backward hooks on ReLU activations",
    "This method computes finite differences between evaluations at consecutive steps",
    "Input Tensor .* did not already require gradients",
)


def run(job: Job) -> Outcome:
    """Construct the method on the model and call it."""
    cls = load_class(job.spec)
    call = dict(job.call)
    for argument in job.spec.call:
        if argument.role == "neuron":
            call[argument.name] = _selector(call.get(argument.name))
        if argument.role == "target":
            call[argument.name] = _target(call.get(argument.name))
        if argument.role == "per_eval" and job.spec.kind == "layer" and isinstance(job.target, list):
            call[argument.name] = 1  # a layer's ablation does not repeat the targets for its copies of the batch
    asked = job.spec.by_role("delta")
    if job.spec.base == "lrp":
        attach_rules(job.model)
    with warnings.catch_warnings():
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        method = cls(job.model, **job.init)
        values = method.attribute(**call)
    delta = None
    if asked is not None and call.get(asked.name):
        values, delta = values
        samples = len(job.inputs[0])
        if len(delta) != samples:  # one a random draw
            delta = delta.reshape(samples, -1).mean(dim=1)
    return Outcome(values, over=_over(job.spec, call), delta=delta)


def _over(spec: MethodSpec, call: Mapping[str, Any]) -> Literal["input", "layer", "features"]:
    """What the values lie like: coefficients of a model of the features lie like nothing of the model that is explained."""
    if spec.kind == "layer":
        return "layer"
    features = spec.key == "lime_base" or call.get("return_input_shape") is False
    return "features" if features else "input"


def _target(target: Any) -> Any:
    """A target as Captum wants it: it does not repeat a list of one for its copies of the batch."""
    same = isinstance(target, list) and all(item == target[0] for item in target)
    return target[0] if same else target


def _selector(neuron: Any) -> Any:
    """A position as Captum wants it: an int, or a tuple of ints and slices."""
    if isinstance(neuron, list):
        return tuple(neuron)
    return neuron
