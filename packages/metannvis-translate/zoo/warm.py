"""Imported by the process that the members' own processes are forked from: what loading the frameworks costs is paid once.

TensorFlow must be loaded, but not have run anything, before a process is forked.
"""

from __future__ import annotations

import torch
import torchvision  # noqa: F401
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.exporter.export import export_model
from torch import nn

torch.set_num_threads(1)
require("tensorflow")
require("keras")
from . import checks  # noqa: E402, F401

# the exporters load half of PyTorch on their first use
export_model(nn.Linear(2, 2), [torch.zeros(2, 2).numpy()], dtype=None, progress=lambda done, total, stage: None)
