"""zennit's runner: its hooks on the model in canonical form, relevance by autograd.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order
from metannvis_methods.models.torch_view import ViewedModule
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.load import load_class
from metannvis_methods.toolsets.relevance_functions import function_rules
from metannvis_methods.toolsets.torch_scores import scores_of
from metannvis_methods.toolsets.zennit.analysis import Analysis, analysis
from metannvis_methods.toolsets.zennit.canonical import Addition, exchanged, is_addition
from metannvis_methods.toolsets.zennit.methods import LRP
from metannvis_methods.toolsets.zennit.rules import OF_KIND, Rules, within

__all__ = ["run", "without_rules"]


def run(call: MethodCall) -> MethodOutput:
    """Relevance of the inputs, or of what the layer returns.

    Raises
    ------
    InvalidArgumentError
        Relevance would have to pass a module that has no rule.
    """
    method, model = _method(call), _inner(call.model)
    lacking = without_rules(call)
    if lacking:
        raise InvalidArgumentError(
            f"{call.spec.key} has no rule for {', '.join(lacking)}: give one with rules={{layer: rule}}, or take another method"
        )
    found, rules = _analysed(call), method.rules()
    values = _moved(call)
    with ExitStack() as stack:
        merged = [pair for pair in found.merged if _named(model)[pair[1]] not in rules.own] if method.carries else []
        instead = stack.enter_context(exchanged(model, merged)) if method.carries else {}
        hooks = _hooked(stack, model, found, rules, instead, method)
        kept = stack.enter_context(_kept(instead.get(call.layer, call.layer)))
        if method.carries:
            stack.enter_context(function_rules(model, call.model, method.stabilizer))
        output = _output(call.model, values)
        start = _start(call, output, values, of_score=method.of_score)
        points = kept if call.spec.kind == "layer" else [x for x in values[: len(call.inputs)] if x.requires_grad]
        relevance = _carried(output, points, start, hooks)
    if call.spec.kind == "layer":
        return MethodOutput(relevance[0], over="layer")
    parts = iter(relevance)
    each = tuple(next(parts) if x.requires_grad else torch.zeros_like(x) for x in values[: len(call.inputs)])
    delta = None
    if call.option("delta"):
        delta = sum(x.flatten(1).sum(1) for x in each) - start.reshape(len(start), -1).sum(1)
    return MethodOutput(each if call.several or len(each) > 1 else each[0], delta=delta)


def without_rules(call: MethodCall) -> list[str]:
    """Modules that relevance reaches and that have no rule, in the order in which they run."""
    method = _method(call)
    if not method.carries:
        return []
    found, rules, modules = _analysed(call), method.rules(), _named(_inner(call.model))
    merged = {norm for _, norm in found.merged}
    lacking = []
    for name in found.order:
        module = modules[name]
        if name not in found.reached or name in merged or is_addition(module) or Rules.passes(module):
            continue
        if rules.of(module, original=module, is_first=name in found.first) is None:
            lacking.append(f"{name!r} ({type(module).__name__})")
    return lacking


def _method(call: MethodCall) -> LRP:
    options = {name: value for name, value in call.init_options.items() if value is not None}
    method: LRP = load_class(call.spec)(call.model, **options)
    return method


def _inner(model: torch.nn.Module) -> torch.nn.Module:
    found: torch.nn.Module = model.model if isinstance(model, ViewedModule) else model
    return found


def _named(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    return dict(model.named_modules())


def _moved(call: MethodCall) -> list[Any]:
    """What goes into the model, inputs that are numbers with gradients."""
    inputs = [x.detach().requires_grad_() if x.is_floating_point() else x for x in call.inputs]
    return [*inputs, *in_order(call.option("extra"))]


def _output(model: torch.nn.Module, values: Sequence[Any]) -> torch.Tensor:
    """The output that is explained, its target not taken yet."""
    output: torch.Tensor = model.output(values) if isinstance(model, ViewedModule) else model(*values)
    return output


def _scores(call: MethodCall, output: torch.Tensor, values: Sequence[Any]) -> torch.Tensor:
    seen = call.model.scored(output, values) if isinstance(call.model, ViewedModule) else output
    return scores_of(seen, call.target)


def _start(call: MethodCall, output: torch.Tensor, values: Sequence[Any], *, of_score: bool) -> torch.Tensor:
    """Relevance of the output: what each of its numbers contributes to the score, or what the score's gradient is there."""
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_scores(call, leaf, values).sum(), leaf)
    return gradient * leaf.detach() if of_score else gradient


def _analysed(call: MethodCall) -> Analysis:
    view = call.model.view if isinstance(call.model, ViewedModule) else None
    key = None if view is None else (view.place, view.logits, id(view.embedding), view.order)

    def run_once() -> torch.Tensor:
        values = _moved(call)
        return _scores(call, _output(call.model, values), values)

    return analysis(_inner(call.model), call.layer, call.inputs, key, run_once)


def _hooked(
    stack: ExitStack, model: torch.nn.Module, found: Analysis, rules: Rules, instead: Any, method: LRP
) -> tuple[list[Any], Any, Any]:
    """Hooks of zennit on the modules; all of them, that of the last linear layer, and one that stands for it in a contrast."""
    originals, hooks, last = _named(model), [], None
    originals |= {name: old for old, new in instead.items() for name, now in originals.items() if now is new}
    for name in found.order:
        original = originals[name]
        module = instead.get(original, original)
        module = module.sum if isinstance(module, Addition) else module
        template = rules.of(module, original=original, is_first=name in found.first)
        if template is None:
            continue
        hook = within(template.copy(), found.inside.get(name))
        stack.callback(hook.register(module).remove)
        hooks.append(hook)
        if isinstance(module, OF_KIND["linear"]) and name in found.reached:
            last = (module, hook)
    against = method.contrast()
    if against is None or last is None:
        return hooks, None, None
    stack.callback(against.register(last[0]).remove)
    against.active = False
    return hooks, last[1], against


@contextmanager
def _kept(layer: Any) -> Any:
    """Within, what a layer returns is kept, as something that relevance is asked of."""
    kept: list[torch.Tensor] = []

    def keep(module: Any, given: Any, output: torch.Tensor) -> torch.Tensor | None:
        if output.requires_grad:
            kept.append(output)
            return None
        kept.append(output.detach().requires_grad_())  # what embeds indices depends on no number
        return kept[-1]

    hook = None if layer is None else layer.register_forward_hook(keep)
    try:
        yield kept
    finally:
        if hook is not None:
            hook.remove()


def _carried(
    output: torch.Tensor, points: Sequence[torch.Tensor], start: torch.Tensor, hooks: tuple[list[Any], Any, Any]
) -> list[torch.Tensor]:
    """Relevance at some points; in a contrast less that of the opposite of the target."""
    _, last, against = hooks

    def at_points(*, again: bool) -> list[torch.Tensor]:
        if not output.requires_grad:
            return [torch.zeros_like(x) for x in points]
        grads = torch.autograd.grad(output, points, start, allow_unused=True, retain_graph=again)
        return [torch.zeros_like(x) if g is None else g.detach() for x, g in zip(points, grads, strict=True)]

    first = at_points(again=against is not None)
    if against is None:
        return first
    last.active, against.active = False, True
    return [x - y for x, y in zip(first, at_points(again=False), strict=True)]
