"""Rules and composites of zennit by word, with their options."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import Values, number, one_of
from metannvis_methods.registry.option_words import LayerWords, Word, Words

__all__ = ["COMPOSITES", "FIRST", "GRADIENTS", "LAYERS"]


def _numbers(value: Any) -> bool:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return isinstance(value, (tuple, list)) and bool(value) and all(map(number().fits, value))


#: A bound of what goes into a layer.
BOUND = Values("a number, or one a channel in a tuple", lambda value: number().fits(value) or _numbers(value))
PARAMS = one_of("bias", "weight")
COMMON = {"stabilizer": number(above=0), "zero_params": PARAMS}


def _rule(name: str, *also: str, main: str | None = None, required: tuple[str, ...] = (), **options: Values) -> Word:
    return Word(name, {**options, **COMMON}, main=main, also=also, required=required)


#: Rules that a linear layer may have; beta is alpha less one.
LINEAR = (
    _rule("zero", "LRP0"),
    _rule("epsilon", main="epsilon", epsilon=number(above=0)),
    _rule("gamma", main="gamma", gamma=number(0)),
    _rule("alpha_beta", main="alpha", alpha=number(1)),
    _rule("z_plus"),
    _rule("w_square"),
    _rule("flat"),
)
BOX = _rule("z_box", required=("low", "high"), low=BOUND, high=BOUND)
RULES = Words(
    "rule",
    (
        *LINEAR,
        BOX,
        Word("pass"),
        Word("norm", {"stabilizer": number(above=0)}),
        Word("relu_deconv_net"),
        Word("relu_guided_backprop"),
        Word("relu_beta_smooth", {"beta_smooth": number(above=0)}, main="beta_smooth"),
    ),
    several=False,
)
#: What kinds of layers are called.
KINDS = ("convolution", "dense", "linear", "batch_norm", "activation", "average_pool", "sum")
LAYERS = LayerWords(RULES, KINDS)
#: Composites that change gradients and carry no relevance.
GRADIENTS = ("deconvnet", "guided_backprop", "beta_smooth")
COMPOSITES = Words(
    "composite",
    (
        _rule("epsilon_plus", epsilon=number(above=0)),
        _rule("epsilon_plus_flat", epsilon=number(above=0)),
        _rule("epsilon_alpha2_beta1", epsilon=number(above=0)),
        _rule("epsilon_alpha2_beta1_flat", epsilon=number(above=0)),
        Word(
            "epsilon_gamma_box",
            {"low": BOUND, "high": BOUND, "epsilon": number(above=0), "gamma": number(0), **COMMON},
            required=("low", "high"),
        ),
        _rule("excitation_backprop"),
        *LINEAR,
        Word("deconvnet"),
        Word("guided_backprop"),
        Word("beta_smooth", {"beta_smooth": number(above=0)}, main="beta_smooth"),
    ),
    several=False,
)
#: Rules of the layers that the inputs go into, for deep Taylor decomposition.
FIRST = Words("rule", (_rule("w_square"), BOX, _rule("flat")), several=False)
