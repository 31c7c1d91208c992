"""Layer-wise relevance propagation: the rule for the additions of a translated model, which Captum does not know.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from typing import Any

__all__ = ["attach_rules"]


def attach_rules(model: Any) -> None:
    """Give every addition of a translated model the rule that Captum has for its own ``Addition_Module``.

    The caller's guard takes the rules off again.
    """
    import torch
    from captum.attr._utils.lrp_rules import EpsilonRule  # no public name leads there
    from metannvis_translate.frameworks.torch import addition_class

    class AdditionRule(EpsilonRule):
        """The epsilon rule; what is added as a number or a weight counts as a bias, which keeps its relevance."""

        def forward_hook(self, module: Any, inputs: tuple[Any, ...], outputs: torch.Tensor) -> Any:
            return super().forward_hook(module, _activations(inputs), outputs)

        def forward_hook_weights(self, module: Any, inputs: tuple[Any, ...], outputs: torch.Tensor) -> None:
            super().forward_hook_weights(module, _activations(inputs), outputs)

        def forward_pre_hook_activations(self, module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            super().forward_pre_hook_activations(module, _activations(inputs))
            return inputs

    def _activations(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value for value in inputs if isinstance(value, torch.Tensor) and id(value) not in weights)

    addition = addition_class()
    weights = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        if type(module) is addition and not hasattr(module, "rule"):
            module.rule = AdditionRule()
