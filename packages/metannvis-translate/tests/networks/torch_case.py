"""What a row of the hand-written zoo says.

A row makes the module and names its input shapes, without the batch. Weights, biases and statistics are randomised: zeros and
ones hide errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["Row", "randomize"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    make: Callable[[], nn.Module]
    shapes: tuple[Shape, ...]
    #: what PyTorch itself computes in single precision, so that the model is held to 1e-6 in double
    single: str = ""
    #: inputs are integers, many of them zero or at a bound, where derivatives differ by convention
    integers: bool = False
    #: for each input, 0 for floats, or the number that its integers are below
    below: tuple[int, ...] = ()
    #: names of the inputs that are given by name
    names: tuple[str, ...] = ()
    #: layers that compute something of weights alone: their output is no tensor of the translated model's graph
    constant: tuple[str, ...] = ()

    def given(self, batch: int, random: np.random.Generator, dtype: str = "float32") -> Any:
        """Inputs: a list of arrays, or a dict if they have names."""
        arrays = []
        for shape, below in zip(self.shapes, self.below or (0,) * len(self.shapes), strict=True):
            if below:
                arrays.append(random.integers(0, below, (batch, *shape)))
            else:
                array = random.standard_normal((batch, *shape))
                arrays.append((np.rint(2.5 * array) if self.integers else array).astype(dtype))
        return dict(zip(self.names, arrays, strict=True)) if self.names else arrays


def randomize(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of a sensible size, biases and batch statistics that are neither zero nor one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif tensor.ndim < 2:
                tensor.uniform_(-0.5, 0.8, generator=generator)
            else:
                fan = tensor[0].numel()
                tensor.normal_(0, fan**-0.5, generator=generator)
    return model.eval()
