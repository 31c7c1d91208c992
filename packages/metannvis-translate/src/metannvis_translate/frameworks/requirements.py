"""Framework imports: the one place that does them, in an order that is safe."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import threading
from types import ModuleType
from typing import Any

from metannvis_translate.errors import MissingFrameworkError
from metannvis_translate.frameworks.library_messages import kept_back

__all__ = ["entry_points", "is_installed", "require"]

INSTALL = {
    "torch": "pip install 'metannvis-translate[torch]'",
    "tensorflow": "pip install 'metannvis-translate[tensorflow]'",
    "keras": "pip install 'metannvis-translate[tensorflow]'",
    "onnxscript": "pip install 'metannvis-translate[torch]'",
    "onnx2torch": "pip install 'metannvis-translate[torch]'",
    "tf2onnx": "pip install 'metannvis-translate[tensorflow]'",
    "onnxruntime": "pip install 'metannvis-translate[runtime]'",
    "onnx2keras": "pip install 'metannvis-translate[onnx2keras]'",
}


#: Two threads that import PyTorch and TensorFlow at once would meet half-way: see :func:`require`.
_importing = threading.RLock()


def entry_points(*, group: str) -> Any:
    """Entry points of a group, as :func:`importlib.metadata.entry_points` gives them; importing that takes a while."""
    from importlib.metadata import entry_points as installed

    return installed(group=group)


def is_installed(module: str) -> bool:
    """Whether a module could be imported; imports nothing."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def require(module: str) -> ModuleType:
    """Import a framework or a library built on one, in an order that is safe.

    TensorFlow and triton (which PyTorch loads lazily) each carry LLVM and register the same command-line options.
    If TensorFlow comes first, loading triton's native library aborts the process, which cannot be caught. So triton
    is loaded first where there is still time, and kept out of the process where there is not. What TensorFlow says of
    itself while it is imported is kept back: ``METANNVIS_LIBRARY_MESSAGES=1`` shows it.

    Raises
    ------
    MissingFrameworkError
        It is not installed; the message says what to install.
    """
    root = module.partition(".")[0]
    if not is_installed(root):
        how = INSTALL.get(root, f"pip install {root}")
        raise MissingFrameworkError(f"{root} is needed for this and is not installed: {how}")
    with _importing:
        _separate_llvm()
        if root == "onnxruntime" and root not in sys.modules:
            return _without_telemetry(module)
        if module in sys.modules:
            return importlib.import_module(module)
        with kept_back():
            return importlib.import_module(module)


def _without_telemetry(module: str) -> ModuleType:
    """Import ONNX Runtime such that it reports nothing: from 1.32 on it sends what it runs to its makers, and keeps a file.

    It asks for the variable once, while it is imported. Who set it, or imported it before us, has decided.
    """
    if "ORT_DISABLE_TELEMETRY" in os.environ:
        return importlib.import_module(module)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        return importlib.import_module(module)
    finally:
        del os.environ["ORT_DISABLE_TELEMETRY"]


def _separate_llvm() -> None:
    """Load triton's native library before TensorFlow, or keep it out if TensorFlow is there already."""
    if "triton" in sys.modules or not _has_triton() or not is_installed("tensorflow"):
        return
    if "tensorflow" in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]  # an import of it now fails instead of aborting
    else:
        importlib.import_module("triton._C.libtriton")


@functools.cache
def _has_triton() -> bool:
    """Looked for once: each look for what is not installed goes through every folder of packages."""
    return is_installed("triton")


# The one thing done at import: a process that holds TensorFlow already is kept from loading triton (an entry in a table;
# nothing is imported), so that the user's own `import torchvision` further down does not abort it.
if "tensorflow" in sys.modules:
    _separate_llvm()
