"""Methods of our own, as a toolset plug-in: those that no kept library has. Importing this loads no framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_translate.frameworks import get_framework

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Toolset
from metannvis_methods.toolsets.load import load_class
from metannvis_methods.toolsets.metannvis.rows import ROWS

__all__ = ["OwnToolset", "toolset"]


class OwnToolset(Toolset):
    """Our methods, in any framework those that need predictions only, in PyTorch those that differentiate."""

    key = "metannvis"
    framework = None
    install = "pip install 'metannvis-translate[torch]'"
    rows = ROWS

    def packages_for(self, spec: MethodSpec) -> tuple[str, ...]:
        """The framework that a row runs in, if it runs in one."""
        return spec.frameworks

    def reasons_to_translate(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """ReLUs that are no modules, of which nobody is told that there are any; attention that one function computes."""
        if not spec.needs_canonical or not inputs:
            return ()
        adapter = adapter_for("torch")
        with adapter.guarded(model):
            if spec.key == "attn_lrp":
                from metannvis_methods.toolsets.metannvis.backprop.attention_relevance import functions_as_a_whole

                return functions_as_a_whole(model, inputs)
            plugin = get_framework("torch")
            return tuple(plugin.needs_canonical(model, [to_numpy(value) for value in inputs], relevance=False))

    def lacks(self, call: MethodCall) -> Sequence[str]:
        """What is behind the layer, where a method needs something there."""
        if "pooling" not in call.spec.needs:
            return ()
        from metannvis_methods.toolsets.metannvis.backprop.class_activation import without_pooling

        return tuple(filter(None, (without_pooling(call),)))

    def run(self, call: MethodCall) -> MethodOutput:
        """Run one of our methods."""
        found: MethodOutput = load_class(call.spec)(call, **call.init_arguments).attribute(**call.call_arguments)
        return found


toolset = OwnToolset()
