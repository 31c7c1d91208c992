"""Process-wide state: who may use it now, and how it is put back.

PyTorch's and Keras' exporters patch functions and warnings filters, toolkits draw from generators that every thread shares, and
a module in use has another mode and more hooks than its owner gave it. So one thread at a time does any of it.
"""

from __future__ import annotations

from metannvis_translate.process.generators import generators_kept, generators_seeded
from metannvis_translate.process.limits import check_limit, current_limits
from metannvis_translate.process.locks import WAITING, exclusive, using
from metannvis_translate.process.patches import in_this_thread, patched

__all__ = [
    "WAITING",
    "check_limit",
    "current_limits",
    "exclusive",
    "generators_kept",
    "generators_seeded",
    "in_this_thread",
    "patched",
    "using",
]
