"""Translated networks beside their sources: ``metannvis evaluate translation``."""

from __future__ import annotations

from metannvis_cli.experiment_commands import experiment_command

command = experiment_command(
    "translation",
    """Do translated networks say what their sources say?

    Networks of the examples, of torchvision (where it is installed) and of keras.applications, with random weights,
    are translated to the other framework and to ONNX: differences of outputs, layers and gradients.
    """,
)
