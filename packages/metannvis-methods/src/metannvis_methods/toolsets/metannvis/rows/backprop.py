"""Our methods that differentiate the model, a row each."""

from __future__ import annotations

from metannvis_methods.registry.option_values import Values, one_of, whole
from metannvis_methods.registry.references import (
    BLUR_IG,
    CAM,
    DEEP_LIFT,
    EXTREMAL,
    GUIDED_IG,
    LINEAR_APPROXIMATION,
    SENSITIVITY,
    TAYLOR,
    XRAI,
)
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.toolsets.metannvis.rows.arguments import (
    BASELINES,
    CHANGING,
    MASK,
    NOISY,
    NOT_NEGATIVE,
    POSITIVE,
    PRODUCT,
    SHARE,
    TARGET,
    at_a_layer,
    for_inputs,
)

__all__ = ["BACKPROP"]

N_STEPS = Argument("n_steps", takes=whole(1))
AREAS = Values(
    "a tuple of numbers between 0 and 1",
    lambda value: isinstance(value, (tuple, list)) and bool(value) and all(map(SHARE.fits, value)),
)

BACKPROP: tuple[MethodSpec, ...] = (
    at_a_layer(
        "cam",
        "class_activation:ClassActivationMap",
        TARGET,
        kind="layer",
        family="cam",
        summary="channels of the layer, weighted by the dense layer behind the pooling",
        passes="2",
        reference=CAM,
        caveats=("is for networks that end in global average pooling and one dense layer; grad_cam is for all",),
        needs=("logits", "places", "map", "pooling"),
    ),
    at_a_layer(
        "linear_approximation",
        "class_activation:LinearApproximation",
        TARGET,
        kind="layer",
        family="cam",
        summary="gradient times activation at the layer, summed over channels",
        passes="1",
        reference=LINEAR_APPROXIMATION,
        caveats=(PRODUCT,),
        needs=("places", "map"),
    ),
    for_inputs(
        "extremal_perturbation",
        "extremal:ExtremalPerturbation",
        Argument("areas", takes=AREAS),
        Argument("reward", takes=one_of("preserve", "delete", "dual", "contrastive")),
        N_STEPS,
        family="perturbation",
        gradients=True,
        summary="smooth mask of a given area under which the output is largest, by gradient descent",
        passes="n_steps * len(areas)",
        reference=EXTREMAL,
        caveats=(
            "takes as many passes as a slow perturbation, and its mask is one of many that do as well",
            "blurs what is masked: a blurred input may still say something",
        ),
        needs=("logits",),
    ),
    for_inputs(
        "sensitivity_analysis",
        "taylor:SensitivityAnalysis",
        summary="squared gradient of the output with respect to the input",
        passes="1",
        reference=SENSITIVITY,
        caveats=(NOISY, "says what a change matters for, not what speaks for the output"),
    ),
    for_inputs(
        "simple_taylor",
        "taylor:SimpleTaylor",
        N_STEPS,
        summary="difference from a root of the output times the gradient there",
        passes="2 * n_steps + 2",
        reference=TAYLOR,
        caveats=(
            "looks for the root along the gradient only, and is refused where there is none",
            "a root that is near may be no input that anybody has seen",
        ),
        needs=("logits",),
    ),
    for_inputs(
        "blur_integrated_gradients",
        "paths:BlurIntegratedGradients",
        N_STEPS,
        Argument("max_sigma", takes=POSITIVE),
        summary="gradients summed along the path of ever less blurred inputs",
        passes="n_steps",
        reference=BLUR_IG,
        caveats=("is for inputs with places, and has no baseline but a blurred input, dark at the border",),
        rows_a_sample=None,
    ),
    for_inputs(
        "guided_integrated_gradients",
        "paths:GuidedIntegratedGradients",
        BASELINES,
        N_STEPS,
        Argument("fraction", takes=SHARE),
        Argument("max_dist", takes=NOT_NEGATIVE),
        summary="gradients summed along a path on which what has the smallest gradients moves first",
        passes="n_steps",
        reference=GUIDED_IG,
        caveats=(CHANGING, "has a path of its own for each output, so that attributions of two cannot be added up"),
    ),
    for_inputs(
        "xrai",
        "xrai:Xrai",
        Argument("baselines", "distribution"),
        MASK,
        N_STEPS,
        summary="regions of an image, the one with the most integrated gradients a place first",
        passes="n_steps * baselines",
        reference=XRAI,
        caveats=(CHANGING, "ranks segments, which need not be those of what is seen", "makes segments by scikit-image"),
        rows_a_sample=None,
    ),
    for_inputs(
        "deep_lift_linear",
        "deep_lift:DeepLiftLinear",
        BASELINES,
        summary="differences from a baseline by the Linear rule and Rescale, positive and negative ones apart",
        passes="1",
        reference=DEEP_LIFT,
        caveats=(CHANGING, "is deep_lift of Captum but where a network takes maxima"),
        needs=("logits",),
    ),
    for_inputs(
        "deep_lift_reveal_cancel",
        "deep_lift:DeepLiftRevealCancel",
        BASELINES,
        summary="differences from a baseline by the Linear rule and RevealCancel, which sees what cancels",
        passes="1",
        reference=DEEP_LIFT,
        caveats=(CHANGING, "has rules for fewer functions than deep_lift of Captum, and refuses others"),
        needs=("logits",),
    ),
)
