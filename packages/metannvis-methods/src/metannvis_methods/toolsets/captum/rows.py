"""Captum's methods, a row each, in the order of its documentation."""

from __future__ import annotations

from typing import Any

from metannvis_methods.spec import Argument, Kind, MethodSpec

__all__ = ["ROWS"]

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
SAMPLES = (Argument("n_samples"), Argument("stdevs"))
SHOW = Argument("show_progress")

IG = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, 2017, arXiv:1703.01365"
DEEP_LIFT = "Shrikumar, Greenside, Kundaje: Learning Important Features, 2017, arXiv:1704.02685"
SHAP = "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, 2017, arXiv:1705.07874"
SALIENCY = "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, 2013, arXiv:1312.6034"
DECONVOLUTION = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2013, arXiv:1311.2901"
CONDUCTANCE = "Dhamdhere, Sundararajan, Yan: How Important Is a Neuron?, 2018, arXiv:1805.12233"
PERMUTATION = "Breiman: Random Forests, 2001; Fisher, Rudin, Dominici, 2018, arXiv:1801.01489"
GRAD_CAM = "Selvaraju et al.: Grad-CAM, 2016, arXiv:1610.02391"
ABLATION = "Merrick: Randomized Ablation Feature Importance, 2019, arXiv:1910.00174"

UNIQUE = "needs every activation to be a module of its own; other models are brought into that form first"
SANITY = "is nearly blind to the weights of the later layers (Adebayo et al., 2018, arXiv:1810.03292)"
CHANGING = "depends on the baseline"


def _row(key: str, cls: str, kind: Kind = "primary", **fields: Any) -> MethodSpec:
    return MethodSpec(key=key, toolset="captum", framework="torch", kind=kind, cls=f"captum.attr:{cls}", **fields)


PRIMARY = (
    _row(
        "integrated_gradients",
        "IntegratedGradients",
        init=(MULTIPLY,),
        call=(INPUTS, BASELINES, TARGET, EXTRA, *PATH, DELTA),
        summary="gradients summed along the straight path from a baseline to the input",
        reference=IG,
        caveats=(CHANGING,),
    ),
    _row(
        "saliency",
        "Saliency",
        call=(INPUTS, TARGET, Argument("abs"), EXTRA),
        summary="absolute gradient of the output with respect to the input",
        reference=SALIENCY,
    ),
    _row(
        "input_x_gradient",
        "InputXGradient",
        call=(INPUTS, TARGET, EXTRA),
        summary="input times gradient",
        reference=DEEP_LIFT,
    ),
    _row(
        "deep_lift",
        "DeepLift",
        init=(MULTIPLY, Argument("eps")),
        call=(INPUTS, BASELINES, TARGET, EXTRA, DELTA, CUSTOM),
        summary="differences from a baseline, carried back through rules for each activation",
        reference=DEEP_LIFT,
        caveats=(CHANGING, UNIQUE),
        hooks=True,
    ),
    _row(
        "gradient_shap",
        "GradientShap",
        init=(MULTIPLY,),
        call=(INPUTS, DISTRIBUTION, *SAMPLES, TARGET, EXTRA, DELTA),
        summary="expected gradients between random baselines and the input with noise",
        reference=SHAP,
        caveats=("is a random estimate: give seed=… to repeat it",),
        stochastic=True,
    ),
    _row(
        "deconvolution",
        "Deconvolution",
        call=(INPUTS, TARGET, EXTRA),
        summary="gradient in which every ReLU lets only positive gradients through",
        reference=DECONVOLUTION,
        caveats=(SANITY, UNIQUE),
        hooks=True,
    ),
    _row(
        "feature_ablation",
        "FeatureAblation",
        call=(INPUTS, BASELINES, TARGET, EXTRA, MASK, PER_EVAL, SHOW),
        family="perturbation",
        summary="change of the output when a feature is replaced by its baseline",
        reference=ABLATION,
        caveats=(CHANGING, "runs the model once a feature: group pixels with feature_mask"),
    ),
    _row(
        "feature_permutation",
        "FeaturePermutation",
        init=(Argument("perm_func"),),
        call=(INPUTS, TARGET, EXTRA, MASK, PER_EVAL, SHOW),
        family="perturbation",
        summary="change of the output when a feature is shuffled among the samples",
        reference=PERMUTATION,
        caveats=("needs a batch of two or more", "is random: give seed=… to repeat it"),
        stochastic=True,
        independent=False,
    ),
)

