"""PyTorch: the plug-in, its exporter and its importer, and what other packages need of them.

Importing this imports no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metannvis_translate.frameworks.torch.hooks import sound_batch_norms
from metannvis_translate.frameworks.torch.kinds import convolves_over_one_axis, takes_indices
from metannvis_translate.frameworks.torch.model_state import ModelState
from metannvis_translate.frameworks.torch.module_walk import modules_of, tensors_of, walk
from metannvis_translate.frameworks.torch.plugin import framework
from metannvis_translate.frameworks.torch.state import refuse_inference_tensors

if TYPE_CHECKING:
    import torch

__all__ = [
    "ModelState",
    "addition_class",
    "convolves_over_one_axis",
    "framework",
    "modules_of",
    "refuse_inference_tensors",
    "sound_batch_norms",
    "takes_indices",
    "tensors_of",
    "walk",
]


def addition_class() -> type[torch.nn.Module]:
    """The class of additions in translated models, which a toolkit may need a rule for; imports PyTorch."""
    from metannvis_translate.frameworks.torch.importer.modules import Add

    return Add
