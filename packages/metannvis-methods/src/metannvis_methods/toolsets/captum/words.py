"""What the rows of Captum's methods share: arguments, references, caveats."""

from __future__ import annotations

from typing import Any

from metannvis_methods.spec import Argument, Kind, MethodSpec

INPUTS = Argument("inputs", "input", required=True)
BASELINES = Argument("baselines", "baseline")
DISTRIBUTION = Argument("baselines", "distribution", required=True)
TARGET = Argument("target", "target")
EXTRA = Argument("additional_forward_args", "extra")
MASK = Argument("feature_mask", "feature_mask")
NEURON = Argument("neuron_selector", "neuron", required=True)
DELTA = Argument("return_convergence_delta", "delta")
INTERNAL_BATCH = Argument("internal_batch_size", "batch")
PER_EVAL = Argument("perturbations_per_eval", "per_eval")
LAYER_BASELINES = Argument("layer_baselines", "layer_baseline")
LAYER_MASK = Argument("layer_mask", "layer_mask")
LAYER = Argument("layer", "layer", required=True)

OF_LAYER = (LAYER, Argument("device_ids"))
MULTIPLY = Argument("multiply_by_inputs")
PATH = (Argument("n_steps"), Argument("method"), INTERNAL_BATCH)
TO_LAYER_INPUT = Argument("attribute_to_layer_input", "layer_input")
TO_NEURON_INPUT = Argument("attribute_to_neuron_input", "layer_input")
GRAD_KWARGS = Argument("grad_kwargs")
CUSTOM = Argument("custom_attribution_func")
N_SAMPLES = Argument("n_samples")
SAMPLES = (N_SAMPLES, Argument("stdevs"))
SHOW = Argument("show_progress")
VERBOSE = Argument("verbose")
IN_INPUT_SHAPE = Argument("return_input_shape")

IG = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, 2017, arXiv:1703.01365"
DEEP_LIFT = "Shrikumar, Greenside, Kundaje: Learning Important Features, 2017, arXiv:1704.02685"
SHAP = "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, 2017, arXiv:1705.07874"
SALIENCY = "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, 2013, arXiv:1312.6034"
DECONVOLUTION = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2013, arXiv:1311.2901"
GUIDED = "Springenberg et al.: Striving for Simplicity: The All Convolutional Net, 2014, arXiv:1412.6806"
CONDUCTANCE = "Dhamdhere, Sundararajan, Yan: How Important Is a Neuron?, 2018, arXiv:1805.12233"
INFLUENCE = "Leino et al.: Influence-Directed Explanations for Deep Convolutional Networks, 2018, arXiv:1802.03788"
PERMUTATION = "Breiman: Random Forests, 2001; Fisher, Rudin, Dominici, 2018, arXiv:1801.01489"
GRAD_CAM = "Selvaraju et al.: Grad-CAM, 2016, arXiv:1610.02391"
ABLATION = "Merrick: Randomized Ablation Feature Importance, 2019, arXiv:1910.00174"
SHAPLEY = "Castro, Gómez, Tejada: Polynomial Calculation of the Shapley Value Based on Sampling, 2009"
LIME = "Ribeiro, Singh, Guestrin: Why Should I Trust You?, 2016, arXiv:1602.04938"
RELEVANCE = "Bach et al.: On Pixel-Wise Explanations, PLoS ONE 10(7), 2015, doi:10.1371/journal.pone.0130140"

UNIQUE = "needs every activation to be a module of its own; other models are brought into that form first"
SANITY = "is nearly blind to the weights of the later layers (Adebayo et al., 2018, arXiv:1810.03292)"
CHANGING = "depends on the baseline"
ESTIMATE = "is a random estimate: give seed=… to repeat it"
ONCE_A_FEATURE = "runs the model once a feature: group pixels with feature_mask"
FUNCTIONS = "functions that it is given get tensors as the model that runs takes them"
RULES = "has rules for few kinds of layers (dense ones, Conv2d, pools, BatchNorm2d, additions, ReLU, Tanh) and refuses others"


def row(key: str, cls: str, kind: Kind = "primary", **fields: Any) -> MethodSpec:
    """A row of one of Captum's classes."""
    return MethodSpec(key=key, toolset="captum", framework="torch", kind=kind, cls=f"captum.attr:{cls}", **fields)
