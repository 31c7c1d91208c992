"""Our methods that differentiate the model, a row each."""

from __future__ import annotations

from metannvis_methods.registry.option_values import whole
from metannvis_methods.registry.references import CAM, LINEAR_APPROXIMATION, SENSITIVITY, TAYLOR
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.toolsets.metannvis.rows.arguments import EXTRA, INPUTS, LAYER, NOISY, PRODUCT, TARGET, row

__all__ = ["BACKPROP"]

N_STEPS = Argument("n_steps", takes=whole(1))

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
)
