"""Toolkits side by side: ``metannvis evaluate toolsets``."""

from __future__ import annotations

from metannvis_cli.experiment_commands import experiment_command

command = experiment_command(
    "toolsets",
    """How far apart are Saliency and Grad-CAM of all toolkits?

    On a network of digits of each framework, one toolkit runs it as it is and the others its translation: by their
    own defaults, with the options aligned, and as large as the input. Tables of differences, and figures with the
    differences drawn.
    """,
)
