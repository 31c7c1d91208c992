"""Words for the objects that methods of tf-keras-vis take: regularizers, modifiers, optimizers, callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metannvis_methods.registry.option_values import Values, number, one_of, pair, text, true_or_false, whole
from metannvis_methods.registry.option_words import Word, Words

__all__ = [
    "CALLBACKS",
    "FUNCTIONS_OF_INPUTS",
    "FUNCTION_OF_MAPS",
    "INPUT_MODIFIERS",
    "MODEL_MODIFIERS",
    "OPTIMIZERS",
    "RANGES",
    "REGULARIZERS",
    "UNCONNECTED",
]

WEIGHT = number()

REGULARIZERS = Words(
    "regularizer",
    (
        Word(
            "total_variation",
            {"weight": WEIGHT, "name": text("a text")},
            "weight",
            ("TotalVariation2D",),
            rank=(4, 4),
        ),
        Word("norm", {"weight": WEIGHT, "p": whole(1), "name": text("a text")}, "weight"),
    ),
    per_input=True,
)

_AXES = pair(whole(), "two axes of the input, such as (1, 2)")
INPUT_MODIFIERS = Words(
    "input modifier",
    (
        Word("jitter", {"jitter": whole(1)}, "jitter", rank=(3, None)),
        Word("rotate", {"degree": number(0), "axes": _AXES}, "degree", axes="axes", rank=(4, None)),
        Word("rotate2d", {"degree": number(0)}, "degree", rank=(4, None)),
        Word("scale", {"low": number(above=0), "high": number(above=0)}, rank=(3, None)),
    ),
    per_input=True,
)

#: Activations whose gradients guided backpropagation changes.
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "softplus", "tanh", "sigmoid")
_TARGETS = Values(
    f"one or several of {', '.join(ACTIVATIONS)}",
    lambda value: (
        value in ACTIVATIONS
        if isinstance(value, str)
        else isinstance(value, (list, tuple)) and bool(value) and all(item in ACTIVATIONS for item in value)
    ),
)
MODEL_MODIFIERS = Words(
    "model modifier",
    (
        Word(
            "guided",
            {"target_activations": _TARGETS},
            "target_activations",
            ("GuidedBackpropagation", "guided_backprop"),
        ),
        Word("linear", also=("ReplaceToLinear",)),
        Word(
            "extract",
            {"layer": text("the name of a layer of the model")},
            "layer",
            ("ExtractIntermediateLayer",),
            required=("layer",),
            layer="layer",
        ),
    ),
)

_FUNCTIONS = (
    Word("abs", also=("absolute",)),
    Word("relu", also=("positive",)),
    Word("negative_relu", also=("negative",)),
    Word("square"),
    Word("sign"),
    Word("tanh"),
    Word("sigmoid"),
    Word("l2_normalize", also=("normalize",)),
    Word("clip", {"low": number(), "high": number()}, required=("low", "high")),
)
#: A function of gradients or of maps.
FUNCTION_OF_MAPS = Words("function", _FUNCTIONS, several=False)
#: A function of an input that is made, one an input.
FUNCTIONS_OF_INPUTS = Words("function", _FUNCTIONS, several=False, per_input=True)

CALLBACKS = Words(
    "callback",
    (
        Word("progress"),
        Word("print", {"interval": whole(1)}, "interval", ("PrintLogger",)),
        Word("gif", {"path": text("the path of a .gif file")}, "path", ("GifGenerator2D",), required=("path",)),
    ),
)

_SHARE = number(0)
_EVERY: Mapping[str, Values] = {
    "learning_rate": number(above=0),
    "weight_decay": _SHARE,
    "clipnorm": number(above=0),
    "clipvalue": number(above=0),
    "global_clipnorm": number(above=0),
    "use_ema": true_or_false(),
    "ema_momentum": _SHARE,
    "ema_overwrite_frequency": whole(1),
    "gradient_accumulation_steps": whole(2),
}
_BETAS: Mapping[str, Values] = {"beta_1": _SHARE, "beta_2": _SHARE}
_EPSILON: Mapping[str, Values] = {"epsilon": _SHARE}
_AMSGRAD: Mapping[str, Values] = {"amsgrad": true_or_false()}
_FTRL: Mapping[str, Values] = {
    name: number()
    for name in (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )
}
_ADAFACTOR: Mapping[str, Values] = {
    "beta_2_decay": number(),
    "epsilon_1": _SHARE,
    "epsilon_2": _SHARE,
    "clip_threshold": number(above=0),
    "relative_step": true_or_false(),
}


def _optimizer(name: str, *options: Mapping[str, Any]) -> Word:
    every = dict(_EVERY)
    for some in options:
        every |= some
    return Word(name, every, "learning_rate")


OPTIMIZERS = Words(
    "optimizer",
    (
        _optimizer("sgd", {"momentum": _SHARE, "nesterov": true_or_false()}),
        _optimizer("rmsprop", _EPSILON, {"rho": _SHARE, "momentum": _SHARE, "centered": true_or_false()}),
        _optimizer("adam", _BETAS, _EPSILON, _AMSGRAD),
        _optimizer("adamw", _BETAS, _EPSILON, _AMSGRAD),
        _optimizer("adadelta", _EPSILON, {"rho": _SHARE}),
        _optimizer("adagrad", _EPSILON, {"initial_accumulator_value": _SHARE}),
        _optimizer("adamax", _BETAS, _EPSILON),
        _optimizer("nadam", _BETAS, _EPSILON),
        _optimizer("ftrl", _FTRL),
        _optimizer("adafactor", _ADAFACTOR),
        _optimizer("lion", _BETAS),
        _optimizer("lamb", _BETAS, _EPSILON),
    ),
    several=False,
)

#: What a gradient is where a score does not depend on the input.
UNCONNECTED = one_of("none", "zero")


def _is_range(value: Any) -> bool:
    """Two numbers, the lower in front, either of which may be ``None``; or ``None``, which is no limit."""
    if value is None:
        return True
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    low, high = value
    bounds = number()
    if not all(item is None or bounds.fits(item) for item in value):
        return False
    return low is None or high is None or bool(low < high)


#: Ranges of inputs that are made.
RANGES = Values(
    "a pair of numbers (low, high) with low below high, either of which may be None, or a list of one an input",
    lambda value: _is_range(value) or (isinstance(value, list) and bool(value) and all(map(_is_range, value))),
)
