"""The hand-written zoo: PyTorch networks that ``translate(model, "keras")`` is tested on."""

from __future__ import annotations

from .torch_attention import ATTENTION
from .torch_case import Row, randomize
from .torch_images import IMAGES
from .torch_ordinary import ORDINARY
from .torch_recurrent import RECURRENT
from .torch_tensors import TENSORS

__all__ = ["ZOO", "Row", "randomize"]

ZOO: dict[str, Row] = {**ORDINARY, **IMAGES, **RECURRENT, **ATTENTION, **TENSORS}
