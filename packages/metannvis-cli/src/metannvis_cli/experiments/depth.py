"""Two digits, told apart by layers: ``metannvis evaluate depth``."""

from __future__ import annotations

from metannvis_cli.experiment_commands import experiment_command

command = experiment_command(
    "depth",
    """At which layers does Grad-CAM tell two digits apart?

    Networks see two digits side by side, and are explained for each: the share of a map that lies in the half of
    its own digit, from the last convolution to the first.
    """,
)
