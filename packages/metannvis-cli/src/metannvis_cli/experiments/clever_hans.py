"""Clever Hans, and who points at what he reads: ``metannvis evaluate clever-hans``."""

from __future__ import annotations

from metannvis_cli.experiment_commands import experiment_command

command = experiment_command(
    "clever-hans",
    """Which methods point at a square that gives the label away?

    The labels of handwritten digits are permuted, and a grey square in the corner is as bright as the label is
    large. A network is trained in Keras and explained by the toolsets of PyTorch, and one in PyTorch by tf-keras-
    vis, both by our own: the share of each map in the square, against chance, against a network that has never seen
    it, and against a native twin with the same weights.
    """,
)
