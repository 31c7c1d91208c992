"""The classes of nn_interpretability for relevance propagation, on zennit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_methods.classic.interpreter import Interpreter
from metannvis_methods.errors import InvalidArgumentError

__all__ = ["LRP0", "LRPAlphaBeta", "LRPEpsilon", "LRPGamma", "LRPMix"]

#: Layers that have weights.
LINEAR = ("convolution", "dense")


class _Relevance(Interpreter):
    """Relevance by one rule in all layers with weights.

    ``visualize_layer`` is 0 for the image, or the name of a layer; with ``input_z_beta`` the first layer has the rule for
    inputs within bounds, ``low`` and ``high``, −1 and 1 as there.
    """

    method, toolset = "lrp", "zennit"
    rule: Any = "zero"

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        visualize_layer: int | str = 0,
        input_z_beta: bool = True,
        *,
        low: float | Sequence[float] = -1.0,
        high: float | Sequence[float] = 1.0,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, **words)
        if visualize_layer != 0 and not isinstance(visualize_layer, str):
            raise InvalidArgumentError(
                f"visualize_layer is 0, the image, or the name of a layer, not {visualize_layer!r}"
            )
        self.layer = visualize_layer or None
        self.bounds = {"low": low, "high": high} if input_z_beta and self.layer is None else None

    def get_class(self) -> int:
        """As :meth:`last_prediction`."""
        return self.last_prediction()

    def request(self, image: Any) -> dict[str, Any]:
        """With the rules, and the layer."""
        options: dict[str, Any] = {"composite": self.rule}
        rules = self.rules(image)
        if self.bounds is not None:
            rules = {**rules, self._weighted(image)[0]: {"z_box": self.bounds}}
        if rules:
            options["rules"] = rules
        return {**super().request(image), "options": options, "layer": self.layer}

    def rules(self, image: Any) -> dict[str, Any]:
        """Rules of layers that have another one."""
        return {}

    def _weighted(self, image: Any) -> list[str]:
        """Layers with weights, in the order in which they run."""
        rows = self._layers("layer_lrp", self.toolset, image)
        names = [row.source.name for row in rows if row.source.role in LINEAR and not row.source.parent]
        if not names:
            raise InvalidArgumentError("no layer with weights was found, which could have a rule")
        return names


class LRP0(_Relevance):
    """LRP-0; there also as ``LRPTranspose``."""


class LRPEpsilon(_Relevance):
    """LRP-ε with one ``epsilon`` for all layers."""

    def __init__(self, *given: Any, epsilon: float = 1e-6, **words: Any):
        super().__init__(*given, **words)
        self.rule = {"epsilon": epsilon}


class LRPGamma(_Relevance):
    """LRP-γ with γ = 0.25."""

    def __init__(self, *given: Any, gamma: float = 0.25, **words: Any):
        super().__init__(*given, **words)
        self.rule = {"gamma": gamma}


class LRPAlphaBeta(_Relevance):
    """LRP-αβ, β being α − 1: (1, 0) is z⁺, (2, 1) shows what speaks against the target as well."""

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        alpha: float = 1.0,
        beta: float = 0.0,
        *given: Any,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, *given, **words)
        if alpha < 1 or beta != alpha - 1:
            raise InvalidArgumentError(f"alpha is at least 1 and beta alpha − 1, not {alpha!r} and {beta!r}")
        self.rule = {"alpha_beta": float(alpha)}


class LRPMix(LRPAlphaBeta):
    """LRP-αβ in the first three tenths of the layers with weights, LRP-ε up to six tenths, LRP-0 in the rest."""

    def __init__(self, *given: Any, epsilon: float = 1e-6, **words: Any):
        super().__init__(*given, **words)
        self.epsilon = epsilon

    def rules(self, image: Any) -> dict[str, Any]:
        """Those of the middle and of the upper layers."""
        names = self._weighted(image)
        lower, middle = (round(share * len(names)) for share in (0.3, 0.6))
        return {
            **{name: {"epsilon": self.epsilon} for name in names[max(lower, 1) : middle]},
            **dict.fromkeys(names[max(middle, 1) :], "zero"),
        }
