"""Weights of PyTorch modules: parameters, each of the module that has it by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from metannvis_methods.models.weights import Weight

__all__ = ["weights_of"]


def weights_of(modules: Iterable[tuple[str, Any]]) -> Mapping[str, list[Weight]]:
    """Floating parameters of each module's own, by its name; buffers are none."""
    found = {}
    for name, module in modules:
        own = [parameter for parameter in module.parameters(recurse=False) if parameter.is_floating_point()]
        if own:
            found[name] = [_weight(parameter) for parameter in own]
    return found


def _weight(parameter: torch.nn.Parameter) -> Weight:
    def assign(array: np.ndarray[Any, Any]) -> None:
        parameter.data.copy_(torch.from_numpy(np.ascontiguousarray(array)))

    return Weight(lambda: np.array(parameter.detach().cpu().double().numpy()), assign)
