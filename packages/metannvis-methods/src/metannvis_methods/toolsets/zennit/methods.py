"""The methods of zennit: which rules they give a model, and what relevance begins with.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metannvis_methods.registry.option_words import ChosenWord
from metannvis_methods.toolsets.zennit.rules import Rules, composite, first_rule, negated, single
from metannvis_methods.toolsets.zennit.words import GRADIENTS

__all__ = ["LRP", "DeepTaylor", "ExcitationBackprop"]

#: As in zennit.
STABILIZER = 1e-6


class LRP:
    """Layer-wise relevance propagation by a composite of rules.

    Parameters
    ----------
    composite
        A composite of zennit's, or a rule for all linear layers.
    rules
        Rules by layer or by kind of layer, which come first.
    stabilizer
        What is added to denominators with their sign, where a rule is not given its own; epsilon, where it is not given.
    zero_params
        Weights that count as zero.
    """

    def __init__(
        self,
        model: Any,
        composite: Any = None,
        rules: Mapping[Any, ChosenWord] | None = None,
        stabilizer: float = STABILIZER,
        zero_params: str | None = None,
    ) -> None:
        self.name = composite[0].name if composite else "epsilon_plus"
        options = dict(composite[0].options) if composite else {}
        self.chosen, self.own = (self.name, options), dict(rules or {})
        self.stabilizer, self.zero_params = stabilizer, zero_params
        #: Whether relevance begins with the score, or a gradient with one.
        self.of_score = self.name not in (*GRADIENTS, "excitation_backprop")
        #: Whether there are rules for all that relevance passes.
        self.carries = self.name not in GRADIENTS

    def rules(self) -> Rules:
        """The rules."""
        name, options = self.chosen
        return Rules(
            composite(name, options, self.stabilizer, self.zero_params), self.own, self.stabilizer, self.zero_params
        )

    def contrast(self) -> Any:
        """Rule of the last layer by which what speaks against the target is found; ``None``: it is not asked for."""
        return None


class DeepTaylor(LRP):
    """Deep Taylor decomposition: z+ in all layers but those that the inputs go into, whose rule is ``first``."""

    def __init__(
        self,
        model: Any,
        first: Any = None,
        rules: Mapping[Any, ChosenWord] | None = None,
        stabilizer: float = STABILIZER,
        zero_params: str | None = None,
    ) -> None:
        super().__init__(model, None, rules, stabilizer, zero_params)
        self.first = first[0] if first else None

    def rules(self) -> Rules:
        """z+, and the rule of the first layers."""
        return Rules(
            first_rule(self.first, self.stabilizer, self.zero_params), self.own, self.stabilizer, self.zero_params
        )


class ExcitationBackprop(LRP):
    """Excitation backpropagation; ``contrastive`` takes what excites the opposite of the target off."""

    def __init__(self, model: Any, contrastive: bool = False, stabilizer: float = STABILIZER) -> None:
        super().__init__(model, None, None, stabilizer, "bias")
        self.contrastive, self.of_score = contrastive, False
        self.chosen = ("excitation_backprop", {})

    def contrast(self) -> Any:
        """z+ of the weights with their signs changed."""
        return negated(single("z_plus", {}, self.stabilizer, "bias")) if self.contrastive else None
