"""Our methods that carry something back by rules of their own, a row each."""

from __future__ import annotations

from metannvis_methods.registry.option_values import whole
from metannvis_methods.registry.references import ATTN_LRP, DECONVOLUTION, GUIDED, SALIENCY
from metannvis_methods.registry.sanity_checks import FAILS_SIXT
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.toolsets.metannvis.rows.arguments import BLIND, NOT_NEGATIVE, at_a_layer, for_inputs

__all__ = ["LAYERS"]

CHANNEL = Argument("channel", takes=whole(0))

LAYERS: tuple[MethodSpec, ...] = (
    at_a_layer(
        "deconvnet",
        "reconstruction:Deconvnet",
        CHANNEL,
        summary="what a layer, or one of its feature maps, has seen of the input, by a deconvolutional network with switches",
        passes="1",
        sanity=FAILS_SIXT,
        reference=DECONVOLUTION,
        caveats=(BLIND, "says nothing of a class"),
        needs_canonical=True,
        needs=("relu",),
    ),
    at_a_layer(
        "filter_guided_backprop",
        "reconstruction:FilterGuidedBackprop",
        Argument("channel", required=True, takes=whole(0)),
        summary="guided backpropagation of a channel of a layer",
        passes="1",
        reference=GUIDED,
        caveats=(BLIND, "says nothing of a class"),
        needs_canonical=True,
        needs=("relu",),
    ),
    at_a_layer(
        "layer_vanilla_gradient",
        "reconstruction:LayerVanillaGradient",
        CHANNEL,
        summary="gradient of a layer, or one of its channels, at an image of noise",
        passes="1",
        reference=SALIENCY,
        caveats=("is of noise, whose shape and range are all that it takes of the input: give seed=… to repeat it",),
        stochastic=True,
    ),
    for_inputs(
        "attn_lrp",
        "attention_relevance:AttnLRP",
        Argument("epsilon", takes=NOT_NEGATIVE),
        only_calls=False,
        summary="relevance of the output, carried back layer by layer, through attention as well",
        passes="1",
        reference=ATTN_LRP,
        caveats=(
            "does not add up to the output: biases take relevance, and so does the softmax of attention",
            "takes a function that a network composes of products, as GELU of Keras in double precision, for such products",
            "is gradient times input where a network has neither attention nor normalization of layers",
        ),
        needs_canonical=True,
        needs=("logits",),
    ),
)
