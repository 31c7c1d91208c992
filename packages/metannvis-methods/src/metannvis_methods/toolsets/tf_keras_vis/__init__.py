"""tf-keras-vis, as a toolset plug-in. Importing this loads neither tf-keras-vis nor TensorFlow."""

from __future__ import annotations

from metannvis_methods.registry.toolset import MethodCall, MethodOutput, Toolset
from metannvis_methods.toolsets.tf_keras_vis.rows import ROWS

__all__ = ["TfKerasVisToolset", "toolset"]


class TfKerasVisToolset(Toolset):
    """Methods of tf-keras-vis."""

    key = "tf-keras-vis"
    framework = "tensorflow"
    packages = ("tensorflow", "tf_keras_vis")
    install = "pip install 'metannvis-methods[tf-keras-vis]'"
    rows = ROWS

    def run(self, call: MethodCall) -> MethodOutput:
        """Run one of the methods of tf-keras-vis."""
        from metannvis_methods.toolsets.tf_keras_vis.runner import run

        return run(call)


toolset = TfKerasVisToolset()
