"""Optional libraries: those of the package's extras, imported when they are needed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from metannvis_methods.errors import MissingFrameworkError

__all__ = ["require_extra"]


def require_extra(module: str, extra: str, name: str) -> ModuleType:
    """Import a module of a library that an extra of metannvis-methods installs.

    Parameters
    ----------
    module
        Name of the module, ``"PIL.Image"``.
    extra
        Name of the extra, ``"images"``.
    name
        What people call the library, ``"Pillow"``.

    Raises
    ------
    MissingFrameworkError
        It is not installed; the message says what to install.
    """
    root = module.partition(".")[0]
    present = sys.modules[root] is not None if root in sys.modules else importlib.util.find_spec(root) is not None
    if not present:
        raise MissingFrameworkError(
            f"{name} is needed for this and is not installed: pip install 'metannvis-methods[{extra}]'"
        )
    return importlib.import_module(module)
