"""Layer-wise relevance propagation: the rule for the additions of a translated model, which Captum does not know.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from metannvis_methods.registry.toolset import MethodCall

__all__ = ["attach_rules", "without_rules"]


def attach_rules(call: MethodCall) -> None:
    """Give modules that Captum has no rule for the rule that they have.

    An addition of a translated model has that of Captum's own ``Addition_Module``; a softmax or sigmoid that is left out has
    none of the relevance, and is let alone. The caller's guard takes the rules off again.
    """
    model = call.model
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

    class Aside(EpsilonRule):
        """No rule, for a module behind what is explained."""

        def forward_hook(self, module: Any, inputs: Any, outputs: Any) -> Any:
            return outputs

        def forward_hook_weights(self, module: Any, inputs: Any, outputs: Any) -> None:
            """Nothing is kept."""

        def forward_pre_hook_activations(self, module: Any, inputs: Any) -> Any:
            return inputs

    for module in _left_out(call):
        if not hasattr(module, "rule"):
            module.rule = Aside()
    addition = addition_class()
    weights = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        if type(module) is addition and not hasattr(module, "rule"):
            module.rule = AdditionRule()


def without_rules(call: MethodCall) -> list[str]:
    """Modules that have no rule, neither their own nor Captum's, nor :func:`attach_rules` has one for; in its order."""
    from captum.attr._core import lrp  # no public name leads there
    from metannvis_translate.frameworks.torch import addition_class

    from metannvis_methods.models.torch_view import ViewedModule

    known = {*lrp.SUPPORTED_LAYERS_WITH_RULES, *lrp.SUPPORTED_NON_LINEAR_LAYERS, addition_class()}
    model = call.model.model if isinstance(call.model, ViewedModule) else call.model
    lacking = {
        name: module
        for name, module in model.named_modules()
        if name and not list(module.children()) and not hasattr(module, "rule") and type(module) not in known
    }
    aside = _left_out(call) if lacking else []
    return [
        f"{name!r} ({type(module).__name__})"
        for name, module in lacking.items()
        if not any(module is one for one in aside)
    ]


def _left_out(call: MethodCall) -> list[Any]:
    """Modules that take what is explained: the softmax or sigmoid that the view of the model leaves out."""
    import torch

    from metannvis_methods.models.arrays import in_order
    from metannvis_methods.models.torch_view import ViewedModule

    if not isinstance(call.model, ViewedModule) or not call.model.view.logits:
        return []
    taken: list[tuple[Any, Any]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, given: taken.append((module, given[0])))
        for module in call.model.model.modules()
        if isinstance(module, (torch.nn.Softmax, torch.nn.LogSoftmax, torch.nn.Sigmoid, torch.nn.LogSigmoid))
    ]
    if not hooks:
        return []
    view = dataclasses.replace(call.model.view, scores=(), targets=(), by_row=False)
    extra = in_order(call.option("extra"))
    if call.model.view.by_row:
        extra = extra[:-1]
    try:
        with torch.no_grad():
            seen = ViewedModule(call.model.model, view)(*(x[:1] for x in (*call.inputs, *extra)))
    finally:
        for hook in hooks:
            hook.remove()
    return [module for module, given in taken if given is seen]
