"""Methods of our own, as a toolset plug-in: those that no kept library has. Importing this loads no framework."""

from __future__ import annotations

from collections.abc import Sequence

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
