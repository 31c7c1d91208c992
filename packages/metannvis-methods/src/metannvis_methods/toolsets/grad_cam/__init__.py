"""pytorch-grad-cam, as a toolset plug-in. Importing this loads neither it nor PyTorch."""

from __future__ import annotations

from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Toolset
from metannvis_methods.toolsets.grad_cam.exclusions import EXCLUDED
from metannvis_methods.toolsets.grad_cam.rows import ROWS

__all__ = ["GradCamToolset", "toolset"]


class GradCamToolset(Toolset):
    """Class activation maps of pytorch-grad-cam."""

    key = "grad-cam"
    framework = "torch"
    packages = ("torch", "pytorch_grad_cam")
    install = "pip install 'metannvis-methods[grad-cam]'"
    rows = ROWS
    excluded = EXCLUDED

    def run(self, call: MethodCall) -> MethodOutput:
        """Run one of its methods."""
        from metannvis_methods.toolsets.grad_cam.runner import run

        return run(call)


toolset = GradCamToolset()
