"""Rules of zennit, made of words, and which module has which.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from zennit.composites import COMPOSITES, LayerMapComposite, SpecialFirstLayerMapComposite, layer_map_base
from zennit.core import Composite, Hook, ParamMod
from zennit.rules import (
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Norm,
    Pass,
    ReLUBetaSmooth,
    ReLUDeconvNet,
    ReLUGuidedBackprop,
    WSquare,
    ZBox,
    ZPlus,
)
from zennit.types import Activation, AvgPool, BatchNorm, Convolution, Linear

from metannvis_methods.registry.option_words import ChosenWord
from metannvis_methods.toolsets.zennit.canonical import Sum

__all__ = ["Rules", "composite", "first_rule", "negated", "single", "within"]

#: Modules of translated models beside those of ``torch.nn``: activations, and those that are linear.
OWN_ACTIVATIONS = ("Clip", "Celu", "HardSigmoid", "SELU", "Shrink")
OWN_LINEAR = ("Resample", "SameAvgPool", "AvgPool")
#: Modules that move, choose or leave out elements, so that relevance goes with them as a gradient does.
MOVES = (
    "ReLU",  # what it leaves out has no relevance
    *("Identity", "Flatten", "Unflatten", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "Take", "SamePad", "Embedding"),
    *("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Maximum", "Minimum"),
    *(f"{kind}MaxPool{rank}d" for kind in ("", "Adaptive") for rank in (1, 2, 3)),
    *(f"{kind}Pad{rank}d" for kind in ("Zero", "Reflection", "Replication", "Circular") for rank in (1, 2, 3)),
)  # fmt: skip


class PassOn(Pass):
    """Relevance as it comes, also to a module whose function returns more than one tensor, as those of norms do."""

    def backward(self, module: Any, grad_input: Any, grad_output: Any) -> Any:
        """What belongs to the first."""
        return grad_output[:1]


SINGLE: Mapping[str, type[Hook]] = {
    "zero": Epsilon,
    "epsilon": Epsilon,
    "gamma": Gamma,
    "alpha_beta": AlphaBeta,
    "z_plus": ZPlus,
    "z_box": ZBox,
    "w_square": WSquare,
    "flat": Flat,
    "norm": Norm,
    "pass": PassOn,
    "relu_deconv_net": ReLUDeconvNet,
    "relu_guided_backprop": ReLUGuidedBackprop,
    "relu_beta_smooth": ReLUBetaSmooth,
}


def single(name: str, options: Mapping[str, Any], stabilizer: float, zero_params: str | None) -> Hook:
    """A rule by its word."""
    words = dict(options)
    if name in ("zero", "epsilon"):
        own = words.pop("stabilizer", stabilizer)
        words["epsilon"] = words.get("epsilon", own)
    elif name not in ("pass", "relu_deconv_net", "relu_guided_backprop", "relu_beta_smooth"):
        words.setdefault("stabilizer", stabilizer)
    if name not in ("norm", "pass", "relu_deconv_net", "relu_guided_backprop", "relu_beta_smooth"):
        words.setdefault("zero_params", zero_params)
    if name == "alpha_beta":
        words["alpha"] = float(words.get("alpha", 2.0))
        words["beta"] = words["alpha"] - 1
    if name == "z_box":
        words |= {side: _bound(words[side]) for side in ("low", "high")}
    return SINGLE[name](**words)


def composite(name: str, options: Mapping[str, Any], stabilizer: float, zero_params: str | None) -> Composite:
    """A composite of zennit's by its word, or a rule of all linear layers."""
    words = dict(options)
    if name in SINGLE:
        return LayerMapComposite([*layer_map_base(stabilizer), (Linear, single(name, words, stabilizer, zero_params))])
    if name not in ("deconvnet", "guided_backprop", "beta_smooth"):
        words.setdefault("stabilizer", stabilizer)
        words.setdefault("zero_params", zero_params)
    if name.startswith("epsilon"):
        words.setdefault("epsilon", words["stabilizer"])
    if name == "epsilon_gamma_box":
        words |= {side: _bound(words[side]) for side in ("low", "high")}
    if name == "excitation_backprop":  # it leaves activations to their gradients, which those of a ReLU are right for
        others = tuple(kind for kind in Activation.__subclass__ if kind is not torch.nn.ReLU)
        words["layer_map"] = [(others, Pass()), (BatchNorm, Pass())]
    return COMPOSITES[name](**words)


