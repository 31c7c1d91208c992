"""ONNX: the plug-in, its exporter and its importer, and what other packages need of them.

Importing this imports no framework.
"""

from metannvis_translate.frameworks.onnx.local_functions import inlined
from metannvis_translate.frameworks.onnx.module_names import node_names
from metannvis_translate.frameworks.onnx.plugin import framework

__all__ = ["framework", "inlined", "node_names"]
