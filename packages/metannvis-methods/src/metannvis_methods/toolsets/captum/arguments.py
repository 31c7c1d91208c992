"""Shared parts of the rows of Captum's methods: arguments, references, caveats."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import (
    function,
    number,
    one_of,
    one_or_several,
    options_by_name,
    whole,
)
from metannvis_methods.registry.spec import Argument, Kind, MethodSpec

INPUTS = Argument("inputs", "input", required=True)
BASELINES = Argument("baselines", "baseline")
DISTRIBUTION = Argument("baselines", "distribution", required=True)
TARGET = Argument("target", "target")
EXTRA = Argument("additional_forward_args", "extra")
MASK = Argument("feature_mask", "feature_mask")
NEURON = Argument("neuron_selector", "neuron", required=True)
DELTA = Argument("return_convergence_delta", "delta", flag=True)
INTERNAL_BATCH = Argument("internal_batch_size", "batch", takes=whole(1))
PER_EVAL = Argument("perturbations_per_eval", "per_eval", takes=whole(1))
LAYER_BASELINES = Argument("layer_baselines", "layer_baseline")
LAYER_MASK = Argument("layer_mask", "layer_mask")
LAYER = Argument("layer", "layer", required=True)

OF_LAYER = (LAYER, Argument("device_ids"))
MULTIPLY = Argument("multiply_by_inputs", flag=True)
#: How the path is cut, as Captum knows it.
RULES_OF_STEPS = one_of("gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid")
PATH = (Argument("n_steps", takes=whole(1)), Argument("method", takes=RULES_OF_STEPS), INTERNAL_BATCH)
TO_LAYER_INPUT = Argument("attribute_to_layer_input", "layer_input", flag=True)
TO_NEURON_INPUT = Argument("attribute_to_neuron_input", "layer_input", flag=True)
GRAD_KWARGS = Argument("grad_kwargs", takes=options_by_name())
CUSTOM = Argument("custom_attribution_func", takes=function())
N_SAMPLES = Argument("n_samples", takes=whole(1))
SAMPLES = (N_SAMPLES, Argument("stdevs", takes=one_or_several(number(0))))
SHOW = Argument("show_progress", flag=True)
VERBOSE = Argument("verbose", flag=True)
IN_INPUT_SHAPE = Argument("return_input_shape", flag=True)

#: Arguments of the reference's explain_instance that are words for ours.
OF_REFERENCE = tuple(
    Argument(name, own=True) for name in ("hide_color", "segmentation_fn", "num_samples", "top_labels", "random_seed")
)
#: Those of its linear model.
OF_LOCAL_MODEL = tuple(Argument(name, own=True) for name in ("num_features", "distance_metric", "model_regressor"))

UNIQUE = "needs every activation to be a module of its own; other models are brought into that form first"
SANITY = "is nearly blind to the weights of the later layers (Adebayo et al., 2018, arXiv:1810.03292)"
NOISY = "is noisy, and zero where the output is saturated"
PRODUCT = "is zero where what is explained is, and where the output is saturated"
CHANGING = "depends on the baseline"
ESTIMATE = "is a random estimate: give seed=… to repeat it"
ONCE_A_FEATURE = "runs the model once a feature: group pixels with feature_mask"
FUNCTIONS = "functions that it is given get tensors as the model that runs takes them"
RULES = "has rules for few kinds of layers (dense ones, Conv2d, pools, BatchNorm2d, additions, ReLU, Tanh) and refuses others"


def row(key: str, cls: str, kind: Kind = "primary", **fields: Any) -> MethodSpec:
    """A row of one of Captum's classes."""
    fields.setdefault("only_calls", kind == "primary" and not fields.get("needs_canonical", False))
    return MethodSpec(key=key, toolset="captum", framework="torch", kind=kind, cls=f"captum.attr:{cls}", **fields)
