"""Methods against closed forms: ``metannvis evaluate ground-truth``."""

from __future__ import annotations

from metannvis_cli.experiment_commands import experiment_command

command = experiment_command(
    "ground-truth",
    """How far are methods from values that are known?

    Linear, additive and gated models and an image with a planted patch, in double precision: the error of every
    method against gradients, Integrated Gradients and Shapley values in closed form.
    """,
)
