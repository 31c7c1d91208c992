"""The former address of the importer to PyTorch: for converters that were written for it, and for models that were pickled.

See :mod:`metannvis_translate.frameworks.torch.importer`. A pickled translation names the functions that it calls by the modules
that they were in; these stand for those.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any

#: Modules that functions were in; ``modules`` and ``registry`` are files beside this one.
FORMER = (
    "activation", "attention", "calls", "conv", "elementwise", "gather", "importer", "integers", "linear", "losses", "names",
    "normalization", "order", "pad", "patterns", "pool", "quantize", "recurrence", "recurrent", "reduce", "reshape", "resize",
    "selection", "shape", "signal", "text", "vision",
)  # fmt: skip
IMPORTER = "metannvis_translate.frameworks.torch.importer"


class _Former(ModuleType):
    """A module whose functions are in other ones now, where they are looked up by their names."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            operators = importlib.import_module(f"{IMPORTER}.operators")
            for place in (
                *(f"operators.{m.name}" for m in pkgutil.iter_modules(operators.__path__)),
                "unrolled_recurrence",
                "integers",
            ):
                found = getattr(importlib.import_module(f"{IMPORTER}.{place}"), name, None)
                if found is not None:
                    return found
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


for _name in FORMER:
    sys.modules[f"{__name__}.{_name}"] = _Former(f"{__name__}.{_name}")
