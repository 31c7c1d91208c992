"""The hand-written zoo: PyTorch networks that ``translate(model, "keras")`` is tested on."""

from __future__ import annotations

from zoo_torch_attention import ATTENTION
from zoo_torch_images import IMAGES
from zoo_torch_ordinary import ORDINARY
from zoo_torch_recurrent import RECURRENT
from zoo_torch_row import Row, randomize
from zoo_torch_tensors import TENSORS

__all__ = ["ZOO", "Row", "randomize"]

ZOO: dict[str, Row] = {**ORDINARY, **IMAGES, **RECURRENT, **ATTENTION, **TENSORS}
