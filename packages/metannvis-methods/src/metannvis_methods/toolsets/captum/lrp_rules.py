"""Layer-wise relevance propagation: the rules that Captum lacks for translated models, and the relevance of activations.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import LayerLRP
from captum.attr._core.lrp import (  # no public name leads there
    SUPPORTED_LAYERS_WITH_RULES,
    SUPPORTED_NON_LINEAR_LAYERS,
)
from captum.attr._utils.lrp_rules import EpsilonRule
from metannvis_translate.frameworks.torch import addition_class

from metannvis_methods.models.final_activation import FinalActivation
from metannvis_methods.models.structures import leaves
from metannvis_methods.models.view import View
from metannvis_methods.toolsets.relevance_functions import function_rules

__all__ = ["ActivationLRP", "attach_rules", "is_activation", "rules_beside_captum", "without_rules"]

#: Modules that make probabilities.
PROBABILITIES = (torch.nn.Softmax, torch.nn.LogSoftmax, torch.nn.Sigmoid, torch.nn.LogSigmoid)
#: Pools, of which Captum has rules for some. All are linear in what they choose or average.
POOLS = {
    getattr(torch.nn, f"{kind}Pool{n}d") for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg") for n in (1, 2, 3)
}


def attach_rules(model: Any, inputs: tuple[Any, ...]) -> None:
    """Give modules of a viewed model the rules that Captum lacks; the caller's guard takes them off again.

    Every addition of a translated model gets the rule that Captum has for its own ``Addition_Module``, every pool that of its
    ``MaxPool2d``, and a softmax or sigmoid whose result the view leaves out gets none to speak of: nothing is carried back
    through it.
    """
    addition = addition_class()
    weights = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        if hasattr(module, "rule"):
            continue
        if type(module) is addition:
            module.rule = AdditionRule(weights)
        elif type(module) in POOLS - SUPPORTED_LAYERS_WITH_RULES.keys():
            module.rule = EpsilonRule()
    view = getattr(model, "view", None)
    if isinstance(view, View) and view.logits:
        for module in _left_out(model, view, inputs):
            if not hasattr(module, "rule"):
                module.rule = NoRule()


def without_rules(model: Any, inputs: tuple[Any, ...]) -> list[str]:
    """Modules that have no rule, neither their own nor Captum's, nor :func:`attach_rules` has one for; in the model's order."""
    known = {*SUPPORTED_LAYERS_WITH_RULES, *SUPPORTED_NON_LINEAR_LAYERS, *POOLS, addition_class()}
    view, whole = getattr(model, "view", None), getattr(model, "model", model)
    viewed = isinstance(view, View)
    lacking = {
        name: module
        for name, module in (whole if viewed else model).named_modules()
        if name and not any(module.children()) and not hasattr(module, "rule") and type(module) not in known
    }
    aside = _left_out(model, view, inputs) if lacking and isinstance(view, View) and view.logits else []
    return [
        f"{name!r} ({type(module).__name__})"
        for name, module in lacking.items()
        if not any(module is one for one in aside)
    ]


@contextmanager
def rules_beside_captum(model: Any) -> Iterator[None]:
    """Within, relevance is carried through what Captum does not see, and apart where it would mix it up."""
    with _inputs_apart(model), function_rules(getattr(model, "model", model), model):
        yield


@contextmanager
def _inputs_apart(model: Any) -> Iterator[None]:
    """Within, every module gets its inputs as tensors of its own.

    Captum hooks on what a module is given: if something else, a function or another module, is given the same tensor, what that
    sends back is multiplied as well, and relevance is lost or made.
    """
    weights = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}

    def own(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            x.view_as(x) if isinstance(x, torch.Tensor) and x.requires_grad and id(x) not in weights else x
            for x in given
        )

    hooks = [module.register_forward_pre_hook(own) for module in model.modules() if not any(module.children())]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class AdditionRule(EpsilonRule):
    """The epsilon rule; what is added as a number or a weight counts as a bias, which keeps its relevance."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()
        self.weights = weights

    def forward_hook(self, module: Any, inputs: tuple[Any, ...], outputs: torch.Tensor) -> Any:
        """As the rule does it, of the activations."""
        return super().forward_hook(module, self._activations(inputs), outputs)

    def forward_hook_weights(self, module: Any, inputs: tuple[Any, ...], outputs: torch.Tensor) -> None:
        """As the rule does it, of the activations."""
        super().forward_hook_weights(module, self._activations(inputs), outputs)

    def forward_pre_hook_activations(self, module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """As the rule does it, of the activations."""
        super().forward_pre_hook_activations(module, self._activations(inputs))
        return inputs

    def _activations(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x for x in inputs if isinstance(x, torch.Tensor) and id(x) not in self.weights)


class NoRule(EpsilonRule):
    """For a module whose result is not used."""

    def forward_hook(self, module: Any, inputs: Any, outputs: Any) -> None:
        """Nothing is hooked."""

    def forward_hook_weights(self, module: Any, inputs: Any, outputs: Any) -> None:
        """Nothing is kept."""

    def forward_pre_hook_activations(self, module: Any, inputs: Any) -> None:
        """Nothing is put back."""


def _left_out(model: Any, view: View, inputs: tuple[Any, ...]) -> list[Any]:
    """The module of the softmax or sigmoid that a model ends in, if it is a module's."""
    calls: list[tuple[Any, Any]] = []
    modules = [module for module in model.modules() if isinstance(module, PROBABILITIES)]
    hooks = [
        module.register_forward_hook(lambda module, given, _: calls.append((module, given[0]))) for module in modules
    ]
    try:
        with torch.no_grad(), FinalActivation() as final:
            output = model.model(*inputs)
        tensor = next(itertools.islice((t for _, t in leaves(output, torch.is_tensor)), view.place, None))
        before = final.before(tensor)
    finally:
        for hook in hooks:
            hook.remove()
    last = [module for module, given in calls if given is before]
    return [module for module in last if sum(called is module for called, _ in calls) == 1]


def is_activation(layer: Any) -> bool:
    """Whether relevance goes through a layer as it is, so that Captum has no rule for it and says nothing of it."""
    return type(layer) in SUPPORTED_NON_LINEAR_LAYERS


class ActivationLRP(LayerLRP):
    """``LayerLRP`` of an activation: what its output is worth is what goes through it to what is before."""

    def attribute(self, *given: Any, **arguments: Any) -> Any:
        """As ``LayerLRP``."""
        with _relevance_through(self.layer) as self._found:
            return super().attribute(*given, **arguments)

    def _get_single_output_relevance(self, layer: Any, output: torch.Tensor) -> torch.Tensor:
        relevance: torch.Tensor = self._found[-1]
        return relevance * output.reshape((-1,) + (1,) * (relevance.ndim - 1))


@contextmanager
def _relevance_through(layer: Any) -> Iterator[list[torch.Tensor]]:
    """Within, collects what arrives at the input of a layer in a backward pass, behind Captum's own hooks on it."""
    found: list[torch.Tensor] = []

    def before_captum(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        own = given[0].view_as(given[0])
        if own.requires_grad:
            own.register_hook(found.append)
        return (own.view_as(own), *given[1:])

    hook = layer.register_forward_pre_hook(before_captum)
    try:
        yield found
    finally:
        hook.remove()
