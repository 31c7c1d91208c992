"""The methods of tf-keras-vis, a row each."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import number, whole
from metannvis_methods.registry.sanity_checks import PASSES_ADEBAYO, PASSES_WANG, RANKS_ADEBAYO
from metannvis_methods.registry.spec import Argument, Kind, MethodSpec
from metannvis_methods.toolsets.tf_keras_vis.words import (
    CALLBACKS,
    FUNCTION_OF_MAPS,
    FUNCTIONS_OF_INPUTS,
    INPUT_MODIFIERS,
    MODEL_MODIFIERS,
    OPTIMIZERS,
    RANGES,
    REGULARIZERS,
    UNCONNECTED,
)

__all__ = ["ROWS"]

INIT = (
    Argument("model_modifier", takes=MODEL_MODIFIERS, also=("model_modifiers",), edits=True),
    Argument("clone", flag=True),
)
SCORE = Argument("score", "score", required=True)
SEED_INPUT = Argument("seed_input", "input", required=True)
GRADIENT_MODIFIER = Argument("gradient_modifier", takes=FUNCTION_OF_MAPS, also=("gradient_modifiers",))
COMMON = (Argument("training", flag=True, edits=True), Argument("unconnected_gradients", takes=UNCONNECTED))
LAYER = (Argument("penultimate_layer", "layer"), Argument("seek_penultimate_conv_layer", flag=True))
CAM = (
    Argument("activation_modifier", takes=FUNCTION_OF_MAPS, also=("activation_modifiers",)),
    Argument("expand_cam", flag=True),
    Argument("normalize_cam", flag=True),
)
GRADIENT_CAM = (SCORE, SEED_INPUT, *LAYER, GRADIENT_MODIFIER, *CAM, *COMMON)
SALIENCY = (
    SCORE,
    SEED_INPUT,
    Argument("smooth_samples", takes=whole(0)),
    Argument("smooth_noise", takes=number(0)),
    Argument("keepdims", flag=True),
    GRADIENT_MODIFIER,
    Argument("normalize_map", flag=True),
    *COMMON,
)

NORMALIZED = "is scaled to 0…1 a sample, so that maps cannot be compared in size; normalize_{}=False leaves it"
POSITIVE = "shows only what speaks for the target"


def _row(key: str, cls: str, kind: Kind, **fields: Any) -> MethodSpec:
    return MethodSpec(
        key=key,
        toolset="tf-keras-vis",
        framework="tensorflow",
        kind=kind,
        cls=f"tf_keras_vis.{cls}",
        init=INIT,
        **fields,
    )


ROWS: tuple[MethodSpec, ...] = (
    _row(
        "activation_maximization",
        "activation_maximization:ActivationMaximization",
        "feature_visualization",
        call=(
            SCORE,
            Argument("seed_input", "input"),
            Argument("input_range", takes=RANGES),
            Argument("input_modifiers", takes=INPUT_MODIFIERS, also=("input_modifier",)),
            Argument("regularizers", takes=REGULARIZERS, also=("regularizer",)),
            Argument("steps", takes=whole(1)),
            Argument("optimizer", takes=OPTIMIZERS),
            GRADIENT_MODIFIER,
            Argument("callbacks", takes=CALLBACKS, also=("callback",)),
            Argument("activation_modifiers", takes=FUNCTIONS_OF_INPUTS, also=("activation_modifier",)),
            *COMMON,
        ),
        family="optimization",
        summary="an input that makes the output large, found by gradient ascent",
        passes="steps",
        reference="Erhan et al.: Visualizing Higher-Layer Features of a Deep Network, 2009",
        caveats=(
            "its defaults suit inputs of 0…255; give input_range=(low, high) for others",
            "its defaults fail on small images (p at most 0.08 for 7 of 10 digits of 8 × 8): take that of metannvis",
            "starts from noise: give seed=… to repeat it",
        ),
        stochastic=True,
        batchable=False,
    ),
    _row(
        "saliency",
        "saliency:Saliency",
        "primary",
        call=SALIENCY,
        summary="absolute gradient of the output with respect to the input, its largest channel",
        passes="max(1, smooth_samples)",
        sanity=PASSES_ADEBAYO,
        reference="Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, 2013, arXiv:1312.6034",
        caveats=(NORMALIZED.format("map"), "is stochastic with smooth_samples"),
        stochastic=True,
        only_calls=True,
    ),
    _row(
        "smooth_grad",
        "saliency:Saliency",
        "primary",
        call=SALIENCY,
        summary="saliency, averaged over noisy copies of the input",
        passes="smooth_samples",
        sanity=RANKS_ADEBAYO,
        reference="Smilkov et al.: SmoothGrad, 2017, arXiv:1706.03825",
        caveats=(NORMALIZED.format("map"), "is random: give seed=… to repeat it"),
        stochastic=True,
        only_calls=True,
        defaults=(("smooth_samples", 20),),
    ),
    _row(
        "grad_cam",
        "gradcam:Gradcam",
        "layer",
        call=GRADIENT_CAM,
        family="cam",
        summary="a layer's channels, weighted by their mean gradients, added up, rectified and enlarged",
        passes="1",
        sanity=PASSES_ADEBAYO,
        reference="Selvaraju et al.: Grad-CAM, 2016, arXiv:1610.02391",
        caveats=(NORMALIZED.format("cam"), POSITIVE),
        rows_a_sample=1,
        needs=("logits", "map"),
    ),
    _row(
        "grad_cam++",
        "gradcam_plus_plus:GradcamPlusPlus",
        "layer",
        call=GRADIENT_CAM,
        family="cam",
        summary="Grad-CAM with weights from second and third derivatives",
        passes="1",
        reference="Chattopadhyay et al.: Grad-CAM++, 2017, arXiv:1710.11063",
        caveats=(NORMALIZED.format("cam"), POSITIVE, "takes exp(score): large logits overflow"),
        rows_a_sample=1,
        needs=("logits", "map"),
    ),
    _row(
        "score_cam",
        "scorecam:Scorecam",
        "layer",
        call=(
            SCORE,
            SEED_INPUT,
            *LAYER,
            *CAM,
            Argument("batch_size", "batch"),
            Argument("max_N", takes=whole(), also=("max_n",)),
            Argument("training", flag=True),
        ),
        family="cam",
        gradients=False,
        summary="a layer's channels, weighted by the output for the input masked with each",
        sanity=PASSES_WANG,
        passes="channels + 1",
        reference="Wang et al.: Score-CAM, 2019, arXiv:1910.01279",
        caveats=(
            NORMALIZED.format("cam"),
            POSITIVE,
            "runs the model once a channel of the layer",
            "applies a softmax to the output of several classes, whether the model has one already or not",
        ),
        rows_a_sample=1,
        needs=("logits", "map"),
    ),
    _row(
        "layer_cam",
        "layercam:Layercam",
        "layer",
        call=GRADIENT_CAM,
        family="cam",
        summary="a layer's channels, weighted element by element by their positive gradients and added up",
        passes="1",
        reference="Jiang et al.: LayerCAM, 2021, doi:10.1109/TIP.2021.3089943",
        caveats=(NORMALIZED.format("cam"), POSITIVE),
        rows_a_sample=1,
        needs=("logits", "map"),
    ),
)