LAYERS = (
    _row(
        "layer_integrated_gradients",
        "LayerIntegratedGradients",
        "layer",
        init=(*OF_LAYER, MULTIPLY),
        call=(INPUTS, BASELINES, TARGET, EXTRA, *PATH, DELTA, TO_LAYER_INPUT, GRAD_KWARGS),
        summary="integrated gradients along the path of the layer's output",
        reference=IG,
        caveats=(CHANGING,),
    ),
    _row(
        "layer_deep_lift",
        "LayerDeepLift",
        "layer",
        init=(LAYER, MULTIPLY),
        call=(INPUTS, BASELINES, TARGET, EXTRA, DELTA, TO_LAYER_INPUT, CUSTOM, GRAD_KWARGS),
        summary="DeepLift of the layer's output",
        reference=DEEP_LIFT,
        caveats=(CHANGING, UNIQUE),
        hooks=True,
    ),
    _row(
        "layer_gradient_shap",
        "LayerGradientShap",
        "layer",
        init=(*OF_LAYER, MULTIPLY),
        call=(INPUTS, DISTRIBUTION, *SAMPLES, TARGET, EXTRA, DELTA, TO_LAYER_INPUT),
        summary="GradientShap of the layer's output",
        reference=SHAP,
        caveats=("is a random estimate: give seed=… to repeat it",),
        stochastic=True,
    ),
    _row(
        "layer_feature_ablation",
        "LayerFeatureAblation",
        "layer",
        init=OF_LAYER,
        call=(INPUTS, LAYER_BASELINES, TARGET, EXTRA, LAYER_MASK, TO_LAYER_INPUT, PER_EVAL),
        family="perturbation",
        summary="change of the output when a neuron of the layer is replaced by its baseline",
        reference=ABLATION,
        caveats=(CHANGING, "runs the model once a neuron: group neurons with feature_mask"),
    ),
    _row(
        "layer_gradient_x_activation",
        "LayerGradientXActivation",
        "layer",
        init=(*OF_LAYER, MULTIPLY, Argument("memory_efficient")),
        call=(INPUTS, TARGET, EXTRA, TO_LAYER_INPUT, GRAD_KWARGS),
        summary="the layer's output times the gradient with respect to it",
        reference=DEEP_LIFT,
    ),
    _row(
        "layer_conductance",
        "LayerConductance",
        "layer",
        init=OF_LAYER,
        call=(INPUTS, BASELINES, TARGET, EXTRA, *PATH, DELTA, TO_LAYER_INPUT, GRAD_KWARGS),
        summary="how much of the integrated gradients flows through each neuron of the layer",
        reference=CONDUCTANCE,
        caveats=(CHANGING,),
    ),
    _row(
        "layer_activation",
        "LayerActivation",
        "layer",
        init=OF_LAYER,
        call=(INPUTS, EXTRA, TO_LAYER_INPUT),
        family="activation",
        summary="the layer's output",
    ),
    _row(
        "grad_cam",
        "LayerGradCam",
        "layer",
        init=OF_LAYER,
        call=(
            INPUTS,
            TARGET,
            EXTRA,
            TO_LAYER_INPUT,
            Argument("relu_attributions"),
            Argument("attr_dim_summation"),
            GRAD_KWARGS,
        ),
        family="cam",
        summary="the layer's channels, weighted by mean gradients and added up; not enlarged or rectified",
        reference=GRAD_CAM,
    ),
)

NEURONS = (
    _row(
        "neuron_integrated_gradients",
        "NeuronIntegratedGradients",
        "neuron",
        init=(*OF_LAYER, MULTIPLY),
        call=(INPUTS, NEURON, BASELINES, EXTRA, *PATH, TO_NEURON_INPUT),
        summary="integrated gradients of one neuron",
        reference=IG,
        caveats=(CHANGING,),
    ),
    _row(
        "neuron_deep_lift",
        "NeuronDeepLift",
        "neuron",
        init=(LAYER, MULTIPLY),
        call=(INPUTS, NEURON, BASELINES, EXTRA, TO_NEURON_INPUT, CUSTOM),
        summary="DeepLift of one neuron",
        reference=DEEP_LIFT,
        caveats=(CHANGING, UNIQUE),
        hooks=True,
    ),
    _row(
        "neuron_gradient_shap",
        "NeuronGradientShap",
        "neuron",
        init=(*OF_LAYER, MULTIPLY),
        call=(INPUTS, NEURON, DISTRIBUTION, *SAMPLES, EXTRA, TO_NEURON_INPUT),
        summary="GradientShap of one neuron",
        reference=SHAP,
        caveats=("is a random estimate: give seed=… to repeat it",),
        stochastic=True,
    ),
    _row(
        "neuron_feature_ablation",
        "NeuronFeatureAblation",
        "neuron",
        init=OF_LAYER,
        call=(INPUTS, NEURON, BASELINES, EXTRA, MASK, TO_NEURON_INPUT, PER_EVAL),
        family="perturbation",
        summary="change of one neuron when a feature is replaced by its baseline",
        reference=ABLATION,
        caveats=(CHANGING, "runs the model once a feature: group pixels with feature_mask"),
    ),
    _row(
        "neuron_deconvolution",
        "NeuronDeconvolution",
        "neuron",
        init=OF_LAYER,
        call=(INPUTS, NEURON, EXTRA, TO_NEURON_INPUT),
        summary="Deconvolution of one neuron",
        reference=DECONVOLUTION,
        caveats=(SANITY, UNIQUE),
        hooks=True,
    ),
    _row(
        "neuron_gradient",
        "NeuronGradient",
        "neuron",
        init=OF_LAYER,
        call=(INPUTS, NEURON, EXTRA, TO_NEURON_INPUT),
        summary="gradient of one neuron with respect to the input",
        reference=SALIENCY,
    ),
    _row(
        "neuron_conductance",
        "NeuronConductance",
        "neuron",
        init=(*OF_LAYER, MULTIPLY),
        call=(INPUTS, NEURON, BASELINES, TARGET, EXTRA, *PATH, TO_NEURON_INPUT, GRAD_KWARGS),
        summary="how much of the integrated gradients of the output flows through one neuron",
        reference=CONDUCTANCE,
        caveats=(CHANGING,),
    ),
)

ROWS: tuple[MethodSpec, ...] = (*PRIMARY, *LAYERS, *NEURONS)
