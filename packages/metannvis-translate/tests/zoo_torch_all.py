"""The whole hand-written zoo."""

from __future__ import annotations

from zoo_torch import ZOO as ORDINARY
from zoo_torch import Row, randomize
from zoo_torch_attention import ATTENTION
from zoo_torch_images import IMAGES
from zoo_torch_recurrent import RECURRENT
from zoo_torch_tensors import TENSORS

__all__ = ["ZOO", "Row", "randomize"]

ZOO: dict[str, Row] = {**ORDINARY, **IMAGES, **RECURRENT, **ATTENTION, **TENSORS}
