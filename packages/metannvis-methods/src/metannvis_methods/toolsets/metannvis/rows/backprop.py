"""Our methods that differentiate the model, a row each."""

from __future__ import annotations

from metannvis_methods.registry.option_values import Values, number, one_of, whole
from metannvis_methods.registry.references import (
    BLUR_IG,
    CAM,
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
    EXTRA,
    INPUTS,
    LAYER,
    MASK,
    NOISY,
    POSITIVE,
    PRODUCT,
    SHARE,
    TARGET,
    row,
)

__all__ = ["BACKPROP"]

N_STEPS = Argument("n_steps", takes=whole(1))
NOT_NEGATIVE = number(0)
AREAS = Values(
    "a tuple of numbers between 0 and 1",
    lambda value: isinstance(value, (tuple, list)) and bool(value) and all(map(SHARE.fits, value)),
)

BACKPROP: tuple[MethodSpec, ...] = (
    row(
        "cam",
        "class_activation:ClassActivationMap",
        kind="layer",
        init=(LAYER,),
        call=(INPUTS, TARGET, EXTRA),
        family="cam",
        summary="channels of the layer, weighted by the dense layer behind the pooling",
        passes="2",
        reference=CAM,
        caveats=("is for networks that end in global average pooling and one dense layer; grad_cam is for all",),
        needs=("logits", "places", "map", "pooling"),
        rows_a_sample=1,
    ),
    row(
        "linear_approximation",
        "class_activation:LinearApproximation",
        kind="layer",
        init=(LAYER,),
        call=(INPUTS, TARGET, EXTRA),
        family="cam",
        summary="gradient times activation at the layer, summed over channels",
        passes="1",
        reference=LINEAR_APPROXIMATION,
        caveats=(PRODUCT,),
        needs=("places", "map"),
        rows_a_sample=1,
    ),
    row(
        "extremal_perturbation",
        "extremal:ExtremalPerturbation",
        call=(
            INPUTS,
            TARGET,
            EXTRA,
            Argument("areas", takes=AREAS),
            Argument("reward", takes=one_of("preserve", "delete", "dual", "contrastive")),
            N_STEPS,
        ),
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
        only_calls=True,
        rows_a_sample=1,
    ),
    row(
        "sensitivity_analysis",
        "taylor:SensitivityAnalysis",
        call=(INPUTS, TARGET, EXTRA),
        summary="squared gradient of the output with respect to the input",
        passes="1",
        reference=SENSITIVITY,
        caveats=(NOISY, "says what a change matters for, not what speaks for the output"),
        only_calls=True,
        rows_a_sample=1,
    ),
    row(
        "simple_taylor",
        "taylor:SimpleTaylor",
        call=(INPUTS, TARGET, EXTRA, N_STEPS),
        summary="difference from a root of the output times the gradient there",
        passes="2 * n_steps + 2",
        reference=TAYLOR,
        caveats=(
            "looks for the root along the gradient only, and is refused where there is none",
            "a root that is near may be no input that anybody has seen",
        ),
        needs=("logits",),
        only_calls=True,
        rows_a_sample=1,
    ),
    row(
        "blur_integrated_gradients",
        "paths:BlurIntegratedGradients",
        call=(INPUTS, TARGET, EXTRA, N_STEPS, Argument("max_sigma", takes=POSITIVE)),
        summary="gradients summed along the path of ever less blurred inputs",
        passes="n_steps",
        reference=BLUR_IG,
        caveats=("is for inputs with places, and has no baseline but a blurred input, dark at the border",),
        only_calls=True,
    ),
    row(
        "guided_integrated_gradients",
        "paths:GuidedIntegratedGradients",
        call=(
            INPUTS,
            TARGET,
            BASELINES,
            EXTRA,
            N_STEPS,
            Argument("fraction", takes=SHARE),
            Argument("max_dist", takes=NOT_NEGATIVE),
        ),
        summary="gradients summed along a path on which what has the smallest gradients moves first",
        passes="n_steps",
        reference=GUIDED_IG,
        caveats=(CHANGING, "has a path of its own for each output, so that attributions of two cannot be added up"),
        only_calls=True,
        rows_a_sample=1,
    ),
    row(
        "xrai",
        "xrai:Xrai",
        call=(INPUTS, TARGET, Argument("baselines", "distribution"), MASK, EXTRA, N_STEPS),
        summary="regions of an image, the one with the most integrated gradients a place first",
        passes="n_steps * baselines",
        reference=XRAI,
        caveats=(CHANGING, "ranks segments, which need not be those of what is seen", "makes segments by scikit-image"),
        only_calls=True,
    ),
)
