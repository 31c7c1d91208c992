"""zennit, as a toolset plug-in. Importing this loads neither it nor PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Toolset
from metannvis_methods.toolsets.zennit.rows import ROWS

__all__ = ["ZennitToolset", "toolset"]


class ZennitToolset(Toolset):
    """Layer-wise relevance propagation by zennit's rules."""

    key = "zennit"
    framework = "torch"
    packages = ("torch", "zennit")
    install = "pip install 'metannvis-methods[zennit]'"
    rows = ROWS

    def reasons_to_translate(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """What rules on modules would miss: functions that have a module, layers that are called twice."""
        if not inputs:
            return ()
        from metannvis_translate.frameworks import get_framework

        from metannvis_methods.toolsets.zennit.analysis import called_twice

        plugin = get_framework("torch")
        with adapter_for("torch").guarded(model):  # what works in place is no reason: it will not, in the run
            arrays = [to_numpy(value) for value in inputs]
            return (*plugin.needs_canonical(model, arrays, relevance=True), *called_twice(model, inputs))

    def lacks(self, call: MethodCall) -> Sequence[str]:
        """Modules without a rule that relevance would have to pass."""
        from metannvis_methods.toolsets.zennit.runner import without_rules

        names = without_rules(call)
        if not names:
            return ()
        text = f"{call.spec.key} has no rule for {', '.join(names)}"
        return (f"{text}: give one with rules={{layer: rule}}, or take another method",)

    def run(self, call: MethodCall) -> MethodOutput:
        """Run one of its methods."""
        from metannvis_methods.toolsets.zennit.runner import run

        return run(call)


toolset = ZennitToolset()
