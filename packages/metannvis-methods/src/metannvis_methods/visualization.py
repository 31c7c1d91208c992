"""Parts of image optimisations that a caller hands in: objectives, parameterizations, transforms, regularizers, experts.

For :func:`metannvis_methods.explain` with ``"activation_maximization"``, ``"render"`` and the like. Importing this loads no
framework.
"""

from __future__ import annotations

from metannvis_methods.toolsets.metannvis.visualization.experts import (
    DenoisingAutoencoder,
    ImageExpert,
    RestrictedBoltzmannMachine,
)
from metannvis_methods.toolsets.metannvis.visualization.objectives import (
    Channel,
    Direction,
    Diversity,
    Energy,
    Layer,
    Logit,
    LogProbability,
    Neuron,
    Objective,
    Output,
)
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import (
    Fourier,
    GeneratorCode,
    Parameterization,
    Pixels,
)
from metannvis_methods.toolsets.metannvis.visualization.regularizers import (
    L2,
    Expert,
    Norm,
    Regularizer,
    TotalVariation,
)
from metannvis_methods.toolsets.metannvis.visualization.training import (
    class_means,
    train_denoising_autoencoder,
    train_rbm,
)
from metannvis_methods.toolsets.metannvis.visualization.transforms import (
    Jitter,
    Pad,
    Roll,
    Rotate,
    Scale,
    Transform,
    shifts,
    standard,
)
from metannvis_methods.toolsets.metannvis.visualization.updates import Adam, Normalized, Sgd, Update

__all__ = [
    "L2",
    "Adam",
    "Channel",
    "DenoisingAutoencoder",
    "Direction",
    "Diversity",
    "Energy",
    "Expert",
    "Fourier",
    "GeneratorCode",
    "ImageExpert",
    "Jitter",
    "Layer",
    "LogProbability",
    "Logit",
    "Neuron",
    "Norm",
    "Normalized",
    "Objective",
    "Output",
    "Pad",
    "Parameterization",
    "Pixels",
    "Regularizer",
    "RestrictedBoltzmannMachine",
    "Roll",
    "Rotate",
    "Scale",
    "Sgd",
    "TotalVariation",
    "Transform",
    "Update",
    "class_means",
    "shifts",
    "standard",
    "train_denoising_autoencoder",
    "train_rbm",
]
