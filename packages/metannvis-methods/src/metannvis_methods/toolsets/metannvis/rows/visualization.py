"""Our methods that make images, a row each."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import Values, number, one_or_several, sizes, whole
from metannvis_methods.registry.references import (
    DEEP_DREAM,
    FEATURE_VISUALIZATION,
    INVERTED,
    SYNTHESIZED,
)
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.toolsets.metannvis.rows.arguments import (
    EXTRA,
    POSITIVE,
    TARGET,
    row,
)
from metannvis_methods.toolsets.metannvis.visualization.parts import (
    OBJECTIVES,
    OPTIMIZERS,
    PARAMETERIZATIONS,
    REGULARIZERS,
    TRANSFORMS,
)

__all__ = ["VISUALIZATION"]

PROBABILITY = Values("a number above 0, at most 1", lambda value: POSITIVE.fits(value) and value <= 1)
CHANNELS = Values("a channel, or a list of them, one an image", one_or_several(whole(0)).fits)
START = Argument("inputs", "input")
LAYER = Argument("layer", "layer")
STEPS = Argument("steps", takes=whole(1))
SNAPSHOTS = Argument("snapshots", takes=whole(0))
SHAPE = Argument("shape", "window", takes=sizes("the shape of an image without the batch, such as (3, 224, 224)"))
REGULARIZED = Argument("regularizers", takes=REGULARIZERS, also=("regularizer",))
OPTIMIZED = Argument("optimizer", takes=OPTIMIZERS)
ASCENT = (
    Argument("channel", takes=CHANNELS),
    Argument("objective", takes=OBJECTIVES),
    Argument("parameterization", takes=PARAMETERIZATIONS),
    Argument("transforms", takes=TRANSFORMS, also=("transform",)),
    REGULARIZED,
    OPTIMIZED,
    Argument("images", takes=whole(1)),
    SHAPE,
    STEPS,
)
RESIZE = Argument("resize", flag=True)

GENERAL = (
    START,
    TARGET,
    LAYER,
    Argument("neuron", "neuron"),
    Argument("baselines", "baseline"),
    EXTRA,
    *ASCENT,
    Argument("probability", takes=PROBABILITY),
    SNAPSHOTS,
    RESIZE,
)

SHARED: dict[str, Any] = {
    "kind": "feature_visualization",
    "family": "optimization",
    "optimizes": True,
    "batchable": False,
    "stochastic": True,
    "rows_a_sample": 1,
}
RANGE = "takes 0 and 1 for black and white unless preprocess=, value_range= or the model says otherwise"
SMOOTHEST = (
    "an image of a class, below 64 pixels, is the smoothest with p = 0.98 unless the call names a part (pixels, "
    "total variation; from noise the best of three times 500 steps); others are a Fourier spectrum that is shifted (200 steps)"
)
SEEDED = "starts from noise: give seed=… to repeat it"

VISUALIZATION: tuple[MethodSpec, ...] = (
    row(
        "activation_maximization",
        "activation_maximization:ActivationMaximization",
        call=GENERAL,
        summary="images that a class, a layer, a channel or a neuron responds to most, kept like images by parts of choice",
        passes="steps + 1",
        reference=SYNTHESIZED,
        caveats=(
            RANGE,
            SEEDED,
            SMOOTHEST,
            "an image that a network is sure of need not look like one to people",
        ),
        **SHARED,
    ),
    row(
        "render",
        "activation_maximization:Render",
        call=GENERAL,
        summary="images of a layer's channels by a Fourier spectrum, colours that are not correlated, and transforms (Lucid)",
        passes="steps + 1",
        reference=FEATURE_VISUALIZATION,
        caveats=(RANGE, SEEDED),
        **SHARED,
    ),
    row(
        "deep_dream",
        "deep_dream:DeepDream",
        call=(
            START,
            Argument("layer", "layer", required=True),
            EXTRA,
            Argument("channel", takes=CHANNELS),
            Argument("images", takes=whole(1)),
            SHAPE,
            Argument("steps", takes=whole(1)),
            Argument("octaves", takes=whole(1)),
            Argument("octave_scale", takes=number(above=1)),
            Argument("rate", takes=POSITIVE),
            Argument("jitter", takes=whole(0)),
            SNAPSHOTS,
        ),
        summary="an image in which what a layer or a filter sees is made stronger, from coarse to fine",
        passes="steps * octaves + 1",
        reference=DEEP_DREAM,
        caveats=(
            RANGE,
            SEEDED,
            "passes images of several sizes up to the layer: of a network that takes one size only give octaves=1",
        ),
        **SHARED,
    ),
    row(
        "invert_representation",
        "inversion:InvertRepresentation",
        call=(
            Argument("inputs", "input", required=True),
            Argument("layer", "layer", required=True),
            EXTRA,
            REGULARIZED,
            OPTIMIZED,
            STEPS,
            SNAPSHOTS,
        ),
        summary="an image that a layer returns the same for as for the input: what the layer has kept of it",
        passes="steps + 2",
        reference=INVERTED,
        caveats=("of a deep layer there are many such images, of which it finds one", "is random in its start"),
        **SHARED,
    ),
)
