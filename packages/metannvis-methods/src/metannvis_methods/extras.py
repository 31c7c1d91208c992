"""Optional libraries: those of the package's extras, imported when they are needed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from metannvis_methods.errors import MissingFrameworkError

__all__ = ["HEADLESS", "about_opencv", "require_extra"]

#: How the OpenCV for servers (of grad-cam) comes to the place of that for desktops (of Quantus): they are
#: one module.
HEADLESS = "pip uninstall -y opencv-python && pip install --force-reinstall --no-deps opencv-python-headless"


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


def about_opencv(error: ImportError) -> str:
    """What to do where OpenCV lacks libraries of a desktop (``libGL``), to put behind an error; empty of any other one."""
    if not any(name in str(error) for name in ("libGL", "libgthread", "libX11", "libEGL")):
        return ""
    return (
        ". The OpenCV that is installed, opencv-python, which Quantus asks for, needs libraries of a desktop (Debian: libgl1, "
        f"libglib2.0-0); {HEADLESS} does without"
    )
