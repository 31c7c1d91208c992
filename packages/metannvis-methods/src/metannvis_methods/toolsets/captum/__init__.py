"""Captum, as a toolset plug-in. Importing this loads neither Captum nor PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Toolset
from metannvis_methods.toolsets.captum.exclusions import EXCLUDED
from metannvis_methods.toolsets.captum.rows import ROWS

__all__ = ["CaptumToolset", "toolset"]


class CaptumToolset(Toolset):
    """Captum's attribution methods."""

    key = "captum"
    framework = "torch"
    packages = ("torch", "captum")
    install = "pip install 'metannvis-methods[captum]'"
    rows = ROWS
    excluded = EXCLUDED

    def reasons_to_translate(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """Activations that a method which hooks on modules would miss or get wrong."""
        if not spec.needs_canonical or not inputs:
            return ()
        if spec.base in ("deep_lift", "deep_lift_shap"):
            from metannvis_methods.toolsets.captum.deep_lift_interception import functions_without_rules

            with adapter_for("torch").guarded(model):
                return tuple(functions_without_rules(model, inputs))
        from metannvis_translate.frameworks import get_framework

        plugin = get_framework("torch")
        with adapter_for("torch").guarded(model):  # what works in place is no reason: it will not, in the run
            arrays = [to_numpy(value) for value in inputs]
            found = tuple(plugin.needs_canonical(model, arrays, relevance=spec.base == "lrp"))
        own = [name for name, module in model.named_modules() if getattr(module, "rule", None) is not None]
        if found and own and spec.base == "lrp":
            raise InvalidArgumentError(
                f"the rule of {', '.join(map(repr, own))} would be lost: the model has to be brought into canonical form, "
                f"since {'; '.join(found)}"
            )
        return found

    def lacks(self, call: MethodCall) -> Sequence[str]:
        """Modules for which relevance propagation has no rule."""
        if "rules" not in call.spec.needs:
            return ()
        from metannvis_methods.toolsets.captum.lrp_rules import without_rules

        names = without_rules(call.model, (*call.inputs, *in_order(call.option("extra"))))
        if not names:
            return ()
        text = (
            f"{call.spec.key} has no rule for {', '.join(names)}, and Captum refuses the model: set a rule on each as its "
            "attribute rule (captum.attr._utils.lrp_rules), or take integrated_gradients or deep_lift"
        )
        return (text,)

    def run(self, call: MethodCall) -> MethodOutput:
        """Run one of Captum's methods."""
        from metannvis_methods.toolsets.captum.runner import run

        return run(call)


toolset = CaptumToolset()