def first_rule(chosen: ChosenWord | None, stabilizer: float, zero_params: str | None) -> Composite:
    """z+ in all linear layers but the first, which have the rule that was chosen, or w²."""
    name, options = ("w_square", {}) if chosen is None else (chosen.name, chosen.options)
    return SpecialFirstLayerMapComposite(
        [*layer_map_base(stabilizer), (Linear, single("z_plus", {}, stabilizer, zero_params))],
        [(Linear, single(name, options, stabilizer, zero_params))],
    )


def negated(hook: Any) -> Hook:
    """A rule of a linear layer for its weights with their signs changed."""

    def changed(mod: ParamMod) -> ParamMod:
        return ParamMod(lambda tensor, name: mod.modifier(-tensor, name), zero_params=mod.zero_params)

    hook.param_modifiers = [changed(mod) for mod in hook.param_modifiers]
    found: Hook = hook
    return found


def within(hook: Hook, inside: torch.Tensor | None) -> Hook:
    """A rule that sees ones, or bounds, in the place of its input, for one that was padded: there are none in the padding."""
    if inside is None or not isinstance(hook, (WSquare, Flat, ZBox)):
        return hook
    hook.input_modifiers = [lambda x, change=change: change(x) * inside.to(x) for change in hook.input_modifiers]
    return hook


def _bound(value: Any) -> Any:
    """A bound as zennit takes it: a number, or one a channel, shape ``(1, C)``; a bare number it rounds to single precision."""
    bound = torch.as_tensor(value, dtype=torch.float64)
    return bound.reshape(1, -1) if bound.ndim else bound


class Rules:
    """Which rule each module has.

    Parameters
    ----------
    composite
        What says so.
    own
        Rules by module, and by kind of module, which come first.
    """

    def __init__(
        self, composite: Composite, own: Mapping[Any, ChosenWord], stabilizer: float, zero_params: str | None
    ) -> None:
        self.composite, self.stabilizer = composite, stabilizer
        self.own = {key: single(word.name, word.options, stabilizer, zero_params) for key, word in own.items()}

    def of(self, module: torch.nn.Module, *, original: torch.nn.Module, is_first: bool) -> Hook | None:
        """The rule of a module, which may stand in for another one; ``None``: its gradient."""
        for key in (original, *(kind for kind, types in OF_KIND.items() if isinstance(module, types))):
            if key in self.own:
                return self.own[key]
        name = type(module).__name__
        if _is_ours(module) and name in OWN_ACTIVATIONS:
            return PassOn()
        if (_is_ours(module) and name in OWN_LINEAR) or isinstance(module, torch.nn.Upsample):
            return Norm(stabilizer=self.stabilizer)
        found = self.composite.module_map({} if is_first else {"first_layer_visited": True}, "", module)
        return PassOn() if isinstance(found, Pass) else found

    @staticmethod
    def passes(module: torch.nn.Module) -> bool:
        """Whether relevance goes through a module as its gradient does."""
        return type(module).__name__ in MOVES


OF_KIND: Mapping[str, Any] = {
    "convolution": Convolution,
    "dense": torch.nn.Linear,
    "linear": Linear,
    "batch_norm": BatchNorm,
    "activation": Activation,
    "average_pool": AvgPool,
    "sum": Sum,
}


def _is_ours(module: torch.nn.Module) -> bool:
    return type(module).__module__.startswith("metannvis_translate.")
